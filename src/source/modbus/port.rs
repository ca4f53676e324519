//! Where Modbus units are asked: one address with one connection at a time, which all of its units share, as they do
//! behind a gateway.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep_until, timeout};

use super::TransmissionMode;
use super::plan::Piece;
use super::reader::RegisterReader;
use super::unanswered::Unanswered;
use crate::source::late::Late;
use crate::source::transport::{Connect, Stream, Tcp, Wire};
use crate::source::{Failure, FailureKind};

/// A serial line on which nothing has come for this long is silent. 3.5 characters at 1200 baud, the slowest that is in
/// use, are 32 ms.
const SILENCE: Duration = Duration::from_millis(50);
/// A line that does not fall silent is used all the same.
const LONGEST_NOISE: Duration = Duration::from_secs(1);

/// An address, and the connection to it while there is one.
#[derive(Debug)]
pub struct Port<C: Connect = Tcp> {
    way: C,
    mode: TransmissionMode,
    connection: Option<RegisterReader>,
    /// The connection, or the last one on which no answer came in time.
    late: Option<Late<C::Stream>>,
    /// The unit that gave none.
    silent: Option<u8>,
    /// Something has come from there after that.
    alive: bool,
    connected_before: bool,
    /// Reads whose replies may still come, where replies have no number.
    unanswered: Unanswered,
    /// When the line was used last.
    used: Option<Instant>,
}

impl<C: Connect> Port<C> {
    /// Not connected yet.
    pub fn new(way: C, mode: TransmissionMode) -> Port<C> {
        Port {
            way,
            mode,
            connection: None,
            late: None,
            silent: None,
            alive: false,
            connected_before: false,
            unanswered: Unanswered::default(),
            used: None,
        }
    }

    /// Whether there is a connection.
    pub(super) fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    /// The connection, if there is one; whoever uses it gives it [back](Self::keep) as long as it is sound.
    pub(super) fn take(&mut self) -> Option<RegisterReader> {
        self.connection.take()
    }

    /// Waits until the line was silent for so long, and notes that a unit is asked for these registers now: whoever is
    /// interrupted leaves a reply that may still come.
    pub(super) async fn asks(&mut self, unit: u8, read: Piece, pause: Duration) {
        if let Some(used) = self.used.filter(|_| !pause.is_zero()) {
            sleep_until(used + pause).await;
        }
        if self.mode.has_frames() {
            self.unanswered.asked(unit, read, Instant::now());
        }
    }

    /// A reply has come just now. `sure` is that it is the reply to what was asked last, and to nothing before it.
    pub(super) fn answered(&mut self, sure: bool) {
        self.unanswered.answered(sure);
        self.used = Some(Instant::now());
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&mut self, connection: RegisterReader) {
        self.connection = Some(connection);
    }

    /// Connects, and says whether there was a connection before.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn open(&mut self, within: Duration) -> Result<(RegisterReader, bool), Failure> {
        (self.late, self.silent, self.alive) = (None, None, false);
        let Wire { mut stream, .. } = self.way.connect(within).await?;
        if self.mode.has_frames() {
            let _ = timeout(LONGEST_NOISE, fall_silent(&mut stream)).await;
        }
        let (stream, late) = Late::on(stream);
        self.late = Some(late);
        Ok((RegisterReader::new(stream, self.mode), std::mem::replace(&mut self.connected_before, true)))
    }

    /// A connection to this unit was given up, when this had come. Only one without an answer is watched for a late
    /// one; any other is closed at once.
    pub(super) fn lost(&mut self, unit: u8, why: FailureKind, reply: &[u8]) {
        self.unanswered.came(reply);
        if why == FailureKind::Timeout {
            self.silent = Some(unit);
        } else {
            self.forget();
        }
    }

    /// Reads whose replies may still come.
    pub(super) fn unanswered(&self) -> &Unanswered {
        &self.unanswered
    }

    fn forget(&mut self) {
        (self.late, self.silent) = (None, None);
    }

    /// Whether a unit that did not answer has shown life since.
    pub(super) fn shows_life(&mut self, unit: u8) -> bool {
        let watched = self.connection.is_none() && self.silent == Some(unit);
        self.alive |= watched && self.late.as_ref().is_some_and(Late::has_come);
        self.alive && watched
    }

    /// Closes the connection.
    pub(super) async fn close(&mut self) {
        self.forget();
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }
}

/// Takes what comes until nothing does.
async fn fall_silent(stream: &mut impl Stream) {
    let mut bytes = [0; 256];
    while let Ok(Ok(1..)) = timeout(SILENCE, stream.read(&mut bytes)).await {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tcp::Protocol;
    use crate::source::Endpoint;

    #[tokio::test(start_paused = true)]
    async fn a_line_is_silent_for_the_pause_between_an_answer_and_the_next_request() {
        let endpoint = Endpoint { host: "meter".to_owned(), port: 502 };
        let way = Tcp { endpoint, protocol: Protocol::ModbusTcp };
        let (mut port, pause) = (Port::new(way, TransmissionMode::Rtu), Duration::from_millis(20));
        let start = Instant::now();
        port.asks(1, (0, 2), pause).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "nobody was asked before");
        port.answered(true);
        port.asks(1, (0, 2), pause).await;
        assert!(start.elapsed() >= pause);
    }
}
