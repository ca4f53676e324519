//! Datagrams with the time at which they were read: Windows does not say when they came.

use std::io::{self, Read as _};
use std::net::SocketAddrV4;
use std::time::SystemTime;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// `WSAEMSGSIZE`: the datagram was longer than the room for it, and its beginning has been read.
const LONGER: i32 = 10_040;

/// Windows has no receive times for such a socket.
pub fn note_times(_: &UdpSocket) {}

/// A datagram: its length, its sender, and when it was read.
pub type Received = (usize, SocketAddrV4, SystemTime);

/// Takes one datagram that the runtime knows to have arrived.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when there is none, or when the runtime has not asked the system since it came; what
/// else the system says.
pub fn try_receive(socket: &UdpSocket, bytes: &mut [u8]) -> io::Result<Received> {
    socket.try_io(Interest::READABLE, || receive(socket, bytes))
}

/// Takes one datagram that has arrived, whatever the runtime knows of it: after the process stood still, tasks may run
/// before it has asked the system. Whoever calls it is the only one who reads from the socket.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when there is none; what else the system says.
pub fn receive(socket: &UdpSocket, bytes: &mut [u8]) -> io::Result<Received> {
    let socket = SockRef::from(socket);
    let from = socket.peek_sender()?.as_socket_ipv4().ok_or(io::ErrorKind::InvalidData)?;
    let length = match (&*socket).read(bytes) {
        Err(error) if error.raw_os_error() == Some(LONGER) => bytes.len(),
        read => read?,
    };
    Ok((length, from, SystemTime::now()))
}
