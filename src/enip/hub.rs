//! The UDP sockets of class 1, shared by every meter of the process.
//!
//! ```text
//! heartbeats   one unicast socket per local address, bound to (address, 2222)
//! frames       one socket per group and interface, bound to (group, 2222), joined on the interface of the
//!              session's local address; a socket bound to the local address would receive none of them
//! ```
//!
//! Frames find their [`Stream`] by connection ID; the stream checks the source address. A socket lives as
//! long as a connection uses it.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::class1::{Frame, HEARTBEAT_LEN, PORT};
use super::stream::Stream;

/// DSCP 47, for heartbeats, in the six upper bits of the type-of-service byte.
const SCHEDULED_TOS: u32 = 47 << 2;
/// Longest datagram a meter sends: 20 bytes of frame and at most 509 of data.
const LONGEST: usize = 1024;
/// What a socket may hold while the process is busy: a second of hundreds of connections.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Why no frames can be received.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The meter names a group outside 239.0.0.0/8, or none.
    #[error("the meter names {0} as its multicast group, which is not in 239.0.0.0/8")]
    Group(String),
    /// The local address is not IPv4.
    #[error("class 1 needs an IPv4 connection to the meter")]
    NotIpv4,
    /// The UDP port of class 1 is taken on our address.
    #[error("UDP port 2222 on {0} is in use by another program (another collector, a soft PLC?)")]
    PortInUse(Ipv4Addr),
    /// The operating system said something else.
    #[error("cannot receive multicast group {group} on {local}: {error}")]
    Io {
        /// The group.
        group: Ipv4Addr,
        /// Our address on the meter's network.
        local: Ipv4Addr,
        /// What the operating system said.
        error: io::Error,
    },
}

/// All class 1 sockets of the process.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    senders: HashMap<Ipv4Addr, Weak<UdpSocket>>,
    groups: HashMap<(SocketAddrV4, Ipv4Addr), Weak<Group>>,
}

/// One joined group.
#[derive(Debug)]
struct Group {
    streams: Arc<Mutex<Vec<Weak<Stream>>>>,
    task: AbortHandle,
}

impl Drop for Group {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection's place at the hub: dropping it stops its heartbeats and leaves its group.
#[derive(Debug)]
pub struct Attached {
    /// The receiving end.
    pub stream: Arc<Stream>,
    heartbeat: AbortHandle,
    _group: Arc<Group>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

/// Where a connection's heartbeats go.
#[derive(Debug, Clone, Copy)]
pub struct Heartbeat {
    /// The O→T connection ID.
    pub connection: u32,
    /// The meter's own address, and the port it named.
    pub to: SocketAddrV4,
    /// The agreed interval.
    pub every: Duration,
}

impl Hub {
    /// Makes sure that heartbeats can be sent from this address, before anything is opened.
    ///
    /// # Errors
    /// [`HubError::PortInUse`] when another program has the port.
    pub fn prepare(&self, local: SocketAddr) -> Result<Sender, HubError> {
        let SocketAddr::V4(local) = local else { return Err(HubError::NotIpv4) };
        self.sender(*local.ip()).map(Sender)
    }

    /// Joins the group, and starts the heartbeats: the first one at once.
    ///
    /// # Errors
    /// [`HubError`]; nothing is left behind.
    pub fn attach(
        &self,
        sender: Sender,
        local: SocketAddr,
        group: Option<SocketAddrV4>,
        heartbeat: Heartbeat,
        stream: Stream,
    ) -> Result<Attached, HubError> {
        let SocketAddr::V4(local) = local else { return Err(HubError::NotIpv4) };
        let group = group.ok_or_else(|| HubError::Group("nothing".to_owned()))?;
        if group.ip().octets()[0] != 239 {
            return Err(HubError::Group(group.ip().to_string()));
        }
        let stream = Arc::new(stream);
        let group = self.group(group, *local.ip())?;
        lock(&group.streams).push(Arc::downgrade(&stream));
        let heartbeat = tokio::spawn(beat(sender.0, heartbeat, stream.clone())).abort_handle();
        Ok(Attached { stream, heartbeat, _group: group })
    }

    fn sender(&self, local: Ipv4Addr) -> Result<Arc<UdpSocket>, HubError> {
        let mut inner = lock(&self.inner);
        if let Some(socket) = inner.senders.get(&local).and_then(Weak::upgrade) {
            return Ok(socket);
        }
        let socket = unicast(local).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => HubError::PortInUse(local),
            _ => HubError::Io { group: local, local, error },
        })?;
        let socket = Arc::new(socket);
        inner.senders.insert(local, Arc::downgrade(&socket));
        Ok(socket)
    }

    fn group(&self, group: SocketAddrV4, local: Ipv4Addr) -> Result<Arc<Group>, HubError> {
        let mut inner = lock(&self.inner);
        inner.groups.retain(|_, known| known.strong_count() > 0);
        if let Some(known) = inner.groups.get(&(group, local)).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let socket =
            multicast(group, local).map_err(|error| HubError::Io { group: *group.ip(), local, error })?;
        let streams = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(receive(socket, streams.clone())).abort_handle();
        let joined = Arc::new(Group { streams, task });
        inner.groups.insert((group, local), Arc::downgrade(&joined));
        Ok(joined)
    }
}

/// The right to send heartbeats from one local address.
#[derive(Debug)]
pub struct Sender(Arc<UdpSocket>);

/// Sends heartbeats until the connection has gone silent or is dropped: a listener of nothing keeps no slot.
async fn beat(socket: Arc<UdpSocket>, heartbeat: Heartbeat, stream: Arc<Stream>) {
    let mut ticks = interval(heartbeat.every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut bytes = Vec::with_capacity(HEARTBEAT_LEN);
    let mut sequence: u32 = 0;
    loop {
        ticks.tick().await;
        if stream.is_silent(Instant::now()) {
            return;
        }
        sequence = sequence.wrapping_add(1);
        bytes.clear();
        let count = sequence as u16;
        Frame { connection: heartbeat.connection, sequence, count, data: &[] }.encode(&mut bytes);
        // A lost heartbeat is one of sixteen; a dead network shows as silence.
        let _ = socket.send_to(&bytes, heartbeat.to).await;
    }
}

/// Hands a group's frames to their streams.
async fn receive(socket: UdpSocket, streams: Arc<Mutex<Vec<Weak<Stream>>>>) {
    let mut datagram = [0; LONGEST];
    loop {
        let (length, from) = match socket.recv_from(&mut datagram).await {
            Ok((length, SocketAddr::V4(from))) => (length, from),
            Ok(_) | Err(_) => continue,
        };
        let Some(frame) = Frame::decode(&datagram[..length]) else {
            // Whose it would be nobody knows; it is evidence for one connection of the meter that sent it.
            let refuse = |stream: &Weak<Stream>| {
                stream.upgrade().is_some_and(|stream| stream.refuse(&datagram[..length], *from.ip()))
            };
            lock(&streams).iter().any(refuse);
            continue;
        };
        let at = (Instant::now(), SystemTime::now());
        lock(&streams).retain(|stream| match stream.upgrade() {
            Some(stream) => {
                if stream.is(frame.connection) {
                    stream.accept(&frame, *from.ip(), at);
                }
                true
            }
            None => false,
        });
    }
}

fn unicast(local: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&SockAddr::from(SocketAddrV4::new(local, PORT)))?;
    // A courtesy to the network; heartbeats without a mark are heartbeats, too.
    let _ = socket.set_tos_v4(SCHEDULED_TOS);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

fn multicast(group: SocketAddrV4, local: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // Other listeners on this host have sockets for the same group.
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(group))?;
    // Only what we joined, not what other programs of this host joined elsewhere.
    socket.set_multicast_all_v4(false)?;
    socket.join_multicast_v4(group.ip(), &local)?;
    // As much as the system allows.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Maps and lists are whole between any two statements that can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
