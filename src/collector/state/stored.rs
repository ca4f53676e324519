//! The state file's text: records by meter, of which each stands for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::noted::{Noted, take_newer};
use crate::collector::history::Record;
use crate::host::file::FileError;
use crate::meter::reading::milliseconds;

/// The format this program reads and writes.
pub(super) const FORMAT: u64 = 1;
/// How far ahead of the clock a reading may have been, in ms: two hosts, or a clock that is disciplined.
const AHEAD: i64 = 60_000;
/// How long a meter is remembered that is not in the configuration any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(90 * 24 * 3600);

/// What a state file holds.
#[derive(Debug)]
pub(super) struct Stored {
    /// Originator serial number of this installation: the same after a restart, and nobody else's.
    pub(super) originator: u32,
    pub(super) meters: BTreeMap<String, Record>,
    /// Sentences that a person was told before.
    pub(super) said: BTreeSet<String>,
    /// Meters whose records make no sense, and why.
    pub(super) lost: Vec<(String, serde_json::Error)>,
    /// Meters that were read later than now.
    pub(super) ahead: Vec<String>,
}

/// Why a file that is there is no state file of this program.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Another program has written it, a newer one.
    #[error("it has format {0}, and this program knows format {FORMAT}")]
    Format(u64),
    /// It is damaged.
    #[error("{0}")]
    Garbled(#[from] serde_json::Error),
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

#[derive(Deserialize)]
struct Head {
    format: u64,
}

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    originator: Value,
    meters: BTreeMap<String, Value>,
    #[serde(default)]
    said: Value,
}

#[derive(Serialize)]
struct Written<'a> {
    format: u64,
    originator: u32,
    meters: &'a BTreeMap<String, Record>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    said: &'a BTreeSet<String>,
}

impl Stored {
    /// Nothing is known.
    pub(super) fn new() -> Stored {
        let (lost, ahead) = (Vec::new(), Vec::new());
        let (meters, said) = (BTreeMap::new(), BTreeSet::new());
        Stored { originator: rand::random(), meters, said, lost, ahead }
    }

    /// Takes a file apart; a record that makes no sense costs that record only.
    pub(super) fn parse(bytes: &[u8]) -> Result<Stored, Unusable> {
        let Head { format } = serde_json::from_slice(bytes)?;
        if format != FORMAT {
            return Err(Unusable::Format(format));
        }
        let read: Read = serde_json::from_slice(bytes)?;
        let mut stored = Stored::new();
        let originator = read.originator.as_u64().and_then(|number| u32::try_from(number).ok());
        stored.originator = originator.unwrap_or(stored.originator);
        // Whoever edits the file is told once more.
        stored.said = serde_json::from_value(read.said).unwrap_or_default();
        for (meter, record) in read.meters {
            match serde_json::from_value(record) {
                Ok(record) => _ = stored.meters.insert(meter, record),
                Err(error) => stored.lost.push((meter, error)),
            }
        }
        Ok(stored)
    }

    /// Takes in what the journal knows: what was read since the file was saved.
    pub(super) fn were_read(&mut self, noted: Noted) {
        for (meter, tables) in noted.times {
            take_newer(&mut self.meters.entry(meter).or_default().last_read_ms, tables);
        }
        for (meter, advance) in noted.counters {
            advance.apply(self.meters.entry(meter).or_default());
        }
    }

    /// Leaves out what cannot be true at this time, or is of no use any more: times of readings that are ahead of now, and
    /// meters that are not configured and were not read for a quarter of a year.
    pub(super) fn at(mut self, now: SystemTime, configured: &[String]) -> Stored {
        let now = milliseconds(now);
        let oldest = now - i64::try_from(FORGOTTEN_AFTER.as_millis()).unwrap_or(i64::MAX);
        self.meters.retain(|meter, record| configured.contains(meter) || newest(record) >= Some(oldest));
        for (meter, record) in self.meters.iter_mut().filter(|(meter, _)| configured.contains(meter)) {
            let before = record.last_read_ms.len();
            record.last_read_ms.retain(|_, at| *at <= now + AHEAD);
            if record.last_read_ms.len() < before {
                self.ahead.push(meter.clone());
            }
        }
        self
    }

    /// Takes over what another file knows better of these meters.
    pub(super) fn learn(&mut self, other: Stored, meters: &[String]) {
        for (meter, record) in other.meters.into_iter().filter(|(meter, _)| meters.contains(meter)) {
            if self.meters.get(&meter).is_none_or(|known| newest(&record) > newest(known)) {
                self.meters.insert(meter, record);
            }
        }
    }
}

/// The text of a file.
pub(super) fn render(
    originator: u32,
    meters: &BTreeMap<String, Record>,
    said: &BTreeSet<String>,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec_pretty(&Written { format: FORMAT, originator, meters, said })
}

/// When a meter was last read, as far as its record knows, in ms since the epoch.
fn newest(record: &Record) -> Option<i64> {
    record.last_read_ms.values().copied().chain(record.last_modbus_ms).max()
}
