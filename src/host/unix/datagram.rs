//! Datagrams with the time at which the kernel received them: a process that stood still knows afterwards when
//! what waited in its socket had come.

use std::io::{self, IoSliceMut};
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Lets a socket note when each datagram came. A system that does not offer it gives the time of reading.
pub fn note_times(socket: &UdpSocket) {
    let _ = setsockopt(socket, sockopt::ReceiveTimestampns, &true);
}

/// A datagram: its length, its sender, and when it came.
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
/// before it has asked the system.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when there is none; what else the system says.
pub fn receive(socket: &UdpSocket, bytes: &mut [u8]) -> io::Result<Received> {
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let mut pieces = [IoSliceMut::new(bytes)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let received = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut pieces, Some(&mut control), flags)?;
    let mut at = None;
    for message in received.cmsgs()? {
        if let ControlMessageOwned::ScmTimestampns(time) = message {
            let seconds = Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or_default());
            let rest = Duration::from_nanos(u64::try_from(time.tv_nsec()).unwrap_or_default());
            at = UNIX_EPOCH.checked_add(seconds + rest);
        }
    }
    let from = received.address.ok_or(io::ErrorKind::InvalidData)?;
    Ok((received.bytes, from.into(), at.unwrap_or_else(SystemTime::now)))
}
