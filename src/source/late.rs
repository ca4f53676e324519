//! A connection that was given up for silence, and whether the meter shows life on it.
//!
//! ```text
//! transport ─→ Held, which a session or a client uses and drops
//!          └─→ Late, which a reader keeps: is there a late reply, a close or a reset?
//! ```
//!
//! A meter that was frozen answers what it was asked before, or resets the connection. Whoever lets it rest need not
//! wait for its time to be over then. The connection is closed when both ends of this are dropped.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The connection, to be used.
#[derive(Debug)]
pub struct Held<S>(Arc<Mutex<S>>);

/// The same, to be watched after it was given up.
#[derive(Debug)]
pub struct Late<S>(Arc<Mutex<S>>);

impl<S: AsyncRead + Unpin> Late<S> {
    /// Of this connection.
    pub fn on(stream: S) -> (Held<S>, Late<S>) {
        let stream = Arc::new(Mutex::new(stream));
        (Held(stream.clone()), Late(stream))
    }

    /// Whether anything has come since it was given up: bytes, which are lost by this, or the connection's end.
    pub fn has_come(&self) -> bool {
        let mut bytes = [0; 64];
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut *lock(&self.0)).poll_read(&mut context, &mut ReadBuf::new(&mut bytes)).is_ready()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.0)).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *lock(&self.0)).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.0)).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.0)).poll_shutdown(cx)
    }
}

fn lock<S>(stream: &Mutex<S>) -> MutexGuard<'_, S> {
    // Nothing is half done in a stream between two polls.
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn a_late_reply_and_an_end_show_life_and_silence_does_not() {
        let (mut meter, ours) = tokio::io::duplex(64);
        let (held, late) = Late::on(ours);
        drop(held);
        assert!(!late.has_come());
        meter.write_all(b"late").await.unwrap();
        assert!(late.has_come() && !late.has_come());
        drop(meter);
        assert!(late.has_come());
    }
}
