//! Where sockets of UDP are bound, and who else has their port.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{SockAddr, Socket};

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

/// Lets sockets be bound to any address beside this one, which has the same port. Only now: before it was bound, this would
/// have hidden that another program has the port. Windows lets them by its own rules, Wine by this.
pub fn admit_groups(socket: &Socket) {
    let _ = socket.set_reuse_address(true);
}

/// Whether another program has the port that could not be bound; one that shares it with nobody makes it forbidden.
pub fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}
