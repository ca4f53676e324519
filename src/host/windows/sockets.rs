//! Where sockets of UDP are bound, and who else has their port.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Who has the UDP port of class 1 if we do not.
pub const USUAL_OWNERS: &str = "RSLinx or FactoryTalk Linx, another collector?";

/// Binds a socket that will join this group to the group's port: Windows binds nothing to a group. What others send to
/// the port may come as well; frames are known by their connection and their sender.
///
/// # Errors
/// What the operating system says.
pub fn bind_to_group(socket: &Socket, group: SocketAddrV4) -> io::Result<()> {
    socket.bind(&SockAddr::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, group.port())))
}

/// Binds a socket beside which others are bound to groups, and so to any address, at the same port. It must share its
/// address with them, and would share it with other programs, too: a socket that does not share it looks first whether
/// one has it.
///
/// # Errors
/// What the operating system says, also that another program [has the port](is_taken).
pub fn bind_beside_groups(socket: &Socket, local: SocketAddrV4) -> io::Result<()> {
    let local = SockAddr::from(local);
    Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?.bind(&local)?;
    socket.set_reuse_address(true)?;
    socket.bind(&local)
}

/// Whether another program has the port that could not be bound; one that shares it with nobody makes it forbidden.
pub fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}
