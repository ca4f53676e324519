//! A name and a port → a TCP connection, with every failure in words a user can act on.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::names::{self, Names};

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
    #[error("{address} refuses the connection; check the port, and that {protocol} is enabled there")]
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
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::EtherNetIp => "EtherNet/IP",
            Protocol::ModbusTcp => "Modbus TCP",
        }
    }
}

/// DSCP 27 in the six upper bits of the type-of-service byte.
const EXPLICIT_TOS: u32 = 27 << 2;

/// Looks `host` up and connects to the first of its addresses that accepts. All of them share the time.
///
/// # Errors
/// [`ConnectError`]; when a name has several addresses, what the last one that answered said.
pub async fn connect(
    host: &str,
    port: u16,
    protocol: Protocol,
    within: Duration,
) -> Result<TcpStream, ConnectError> {
    connect_by(&names::HOST, host, port, protocol, within).await
}

async fn connect_by(
    names: &Names,
    host: &str,
    port: u16,
    protocol: Protocol,
    within: Duration,
) -> Result<TcpStream, ConnectError> {
    let deadline = Instant::now() + within;
    let addresses = names.resolve(host, within).await;
    let addresses = addresses
        .map_err(|reason| ConnectError::Resolve { host: host.to_owned(), reason: reason.to_string() })?;
    let mut failure = None;
    for (tried, ip) in addresses.iter().enumerate() {
        let address = SocketAddr::new(*ip, port);
        let left = deadline.saturating_duration_since(Instant::now());
        // So that one that is silent leaves the same to each of the others.
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                names.answered(host, *ip);
                prepare(&stream, protocol);
                return Ok(stream);
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                failure = Some(ConnectError::Refused { address, protocol: protocol.name() });
            }
            Ok(Err(error)) => failure = Some(ConnectError::Io { address, error }),
            Err(_) => {}
        }
    }
    names.forget_freshness(host);
    Err(failure.unwrap_or_else(|| ConnectError::Silent { host: host.to_owned(), port, after: within }))
}

/// Small requests leave at once and carry their class of service. Both are courtesies to the network: a
/// system that does not offer them still reads its meter.
fn prepare(stream: &TcpStream, protocol: Protocol) {
    let _ = stream.set_nodelay(true);
    if protocol == Protocol::EtherNetIp && stream.peer_addr().is_ok_and(|peer| peer.is_ipv4()) {
        let _ = socket2::SockRef::from(stream).set_tos_v4(EXPLICIT_TOS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr, TcpListener};

    const WITHIN: Duration = Duration::from_secs(2);

    /// An address on which nothing is answered: its queue of connections is full.
    fn silent() -> (IpAddr, u16, TcpListener, Vec<std::net::TcpStream>) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, 9), 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener: TcpListener = socket.into();
        let address = listener.local_addr().unwrap();
        let short = Duration::from_millis(100);
        let queued: Vec<_> =
            (0..8).map_while(|_| std::net::TcpStream::connect_timeout(&address, short).ok()).collect();
        (address.ip(), address.port(), listener, queued)
    }

    #[tokio::test]
    async fn a_dead_address_of_a_name_leaves_the_others_their_share_of_the_time_and_is_tried_last_afterwards()
    {
        let (dead, port, _listener, _queued) = silent();
        let alive = Ipv4Addr::new(127, 0, 0, 10);
        let _alive = TcpListener::bind((alive, port)).unwrap();
        let names = Names::looked_up_by(move |_| Ok(vec![dead, alive.into()]));
        for _ in 0..2 {
            let stream = connect_by(&names, "meter-7", port, Protocol::ModbusTcp, WITHIN).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap().ip(), alive);
        }
        assert_eq!(names.resolve("meter-7", WITHIN).await.unwrap(), [IpAddr::from(alive), dead]);

        let names = Names::looked_up_by(move |_| Ok(vec![dead]));
        let short = Duration::from_millis(50);
        let failed = connect_by(&names, "meter-7", port, Protocol::ModbusTcp, short).await.unwrap_err();
        assert!(failed.to_string().starts_with("meter-7 port"), "{failed}");
    }
}
