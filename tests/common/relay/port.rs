//! What a relay's client is: a TCP connection, or the program that has a serial port open.

use std::future::Future;
use std::io;
use std::time::Duration;

use telegraf_pm500::host::pty::Pty;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Shorter than the timeout of any client at a serial port, and much longer than a simulated meter takes.
const PATIENCE: Duration = Duration::from_millis(200);

/// The client's end of what a relay passes on.
pub(super) trait Client: AsyncRead + AsyncWrite + Unpin + Send {
    /// Waits until the client has closed; for ever when it has sent more instead, and where nobody can tell.
    fn closed(&self) -> impl Future<Output = ()> + Send;

    /// Waits until the client asks something else on the same connection when no reply has come; for ever where it makes
    /// another connection instead.
    fn gives_up(&self) -> impl Future<Output = ()> + Send;

    /// Lets the end be a reset.
    fn reset(&self) -> io::Result<()>;

    /// Whether it has a connection, which is lost with the cable.
    fn is_connected(&self) -> bool;
}

impl Client for TcpStream {
    async fn closed(&self) {
        if let Ok(1..) = self.peek(&mut [0]).await {
            std::future::pending::<()>().await;
        }
    }

    async fn gives_up(&self) {
        std::future::pending().await
    }

    fn reset(&self) -> io::Result<()> {
        self.set_zero_linger()
    }

    fn is_connected(&self) -> bool {
        true
    }
}

/// A program at a serial port comes and goes unseen, and its end is always the same: the adapter is gone.
impl Client for Pty {
    async fn closed(&self) {
        std::future::pending().await
    }

    async fn gives_up(&self) {
        tokio::time::sleep(PATIENCE).await
    }

    fn reset(&self) -> io::Result<()> {
        Ok(())
    }

    fn is_connected(&self) -> bool {
        false
    }
}
