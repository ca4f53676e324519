//! Which file the state is in, and what that file knows.
//!
//! Two processes of one installation are natural: the tags of an execd block hold for all its meters. Each needs a file of
//! its own, or they would lose each other's records. So a file is locked by the process that uses it, and the next one uses
//! a file beside it that is named after its first meter. Who comes first may change from start to start: what the other
//! of the two files knows better of a process's meters is taken from there.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::host::file::{self, FileError, Lock};

use super::journal;
use super::stored::{Stored, Unusable};
use super::trouble::Trouble;

/// How often the lock is tried, for a predecessor that is just ending may hold it. Counted and not timed: on a host that
/// stood still nobody ended meanwhile.
const TRIES: u32 = 50;
/// How long to wait before the next try.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// Longest part of a meter's name in a file's name: file systems allow 255 bytes for all of it.
const LONGEST_NAME: usize = 100;

/// A file that this process may write.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Nobody else writes it as long as this lives; none where the file system has no locks.
    _lock: Option<Lock>,
}

/// What was found at the start.
#[derive(Debug)]
pub(super) struct Opened {
    /// Where the state goes; none when it can go nowhere.
    pub(super) place: Option<Place>,
    pub(super) stored: Stored,
    /// What a person must know.
    pub(super) troubles: Vec<Trouble>,
}

/// Finds the file for a process that reads these meters, and reads it. Blocks as long as the disk.
pub(super) fn open(path: &Path, meters: &[String], now: SystemTime) -> Opened {
    let second = meters.first().map(|first| named_after(path, first));
    let (place, trouble) = take(path, second.as_deref());
    let mut troubles = Vec::from_iter(trouble);
    let Some(place) = place else { return Opened { place, stored: Stored::new(), troubles } };
    let own = place.path.clone();
    file::sweep(&own);
    let (place, mut stored) = match known(&own) {
        Ok(stored) => {
            let mut stored = stored.unwrap_or_else(Stored::new);
            stored.were_read(journal::read(&own));
            (Some(place), stored)
        }
        // The journal goes on from a file that is set aside, and without it says too little to be believed.
        Err(why) => {
            let (trouble, usable) = set_aside(&own, why);
            troubles.push(trouble);
            (usable.then_some(place), Stored::new())
        }
    };
    stored = stored.at(now, meters);
    troubles.extend(Trouble::of_records(&own, &mut stored));
    let others = [Some(path), second.as_deref()].into_iter().flatten();
    for other in others.filter(|other| *other != own) {
        // It belongs to somebody else, who says what is wrong with it.
        if let Ok(Some(mut known)) = known(other) {
            known.were_read(journal::read(other));
            stored.learn(known.at(now, meters), meters);
        }
    }
    Opened { place, stored, troubles }
}

/// What a file knows, if there is one.
fn known(path: &Path) -> Result<Option<Stored>, Unusable> {
    match file::read(path) {
        Ok(bytes) => Stored::parse(&bytes).map(Some),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Locks the file, or the second one.
fn take(path: &Path, second: Option<&Path>) -> (Option<Place>, Option<Trouble>) {
    let place = |path: &Path, lock| Some(Place { path: path.to_owned(), _lock: lock });
    for tried in 1..=TRIES {
        match lock(path) {
            Ok(Some(lock)) => return (place(path, Some(lock)), None),
            Ok(None) if tried == TRIES => {}
            Ok(None) => thread::sleep(TRY_EVERY),
            // Its directory is missing, which the first save says.
            Err(why) if why.is_absence() => return (place(path, None), None),
            Err(why) => return (place(path, None), Some(Trouble::Unlocked { path: path.to_owned(), why })),
        }
    }
    let taken = |instead| Some(Trouble::Taken { path: path.to_owned(), instead });
    match second.map(|second| (second, lock(second))) {
        Some((second, Ok(Some(lock)))) => (place(second, Some(lock)), taken(Some(second.to_owned()))),
        _ => (None, taken(None)),
    }
}

fn lock(path: &Path) -> Result<Option<Lock>, FileError> {
    Lock::take(&file::beside(path, ".lock"))
}

/// Gives a file that cannot be used another name, so that it is not overwritten; says whether its name is free now.
fn set_aside(path: &Path, why: Unusable) -> (Trouble, bool) {
    let path = path.to_owned();
    let aside = match &why {
        Unusable::Format(format) => file::beside(&path, &format!(".format-{format}")),
        Unusable::Garbled(_) | Unusable::File(_) => file::beside(&path, ".unreadable"),
    };
    match file::rename(&path, &aside) {
        Ok(()) => (Trouble::SetAside { path, aside, why }, true),
        Err(_) => (Trouble::Unusable { path, why }, false),
    }
}

/// "state.json" and meter "press 4" make "state-press_4.json".
fn named_after(path: &Path, meter: &str) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let meter: String = meter.chars().map(plain).take(LONGEST_NAME).collect();
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("-");
    name.push(meter);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}
