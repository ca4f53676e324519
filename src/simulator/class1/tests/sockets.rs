//! Class 1 over real sockets: a PLC and a bare listener at a simulated meter.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::enip::Session;
use crate::enip::class1::Frame;
use crate::enip::forward_open::{Application, ForwardClose, ForwardOpen, Triad};
use crate::enip::message::Read;
use crate::enip::session::Accepted;
use crate::enip::status::Refusal;
use crate::host::sockets;
use crate::simulator::{
    Defects, FrameDefects, Options, Owner, OwnerOptions, OwnerStatus, SimulatedMeter, Simulator, Variant,
};

const WAIT: Duration = Duration::from_secs(20);
const RPI: Duration = Duration::from_millis(20);

fn owner(rpi: Duration) -> OwnerOptions {
    // Any port: a PLC that somebody else simulates on this host may have 2222.
    OwnerOptions { rpi, io_port: 0, ..OwnerOptions::default() }
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
    sockets::bind_to_group(&socket, group).unwrap();
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
    assert_eq!((refused.refusal.general, refused.refusal.extended), (1, vec![0x0119]));

    let owner = Owner::start(meter.eip(), Ipv4Addr::new(127, 0, 1, 1), owner(RPI)).unwrap();
    within(owner.opened()).await;
    let refused = session.open(&listen(2 * RPI, 2), WAIT).await.unwrap().unwrap_err();
    assert_eq!(refused.refusal.extended, [0x0112, 0x0400, 0x4240, 0x000F, 20_000, 0]);
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
    assert_eq!(unknown.refusal.extended, [0x0107]);
    assert!(meter.record().writes().is_empty());
}

#[tokio::test]
async fn a_unicast_owner_gets_its_frames_and_a_forced_refusal_as_it_was_forced() {
    let simulator = Simulator::start(Options { frozen: true, ..Options::default() }).await.unwrap();
    let meter = &simulator.meters[0];
    let busy = Refusal { general: 1, extended: vec![0x0301, 7] };
    meter.set_defects(Defects { refused_opens: [busy.clone()].into(), ..Defects::default() });
    // Unicast frames come to port 2222, of which each address has one.
    let options = OwnerOptions { unicast: true, rpi: RPI, ..OwnerOptions::default() };
    let owner = Owner::start(meter.eip(), Ipv4Addr::new(127, 0, 77, 1), options).unwrap();
    let refused = |status: &OwnerStatus| matches!(status, OwnerStatus::Refused(_));
    assert_eq!(within(owner.wait_for(refused)).await, OwnerStatus::Refused(busy));
    within(owner.received(5)).await;
    let refusal = session(meter).await.open(&listen(RPI, 1), WAIT).await.unwrap().unwrap_err();
    assert_eq!(refusal.refusal.extended, [0x0119]);
    assert_eq!(meter.record().io.refused, [((1, 0x0301), 1), ((1, 0x0119), 1)].into());
}

#[tokio::test]
async fn a_plc_returns_after_the_meter_has_started_again_or_fallen_silent() {
    let mut simulator = Simulator::start(Options { frozen: true, ..Options::default() }).await.unwrap();
    let meter = &mut simulator.meters[0];
    let owner = Owner::start(meter.eip(), Ipv4Addr::LOCALHOST, owner(RPI)).unwrap();
    within(owner.received(1)).await;
    meter.restart().await.unwrap();
    assert_eq!(meter.record().io.open, []);
    within(owner.wait_for(|status| matches!(status, OwnerStatus::Lost(_)))).await;
    within(owner.received(owner.frames() + 5)).await;

    let frames = FrameDefects { drop_all: true, ..FrameDefects::default() };
    meter.set_defects(Defects { frames, ..Defects::default() });
    within(owner.wait_for(|status| matches!(status, OwnerStatus::Lost(_)))).await;
    meter.set_defects(Defects::default());
    within(owner.received(owner.frames() + 5)).await;
}

#[tokio::test]
async fn modbus_costs_the_plc_its_connection_where_modbus_suspends_ethernet_ip() {
    let options = Options { frozen: true, modbus_suspends_eip: true, ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let meter = &simulator.meters[0];
    let owner = Owner::start(meter.eip(), Ipv4Addr::LOCALHOST, owner(RPI)).unwrap();
    within(owner.received(1)).await;
    let _modbus = TcpStream::connect(meter.modbus()).await.unwrap();
    within(owner.wait_for(|status| matches!(status, OwnerStatus::Lost(_)))).await;
}

#[tokio::test]
async fn heartbeats_that_stop_close_all_sessions_of_their_originator_where_the_variant_says_so() {
    let variants = vec![Variant::TimeoutClosesSessions];
    let simulator = Simulator::start(Options { frozen: true, variants, ..Options::default() }).await.unwrap();
    let meter = &simulator.meters[0];
    let (mut first, mut second) = (session(meter).await, session(meter).await);
    let mut open = listen(RPI, 1);
    (open.path.consumed, open.o2t_rpi) = (98, RPI);
    let accepted = first.open(&open, WAIT).await.unwrap().unwrap();
    let mut heartbeat = Vec::new();
    let connection = accepted.opened.o2t_id;
    Frame { connection, sequence: 1, count: 1, data: &[] }.encode(&mut heartbeat);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&heartbeat, accepted.heartbeat.unwrap()).await.unwrap();
    // One heartbeat starts the watchdog; a second never comes.
    within(async { while second.read(Read::Identity, WAIT).await.is_ok() {} }).await;
    assert!(first.read(Read::Identity, WAIT).await.is_err());
    assert_eq!(meter.record().io.timed_out, [(Application::InputOnly, 1)].into());
}
