//! Class 1 between a client and a meter: frames one way, heartbeats the other, each datagram judged alone.
//!
//! The meter multicasts to a group that the client never learns: the relay joins it, names another group in the
//! reply to Forward Open, and sends there from its own address. It opens its session from that address too, so
//! that the meter takes heartbeats from it.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use telegraf_pm500::enip::forward_open::{FORWARD_OPEN, SOCKADDR_T2O_ITEM, sockaddr};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Encapsulation header, and the CIP reply in a SendRRData packet: service, reserved, status.
const HEADER: usize = 24;
const MESSAGE: usize = 40;
/// Class 1 frame: connection ID, sequence number, length of the data item, count.
const CONNECTION: usize = 6;
const SEQUENCE: usize = 10;
const DATA_LENGTH: usize = 16;
const COUNT_LEN: usize = 2;
const DATA: usize = 20;

/// One thing that goes wrong with frames or heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameSpoil {
    /// Frames come later.
    Delayed(Duration),
    /// Frames come twice.
    Duplicate,
    /// Each second frame comes before the one before it.
    Reordered,
    /// One frame of three comes.
    SomeLost,
    /// Neither frames nor heartbeats come.
    Lost,
    /// Heartbeats do not reach the meter.
    HeartbeatsLost,
    /// After each frame the first one of all comes again.
    Replayed,
    /// Each frame comes once more, as one of another connection.
    WrongConnection,
    /// Frames come with four bytes of data less.
    WrongLength,
    /// Frames end in the middle.
    Cut,
    /// Frames come with an item type that does not exist.
    Corrupt,
}

/// What goes wrong now.
type Shared = Arc<Mutex<Option<FrameSpoil>>>;

/// The past of one group.
#[derive(Debug, Default)]
struct Past {
    first: Option<Vec<u8>>,
    held: Option<Vec<u8>>,
    count: u64,
}

/// The UDP half of a relay; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Frames {
    local: Ipv4Addr,
    meter: SocketAddrV4,
    socket: Arc<UdpSocket>,
    spoil: Shared,
    joined: Mutex<HashSet<SocketAddrV4>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Frames {
    /// Takes heartbeats at `local` for the meter whose class 1 port this is.
    pub(crate) fn start(local: Ipv4Addr, meter: SocketAddrV4) -> Arc<Frames> {
        let socket = Arc::new(sender(SocketAddrV4::new(local, meter.port())).unwrap());
        let spoil = Shared::default();
        let mut tasks = JoinSet::new();
        let (out, shared) = (socket.clone(), spoil.clone());
        tasks.spawn(async move {
            let mut bytes = [0; 256];
            while let Ok((length, from)) = out.recv_from(&mut bytes).await {
                let lost =
                    matches!(*shared.lock().unwrap(), Some(FrameSpoil::Lost | FrameSpoil::HeartbeatsLost));
                if from.ip() != *meter.ip() && !lost {
                    let _ = out.send_to(&bytes[..length], meter).await;
                }
            }
        });
        let joined = Mutex::default();
        Arc::new(Frames { local, meter, socket, spoil, joined, tasks: Mutex::new(tasks) })
    }

    /// From now on this goes wrong; `None` heals.
    pub(crate) fn spoil(&self, spoil: Option<FrameSpoil>) {
        *self.spoil.lock().unwrap() = spoil;
    }

    /// Names our own group in a good reply to Forward Open, and passes on what comes to the meter's.
    pub(crate) fn redirect(&self, reply: &mut [u8]) {
        if reply.get(MESSAGE) != Some(&(FORWARD_OPEN | 0x80)) || reply.get(MESSAGE + 2) != Some(&0) {
            return;
        }
        let Some(group) = sockaddr(&reply[HEADER..], SOCKADDR_T2O_ITEM) else { return };
        let octets = group.ip().octets();
        let ours = [octets[0], octets[1] ^ 0x40, octets[2], octets[3]];
        let at = reply[MESSAGE..].windows(4).rposition(|bytes| bytes == octets).expect("it names the group");
        reply[MESSAGE + at..MESSAGE + at + 4].copy_from_slice(&ours);
        if self.joined.lock().unwrap().insert(group) {
            let to = SocketAddrV4::new(ours.into(), group.port());
            let from = join(group, self.local).unwrap();
            let pass = pass_on(from, *self.meter.ip(), self.socket.clone(), to, self.spoil.clone());
            self.tasks.lock().unwrap().spawn(pass);
        }
    }
}

async fn pass_on(group: UdpSocket, meter: Ipv4Addr, socket: Arc<UdpSocket>, to: SocketAddrV4, spoil: Shared) {
    let mut past = Past::default();
    let mut bytes = [0; 1024];
    let mut late = JoinSet::new();
    loop {
        let Ok((length, from)) = group.recv_from(&mut bytes).await else { return };
        if from.ip() != meter {
            continue;
        }
        while late.try_join_next().is_some() {}
        let spoil = *spoil.lock().unwrap();
        let (delay, frames) = past.judge(spoil, bytes[..length].to_vec());
        let socket = socket.clone();
        late.spawn(async move {
            sleep(delay).await;
            for frame in frames {
                let _ = socket.send_to(&frame, to).await;
            }
        });
    }
}

impl Past {
    /// What comes of a frame, and how much later.
    fn judge(&mut self, spoil: Option<FrameSpoil>, frame: Vec<u8>) -> (Duration, Vec<Vec<u8>>) {
        self.count += 1;
        let first = self.first.get_or_insert_with(|| frame.clone()).clone();
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut frame = frame.clone();
            change(&mut frame);
            frame
        };
        let frames = match spoil {
            None | Some(FrameSpoil::HeartbeatsLost) => vec![frame],
            Some(FrameSpoil::Delayed(delay)) => return (delay, vec![frame]),
            Some(FrameSpoil::Duplicate) => vec![frame.clone(), frame],
            Some(FrameSpoil::Reordered) => match self.held.take() {
                Some(held) => vec![frame, held],
                None => {
                    self.held = Some(frame);
                    Vec::new()
                }
            },
            Some(FrameSpoil::SomeLost) if self.count.is_multiple_of(3) => vec![frame],
            Some(FrameSpoil::SomeLost | FrameSpoil::Lost) => Vec::new(),
            Some(FrameSpoil::Replayed) => vec![frame, first],
            Some(FrameSpoil::WrongConnection) => {
                let foreign = changed(&|bytes| {
                    bytes[CONNECTION] ^= 0x55;
                    bytes[SEQUENCE + 1] ^= 1;
                    bytes[DATA..].fill(0x3F);
                });
                vec![frame.clone(), foreign]
            }
            Some(FrameSpoil::WrongLength) => vec![changed(&|bytes| {
                bytes.truncate(bytes.len() - 4);
                let length = (bytes.len() - DATA + COUNT_LEN) as u16;
                bytes[DATA_LENGTH..DATA_LENGTH + 2].copy_from_slice(&length.to_le_bytes());
            })],
            Some(FrameSpoil::Cut) => vec![changed(&|bytes| bytes.truncate(bytes.len() / 2))],
            Some(FrameSpoil::Corrupt) => vec![changed(&|bytes| bytes[2] ^= 0x01)],
        };
        (Duration::ZERO, frames)
    }
}

/// A socket that takes heartbeats, and sends to groups on the interface of its address.
fn sender(address: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&SockAddr::from(address))?;
    socket.set_multicast_if_v4(address.ip())?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

fn join(group: SocketAddrV4, local: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(SocketAddr::V4(group)))?;
    socket.join_multicast_v4(group.ip(), &local)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}
