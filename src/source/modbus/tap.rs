//! A stream that remembers what was received since the last request, so that a reply that is no answer can
//! be shown as it came: the Modbus client hands out words or an error, never the bytes.
//!
//! `tokio-util`'s `InspectReader` would do, but the client wants a transport that can be debugged.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longest Modbus TCP packet, in bytes.
const LONGEST: usize = 260;

/// The stream.
#[derive(Debug)]
pub(super) struct Tap<S> {
    stream: S,
    seen: Seen,
}

/// What was received since it was last taken, at most one packet's length of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<u8>>>);

impl Seen {
    /// Takes it out.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock())
    }

    /// Forgets it, and keeps its memory.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // Bytes are appended as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Tap<S> {
    /// Taps a stream.
    pub(super) fn on(stream: S) -> (Tap<S>, Seen) {
        let seen = Seen::default();
        (Tap { stream, seen: seen.clone() }, seen)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let mut seen = self.seen.lock();
        let room = LONGEST.saturating_sub(seen.len());
        seen.extend(buf.filled()[before..].iter().take(room));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
