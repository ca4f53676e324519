//! A stream that remembers one exchange: what was sent and received since the last request. A reply that is no answer can be
//! shown as it came, and whoever asked for bytes sees those that were on the wire.
//!
//! `tokio-util`'s `InspectReader` would do, but the Modbus client wants a transport that can be debugged.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes of one direction: the longest Modbus TCP packet has 260, a reply over EtherNet/IP hardly more than 600.
const LONGEST: usize = 640;

/// The stream.
#[derive(Debug)]
pub(super) struct Tap<S> {
    stream: S,
    seen: Seen,
    /// What was received is wanted by more than the log.
    evidence: bool,
}

/// What was seen since it was last cleared.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Bytes>>);

/// The bytes of one exchange, as they were on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bytes {
    /// What we sent; nothing, where nobody asked for bytes.
    pub sent: Vec<u8>,
    /// What came back.
    pub received: Vec<u8>,
}

impl Seen {
    /// All of it.
    pub(super) fn bytes(&self) -> Bytes {
        self.lock().clone()
    }

    /// What was received.
    pub(super) fn received(&self) -> Vec<u8> {
        self.lock().received.clone()
    }

    /// Forgets it, and keeps its memory.
    pub(super) fn clear(&self) {
        let mut bytes = self.lock();
        bytes.sent.clear();
        bytes.received.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Bytes> {
        // Bytes are appended as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Tap<S> {
    /// Taps a stream for evidence: what is received is kept, whoever reads the log.
    pub(super) fn on(stream: S) -> (Tap<S>, Seen) {
        Tap::with(stream, true)
    }

    /// Taps a stream for a log of bytes only.
    pub(super) fn for_log(stream: S) -> (Tap<S>, Seen) {
        Tap::with(stream, false)
    }

    fn with(stream: S, evidence: bool) -> (Tap<S>, Seen) {
        let seen = Seen::default();
        (Tap { stream, seen: seen.clone(), evidence }, seen)
    }
}

/// Whether the log has bytes.
pub(super) fn is_traced() -> bool {
    log::max_level() >= log::LevelFilter::Trace
}

fn keep(kept: &mut Vec<u8>, more: &[u8]) {
    let room = LONGEST.saturating_sub(kept.len());
    kept.extend(more.iter().take(room));
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if self.evidence || is_traced() {
            keep(&mut self.seen.lock().received, &buf.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        if is_traced() {
            keep(&mut self.seen.lock().sent, &buf[..written]);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
