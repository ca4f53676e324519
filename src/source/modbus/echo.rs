//! A stream without the echo of what was sent on it, and without what came before that was sent. A two-wire adapter hears
//! itself, and gives what it has sent as if it were received, before the answer.
//!
//! Whatever begins otherwise than the request is no echo and is passed on as it came. No answer begins with the eight
//! bytes of its request, but for registers that hold by chance what the request has there, its CRC included: that one
//! is cut, is no whole frame any more, and is read again.
//!
//! What has come when a request is sent was late, and is the reply to another one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The stream.
#[derive(Debug)]
pub(super) struct WithoutEcho<S> {
    stream: S,
    /// What was sent, and may be heard.
    sent: Vec<u8>,
    /// What was received and not passed on.
    held: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// What is written belongs to the request.
    Sending,
    /// What has come can be the echo, or its beginning.
    Listening,
    /// There was an echo, or there is none.
    Passing,
}

impl<S> WithoutEcho<S> {
    /// Of this stream.
    pub(super) fn of(stream: S) -> WithoutEcho<S> {
        WithoutEcho { stream, sent: Vec::new(), held: Vec::new(), state: State::Passing }
    }

    /// Decides about what has come.
    fn judge(&mut self) {
        let common = self.held.len().min(self.sent.len());
        if self.held[..common] != self.sent[..common] {
            self.state = State::Passing;
        } else if common == self.sent.len() {
            self.held.drain(..common);
            self.state = State::Passing;
        }
    }
}

impl<S: AsyncRead + Unpin> WithoutEcho<S> {
    /// Leaves out what has come so far.
    fn discard(&mut self, cx: &mut Context<'_>) {
        self.held.clear();
        let mut bytes = [0; 64];
        loop {
            let mut read = ReadBuf::new(&mut bytes);
            // An end or an error shows again to whoever reads.
            match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                _ => return,
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WithoutEcho<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.state == State::Sending {
            this.state = State::Listening;
        }
        while this.state == State::Listening {
            let mut bytes = [0; 64];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                // The end. What was held is no echo.
                this.state = State::Passing;
            } else {
                this.held.extend_from_slice(read.filled());
                this.judge();
            }
        }
        if this.held.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let count = this.held.len().min(buf.remaining());
        buf.put_slice(&this.held[..count]);
        this.held.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WithoutEcho<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.state != State::Sending {
            // Before, and not after: the answer may be there as soon as the request has gone out.
            this.discard(cx);
        }
        let count = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        if this.state != State::Sending {
            this.sent.clear();
            this.state = State::Sending;
        }
        this.sent.extend(buf.iter().take(count));
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// What is read after a request of four bytes, when these pieces come.
    async fn read_after(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut line, ours) = tokio::io::duplex(64);
        let mut stream = WithoutEcho::of(ours);
        stream.write_all(&[1, 3, 0, 0]).await.unwrap();
        let reading = tokio::spawn(async move {
            let mut read = Vec::new();
            stream.read_to_end(&mut read).await.unwrap();
            read
        });
        for piece in pieces {
            line.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(line);
        reading.await.unwrap()
    }

    #[tokio::test]
    async fn what_came_before_a_request_is_no_answer_to_it() {
        let (mut line, ours) = tokio::io::duplex(256);
        let mut stream = WithoutEcho::of(ours);
        for late in [3, 100] {
            line.write_all(&vec![9; late]).await.unwrap();
            stream.write_all(&[1, 3, 0, 0]).await.unwrap();
            line.write_all(&[1, 3, 2, 7]).await.unwrap();
            let mut read = [0; 4];
            stream.read_exact(&mut read).await.unwrap();
            assert_eq!(read, [1, 3, 2, 7]);
        }
    }

    /// Answers before the write of the request has returned, as a line does to a process that is not run for a while.
    struct AtOnce(tokio::io::DuplexStream, tokio::io::DuplexStream);

    impl AsyncRead for AtOnce {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for AtOnce {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            ready!(Pin::new(&mut self.1).poll_write(cx, &[1, 3, 2, 7]))?;
            Poll::Ready(Ok(buf.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_there_as_soon_as_the_request_has_gone_out_is_the_answer() {
        let (line, ours) = tokio::io::duplex(256);
        let mut stream = WithoutEcho::of(AtOnce(ours, line));
        stream.write_all(&[1, 3, 0, 0]).await.unwrap();
        let mut read = [0; 4];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(read, [1, 3, 2, 7]);
    }

    #[tokio::test]
    async fn an_echo_is_no_answer_however_it_comes_and_an_answer_is_no_echo() {
        let (echo, answer) = ([1, 3, 0, 0], [1, 3, 2, 7, 8, 9]);
        assert_eq!(read_after(&[&answer]).await, answer);
        assert_eq!(read_after(&[&echo, &answer]).await, answer);
        assert_eq!(read_after(&[&echo[..3], &[0, 1], &answer[1..]]).await, answer);
        assert_eq!(read_after(&[&[1, 3], &[2, 7, 8, 9]]).await, answer);
        assert_eq!(read_after(&[&echo]).await, Vec::<u8>::new());
        assert_eq!(read_after(&[&echo[..2]]).await, [1, 3], "the end of what began like an echo");
    }
}
