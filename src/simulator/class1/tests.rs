//! Class 1 over real sockets: a PLC and a bare listener at a simulated meter.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::enip::Session;
use crate::enip::class1::Frame;
use crate::enip::forward_open::{Application, ForwardClose, ForwardOpen, Triad};
use crate::enip::session::Accepted;
use crate::simulator::{Options, Owner, OwnerOptions, SimulatedMeter, Simulator};

const WAIT: Duration = Duration::from_secs(20);
const RPI: Duration = Duration::from_millis(20);

fn owner(rpi: Duration) -> OwnerOptions {
    OwnerOptions { rpi, ..OwnerOptions::default() }
}

/// A listener's request; its heartbeats are rare enough that the first ten seconds suffice without any.
fn listen(rpi: Duration, connection: u16) -> ForwardOpen {
    let triad = Triad { connection, vendor: 0xFFF0, serial: 7 };
    ForwardOpen::new(Application::ListenOnly, 101, 1, triad, (Duration::from_secs(1), rpi), 48)
}

async fn session(meter: &SimulatedMeter) -> Session {
    Session::register(TcpStream::connect(meter.eip()).await.unwrap(), WAIT).await.unwrap()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(WAIT, future).await.unwrap()
}

fn join(accepted: &Accepted) -> UdpSocket {
    let group = accepted.group.unwrap();
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SockAddr::from(group)).unwrap();
    socket.join_multicast_v4(group.ip(), &Ipv4Addr::LOCALHOST).unwrap();
    socket.set_nonblocking(true).unwrap();
    UdpSocket::from_std(socket.into()).unwrap()
}

#[tokio::test]
async fn a_listener_receives_the_owners_frames_and_ends_with_the_owner() {
    let simulator = Simulator::start(Options { frozen: true, ..Options::default() }).await.unwrap();
    let meter = &simulator.meters[0];
    let mut session = session(meter).await;
    let refused = session.open(&listen(RPI, 1), WAIT).await.unwrap().unwrap_err();
    assert_eq!((refused.general, refused.extended), (1, vec![0x0119]));

    let owner = Owner::start(meter.eip(), Ipv4Addr::new(127, 0, 1, 1), owner(RPI)).unwrap();
    within(owner.opened()).await;
    let refused = session.open(&listen(2 * RPI, 2), WAIT).await.unwrap().unwrap_err();
    assert_eq!(refused.extended, [0x0112, 0x0400, 0x4240, 0x000F, 20_000, 0]);
    let accepted = session.open(&listen(RPI, 3), WAIT).await.unwrap().unwrap();
    let group = SocketAddrV4::new(Ipv4Addr::new(239, 192, 1, 1), meter.io().port());
    assert_eq!((accepted.group, accepted.heartbeat), (Some(group), Some(meter.io())));

    let socket = join(&accepted);
    let mut datagram = [0; 512];
    let mut last = None;
    for _ in 0..10 {
        let (length, from) = within(socket.recv_from(&mut datagram)).await.unwrap();
        let frame = Frame::decode(&datagram[..length]).unwrap();
        assert_eq!((frame.connection, frame.data.len()), (accepted.opened.t2o_id, 48));
        assert_eq!(from, meter.io().into());
        assert!(last.is_none_or(|last| frame.sequence > last));
        last = Some(frame.sequence);
    }
    within(owner.received(10)).await;
    assert_eq!(meter.record().io.open.len(), 2);
    assert!(meter.record().io.open[0].heartbeats > 0);

    within(owner.stop()).await;
    assert_eq!(meter.record().io.open, []);
    let close = ForwardClose { triad: listen(RPI, 3).triad, path: listen(RPI, 3).path };
    let unknown = session.close_connection(&close, WAIT).await.unwrap().unwrap_err();
    assert_eq!(unknown.extended, [0x0107]);
    assert!(meter.record().writes().is_empty());
}
