//! Whole lines → a file descriptor or handle, by a thread of its own: whoever reads may stop reading, and nobody here feels it.
//!
//! The queue is bounded in bytes. When it is full the oldest lines are dropped and counted: the newest are worth more.
//! A piece that is written ends with a line and is taken at once or not at all, so that a process that dies leaves no
//! half of a line behind, which might still be a legal one with another number.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most bytes that are taken out of the queue at once.
pub(super) const TAKEN: usize = 64 << 10;
/// Most emptied entries that are kept for the next lines, so that a steady stream allocates nothing.
const SPARES: usize = 128;
/// Most room of an entry that is kept.
const SPARE: usize = 16 << 10;
/// After a write that failed and may succeed later, as on a full disk.
const PAUSE: Duration = Duration::from_millis(200);

/// What happens at the far end.
#[derive(Debug)]
pub enum Event {
    /// Nobody reads, and the first lines were dropped.
    Dropping,
    /// It is read again.
    Resumed {
        /// Lines dropped meanwhile.
        dropped: u64,
    },
    /// A write failed; see [`Failing`].
    Failed(io::Error),
}

/// What a failed write means. A reader that has gone ends an outlet in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// The end: nothing more is taken.
    Ends,
    /// A loss of what was to be written: the next lines are tried again.
    Costs,
}

/// Where bytes go.
pub trait Sink: Send + 'static {
    /// How many bytes are taken at once now, all or none, if there are this many to write.
    fn room(&self, waiting: usize) -> usize;

    /// Writes some of the bytes.
    ///
    /// # Errors
    /// `WouldBlock` after which [`Sink::wait`] is called; anything else is a failure.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits until something can be written.
    ///
    /// # Errors
    /// What the operating system says.
    fn wait(&mut self) -> io::Result<()>;
}

#[derive(Debug)]
struct Entry {
    bytes: Vec<u8>,
    lines: u64,
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    spares: Vec<Vec<u8>>,
    dropped: u64,
    /// Lines dropped since the reader last kept up.
    stalled: u64,
    writing: bool,
    /// The writer waits for lines.
    idle: bool,
    /// Somebody waits for the queue to be empty.
    flushing: bool,
    broken: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is consistent between any two statements that can panic: there are none.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an owner wants to be told. Called without any lock, from the thread that pushes or from the one that writes.
type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// A way out for lines.
#[derive(Clone)]
pub struct Outlet {
    shared: Arc<Shared>,
    limit: usize,
    tell: Tell,
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Outlet {
    /// Starts a thread of this name that writes to a sink; at most `limit` bytes wait.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        name: &str,
        sink: impl Sink,
        limit: usize,
        failing: Failing,
        tell: impl Fn(Event) + Send + Sync + 'static,
    ) -> io::Result<Outlet> {
        let outlet = Outlet { shared: Arc::default(), limit, tell: Arc::new(tell) };
        let writer = outlet.clone();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || writer.write_all(sink, failing))?;
        Ok(outlet)
    }

    /// Queues whole lines and returns at once. They are written when the writer is [woken](Outlet::wake), or is not
    /// done with those before.
    pub fn push(&self, bytes: &[u8], lines: u64) {
        if bytes.is_empty() {
            return;
        }
        let mut queue = self.shared.lock();
        if queue.broken {
            return;
        }
        let mut room = queue.spares.pop().unwrap_or_default();
        room.extend_from_slice(bytes);
        queue.bytes += room.len();
        queue.entries.push_back(Entry { bytes: room, lines });
        let before = queue.stalled;
        while queue.bytes > self.limit && queue.entries.len() > 1 {
            let Some(oldest) = queue.entries.pop_front() else { break };
            queue.bytes -= oldest.bytes.len();
            queue.dropped += oldest.lines;
            queue.stalled += oldest.lines;
        }
        let first = before == 0 && queue.stalled > 0;
        drop(queue);
        if first {
            (self.tell)(Event::Dropping);
        }
    }

    /// Has what is queued written. One system call, when the writer has nothing to do.
    pub fn wake(&self) {
        if self.shared.lock().idle {
            self.shared.changed.notify_all();
        }
    }

    /// Lines dropped since start.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Waits until everything queued is written, at most this long. Blocks.
    pub fn flush(&self, within: Duration) {
        let deadline = Instant::now() + within;
        self.wake();
        let mut queue = self.shared.lock();
        queue.flushing = true;
        while (!queue.entries.is_empty() || queue.writing) && !queue.broken {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
            let waited = self.shared.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The writer thread: ends when the reader is gone.
    fn write_all(&self, mut sink: impl Sink, failing: Failing) {
        let (mut buffer, mut lines) = (Vec::new(), 0);
        loop {
            self.take(&mut buffer, &mut lines);
            let written = write_pieces(&mut sink, &buffer);
            buffer.clear();
            if let Err(error) = written {
                let ends = failing == Failing::Ends || error.kind() == io::ErrorKind::BrokenPipe;
                self.lost(lines, ends);
                (self.tell)(Event::Failed(error));
                if ends {
                    return;
                }
                std::thread::sleep(PAUSE);
            } else if let Some(dropped) = self.resumed() {
                (self.tell)(Event::Resumed { dropped });
            }
        }
    }

    /// Waits for lines, and takes some.
    fn take(&self, buffer: &mut Vec<u8>, lines: &mut u64) {
        let mut queue = self.shared.lock();
        queue.writing = false;
        if queue.flushing {
            self.shared.changed.notify_all();
        }
        queue.idle = true;
        while queue.entries.is_empty() {
            queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.idle = false;
        *lines = 0;
        while buffer.len() < TAKEN
            && let Some(mut entry) = queue.entries.pop_front()
        {
            queue.bytes -= entry.bytes.len();
            buffer.extend_from_slice(&entry.bytes);
            *lines += entry.lines;
            if queue.spares.len() < SPARES && entry.bytes.capacity() <= SPARE {
                entry.bytes.clear();
                queue.spares.push(entry.bytes);
            }
        }
        queue.writing = true;
    }

    /// Notes that these lines could not be written.
    fn lost(&self, lines: u64, ends: bool) {
        let mut queue = self.shared.lock();
        queue.dropped += lines;
        queue.stalled += lines;
        if ends {
            queue.broken = true;
            queue.entries.clear();
            self.shared.changed.notify_all();
        }
    }

    /// After a write that succeeded: the lines that were dropped before, once there is room for more again.
    fn resumed(&self) -> Option<u64> {
        let mut queue = self.shared.lock();
        if queue.stalled == 0 || queue.bytes > self.limit / 2 {
            return None;
        }
        Some(std::mem::take(&mut queue.stalled))
    }
}

fn write_pieces(sink: &mut impl Sink, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let (mut now, later) = bytes.split_at(piece(bytes, sink.room(bytes.len())));
        while !now.is_empty() {
            match sink.write(now) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => now = now.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sink.wait()?,
                Err(error) => return Err(error),
            }
        }
        bytes = later;
    }
    Ok(())
}

/// Length of the next piece: as many whole lines as there is room for, or one that is longer than that.
fn piece(bytes: &[u8], room: usize) -> usize {
    if bytes.len() <= room {
        return bytes.len();
    }
    let end = |byte: &u8| *byte == b'\n';
    let fits = bytes.iter().take(room).rposition(end);
    fits.or_else(|| bytes.iter().position(end)).map_or(bytes.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, Receiver, Sender};

    const LONG: Duration = Duration::from_secs(20);

    /// A reader that takes a piece only when told to, and tells what it took.
    struct Slow(Receiver<io::Result<()>>, Sender<Vec<u8>>);

    impl Sink for Slow {
        fn room(&self, _: usize) -> usize {
            16
        }
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))??;
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }
        fn wait(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Stage {
        outlet: Outlet,
        go: Sender<io::Result<()>>,
        written: Receiver<Vec<u8>>,
        told: Receiver<Event>,
    }

    fn stage(limit: usize, failing: Failing) -> Stage {
        let (go, wait) = mpsc::channel();
        let (send, written) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let tell = move |event| drop(tell.send(event));
        let outlet = Outlet::start("test", Slow(wait, send), limit, failing, tell).unwrap();
        Stage { outlet, go, written, told }
    }

    impl Stage {
        fn push(&self, line: &str) {
            self.outlet.push(line.as_bytes(), 1);
            self.outlet.wake();
        }

        /// Waits until the writer has taken all that is queued.
        fn wait_until_taken(&self) {
            let deadline = Instant::now() + LONG;
            while !self.outlet.shared.lock().entries.is_empty() {
                assert!(Instant::now() < deadline, "never taken");
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_stalled_reader_costs_the_oldest_lines_which_are_counted_and_said() {
        let stage = stage(12, Failing::Ends);
        stage.push("1--\n");
        stage.wait_until_taken();
        (2..=9).for_each(|number| stage.push(&format!("{number}--\n")));
        assert_eq!(stage.outlet.dropped(), 5);
        assert!(matches!(stage.told.recv_timeout(LONG).unwrap(), Event::Dropping));
        (0..2).for_each(|_| stage.go.send(Ok(())).unwrap());
        let got = [stage.written.recv_timeout(LONG).unwrap(), stage.written.recv_timeout(LONG).unwrap()];
        assert_eq!(got, [&b"1--\n"[..], b"7--\n8--\n9--\n"]);
        assert!(matches!(stage.told.recv_timeout(LONG).unwrap(), Event::Resumed { dropped: 5 }));
        stage.outlet.flush(LONG);
    }

    #[test]
    fn a_write_that_fails_ends_an_outlet_or_costs_only_what_was_to_be_written() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        for failing in [Failing::Ends, Failing::Costs] {
            let stage = stage(100, failing);
            stage.push("1\n");
            stage.go.send(Err(full())).unwrap();
            assert!(matches!(stage.told.recv_timeout(LONG).unwrap(), Event::Failed(_)));
            stage.push("2\n");
            if failing == Failing::Ends {
                stage.outlet.flush(LONG);
                assert!(stage.outlet.shared.lock().broken);
                continue;
            }
            stage.go.send(Ok(())).unwrap();
            assert_eq!(stage.written.recv_timeout(LONG).unwrap(), b"2\n");
            assert!(matches!(stage.told.recv_timeout(LONG).unwrap(), Event::Resumed { dropped: 1 }));
            // A reader that has gone is the end of any.
            drop(stage.go);
            stage.outlet.push(b"3\n", 1);
            stage.outlet.wake();
            assert!(matches!(stage.told.recv_timeout(LONG).unwrap(), Event::Failed(_)));
            stage.outlet.flush(LONG);
        }
    }

    #[test]
    fn whoever_is_told_something_may_use_the_outlet_as_a_log_does_that_is_one_itself() {
        let (go, wait) = mpsc::channel();
        let (send, _written) = mpsc::channel();
        let (say, said) = mpsc::channel();
        let outlet: Arc<std::sync::OnceLock<Outlet>> = Arc::default();
        let own = outlet.clone();
        // A message that is pushed while the queue is locked would wait for itself.
        let tell = move |event| {
            let outlet = own.get().unwrap();
            outlet.push(b"told\n", 1);
            drop(say.send((format!("{event:?}"), outlet.dropped())));
        };
        outlet.set(Outlet::start("test", Slow(wait, send), 8, Failing::Costs, tell).unwrap()).unwrap();
        let pushing = outlet.clone();
        std::thread::spawn(move || {
            let outlet = pushing.get().unwrap();
            (0..9).for_each(|_| outlet.push(b"line\n", 1));
            outlet.wake();
        });
        assert!(said.recv_timeout(LONG).unwrap().0.starts_with("Dropping"));
        go.send(Err(io::Error::from(io::ErrorKind::StorageFull))).unwrap();
        assert!(said.recv_timeout(LONG).unwrap().0.starts_with("Failed"));
        (0..2).for_each(|_| go.send(Ok(())).unwrap());
        assert!(said.recv_timeout(LONG).unwrap().0.starts_with("Resumed"));
    }

    #[test]
    fn pieces_end_with_a_line_and_fit_where_a_line_does() {
        assert_eq!(piece(b"a\nb\n", 100), 4);
        assert_eq!(piece(b"aaa\nbbb\nc\n", 9), 8);
        assert_eq!(piece(b"aaa\nbbb\nc\n", 8), 8);
        assert_eq!(piece(b"aaaaaa\nb\n", 3), 7);
        assert_eq!(piece(b"aaaaaa", 3), 6);
    }
}
