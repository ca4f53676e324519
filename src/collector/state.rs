//! What survives a restart: the state file.
//!
//! One JSON file per process, one record per meter. It is read once at start and written at most once a
//! minute and at the end, into a new file that then takes the old one's name, so that a crash leaves
//! either the old state or the new one. A file that is absent or unreadable is no fault: the `started`
//! event says that nothing before is known.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::source::Leftover;

use super::interval::Running;

/// The format this program reads and writes.
const FORMAT: u32 = 1;

/// What is remembered of one meter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Serial letters, or "" when never read.
    pub serial_number: String,
    /// CIP serial number, or 0 when never read.
    pub cip_serial_number: u32,
    /// When each table was last read, milliseconds since the epoch.
    pub last_read_ms: BTreeMap<String, i64>,
    /// Last value of every counter.
    pub counters: BTreeMap<String, i64>,
    /// Last value of every setting that is a number.
    pub settings: BTreeMap<String, f64>,
    /// Last maximum values.
    pub maxima: BTreeMap<String, f64>,
    /// Whether the last demand values were not all 0.
    pub demand_runs: bool,
    /// The interval of the load profile that is under way.
    pub interval: Option<Running>,
    /// Class 1 connections that are open; after a crash they are closed at the next start.
    pub open_connections: Vec<Leftover>,
    /// When Modbus was last used beside EtherNet/IP, milliseconds since the epoch.
    pub last_modbus_ms: Option<i64>,
}

/// Remembers a value by its name; returns the one before.
pub fn note<V>(map: &mut BTreeMap<String, V>, name: &str, value: V) -> Option<V> {
    match map.get_mut(name) {
        Some(known) => Some(std::mem::replace(known, value)),
        None => map.insert(name.to_owned(), value),
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct File {
    format: u32,
    /// Originator serial number of this installation: the same after a restart, and nobody else's.
    #[serde(default = "rand::random")]
    originator: u32,
    meters: BTreeMap<String, Record>,
}

#[derive(Debug)]
struct Inner {
    path: Option<PathBuf>,
    originator: u32,
    meters: BTreeMap<String, Record>,
    changed: bool,
}

/// The state of all meters, shared by their tasks.
#[derive(Debug, Clone)]
pub struct State {
    inner: Arc<Mutex<Inner>>,
}

impl State {
    /// State that is kept in memory only.
    pub fn in_memory() -> State {
        State::new(None, File::new())
    }

    fn new(path: Option<PathBuf>, file: File) -> State {
        // A new installation's serial number is worth saving at once.
        let changed = file.meters.is_empty();
        let inner = Inner { path, originator: file.originator, meters: file.meters, changed };
        State { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Reads the state file. The second value says in words why nothing before is known, if so.
    pub fn open(path: &Path) -> (State, Option<String>) {
        let (file, problem) = match read(path) {
            Ok(file) => (file, None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (File::new(), None),
            Err(error) => (File::new(), Some(format!("Cannot use state file {}: {error}", path.display()))),
        };
        (State::new(Some(path.to_owned()), file), problem)
    }

    /// Originator serial number of this installation.
    pub fn originator(&self) -> u32 {
        self.lock().originator
    }

    /// What is remembered of a meter.
    pub fn record(&self, meter: &str) -> Option<Record> {
        self.lock().meters.get(meter).cloned()
    }

    /// Remembers a meter.
    pub fn remember(&self, meter: &str, record: &Record) {
        let mut inner = self.lock();
        if inner.meters.get(meter) != Some(record) {
            inner.meters.insert(meter.to_owned(), record.clone());
            inner.changed = true;
        }
    }

    /// Writes the file if something changed since the last time.
    ///
    /// # Errors
    /// What the file system said; the state stays in memory and the next call tries again.
    pub fn save(&self) -> Result<(), String> {
        let mut inner = self.lock();
        let Some(path) = inner.path.clone().filter(|_| inner.changed) else { return Ok(()) };
        let file = File { format: FORMAT, originator: inner.originator, meters: inner.meters.clone() };
        inner.changed = false;
        drop(inner);
        write(&path, &file).map_err(|error| {
            self.lock().changed = true;
            format!("Cannot write state file {}: {error}", path.display())
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A record is replaced as a whole, so a panic elsewhere cannot have left it half-written.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File {
    fn new() -> File {
        File { format: FORMAT, originator: rand::random(), meters: BTreeMap::new() }
    }
}

fn read(path: &Path) -> io::Result<File> {
    let file: File = serde_json::from_slice(&std::fs::read(path)?)?;
    if file.format != FORMAT {
        return Err(io::Error::other(format!("format {} is not format {FORMAT}", file.format)));
    }
    Ok(file)
}

fn write(path: &Path, file: &File) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut out = std::fs::File::create(&new)?;
    out.write_all(&serde_json::to_vec_pretty(file)?)?;
    out.sync_all()?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("pm500-state-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder.join("state.json")
    }

    #[test]
    fn what_is_remembered_is_there_after_a_restart() {
        let path = scratch("restart");
        let (state, problem) = State::open(&path);
        assert_eq!((problem, state.record("a")), (None, None));
        let counters = BTreeMap::from([("active_import_wh".to_owned(), 9_999_999_999_999)]);
        // A number that JSON readers without enough digits take for its neighbor: a change that never was.
        let settings = BTreeMap::from([("ct_ratio".to_owned(), f64::from(0.009_009_23_f32))]);
        let record = Record { counters, settings, cip_serial_number: 940_000_123, ..Record::default() };
        state.remember("a", &record);
        state.save().unwrap();
        let (again, problem) = State::open(&path);
        assert_eq!((problem, again.record("a")), (None, Some(record)));
    }

    #[test]
    fn a_garbled_file_is_said_and_replaced_by_the_next_save() {
        let path = scratch("garbled");
        std::fs::write(&path, "{\"format\": 1, \"mete").unwrap();
        let (state, problem) = State::open(&path);
        assert!(problem.unwrap().contains("state.json"));
        state.remember("a", &Record::default());
        state.save().unwrap();
        assert_eq!(State::open(&path).1, None);
    }
}
