//! Listening sockets of simulated devices, and why there are none.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, UdpSocket};

/// Attempts to find a port that is free on TCP and UDP alike.
const ATTEMPTS: u32 = 20;

/// TCP and UDP on the same port.
///
/// # Errors
/// An address that cannot be listened on; the message names it.
pub(super) async fn listen_on_both(address: SocketAddr) -> io::Result<(TcpListener, UdpSocket)> {
    let mut attempt = 1;
    loop {
        let tcp = TcpListener::bind(address).await.map_err(|error| named(error, address, "EtherNet/IP"))?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((tcp, udp)),
            Err(_) if address.port() == 0 && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(named(error, address, "EtherNet/IP (UDP)")),
        }
    }
}

/// The error of a socket in words.
pub(super) fn named(error: io::Error, address: SocketAddr, protocol: &str) -> io::Error {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this host does not have the address".to_owned(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("cannot serve {protocol} on {address}: {reason}"))
}
