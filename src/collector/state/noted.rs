//! What was read since the state file was saved, for the [journal](super::journal).

use std::collections::BTreeMap;

use crate::collector::history::Record;
use crate::collector::history::advance::Advance;
use crate::collector::history::record::note;

/// When each table of a meter was read, by meter, in ms since the epoch.
pub(super) type Times = BTreeMap<String, BTreeMap<String, i64>>;

/// What was read of all meters.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) times: Times,
    /// How far each meter's counters have come.
    pub(super) counters: BTreeMap<String, Advance>,
}

impl Noted {
    /// Whether nothing was read.
    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty() && self.counters.is_empty()
    }

    /// Notes what a record of a meter says that the one before does not; returns whether that is anything.
    pub(super) fn take(&mut self, meter: &str, before: &Record, after: &Record) -> bool {
        let mut told = false;
        let news =
            after.last_read_ms.iter().filter(|(table, at)| before.last_read_ms.get(*table) != Some(*at));
        for (table, at) in news {
            if !self.times.contains_key(meter) {
                self.times.insert(meter.to_owned(), BTreeMap::new());
            }
            self.times.get_mut(meter).into_iter().for_each(|read| _ = note(read, table, *at));
            told = true;
        }
        if let Some(advance) = Advance::between(before, after) {
            self.counted(meter.to_owned(), advance);
            told = true;
        }
        told
    }

    /// Notes how far a meter's counters have come since the last time.
    pub(super) fn counted(&mut self, meter: String, advance: Advance) {
        self.counters.entry(meter).or_default().extend(advance);
    }

    /// Notes when tables of a meter were read; the newest time counts.
    pub(super) fn were_read(&mut self, meter: String, tables: BTreeMap<String, i64>) {
        take_newer(self.times.entry(meter).or_default(), tables);
    }

    /// Adds what was noted after it.
    pub(super) fn extend(&mut self, later: Noted) {
        later.times.into_iter().for_each(|(meter, tables)| self.were_read(meter, tables));
        later.counters.into_iter().for_each(|(meter, advance)| self.counted(meter, advance));
    }
}

/// Takes over the times that are newer.
pub(super) fn take_newer(known: &mut BTreeMap<String, i64>, tables: BTreeMap<String, i64>) {
    for (table, at) in tables {
        let newest = known.entry(table).or_insert(at);
        *newest = at.max(*newest);
    }
}
