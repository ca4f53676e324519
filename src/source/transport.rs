//! What carries the bytes: TCP, a serial port, and in tests a pipe in memory. Sessions and readers do not know which.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Failure;
use crate::host::serial::{self, SerialPort};
use crate::host::tcp::{self, Protocol};

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Unpin + Send + 'static> Stream for S {}

/// A way to reach one meter that can be taken as often as it is lost.
pub trait Connect: fmt::Debug + Send + Sync {
    /// What it leads to.
    type Stream: Stream;

    /// Makes a connection.
    ///
    /// # Errors
    /// Why there is none, in a sentence that names what to check.
    fn connect(&self, within: Duration) -> impl Future<Output = Result<Wire<Self::Stream>, Failure>> + Send;

    /// What to doubt when something answers that does not speak the protocol.
    fn doubt(&self) -> Option<String> {
        None
    }
}

/// One connection.
#[derive(Debug)]
pub struct Wire<S> {
    /// The bytes.
    pub stream: S,
    /// Our and the meter's address, where there are such.
    pub ends: Option<(SocketAddr, SocketAddr)>,
}

/// Where a meter is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A meter's TCP port.
#[derive(Debug, Clone)]
pub struct Tcp {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What is spoken there.
    pub protocol: Protocol,
}

impl Connect for Tcp {
    type Stream = TcpStream;

    async fn connect(&self, within: Duration) -> Result<Wire<TcpStream>, Failure> {
        let Endpoint { host, port } = &self.endpoint;
        let stream = tcp::connect(host, *port, self.protocol, within).await?;
        let ends = stream.local_addr().ok().zip(stream.peer_addr().ok());
        Ok(Wire { stream, ends })
    }

    fn doubt(&self) -> Option<String> {
        let (port, protocol) = (self.endpoint.port, self.protocol.name());
        Some(format!("is TCP port {port} the meter's {protocol} port?"))
    }
}

/// A serial port of this host.
#[derive(Debug, Clone)]
pub struct Serial {
    /// Where it is.
    pub path: PathBuf,
    /// What that led to at start: another path may lead there, too.
    pub device: PathBuf,
    /// How characters look on its line.
    pub settings: serial::Settings,
}

impl Connect for Serial {
    type Stream = SerialPort;

    async fn connect(&self, within: Duration) -> Result<Wire<SerialPort>, Failure> {
        let stream = serial::open(&self.path, self.settings, within).await?;
        Ok(Wire { stream, ends: None })
    }
}
