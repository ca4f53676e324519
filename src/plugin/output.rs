//! Batches → stdout, by a thread of its own: Telegraf may stop reading, and no meter may feel it.
//!
//! The queue is bounded in bytes. When it is full the oldest batch is dropped, counted and said: the
//! newest values are worth more. One batch is one write.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::metric::Batch;

/// Most bytes that wait to be written; about an hour of one meter at 1 s, or a minute of sixty.
pub const LIMIT: usize = 8 << 20;

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    bytes: usize,
    dropped: u64,
    /// Lines dropped since the reader last kept up.
    stalled: u64,
    writing: bool,
    /// Somebody waits for the queue to be empty.
    flushing: bool,
    broken: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// The way out for lines.
#[derive(Debug, Clone)]
pub struct Output {
    shared: Arc<Shared>,
    limit: usize,
}

impl Output {
    /// Starts a thread that writes to `sink`; `closed` is cancelled when nobody reads any more.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        sink: impl Write + Send + 'static,
        limit: usize,
        closed: CancellationToken,
    ) -> io::Result<Output> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        std::thread::Builder::new().name("output".to_owned()).spawn(move || {
            write_all(&theirs, sink);
            closed.cancel();
        })?;
        Ok(Output { shared, limit })
    }

    /// Queues a batch and returns at once.
    pub fn push(&self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        let mut queue = self.shared.lock();
        if queue.broken {
            return;
        }
        // A writer that has something to do looks into the queue by itself; to wake it costs a system call.
        let idle = queue.batches.is_empty() && !queue.writing;
        queue.bytes += batch.bytes().len();
        queue.batches.push_back(batch);
        while queue.bytes > self.limit && queue.batches.len() > 1 {
            let Some(oldest) = queue.batches.pop_front() else { break };
            queue.bytes -= oldest.bytes().len();
            queue.dropped += oldest.lines();
            if queue.stalled == 0 {
                log::warn!("Nobody reads the output; the oldest lines are dropped to keep memory bounded");
            }
            queue.stalled += oldest.lines();
        }
        drop(queue);
        if idle {
            self.shared.changed.notify_all();
        }
    }

    /// Lines dropped since start.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Waits until everything queued is written, at most until the deadline. Blocks.
    pub fn flush(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let mut queue = self.shared.lock();
        queue.flushing = true;
        while (!queue.batches.is_empty() || queue.writing) && !queue.broken {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
            let waited = self.shared.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is consistent between any two statements that can panic: there are none.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer thread: ends when the reader is gone.
fn write_all(shared: &Shared, mut sink: impl Write) {
    loop {
        let mut queue = shared.lock();
        queue.writing = false;
        if queue.flushing {
            shared.changed.notify_all();
        }
        let batch = loop {
            match queue.batches.pop_front() {
                Some(batch) => break batch,
                None => {
                    if queue.stalled > 0 {
                        log::info!("The output is read again; {} lines were dropped", queue.stalled);
                        queue.stalled = 0;
                    }
                    queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        queue.bytes -= batch.bytes().len();
        queue.writing = true;
        drop(queue);
        let written = sink.write_all(batch.bytes()).and_then(|()| sink.flush());
        if let Err(error) = written {
            if error.kind() != io::ErrorKind::BrokenPipe {
                log::error!("Cannot write the output: {error}");
            }
            let mut queue = shared.lock();
            queue.broken = true;
            queue.batches.clear();
            shared.changed.notify_all();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Field;
    use std::sync::mpsc;

    fn batch(number: i64) -> Batch {
        let mut batch = Batch::default();
        batch.line("m", &[], None, [("n", Field::Integer(number))], number);
        batch
    }

    /// A reader that takes a batch only when told to.
    struct Slow(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_reader_costs_the_oldest_lines_and_they_are_counted() {
        let (go, wait) = mpsc::channel();
        let (send, written) = mpsc::channel();
        let size = batch(1).bytes().len();
        let output = Output::start(Slow(wait, send), 3 * size, CancellationToken::new()).unwrap();
        output.push(batch(1));
        // The thread takes the first batch and stalls on it.
        let deadline = Instant::now() + Duration::from_secs(10);
        while !output.shared.lock().writing && Instant::now() < deadline {
            std::thread::yield_now();
        }
        (2..=9).for_each(|number| output.push(batch(number)));
        assert_eq!(output.dropped(), 5);
        (0..4).for_each(|_| go.send(()).unwrap());
        let got: Vec<_> = written.iter().take(4).collect();
        assert_eq!(got, [1, 7, 8, 9].map(|number| batch(number).bytes().to_vec()));
        output.flush(Duration::from_secs(10));
    }

    #[test]
    fn a_reader_that_left_is_noticed_and_ends_the_output_quietly() {
        let (go, wait) = mpsc::channel();
        drop(go);
        let closed = CancellationToken::new();
        let output = Output::start(Slow(wait, mpsc::channel().0), LIMIT, closed.clone()).unwrap();
        output.push(batch(1));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let ended = async { tokio::time::timeout(Duration::from_secs(10), closed.cancelled()).await };
        runtime.block_on(ended).unwrap();
        output.flush(Duration::from_secs(10));
    }
}
