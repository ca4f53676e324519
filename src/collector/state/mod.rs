//! What survives a restart: the state file.
//!
//! ```text
//! configured path ─→ place    which file is ours, locked ─→ stored   its records ─┐
//!                                                                                 ↓
//! meters' tasks ─→ State ─→ Memory ─→ saver   a thread of its own ─→ state file ─→ Memory, at the next start
//! ```
//!
//! One JSON file per process, one record per meter. It is read once at start and replaced as a whole, so that a crash
//! leaves either the old state or the new one. A file that is absent is no fault: the `started` event says that nothing
//! before is known. One that cannot be used is kept under another name, and that is said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::history::Record;
use crate::host::file;

mod place;
mod saver;
mod stored;
#[cfg(test)]
mod tests;
mod trouble;

use place::{Opened, Place};
use saver::Saver;
use stored::Stored;
pub use stored::Unusable;
pub use trouble::Trouble;

#[derive(Debug)]
struct Inner {
    place: Option<Arc<Place>>,
    originator: u32,
    /// Somebody may have been told the originator's number.
    begun: bool,
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
        State { memory: Memory::new(), saver: None }
    }

    /// Reads the state file of a process that reads these meters, and keeps it written from now on. The second value
    /// says what a person must know about it. Blocks as long as the disk.
    pub fn open(path: &Path, meters: &[String]) -> (State, Vec<Trouble>) {
        let memory = Memory::new();
        let mut troubles = memory.open(path, meters);
        match Saver::start(memory.clone(), || ()) {
            Ok(saver) => (State { memory, saver: Some(Arc::new(saver)) }, troubles),
            Err(error) => {
                troubles.push(Trouble::NoThread(error));
                (State { memory, saver: None }, troubles)
            }
        }
    }

    /// The same, by a thread of its own: a disk that does not answer costs what is in the file, and no longer than this.
    /// When it answers after all, the file is kept written from then on.
    pub async fn open_within(path: PathBuf, meters: Vec<String>, within: Duration) -> (State, Vec<Trouble>) {
        let memory = Memory::new();
        let (tell, told) = oneshot::channel();
        let (theirs, file) = (memory.clone(), path.clone());
        let open = move || {
            if let Err(troubles) = tell.send(theirs.open(&file, &meters)) {
                troubles.iter().for_each(|trouble| log::warn!("{trouble}"));
                log::info!("State file {} has answered after all, and is kept from now on", file.display());
            }
        };
        let saver = match Saver::start(memory.clone(), open) {
            Ok(saver) => Some(Arc::new(saver)),
            Err(error) => return (State { memory, saver: None }, vec![Trouble::NoThread(error)]),
        };
        let told = timeout(within, told).await;
        memory.lock().begun = true;
        let troubles = match told {
            Ok(Ok(troubles)) => troubles,
            Ok(Err(_)) | Err(_) => vec![Trouble::Late { path, within }],
        };
        (State { memory, saver }, troubles)
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
    pub fn save(&self) -> Result<(), Trouble> {
        self.memory.save()
    }
}

impl Memory {
    fn new() -> Memory {
        let Stored { originator, meters, .. } = Stored::new();
        Memory(Arc::new(Mutex::new(Inner { place: None, originator, begun: false, meters, changed: false })))
    }

    /// Takes in what the file knows, except where something newer is known already. Blocks.
    fn open(&self, path: &Path, meters: &[String]) -> Vec<Trouble> {
        let Opened { place, stored, troubles } = place::open(path, meters, SystemTime::now());
        let mut inner = self.lock();
        // A new installation's serial number is worth saving at once.
        inner.changed |= stored.meters.is_empty();
        inner.place = place.map(Arc::new);
        if !inner.begun {
            inner.originator = stored.originator;
        }
        for (meter, record) in stored.meters {
            inner.meters.entry(meter).or_insert(record);
        }
        troubles
    }

    /// Writes the file if something changed since the last time. Blocks.
    fn save(&self) -> Result<(), Trouble> {
        let mut inner = self.lock();
        let Some(place) = inner.place.clone().filter(|_| inner.changed) else { return Ok(()) };
        let (originator, meters) = (inner.originator, inner.meters.clone());
        inner.changed = false;
        drop(inner);
        let text = stored::render(originator, &meters).map_err(|error| std::io::Error::from(error).into());
        text.and_then(|text| file::replace(&place.path, &text)).map_err(|why| {
            self.lock().changed = true;
            Trouble::Unwritten { path: place.path.clone(), why }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A record is replaced as a whole, so a panic elsewhere cannot have left it half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
