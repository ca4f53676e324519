//! The UDP sockets of class 1, shared by every meter of the process.
//!
//! ```text
//! heartbeats   one unicast socket per local address, bound to (address, 2222)
//! frames       one socket per group and interface, bound to (group, 2222), on Windows to (any address, 2222),
//!              joined on the interface of the session's local address; a socket bound to that address would
//!              receive none of them on Unix
//! ```
//!
//! What arrives goes into an inbox, by the thread of a receiver or by whoever judges silence. A socket lives as
//! long as a connection uses it.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::class1::{Frame, HEARTBEAT_LEN, PORT};
use super::inbox::Inbox;
use super::receiver::Receiver;
use super::stream::Stream;
use crate::host::{datagram, sockets};

/// DSCP 47, for heartbeats, in the six upper bits of the type-of-service byte.
const SCHEDULED_TOS: u32 = 47 << 2;
/// What a socket may hold while the process is busy: a second of hundreds of connections.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Why no frames can be received.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The meter's reply names no group.
    #[error("the meter names no multicast group in its reply to the Forward Open")]
    NoGroup,
    /// The meter names a group that is nobody's to use like this.
    #[error(
        "the meter names {0} as its multicast group; it must be in 239.0.0.0/8, not among the groups of other \
         protocols (239.255.255.0/24), at port 2222"
    )]
    Group(SocketAddrV4),
    /// The local address is not IPv4.
    #[error("class 1 needs an IPv4 connection to the meter")]
    NotIpv4,
    /// The UDP port of class 1 is taken on our address.
    #[error("UDP port 2222 on {0} is in use by another program ({owners})", owners = sockets::USUAL_OWNERS)]
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
    /// The joined groups, each on the interface of a local address.
    groups: HashMap<(SocketAddrV4, Ipv4Addr), Weak<Inbox>>,
    /// From the first group on.
    receiver: Option<Receiver>,
}

/// A connection's place at the hub: dropping it stops its heartbeats and leaves its group.
#[derive(Debug)]
pub struct Attached {
    /// The receiving end.
    pub stream: Arc<Stream>,
    heartbeat: AbortHandle,
    inbox: Arc<Inbox>,
}

impl Attached {
    /// Takes in what waits in the socket, before anybody judges what has not come.
    pub fn drain(&self) {
        self.inbox.drain();
    }
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
        let group = group.ok_or(HubError::NoGroup)?;
        let [first, second, third, _] = group.ip().octets();
        if first != 239 || (second, third) == (255, 255) || group.port() != PORT {
            return Err(HubError::Group(group));
        }
        let stream = Arc::new(stream);
        let inbox = self.group(group, *local.ip())?;
        inbox.welcome(&stream);
        let beat = beat(sender.0, heartbeat, stream.clone(), inbox.clone());
        let heartbeat = tokio::spawn(beat).abort_handle();
        Ok(Attached { stream, heartbeat, inbox })
    }

    fn sender(&self, local: Ipv4Addr) -> Result<Arc<UdpSocket>, HubError> {
        let mut inner = lock(&self.inner);
        if let Some(socket) = inner.senders.get(&local).and_then(Weak::upgrade) {
            return Ok(socket);
        }
        let socket = unicast(local).map_err(|error| failed(error, local, local))?;
        let socket = Arc::new(socket);
        inner.senders.insert(local, Arc::downgrade(&socket));
        Ok(socket)
    }

    fn group(&self, group: SocketAddrV4, local: Ipv4Addr) -> Result<Arc<Inbox>, HubError> {
        let mut inner = lock(&self.inner);
        inner.groups.retain(|_, known| known.strong_count() > 0);
        if let Some(known) = inner.groups.get(&(group, local)).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let failed = |error| failed(error, *group.ip(), local);
        let mut socket = multicast(group, local).map_err(failed)?;
        datagram::note_times(&socket);
        let receiver = match inner.receiver.take() {
            Some(receiver) => receiver,
            None => Receiver::start().map_err(failed)?,
        };
        let receiver = inner.receiver.insert(receiver);
        let watched = receiver.watch(&mut socket).map_err(failed)?;
        let inbox = Arc::new(Inbox::new(socket));
        watched.into(&inbox);
        inner.groups.insert((group, local), Arc::downgrade(&inbox));
        Ok(inbox)
    }
}

/// The right to send heartbeats from one local address.
#[derive(Debug)]
pub struct Sender(Arc<UdpSocket>);

/// Sends heartbeats until the connection has gone silent or is dropped: a listener of nothing keeps no slot.
async fn beat(socket: Arc<UdpSocket>, heartbeat: Heartbeat, stream: Arc<Stream>, inbox: Arc<Inbox>) {
    let mut ticks = interval(heartbeat.every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut bytes = Vec::with_capacity(HEARTBEAT_LEN);
    let mut sequence: u32 = 0;
    loop {
        ticks.tick().await;
        inbox.drain();
        let now = Instant::now();
        stream.look(now, heartbeat.every);
        if stream.is_silent(now) {
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

/// Why there is no socket for this group on this address.
fn failed(error: io::Error, group: Ipv4Addr, local: Ipv4Addr) -> HubError {
    match sockets::is_taken(&error) {
        true => HubError::PortInUse(local),
        false => HubError::Io { group, local, error },
    }
}

fn unicast(local: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    sockets::bind_beside_groups(&socket, SocketAddrV4::new(local, PORT))?;
    // A courtesy to the network; heartbeats without a mark are heartbeats, too.
    let _ = socket.set_tos_v4(SCHEDULED_TOS);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

fn multicast(group: SocketAddrV4, local: Ipv4Addr) -> io::Result<mio::net::UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // Other listeners on this host have sockets for the same group.
    socket.set_reuse_address(true)?;
    sockets::bind_to_group(&socket, group)?;
    socket.join_multicast_v4(group.ip(), &local)?;
    // As much as the system allows.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    Ok(mio::net::UdpSocket::from_std(socket.into()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Maps and lists are whole between any two statements that can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
