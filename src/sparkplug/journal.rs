//! The lines that wait, in a file, so that they outlive the process.
//!
//! Only what could not go out is written, by a thread of its own: the node never waits for a disk. The file is line protocol as
//! it came. It is longer than what waits while that is being delivered, and emptied when everything is; a process that is
//! killed in between delivers some lines twice, with the same time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Batches that may wait for the disk.
const WAITING: usize = 256;

enum Order {
    Append(Vec<Box<[u8]>>),
    Replace(Vec<Box<[u8]>>),
    Done(tokio::sync::oneshot::Sender<()>),
}

/// What an earlier run has left.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Lines, oldest first.
    pub lines: Vec<Box<[u8]>>,
    /// Lines that do not fit.
    pub dropped: u64,
}

/// The way to the thread that writes.
#[derive(Debug, Clone)]
pub struct Journal {
    orders: SyncSender<Order>,
}

impl Journal {
    /// Reads what an earlier run has left, at most `limit` bytes, and starts the thread. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path, limit: usize) -> io::Result<(Journal, Left)> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let left = read(&mut file, limit)?;
        let (orders, received) = sync_channel(WAITING);
        let writer = Writer { path: path.to_owned(), file, limit: limit as u64, failing: false };
        std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run(&received))?;
        Ok((Journal { orders }, left))
    }

    /// Adds lines. False when the disk is so slow that they could not be taken.
    pub fn append(&self, lines: Vec<Box<[u8]>>) -> bool {
        lines.is_empty() || self.order(Order::Append(lines))
    }

    /// Puts these lines in place of all others. False as in [`Journal::append`].
    pub fn replace(&self, lines: Vec<Box<[u8]>>) -> bool {
        self.order(Order::Replace(lines))
    }

    /// Waits until everything so far is written.
    pub async fn done(&self) {
        let (send, receive) = tokio::sync::oneshot::channel();
        if self.order(Order::Done(send)) {
            let _ = receive.await;
        }
    }

    fn order(&self, order: Order) -> bool {
        !matches!(self.orders.try_send(order), Err(TrySendError::Full(_)))
    }
}

/// The newest lines that fit; the first may have been cut off by a crash and is judged by whoever parses it.
fn read(file: &mut File, limit: usize) -> io::Result<Left> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // What a crash has cut off has no end, and could be taken for another number.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let whole = &bytes[..whole];
    let mut left = Left::default();
    let mut size = 0;
    for line in whole.split(|byte| *byte == b'\n').rev().filter(|line| !line.is_empty()) {
        size += line.len() + 1;
        if size > limit {
            left.dropped += 1;
        } else {
            left.lines.push(line.into());
        }
    }
    left.lines.reverse();
    Ok(left)
}

struct Writer {
    path: PathBuf,
    file: File,
    limit: u64,
    failing: bool,
}

impl Writer {
    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            let written = match order {
                Order::Append(lines) => self.append(&lines),
                Order::Replace(lines) => self.replace(&lines),
                Order::Done(waiting) => {
                    // Nobody may be waiting any more.
                    let _ = waiting.send(());
                    continue;
                }
            };
            match written {
                Ok(()) if self.failing => {
                    self.failing = false;
                    log::info!("The buffer file {} can be written again", self.path.display());
                }
                Ok(()) => {}
                Err(error) if !self.failing => {
                    self.failing = true;
                    let path = self.path.display();
                    log::warn!("Cannot write the buffer file {path}: {error}; what waits is in memory only");
                }
                Err(_) => {}
            }
        }
    }

    fn append(&mut self, lines: &[Box<[u8]>]) -> io::Result<()> {
        self.file.write_all(&joined(lines))?;
        self.file.sync_data()?;
        if self.file.metadata()?.len() > 2 * self.limit {
            let left = read(&mut self.file, self.limit as usize)?;
            self.replace(&left.lines)?;
        }
        Ok(())
    }

    fn replace(&mut self, lines: &[Box<[u8]>]) -> io::Result<()> {
        if lines.is_empty() {
            self.file.set_len(0)?;
            return self.file.sync_data();
        }
        let new = self.path.with_extension("new");
        let mut file = OpenOptions::new().create(true).truncate(false).append(true).read(true).open(&new)?;
        file.set_len(0)?;
        file.write_all(&joined(lines))?;
        file.sync_data()?;
        fs::rename(&new, &self.path)?;
        self.file = file;
        Ok(())
    }
}

fn joined(lines: &[Box<[u8]>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for line in lines {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("pm500-journal-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder.join("buffer")
    }

    fn lines(texts: &[&str]) -> Vec<Box<[u8]>> {
        texts.iter().map(|text| text.as_bytes().into()).collect()
    }

    #[tokio::test]
    async fn what_waited_is_there_after_a_restart_and_gone_when_it_was_delivered() {
        let path = scratch("restart");
        let (journal, left) = Journal::open(&path, 1000).unwrap();
        assert_eq!(left, Left::default());
        assert!(journal.append(lines(&["a", "b"])) && journal.append(lines(&["c"])));
        journal.done().await;
        let (journal, left) = Journal::open(&path, 1000).unwrap();
        assert_eq!(left.lines, lines(&["a", "b", "c"]));
        journal.replace(lines(&["c"]));
        journal.append(lines(&["d"]));
        journal.done().await;
        let (journal, left) = Journal::open(&path, 1000).unwrap();
        assert_eq!(left.lines, lines(&["c", "d"]));
        journal.replace(Vec::new());
        journal.done().await;
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    }

    #[tokio::test]
    async fn the_file_keeps_the_newest_and_does_not_grow_without_end() {
        let path = scratch("bounded");
        let (journal, _) = Journal::open(&path, 20).unwrap();
        for number in 100..150 {
            journal.append(lines(&[&number.to_string()]));
        }
        journal.done().await;
        assert!(fs::metadata(&path).unwrap().len() <= 40);
        let (_, left) = Journal::open(&path, 20).unwrap();
        assert_eq!(left.lines.last().map(|line| &line[..]), Some(&b"149"[..]));
        assert_eq!(left.lines.len(), 5);
        // A line that a crash has cut off could be taken for another number.
        fs::write(&path, "m v=12\nm v=1").unwrap();
        assert_eq!(Journal::open(&path, 20).unwrap().1.lines, lines(&["m v=12"]));
    }
}
