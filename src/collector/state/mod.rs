//! What survives a restart: the state file.
//!
//! ```text
//! configured path ─→ place    which file is ours, locked ─→ stored   its records ─┐
//!                                                                                 ↓
//! meters' tasks ─→ State ─→ Memory ─→ saver   a thread of its own ─→ state file ─→ Memory, at the next start
//!                                       └──→ journal  readings since ────────↗
//! ```
//!
//! One JSON file per process, one record per meter. It is read once at start and replaced as a whole, so that a crash
//! leaves either the old state or the new one. A file that is absent is no fault: the `started` event says that nothing
//! before is known. One that cannot be used is kept under another name, and that is said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::history::Record;
use crate::host::file;

mod journal;
#[cfg(test)]
mod life;
mod noted;
mod place;
mod saver;
mod stored;
#[cfg(test)]
mod tests;
mod trouble;

use journal::Journal;
use noted::Noted;
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
    /// Sentences that a person was told.
    said: BTreeSet<String>,
    changed: bool,
    /// What the journal does not have yet.
    read: Noted,
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

    /// Whether a person was not told this sentence yet, as far as the state file knows. From now on it is told.
    pub fn is_news(&self, sentence: &str) -> bool {
        let mut inner = self.memory.lock();
        let news = inner.said.insert(sentence.to_owned());
        inner.changed |= news;
        news
    }

    /// Remembers a meter.
    pub fn remember(&self, meter: &str, record: &Record) {
        let read = self.memory.remember(meter, record);
        let Some(saver) = self.saver.as_ref().filter(|_| read) else { return };
        let Some(lasts) = saver.note(Instant::now()) else { return };
        if let Some(place) = self.memory.lock().place.clone() {
            saver.say(&Trouble::Hangs { path: place.path.clone(), lasts });
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

    /// Saves a last time; waits for that, but not longer than this, and says when it was not done. Blocks.
    pub fn finish(&self, within: Duration) -> Option<Trouble> {
        let finished = self.saver.as_ref().is_none_or(|saver| saver.finish(within));
        let place = self.memory.lock().place.clone().filter(|_| !finished)?;
        Some(Trouble::Unsaved { path: place.path.clone(), within })
    }

    /// Writes the file if something changed since the last time. Blocks.
    ///
    /// # Errors
    /// What the file system said; the state stays in memory and the next call tries again.
    pub fn save(&self) -> Result<(), Trouble> {
        self.memory.save().map(|_| ())
    }
}

impl Memory {
    fn new() -> Memory {
        let Stored { originator, meters, said, .. } = Stored::new();
        let (place, begun, changed, read) = (None, false, false, Noted::default());
        Memory(Arc::new(Mutex::new(Inner { place, originator, begun, meters, said, changed, read })))
    }

    /// Remembers a meter; says whether anything was read, and the state is kept somewhere.
    fn remember(&self, meter: &str, record: &Record) -> bool {
        let mut inner = self.lock();
        let Inner { meters, place, changed, read, .. } = &mut *inner;
        if !meters.contains_key(meter) {
            meters.insert(meter.to_owned(), Record::default());
        }
        let Some(known) = meters.get_mut(meter).filter(|known| *known != record) else { return false };
        let told = place.is_some() && read.take(meter, known, record);
        known.become_like(record);
        *changed = true;
        told
    }

    /// The journal of the file, if the state is kept in one.
    fn journal(&self) -> Option<Journal> {
        self.lock().place.as_ref().map(|place| Journal::beside(&place.path))
    }

    /// What was read since the last call.
    fn take_read(&self) -> Noted {
        std::mem::take(&mut self.lock().read)
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
        inner.said.extend(stored.said);
        for (meter, record) in stored.meters {
            inner.meters.entry(meter).or_insert(record);
        }
        troubles
    }

    /// Writes the file if something changed since the last time, and says whether. Blocks.
    fn save(&self) -> Result<bool, Trouble> {
        let mut inner = self.lock();
        let Some(place) = inner.place.clone().filter(|_| inner.changed) else { return Ok(false) };
        let (originator, meters, said) = (inner.originator, inner.meters.clone(), inner.said.clone());
        // What the file will know need not be in the journal.
        let read = std::mem::take(&mut inner.read);
        inner.changed = false;
        drop(inner);
        let text =
            stored::render(originator, &meters, &said).map_err(|error| std::io::Error::from(error).into());
        text.and_then(|text| file::replace(&place.path, &text)).map(|()| true).map_err(|why| {
            let mut inner = self.lock();
            inner.changed = true;
            // What came meanwhile is newer.
            let later = std::mem::replace(&mut inner.read, read);
            inner.read.extend(later);
            Trouble::Unwritten { path: place.path.clone(), why }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A record is replaced as a whole, so a panic elsewhere cannot have left it half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
