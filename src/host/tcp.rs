//! A name and a port → a TCP connection, with every failure in words a user can act on.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// Why no connection could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name does not resolve.
    #[error("cannot resolve \"{host}\" ({reason}); check the name or write the IP address")]
    Resolve {
        /// The name that was looked up.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// The host refused: it is there, the port is closed.
    #[error("{address} refuses the connection; check the port, and that {protocol} is enabled on the meter")]
    Refused {
        /// Where we tried to connect.
        address: SocketAddr,
        /// The protocol's name.
        protocol: &'static str,
    },
    /// Nobody answered.
    #[error("{host} port {port} does not answer within {}; check the address, the cable and any firewall", humantime::format_duration(*after))]
    Silent {
        /// The host as it was configured.
        host: String,
        /// TCP port.
        port: u16,
        /// How long we waited.
        after: Duration,
    },
    /// The network said something else.
    #[error("cannot connect to {address}: {error}")]
    Io {
        /// Where we tried to connect.
        address: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
}

/// What one TCP connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// EtherNet/IP explicit messages; marked DSCP 27 as the specification assigns to them.
    EtherNetIp,
    /// Modbus TCP, unmarked.
    ModbusTcp,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Protocol::EtherNetIp => "EtherNet/IP",
            Protocol::ModbusTcp => "Modbus TCP",
        }
    }
}

/// DSCP 27 in the six upper bits of the type-of-service byte.
const EXPLICIT_TOS: u32 = 27 << 2;

/// Resolves `host` and connects to the first of its addresses that accepts.
///
/// # Errors
/// [`ConnectError`]; the last address's failure when a name has several.
pub async fn connect(
    host: &str,
    port: u16,
    protocol: Protocol,
    within: Duration,
) -> Result<TcpStream, ConnectError> {
    let deadline = Instant::now() + within;
    let silent = || ConnectError::Silent { host: host.to_owned(), port, after: within };
    let resolve = |reason: String| ConnectError::Resolve { host: host.to_owned(), reason };
    let addresses = match timeout_at(deadline, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(resolve(error.to_string())),
        Err(_) => return Err(resolve("the resolver does not answer".to_owned())),
    };
    let mut failure = None;
    for address in addresses {
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                prepare(&stream, protocol);
                return Ok(stream);
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                failure = Some(ConnectError::Refused { address, protocol: protocol.name() });
            }
            Ok(Err(error)) => failure = Some(ConnectError::Io { address, error }),
            Err(_) => return Err(silent()),
        }
    }
    Err(failure.unwrap_or_else(|| resolve("it has no address".to_owned())))
}

/// Small requests leave at once and carry their class of service. Both are courtesies to the network: a
/// system that does not offer them still reads its meter.
fn prepare(stream: &TcpStream, protocol: Protocol) {
    let _ = stream.set_nodelay(true);
    if protocol == Protocol::EtherNetIp && stream.peer_addr().is_ok_and(|peer| peer.is_ipv4()) {
        let _ = socket2::SockRef::from(stream).set_tos_v4(EXPLICIT_TOS);
    }
}
