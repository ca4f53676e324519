//! What survives a restart: the state file.
//!
//! One JSON file per process, one record per meter. It is read once at start and written by
//! `saver`, into a new file that then takes the old one's name, so that a crash leaves
//! either the old state or the new one. A file that is absent or unreadable is no fault: the `started`
//! event says that nothing before is known.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::history::Record;
use super::saver::Saver;

/// The format this program reads and writes.
const FORMAT: u32 = 1;

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
    memory: Memory,
    /// Writes the file, if there is one; ends with the last of these.
    saver: Option<Arc<Saver>>,
}

/// What is remembered, apart from who saves it.
#[derive(Debug, Clone)]
pub(super) struct Memory(Arc<Mutex<Inner>>);

impl State {
    /// State that is kept in memory only.
    pub fn in_memory() -> State {
        State { memory: Memory::new(None, File::new()), saver: None }
    }

    /// Reads the state file, and keeps it written from now on. The second value says in words why nothing before
    /// is known, if so.
    pub fn open(path: &Path) -> (State, Option<String>) {
        let (file, problem) = match read(path) {
            Ok(file) => (file, None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (File::new(), None),
            Err(error) => (File::new(), Some(format!("Cannot use state file {}: {error}", path.display()))),
        };
        let memory = Memory::new(Some(path.to_owned()), file);
        match Saver::start(memory.clone()) {
            Ok(saver) => (State { memory, saver: Some(Arc::new(saver)) }, problem),
            Err(error) => {
                (State { memory, saver: None }, Some(format!("Cannot save the state: no thread, {error}")))
            }
        }
    }

    /// Originator serial number of this installation.
    pub fn originator(&self) -> u32 {
        self.memory.lock().originator
    }

    /// What is remembered of a meter.
    pub fn record(&self, meter: &str) -> Option<Record> {
        self.memory.lock().meters.get(meter).cloned()
    }

    /// Remembers a meter.
    pub fn remember(&self, meter: &str, record: &Record) {
        let mut inner = self.memory.lock();
        if inner.meters.get(meter) != Some(record) {
            inner.meters.insert(meter.to_owned(), record.clone());
            inner.changed = true;
        }
    }

    /// Lets what was remembered be saved soon, and not with the next regular save.
    pub fn hurry(&self) {
        if let Some(saver) = &self.saver {
            saver.hurry();
        }
    }

    /// The same, and waits until that is done, but not longer than this.
    pub async fn hurried(&self, within: Duration) {
        if let Some(saver) = &self.saver {
            saver.hurried(within).await;
        }
    }

    /// Saves a last time; waits for that, but not longer than this. Blocks.
    pub fn finish(&self, within: Duration) {
        if let Some(saver) = &self.saver {
            saver.finish(within);
        }
    }

    /// Writes the file if something changed since the last time. Blocks.
    ///
    /// # Errors
    /// What the file system said; the state stays in memory and the next call tries again.
    pub fn save(&self) -> Result<(), String> {
        self.memory.save()
    }
}

impl Memory {
    fn new(path: Option<PathBuf>, file: File) -> Memory {
        // A new installation's serial number is worth saving at once.
        let changed = file.meters.is_empty();
        let (originator, meters) = (file.originator, file.meters);
        Memory(Arc::new(Mutex::new(Inner { path, originator, meters, changed })))
    }

    /// Writes the file if something changed since the last time. Blocks.
    pub(super) fn save(&self) -> Result<(), String> {
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
