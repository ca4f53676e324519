//! Whether this host was on time: a virtual machine may stand still for seconds, and every process on it with it.
//!
//! Some promises are about time: that no gather is missed, that an answer within a timeout is taken. A host that stood still
//! breaks them without anybody's fault. So a test of such a promise that fails is run again if, and only if, a thread that
//! does nothing but sleep was late meanwhile, too. So is what is made for several tests, which cannot fail by itself.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the thread looks.
const LOOK: Duration = Duration::from_millis(20);
/// A host that is this late is busy; one that is later has stood still, for longer than some tests wait.
const BUSY: Duration = Duration::from_millis(200);
/// How often a test is run at most.
const TRIES: usize = 3;

/// Runs a test, and again when it failed on a host that stood still.
pub(crate) fn steady(mut test: impl FnMut()) {
    for _ in 1..TRIES {
        let watch = Watch::start();
        let result = catch_unwind(AssertUnwindSafe(&mut test));
        let late = watch.end();
        match result {
            Ok(()) => return,
            Err(_) if late > BUSY => println!("This host stood still for {late:?}: once more"),
            Err(panic) => resume_unwind(panic),
        }
    }
    test();
}

/// Makes something, and again when this host stood still meanwhile.
pub(crate) fn undisturbed<T>(mut make: impl FnMut() -> T) -> T {
    for _ in 1..TRIES {
        let watch = Watch::start();
        let made = make();
        match watch.end() {
            late if late > BUSY => println!("This host stood still for {late:?}: once more"),
            _ => return made,
        }
    }
    make()
}

/// A thread that knows how late it was.
struct Watch {
    end: Sender<()>,
    thread: JoinHandle<Duration>,
}

impl Watch {
    fn start() -> Watch {
        let (end, ended) = channel();
        let thread = thread::spawn(move || {
            let (mut worst, mut looked) = (Duration::ZERO, Instant::now());
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                worst = worst.max(looked.elapsed().saturating_sub(LOOK));
                looked = Instant::now();
            }
            worst.max(looked.elapsed().saturating_sub(LOOK))
        });
        Watch { end, thread }
    }

    /// How late it was at worst.
    fn end(self) -> Duration {
        drop(self.end);
        self.thread.join().expect("it only sleeps")
    }
}
