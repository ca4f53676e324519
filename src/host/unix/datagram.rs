//! Datagrams with the time at which the kernel received them: a process that stood still knows afterwards when
//! what waited in its socket had come.

use std::io::{self, IoSliceMut};
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mio::net::UdpSocket;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};

/// Lets a socket note when each datagram came. A system that does not offer it gives the time of reading.
pub fn note_times(socket: &UdpSocket) {
    let _ = setsockopt(socket, sockopt::ReceiveTimestampns, &true);
}

/// Longest datagram that is taken whole: a meter sends 20 bytes of frame and at most 509 of data.
const LONGEST: usize = 1024;

/// Room for one datagram and its time.
#[derive(Debug)]
pub struct Room {
    bytes: Box<[u8; LONGEST]>,
    control: Vec<u8>,
}

impl Default for Room {
    fn default() -> Room {
        Room { bytes: Box::new([0; LONGEST]), control: nix::cmsg_space!(nix::sys::time::TimeSpec) }
    }
}

/// A datagram: its bytes, its sender, and when it came.
pub type Received<'r> = (&'r [u8], SocketAddrV4, SystemTime);

impl Room {
    /// Takes one datagram that has arrived.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there is none; what else the system says.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<Received<'_>> {
        let Room { bytes, control } = self;
        let mut pieces = [IoSliceMut::new(&mut bytes[..])];
        let flags = MsgFlags::MSG_DONTWAIT;
        let received = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut pieces, Some(control), flags)?;
        let mut at = None;
        for message in received.cmsgs()? {
            if let ControlMessageOwned::ScmTimestampns(time) = message {
                let seconds = Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or_default());
                let rest = Duration::from_nanos(u64::try_from(time.tv_nsec()).unwrap_or_default());
                at = UNIX_EPOCH.checked_add(seconds + rest);
            }
        }
        let from = received.address.ok_or(io::ErrorKind::InvalidData)?;
        let length = received.bytes;
        Ok((&bytes[..length], from.into(), at.unwrap_or_else(SystemTime::now)))
    }
}
