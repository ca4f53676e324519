//! Where sockets of UDP are bound, and who else has their port.

use std::io;
use std::net::SocketAddrV4;

use socket2::{SockAddr, Socket};

/// Who has the UDP port of class 1 if we do not.
pub const USUAL_OWNERS: &str = "another collector, a soft PLC?";

/// Binds a socket that will join this group to it, so that it gets nothing else.
///
/// # Errors
/// What the operating system says.
pub fn bind_to_group(socket: &Socket, group: SocketAddrV4) -> io::Result<()> {
    socket.bind(&SockAddr::from(group))?;
    // Only what we join, not what other programs of this host join elsewhere.
    socket.set_multicast_all_v4(false)
}

/// Binds a socket beside which others are bound to groups at the same port.
///
/// # Errors
/// What the operating system says, also that another program [has the port](is_taken).
pub fn bind_beside_groups(socket: &Socket, local: SocketAddrV4) -> io::Result<()> {
    socket.bind(&SockAddr::from(local))
}

/// Whether another program has the port that could not be bound.
pub fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}
