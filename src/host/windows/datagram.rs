//! Datagrams with the time at which they were read: Windows does not say when they came.

use std::io::{self, Read as _};
use std::net::SocketAddrV4;
use std::time::SystemTime;

use mio::net::UdpSocket;
use socket2::SockRef;

/// `WSAEMSGSIZE`: the datagram was longer than the room for it, and its beginning has been read.
const LONGER: i32 = 10_040;

/// Windows has no receive times for such a socket.
pub fn note_times(_: &UdpSocket) {}

/// Longest datagram that is taken whole: a meter sends 20 bytes of frame and at most 509 of data.
const LONGEST: usize = 1024;

/// Room for one datagram.
#[derive(Debug)]
pub struct Room {
    bytes: Box<[u8; LONGEST]>,
}

impl Default for Room {
    fn default() -> Room {
        Room { bytes: Box::new([0; LONGEST]) }
    }
}

/// A datagram: its bytes, its sender, and when it was read.
pub type Received<'r> = (&'r [u8], SocketAddrV4, SystemTime);

impl Room {
    /// Takes one datagram that has arrived. Whoever calls it is the only one who reads from the socket.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there is none; what else the system says.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<Received<'_>> {
        let bytes = &mut self.bytes[..];
        // Where there is none, the next one will be told of.
        let (length, from) = socket.try_io(|| {
            let socket = SockRef::from(socket);
            let from = socket.peek_sender()?.as_socket_ipv4().ok_or(io::ErrorKind::InvalidData)?;
            let length = match (&*socket).read(bytes) {
                Err(error) if error.raw_os_error() == Some(LONGER) => bytes.len(),
                read => read?,
            };
            Ok((length, from))
        })?;
        Ok((&self.bytes[..length], from, SystemTime::now()))
    }
}
