//! Batches → stdout: Telegraf may stop reading, and no meter may feel it.
//!
//! What the meters' tasks push during one turn of the event loop is handed to the [writer thread](Outlet) at the end
//! of that turn: waking it costs a system call, and Telegraf parses larger pieces with less effort.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

use crate::host::outlet::{Event, Failing, Outlet, Sink};
use crate::lines::Batch;

/// Most bytes that wait to be written; about an hour of one meter at 1 s, or a minute of sixty.
pub const LIMIT: usize = 8 << 20;

/// The way out for lines.
#[derive(Debug, Clone)]
pub struct Output {
    outlet: Outlet,
    filled: Arc<Notify>,
}

impl Output {
    /// Starts to write to `sink`; `closed` is cancelled when nobody reads any more, or nothing can be written. Must be
    /// called on the runtime.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(sink: impl Sink, closed: CancellationToken) -> io::Result<Output> {
        let tell = move |event| match event {
            Event::Dropping => {
                log::warn!("Nobody reads the output; the oldest lines are dropped to keep memory bounded");
            }
            Event::Resumed { dropped } => {
                log::info!("The output is read again; {dropped} lines were dropped");
            }
            Event::Failed(error) => {
                if error.kind() != io::ErrorKind::BrokenPipe {
                    log::error!("Cannot write the output: {error}");
                }
                closed.cancel();
            }
        };
        let outlet = Outlet::start("output", sink, LIMIT, Failing::Ends, tell)?;
        let output = Output { outlet, filled: Arc::default() };
        tokio::spawn(output.clone().hand_over());
        Ok(output)
    }

    /// Queues a batch's lines and returns at once.
    pub fn push(&self, batch: &Batch) {
        self.outlet.push(batch.bytes(), batch.lines());
        self.filled.notify_one();
    }

    /// Lines dropped since start.
    pub fn dropped(&self) -> u64 {
        self.outlet.dropped()
    }

    /// Waits until everything queued is written, at most until the deadline. Blocks.
    pub fn flush(&self, within: Duration) {
        self.outlet.flush(within);
    }

    async fn hand_over(self) {
        loop {
            self.filled.notified().await;
            // Until every task that is ready now has run.
            yield_now().await;
            self.outlet.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::{Field, Head};
    use std::sync::mpsc::{Sender, channel};

    struct Pieces(Sender<Vec<u8>>);

    impl Sink for Pieces {
        fn room(&self, _: usize) -> usize {
            1 << 20
        }
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }
        fn wait(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn batch(number: i64) -> Batch {
        let mut batch = Batch::default();
        batch.line(&Head::new("m", &[], None), [("n", Field::Integer(number))], number);
        batch
    }

    #[tokio::test]
    async fn what_is_pushed_in_one_turn_of_the_event_loop_is_written_at_once() {
        let (send, written) = channel();
        let output = Output::start(Pieces(send), CancellationToken::new()).unwrap();
        let tasks: Vec<_> = (0..5)
            .map(|number| {
                let output = output.clone();
                tokio::spawn(async move { output.push(&batch(number)) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let all: Vec<u8> = (0..5).flat_map(|number| batch(number).bytes().to_vec()).collect();
        let piece = tokio::task::spawn_blocking(move || written.recv().unwrap()).await.unwrap();
        assert_eq!(String::from_utf8(piece), String::from_utf8(all));
    }

    #[tokio::test]
    async fn a_reader_that_left_ends_the_plugin_quietly() {
        let closed = CancellationToken::new();
        let output = Output::start(Pieces(channel().0), closed.clone()).unwrap();
        output.push(&batch(1));
        tokio::time::timeout(Duration::from_secs(20), closed.cancelled()).await.unwrap();
        output.flush(Duration::from_secs(20));
    }
}
