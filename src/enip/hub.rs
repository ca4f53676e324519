//! The UDP sockets of class 1, shared by every meter of the process.
//!
//! ```text
//! heartbeats   one unicast socket per local address, bound to (address, 2222)
//! frames       one socket per group and interface, bound to (group, 2222), on Windows to (any address, 2222),
//!              joined on the interface of the session's local address; a socket bound to that address would
//!              receive none of them on Unix
//! ```
//!
//! Frames find their [`Stream`] by connection ID; the stream checks the source address. The kernel notes when
//! each came, so that whoever judges silence takes in first what waits in the socket. Frames of a connection
//! that nobody knows yet are remembered for a while: in a group that is joined already they come before the
//! reply that names them. A socket lives as long as a connection uses it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::class1::{Frame, HEARTBEAT_LEN, PORT};
use super::stream::Stream;
use crate::host::{datagram, sockets};

/// DSCP 47, for heartbeats, in the six upper bits of the type-of-service byte.
const SCHEDULED_TOS: u32 = 47 << 2;
/// Longest datagram a meter sends: 20 bytes of frame and at most 509 of data.
const LONGEST: usize = 1024;
/// What a socket may hold while the process is busy: a second of hundreds of connections.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Frames that nobody knows yet, remembered of one group.
const MOST_STRAYS: usize = 64;
/// Datagrams taken in before anybody else has a turn.
const AT_ONCE: usize = 256;
/// Datagrams that wait in a full socket, at most.
const MOST_WAITING: usize = 16 * 1024;
/// After an error that may come again at once.
const PAUSE: Duration = Duration::from_millis(100);

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
    groups: HashMap<(SocketAddrV4, Ipv4Addr), Weak<Group>>,
}

/// One joined group.
#[derive(Debug)]
struct Group {
    inbox: Arc<Inbox>,
    task: AbortHandle,
}

/// Its socket, and who gets what comes.
#[derive(Debug)]
struct Inbox {
    socket: UdpSocket,
    streams: Mutex<Vec<Weak<Stream>>>,
    strays: Mutex<VecDeque<Stray>>,
}

/// A frame that belongs to no connection, so far.
#[derive(Debug, Clone, Copy)]
struct Stray {
    connection: u32,
    sequence: u32,
    source: Ipv4Addr,
    at: Instant,
}

impl Drop for Group {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inbox {
    /// Takes in what waits in the socket, whatever the runtime knows of it.
    fn drain(&self) {
        let _ = self.take_in(MOST_WAITING, datagram::receive);
    }

    /// Takes in what has arrived, at most so many datagrams; returns whether there may be more.
    ///
    /// # Errors
    /// What the system says of the socket.
    fn take_in(
        &self,
        most: usize,
        receive: fn(&UdpSocket, &mut [u8]) -> io::Result<datagram::Received>,
    ) -> io::Result<bool> {
        let mut bytes = [0; LONGEST];
        let now = (Instant::now(), SystemTime::now());
        for _ in 0..most {
            match receive(&self.socket, &mut bytes) {
                Ok((length, from, at)) => {
                    // The kernel has another clock than the one that is never set.
                    let ago = now.1.duration_since(at).unwrap_or_default();
                    let came = now.0.checked_sub(ago).unwrap_or(now.0);
                    self.take(&bytes[..length], *from.ip(), (came, at));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Hands a datagram to its stream.
    fn take(&self, bytes: &[u8], source: Ipv4Addr, at: (Instant, SystemTime)) {
        let Some(frame) = Frame::decode(bytes) else {
            // Whose it would be nobody knows; it is evidence for one connection of the meter that sent it.
            let refuse =
                |stream: &Weak<Stream>| stream.upgrade().is_some_and(|stream| stream.refuse(bytes, source));
            lock(&self.streams).iter().any(refuse);
            return;
        };
        let mut known = false;
        lock(&self.streams).retain(|stream| match stream.upgrade() {
            Some(stream) => {
                if stream.is(frame.connection) {
                    stream.accept(&frame, source, at);
                    known = true;
                }
                true
            }
            None => false,
        });
        if !known {
            let mut strays = lock(&self.strays);
            if strays.len() == MOST_STRAYS {
                strays.pop_front();
            }
            let Frame { connection, sequence, .. } = frame;
            strays.push_back(Stray { connection, sequence, source, at: at.0 });
        }
    }

    /// Lets a stream have its frames from now on, and know of those that came before.
    fn welcome(&self, stream: &Arc<Stream>) {
        self.drain();
        for stray in lock(&self.strays).iter().filter(|stray| stream.is(stray.connection)) {
            stream.missed(stray.sequence, stray.source, stray.at);
        }
        lock(&self.streams).push(Arc::downgrade(stream));
    }
}

/// A connection's place at the hub: dropping it stops its heartbeats and leaves its group.
#[derive(Debug)]
pub struct Attached {
    /// The receiving end.
    pub stream: Arc<Stream>,
    heartbeat: AbortHandle,
    group: Arc<Group>,
}

impl Attached {
    /// Takes in what waits in the socket, before anybody judges what has not come.
    pub fn drain(&self) {
        self.group.inbox.drain();
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
        let group = self.group(group, *local.ip())?;
        group.inbox.welcome(&stream);
        let beat = beat(sender.0, heartbeat, stream.clone(), group.inbox.clone());
        let heartbeat = tokio::spawn(beat).abort_handle();
        Ok(Attached { stream, heartbeat, group })
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

    fn group(&self, group: SocketAddrV4, local: Ipv4Addr) -> Result<Arc<Group>, HubError> {
        let mut inner = lock(&self.inner);
        inner.groups.retain(|_, known| known.strong_count() > 0);
        if let Some(known) = inner.groups.get(&(group, local)).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let socket = multicast(group, local).map_err(|error| failed(error, *group.ip(), local))?;
        datagram::note_times(&socket);
        let inbox = Arc::new(Inbox { socket, streams: Mutex::default(), strays: Mutex::default() });
        let task = tokio::spawn(receive(inbox.clone())).abort_handle();
        let joined = Arc::new(Group { inbox, task });
        inner.groups.insert((group, local), Arc::downgrade(&joined));
        Ok(joined)
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

/// Takes a group's frames in as they come.
async fn receive(inbox: Arc<Inbox>) {
    loop {
        let more = match inbox.socket.readable().await {
            Ok(()) => inbox.take_in(AT_ONCE, datagram::try_receive),
            Err(error) => Err(error),
        };
        match more {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => {}
            // It may come again at once, for as long as it lasts.
            Err(_) => sleep(PAUSE).await,
        }
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

fn multicast(group: SocketAddrV4, local: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // Other listeners on this host have sockets for the same group.
    socket.set_reuse_address(true)?;
    sockets::bind_to_group(&socket, group)?;
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
