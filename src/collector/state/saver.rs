//! Writes the state file, by a thread of its own: a slow disk may be slow, and no meter may feel it.
//!
//! What changed is written once a minute. What must not wait (open connections, Modbus used beside a PLC) is
//! written at once, but not more often than once a second, and everything else that changed with it.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::Memory;

/// How often the file is written when something changed.
const EVERY: Duration = Duration::from_secs(60);
/// How often at most: many meters connect at the same time.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
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
    /// Save a last time.
    finish: bool,
    /// Nobody is interested any more.
    leave: bool,
}

impl Saver {
    /// Starts it; `first` is what the thread does before anything else.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn start(memory: Memory, first: impl FnOnce() + Send + 'static) -> io::Result<Saver> {
        let (tell, done) = watch::channel(0);
        let orders = Arc::new(Orders::default());
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
        let mut list = self.orders.lock();
        list.given += 1;
        let given = list.given;
        drop(list);
        self.orders.changed.notify_all();
        given
    }

    /// Orders a save and waits until it is done, but not longer than this.
    pub(super) async fn hurried(&self, within: Duration) {
        let given = self.hurry();
        let mut done = self.done.clone();
        let _ = timeout(within, done.wait_for(|done| *done >= given)).await;
    }

    /// Saves a last time; waits for that, but not longer than this. Blocks.
    pub(super) fn finish(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let mut list = self.orders.lock();
        list.finish = true;
        self.orders.changed.notify_all();
        while list.finish {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
            let waited = self.orders.changed.wait_timeout(list, left);
            list = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
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

    /// Waits until there is something to do for somebody who has carried out this many orders.
    fn wait(&self, done: u64, last: Option<Instant>) {
        let regular = Instant::now() + EVERY;
        let allowed = last.map_or_else(Instant::now, |last| last + AT_MOST_EVERY);
        let mut list = self.lock();
        loop {
            let urgent = (list.given > done).then(|| allowed.max(Instant::now() + MOMENT));
            if list.finish || list.leave {
                return;
            }
            let until = urgent.unwrap_or(regular);
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            let (woken, timed_out) = match self.changed.wait_timeout(list, left) {
                Ok((list, waited)) => (list, waited.timed_out()),
                Err(poisoned) => (poisoned.into_inner().0, false),
            };
            list = woken;
            if timed_out {
                return;
            }
        }
    }
}

fn keep_saved(memory: &Memory, orders: &Orders, tell: &watch::Sender<u64>) {
    let (mut failed, mut done, mut last) = (false, 0, None);
    loop {
        orders.wait(done, last);
        let list = orders.lock();
        if list.leave && !list.finish {
            return;
        }
        let (given, finish) = (list.given, list.finish);
        drop(list);
        match memory.save() {
            Err(problem) if !failed => {
                log::warn!("{problem}; tried again every minute");
                failed = true;
            }
            Err(problem) => log::debug!("{problem}"),
            Ok(()) if failed => {
                log::info!("The state file is written again");
                failed = false;
            }
            Ok(()) => {}
        }
        (done, last) = (given, Some(Instant::now()));
        let _ = tell.send(done);
        if finish {
            orders.lock().finish = false;
            orders.changed.notify_all();
        }
    }
}
