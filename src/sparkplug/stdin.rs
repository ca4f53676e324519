//! stdin as Telegraf's outputs.execd writes it: always read, whatever the broker does.
//!
//! Telegraf (seen in 1.39.3: `plugins/outputs/execd`, `agent/agent.go`) counts a metric as delivered when it is in the pipe.
//! When the pipe is full its write blocks without a limit, and so does its shutdown, which waits for the write before it
//! closes stdin: an output that stops reading makes Telegraf hang until it is killed, with everything that its own
//! buffer holds. So no pressure is put on it: lines are read at once, and what does not fit is dropped and counted here.
//! Only while this program is not running does Telegraf keep its metrics: a write into a closed pipe fails, and its
//! batch is sent again.

use std::io::{self, Read};

use tokio::sync::mpsc;

use super::line::{Cut, Splitter};

/// Bytes of one read, as many as a pipe holds.
const CHUNK: usize = 64 * 1024;

/// Reads that may wait for the node; it takes them as fast as it can parse.
const WAITING: usize = 16;

/// Starts the thread that reads. The channel ends with stdin.
///
/// # Errors
/// When the operating system gives no thread.
pub fn start() -> io::Result<mpsc::Receiver<Cut>> {
    let (send, receive) = mpsc::channel(WAITING);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || read(io::stdin().lock(), &send))?;
    Ok(receive)
}

fn read(mut stdin: impl Read, send: &mpsc::Sender<Cut>) {
    let mut splitter = Splitter::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        let cut = match stdin.read(&mut chunk) {
            // What has no newline was cut off: its last number could be taken for another one.
            Ok(0) => return,
            Ok(count) => splitter.push(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if cut != Cut::default() && send.blocking_send(cut).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_whole_line_arrives_and_then_the_end() {
        let (send, mut receive) = mpsc::channel(WAITING);
        let reader = std::thread::spawn(move || read(&b"a 1\nb 2\nc 3"[..], &send));
        let mut lines = Vec::new();
        while let Some(cut) = receive.blocking_recv() {
            lines.extend(cut.lines);
        }
        assert_eq!(lines.iter().map(|line| &line[..]).collect::<Vec<_>>(), [&b"a 1"[..], b"b 2"]);
        reader.join().unwrap();
    }
}
