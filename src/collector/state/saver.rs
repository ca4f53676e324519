//! Writes the state file, by a thread of its own: a slow disk may be slow, and no meter may feel it.
//!
//! What changed is written once a minute. What must not wait (open connections, Modbus used beside a PLC) is
//! written at once, but not more often than once a second, and everything else that changed with it. In between the
//! [journal](super::journal) gets the times of readings, the first at once and then at most ten times a second.
//!
//! A thread that waits for a disk cannot say so. Whoever reads a meter meanwhile finds it waiting, and says it.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::journal::Journal;
use super::{Memory, Trouble};
use crate::collector::damper::{Damper, Fate, Tell};

/// How often the file is written when something changed.
const EVERY: Duration = Duration::from_secs(60);
/// How often at most: many meters connect at the same time.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// How often the journal is written at most.
const NOTE_EVERY: Duration = Duration::from_millis(100);
/// No disk that answers takes longer for one piece of work.
const TOO_LONG: Duration = Duration::from_secs(10);
/// How long urgent things wait for others of the same moment.
const MOMENT: Duration = Duration::from_millis(20);

/// The thread that saves a state; ends when this is dropped.
#[derive(Debug)]
pub(super) struct Saver {
    orders: Arc<Orders>,
    /// The number of the last order that was carried out.
    done: watch::Receiver<u64>,
}

/// What the thread is to do.
#[derive(Debug, Default)]
struct Orders {
    list: Mutex<List>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct List {
    /// Orders to save now, since the start.
    given: u64,
    /// When the first of those was given that were not carried out.
    since: Option<Instant>,
    /// The journal does not have everything.
    noted: bool,
    /// Save a last time.
    finish: bool,
    /// Nobody is interested any more.
    leave: bool,
    /// Since when the thread has been at its work, and whether it was said that this takes too long.
    busy: Option<(Instant, bool)>,
    /// What was said about saving.
    said: Said,
}

/// What is to be done next.
enum Todo {
    /// Save; this many orders were given, and this may be the last one.
    Save { given: u64, finish: bool },
    /// Append to the journal.
    Note,
    /// End.
    Leave,
}

impl Saver {
    /// Starts it; `first` is what the thread does before anything else.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn start(memory: Memory, first: impl FnOnce() + Send + 'static) -> io::Result<Saver> {
        let (tell, done) = watch::channel(0);
        let orders = Arc::new(Orders::default());
        orders.lock().busy = Some((Instant::now(), false));
        let theirs = orders.clone();
        let work = move || {
            first();
            keep_saved(&memory, &theirs, &tell);
        };
        std::thread::Builder::new().name("state".to_owned()).spawn(work)?;
        Ok(Saver { orders, done })
    }

    /// Orders a save.
    pub(super) fn hurry(&self) -> u64 {
        self.orders.hurry()
    }

    /// A table was read, which the journal should know. Returns for how long the thread has been waiting for the disk,
    /// if that is too long and was not returned before.
    pub(super) fn note(&self, now: Instant) -> Option<Duration> {
        let mut list = self.orders.lock();
        // A thousand meters need not wake the thread a thousand times for one line.
        if !std::mem::replace(&mut list.noted, true) {
            self.orders.changed.notify_all();
        }
        list.hangs(now)
    }

    /// Says what is wrong with saving.
    pub(super) fn say(&self, trouble: &Trouble) {
        self.orders.lock().said.saved(Some(trouble));
    }

    /// Orders a save and waits until it is done, but not longer than this.
    pub(super) async fn hurried(&self, within: Duration) {
        let given = self.hurry();
        let mut done = self.done.clone();
        let _ = timeout(within, done.wait_for(|done| *done >= given)).await;
    }

    /// Saves a last time; waits for that, but not longer than this, and says whether it was done. Blocks.
    pub(super) fn finish(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut list = self.orders.lock();
        list.finish = true;
        self.orders.changed.notify_all();
        while list.finish {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            let waited = self.orders.changed.wait_timeout(list, left);
            list = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.orders.lock().leave = true;
        self.orders.changed.notify_all();
    }
}

impl Orders {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Orders a save; returns the order's number.
    fn hurry(&self) -> u64 {
        let mut list = self.lock();
        list.given += 1;
        list.since.get_or_insert_with(Instant::now);
        let given = list.given;
        drop(list);
        self.changed.notify_all();
        given
    }

    /// Waits until there is something to do for somebody who has done this at these times before.
    fn wait(&self, saved: Option<Instant>, noted: Option<Instant>, regular: Instant) -> Todo {
        let mut list = self.lock();
        list.busy = None;
        loop {
            if list.finish {
                return list.save();
            }
            if list.leave {
                return Todo::Leave;
            }
            let now = Instant::now();
            let allowed = |last: Option<Instant>, every| last.map_or(now, |last| last + every);
            let urgent = list.since.map(|since| (since + MOMENT).max(allowed(saved, AT_MOST_EVERY)));
            let save = urgent.map_or(regular, |urgent| urgent.min(regular));
            let note = list.noted.then(|| allowed(noted, NOTE_EVERY));
            if save <= now {
                return list.save();
            }
            if note.is_some_and(|note| note <= now) {
                list.noted = false;
                list.busy = Some((Instant::now(), false));
                return Todo::Note;
            }
            let left = note.map_or(save, |note| note.min(save)) - now;
            let waited = self.changed.wait_timeout(list, left);
            list = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl List {
    fn save(&mut self) -> Todo {
        self.since = None;
        self.busy = Some((Instant::now(), false));
        Todo::Save { given: self.given, finish: self.finish }
    }

    /// For how long the thread has been at its work, if that is too long and was not told before.
    fn hangs(&mut self, now: Instant) -> Option<Duration> {
        let (since, told) = self.busy.as_mut()?;
        let lasts = now.saturating_duration_since(*since);
        (lasts >= TOO_LONG && !std::mem::replace(told, true)).then_some(lasts)
    }
}

fn keep_saved(memory: &Memory, orders: &Orders, tell: &watch::Sender<u64>) {
    let (mut saved, mut noted) = (None, None);
    let (mut regular, mut journal) = (Instant::now() + EVERY, memory.journal());
    loop {
        let (given, finish) = match orders.wait(saved, noted, regular) {
            Todo::Leave => return,
            Todo::Note => {
                noted = Some(Instant::now());
                note(journal.as_mut(), memory, orders);
                continue;
            }
            Todo::Save { given, finish } => (given, finish),
        };
        let result = memory.save();
        if let (Ok(true), Some(journal)) = (&result, &mut journal)
            && let Err(error) = journal.clear()
        {
            log::debug!("Cannot empty the journal of the state file: {error}");
        }
        orders.lock().said.saved(result.err().as_ref());
        saved = Some(Instant::now());
        regular = Instant::now() + EVERY;
        let _ = tell.send(given);
        if finish {
            let mut list = orders.lock();
            (list.finish, list.busy) = (false, None);
            drop(list);
            orders.changed.notify_all();
        }
    }
}

/// What was said about saving: a fault once, and what comes and goes is counted.
#[derive(Debug, Default)]
struct Said {
    damper: Damper<Option<io::ErrorKind>>,
    /// What is wrong now.
    wrong: Option<Option<io::ErrorKind>>,
    /// In words, the last time.
    last: String,
}

impl Said {
    /// The file was saved, or not.
    fn saved(&mut self, trouble: Option<&Trouble>) {
        let (now, wrong) = (Instant::now(), trouble.map(Trouble::kind));
        let ended = self.wrong.filter(|before| wrong != Some(*before));
        let told = ended.is_some_and(|before| self.damper.ended(&before, now));
        self.wrong = wrong;
        match trouble {
            None if told => log::info!("The state file is written again"),
            None => {}
            Some(trouble) => {
                self.last = trouble.to_string();
                match self.damper.began(trouble.kind(), now) {
                    Tell::Say => log::warn!("{trouble}"),
                    Tell::Flaps(flaps) => {
                        log::warn!("{trouble}; this comes and goes, {flaps}: counted from now on");
                    }
                    Tell::Nothing => log::debug!("{trouble}"),
                }
            }
        }
        for (_, fate, flaps) in self.damper.look(now) {
            match fate {
                Fate::Gone => log::info!("The state file is written again, after {}", flaps.of("failures")),
                Fate::Stays => log::warn!("{}; it stays so, after {}", self.last, flaps.of("failures")),
                Fate::Flaps => log::warn!("{}; it still comes and goes, {flaps}", self.last),
            }
        }
    }
}

/// Appends what was read since. A journal that is full is emptied by the next save.
fn note(journal: Option<&mut Journal>, memory: &Memory, orders: &Orders) {
    let read = memory.take_read();
    match journal.filter(|_| !read.is_empty()).map(|journal| journal.append(&read)) {
        Some(Ok(false)) => _ = orders.hurry(),
        // Whoever has no room for it has none for the state file either, and that is said.
        Some(Err(error)) => log::debug!("Cannot write the journal of the state file: {error}"),
        Some(Ok(true)) | None => {}
    }
}
