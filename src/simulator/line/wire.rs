//! Bytes on a line: requests in, answers out, at the pace of a wire.
//!
//! One character takes 11 bits. A request that came at once over a pseudo terminal or TCP is heard when a wire would
//! have carried it, and an answer is handed over piece by piece as a wire would.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::bus::Bus;
use super::rtu::{self, Received};

/// Start, eight bits, parity or a second stop bit, stop.
const BITS: u32 = 11;
/// Silence before and after a frame, in tenths of a character.
const SILENCE: u32 = 35;
/// An incomplete frame is none after this time.
const INCOMPLETE: Duration = Duration::from_millis(100);
/// Bytes are handed over this often.
const PIECE: Duration = Duration::from_millis(2);

/// How fast a line is and how fast its meters are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// `None` is as fast as the host can.
    pub(super) baud_rate: Option<u32>,
    /// Between the end of a request and the beginning of its answer.
    pub(super) answer_time: Duration,
}

impl Pace {
    /// How long a wire takes for so many tenths of a character.
    fn tenths(self, tenths: u32) -> Duration {
        self.baud_rate
            .map_or(Duration::ZERO, |baud| Duration::from_secs(1) * (tenths * BITS) / (10 * baud.max(1)))
    }

    /// How long a wire takes for so many bytes.
    pub(super) fn bytes(self, count: usize) -> Duration {
        self.tenths(10 * u32::try_from(count).unwrap_or(u32::MAX / 1000))
    }

    /// The silence between two frames.
    pub(super) fn silence(self) -> Duration {
        self.tenths(SILENCE)
    }
}

/// Serves one master until it has gone. `hears` says whether the meters understand it at all.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    bus: Arc<Bus>,
    pace: Pace,
    hears: impl Fn() -> bool,
) {
    let (mut incoming, outgoing) = split(stream);
    let (answers, waiting) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(send(outgoing, waiting, pace));
    let (mut heard, mut buffer) = (Vec::new(), [0; rtu::LONGEST]);
    loop {
        let more = incoming.read(&mut buffer);
        let read = if heard.is_empty() {
            more.await
        } else {
            match timeout(INCOMPLETE, more).await {
                Ok(read) => read,
                Err(_) => {
                    bus.heard_garbage(heard.len());
                    heard.clear();
                    continue;
                }
            }
        };
        let Ok(length @ 1..) = read else { return };
        heard.extend_from_slice(buffer.get(..length).unwrap_or_default());
        while !heard.is_empty() {
            let (unit, pdu, length) = match rtu::receive(&heard) {
                Received::Request { unit, pdu, length } => (unit, pdu, length),
                Received::Incomplete => break,
                Received::Garbage => {
                    bus.heard_garbage(heard.len());
                    heard.clear();
                    break;
                }
            };
            let request: Vec<u8> = heard.drain(..length).collect();
            if !hears() {
                bus.heard_garbage(request.len());
                continue;
            }
            let Some(answer) = bus.answer(unit, &pdu) else { continue };
            sleep(pace.bytes(request.len()) + pace.silence() + pace.answer_time).await;
            let bytes = bus.heard(unit, &request, &answer);
            if let Some(late) = bus.lateness(&answer) {
                let answers = answers.clone();
                tasks.spawn(async move {
                    sleep(late).await;
                    let _ = answers.send(bytes);
                });
                continue;
            }
            if !heard.is_empty() {
                bus.collided();
            }
            let _ = answers.send(bytes);
        }
    }
}

/// Sends answers one after the other.
async fn send<W: AsyncWrite>(
    mut outgoing: WriteHalf<W>,
    mut waiting: mpsc::UnboundedReceiver<Vec<u8>>,
    pace: Pace,
) {
    while let Some(bytes) = waiting.recv().await {
        let begun = Instant::now();
        let mut sent = 0;
        while sent < bytes.len() {
            // What a wire has carried by now; all of it where none is simulated.
            let carried = if pace.baud_rate.is_none() {
                bytes.len()
            } else {
                let carried = (sent..=bytes.len()).take_while(|count| pace.bytes(*count) <= begun.elapsed());
                carried.last().unwrap_or(sent)
            };
            if outgoing.write_all(&bytes[sent..carried]).await.is_err() {
                return;
            }
            sent = carried;
            if sent < bytes.len() {
                sleep_until(begun + pace.bytes(sent + 1).max(begun.elapsed() + PIECE)).await;
            }
        }
        sleep(pace.silence()).await;
    }
}
