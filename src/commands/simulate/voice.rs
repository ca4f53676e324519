//! What the simulator says on stdout, on a thread of its own: meters serve, whether somebody reads it or not.

use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// Texts that wait for a reader; what comes when so many wait is dropped.
const WAITING: usize = 256;
/// A reader that is there has read the last text by then.
const LAST_TEXT: Duration = Duration::from_secs(1);

/// Says texts in their order, and never waits for whoever reads them.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    texts: SyncSender<String>,
}

/// The end of a [`Voice`].
#[derive(Debug)]
pub(super) struct Silence {
    said_all: oneshot::Receiver<()>,
}

impl Voice {
    /// A voice that writes to `out`.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(super) fn new(mut out: impl Write + Send + 'static) -> io::Result<(Voice, Silence)> {
        let (texts, waiting) = sync_channel::<String>(WAITING);
        let (end, said_all) = oneshot::channel();
        thread::Builder::new().name("stdout".to_owned()).spawn(move || {
            for text in waiting {
                // Whoever closed stdout does not want to know.
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            let _ = end.send(());
        })?;
        Ok((Voice { texts }, Silence { said_all }))
    }

    /// Says whole lines.
    pub(super) fn say(&self, text: String) {
        let _ = self.texts.try_send(text);
    }
}

impl Silence {
    /// Waits until all voices are gone and all is said, or nobody reads.
    pub(super) async fn fall(self) {
        let _ = timeout(LAST_TEXT, self.said_all).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[tokio::test]
    async fn a_reader_gets_every_line_and_nobody_waits_for_one_who_does_not_read() {
        let (mut reader, out) = io::pipe().unwrap();
        let (voice, silence) = Voice::new(out).unwrap();
        voice.say("one\n".to_owned());
        voice.clone().say("two\n".to_owned());
        drop(voice);
        silence.fall().await;
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "one\ntwo\n");

        let (_unread, out) = io::pipe().unwrap();
        let (voice, _) = Voice::new(out).unwrap();
        // Far more than a pipe holds, and more than may wait.
        for _ in 0..2 * WAITING {
            voice.say("x".repeat(10_000));
        }
    }
}
