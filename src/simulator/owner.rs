//! A PLC that owns a meter: an input-only originator, as a generic module in a Logix controller is one.
//!
//! RegisterSession → Forward Open → heartbeats out, frames in → when the frames stop, close and open again.
//! It lives on an address of its own, because UDP port 2222 exists once per address. It shares the codecs with
//! the plugin and nothing else, so that a mistake in listening does not repeat itself here.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Variant;
use super::class1::{configuration, heartbeat_instance};
use crate::enip::Session;
use crate::enip::class1::{self, Frame};
use crate::enip::forward_open::{Application, ForwardClose, ForwardOpen, Parameters, Priority, Triad};
use crate::enip::message::Read;
use crate::enip::session::{Accepted, SessionError};
use crate::enip::status::Refusal;
use crate::host::sockets;

/// How long anything on TCP may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// The first frame has at least this long.
const FIRST_FRAME: Duration = Duration::from_secs(10);
/// Rockwell Automation.
const VENDOR: u16 = 1;
/// Change of state, class 1.
const CHANGE_OF_STATE: u8 = 0x11;
/// Bytes of a frame's sequence count, which the connection's size includes.
const SEQUENCE_COUNT_LEN: usize = 2;
/// Sequence numbers are compared around their top.
const HALF: u32 = 1 << 31;
/// Bytes of a status header.
const STATUS_HEADER_LEN: u16 = 4;
/// Network connection type of [`Parameters`]: bits 14-13.
const TYPE: u16 = 3 << 13;
const POINT_TO_POINT: u16 = 2 << 13;

/// What the PLC wants.
#[derive(Debug, Clone)]
pub struct OwnerOptions {
    /// Assembly instance.
    pub assembly: u8,
    /// Interval of the frames, and of the heartbeats as well.
    pub rpi: Duration,
    /// Frames to the PLC alone, as "Use Unicast Connection over EtherNet/IP" in Logix means it.
    pub unicast: bool,
    /// Variable instead of fixed size.
    pub variable: bool,
    /// High instead of scheduled priority.
    pub high_priority: bool,
    /// Change-of-state instead of cyclic production.
    pub change_of_state: bool,
    /// Configuration instance.
    pub configuration: u8,
    /// Heartbeat instance.
    pub heartbeat: u8,
    /// A status header precedes the data.
    pub status_header: bool,
    /// Its serial number: the same one is the same PLC, returned.
    pub serial: u32,
    /// Its own UDP port. Heartbeats may come from any, frames to it alone go to 2222.
    pub io_port: u16,
}

impl Default for OwnerOptions {
    fn default() -> Self {
        OwnerOptions {
            assembly: 101,
            rpi: Duration::from_millis(100),
            unicast: false,
            variable: false,
            high_priority: false,
            change_of_state: false,
            configuration: 1,
            heartbeat: Application::InputOnly.heartbeat_instance(),
            status_header: false,
            serial: 0x00C0_FFEE,
            io_port: class1::PORT,
        }
    }
}

impl OwnerOptions {
    /// As an engineer enters it who has read the manual of meters with these variants.
    pub fn fitting(variants: &[Variant]) -> OwnerOptions {
        let usual = OwnerOptions::default();
        OwnerOptions {
            heartbeat: heartbeat_instance(Application::InputOnly, variants),
            configuration: configuration(variants).unwrap_or(usual.configuration),
            status_header: variants.contains(&Variant::StatusHeader),
            ..usual
        }
    }
}

/// How the PLC gets on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerStatus {
    /// It has not reached the meter yet.
    Connecting,
    /// The connection is open.
    Open,
    /// The meter refused.
    Refused(Refusal),
    /// The session or the frames were lost, in words.
    Lost(String),
    /// It has closed its connection, or vanished.
    Gone,
}

impl fmt::Display for OwnerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OwnerStatus::Connecting => f.write_str("connecting"),
            OwnerStatus::Open => f.write_str("open"),
            OwnerStatus::Refused(refusal) => write!(f, "refused, {refusal}"),
            OwnerStatus::Lost(reason) => write!(f, "lost, {reason}"),
            OwnerStatus::Gone => f.write_str("gone"),
        }
    }
}

/// What a PLC has had since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnerCounts {
    /// Connections opened.
    pub opened: u64,
    /// Frames received.
    pub frames: u64,
    /// Frames missing from the sequence.
    pub lost: u64,
}

impl std::ops::AddAssign for OwnerCounts {
    fn add_assign(&mut self, other: OwnerCounts) {
        self.opened += other.opened;
        self.frames += other.frames;
        self.lost += other.lost;
    }
}

/// The data of the last frame.
#[derive(Debug, Default)]
struct Data {
    bytes: Vec<u8>,
    /// They came on the connection that is open now.
    current: bool,
}

/// A running PLC; dropping it is a crash.
#[derive(Debug)]
pub struct Owner {
    options: OwnerOptions,
    local: Ipv4Addr,
    stop: CancellationToken,
    task: JoinHandle<()>,
    status: watch::Receiver<OwnerStatus>,
    counts: watch::Receiver<OwnerCounts>,
    data: watch::Receiver<Data>,
}

impl Owner {
    /// Starts a PLC on a local address. It goes on trying until it is stopped.
    ///
    /// # Errors
    /// The UDP port is taken on that address, or the host does not have the address.
    pub fn start(meter: SocketAddr, local: Ipv4Addr, options: OwnerOptions) -> io::Result<Owner> {
        let socket = bind_unicast(SocketAddrV4::new(local, options.io_port)).map_err(|error| {
            let address = SocketAddrV4::new(local, options.io_port);
            io::Error::new(error.kind(), format!("cannot run a PLC on UDP {address}: {error}"))
        })?;
        let (status_out, status) = watch::channel(OwnerStatus::Connecting);
        let (counts_out, counts) = watch::channel(OwnerCounts::default());
        let (data_out, data) = watch::channel(Data::default());
        let stop = CancellationToken::new();
        let plc = Plc {
            meter,
            local,
            options: options.clone(),
            socket,
            stop: stop.clone(),
            status: status_out,
            counts: counts_out,
            data: data_out,
        };
        let task = tokio::spawn(plc.run());
        Ok(Owner { options, local, stop, task, status, counts, data })
    }

    /// What it wants.
    pub fn options(&self) -> &OwnerOptions {
        &self.options
    }

    /// Where it lives.
    pub fn local(&self) -> Ipv4Addr {
        self.local
    }

    /// How it gets on.
    pub fn status(&self) -> OwnerStatus {
        self.status.borrow().clone()
    }

    /// Frames received so far.
    pub fn frames(&self) -> u64 {
        self.counts().frames
    }

    /// The data of the last frame, kept when the connection is lost; empty before the first.
    pub fn data(&self) -> Vec<u8> {
        self.data.borrow().bytes.clone()
    }

    /// Whether the connection that is open now has brought the data, as the entry status "running" of a Logix module
    /// means it (1756-RM003, object Module).
    pub fn is_fed(&self) -> bool {
        self.data.borrow().current
    }

    /// What it has had so far.
    pub fn counts(&self) -> OwnerCounts {
        *self.counts.borrow()
    }

    /// Waits until the connection is open, however long that takes.
    pub async fn opened(&self) {
        self.wait_for(|status| *status == OwnerStatus::Open).await;
    }

    /// Waits for a status, however long that takes.
    pub async fn wait_for(&self, wanted: impl FnMut(&OwnerStatus) -> bool) -> OwnerStatus {
        let mut status = self.status.clone();
        let reached = status.wait_for(wanted).await.map(|status| status.clone());
        match reached {
            Ok(status) => status,
            // The task has ended: nothing changes any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until this many frames have been received since the start.
    pub async fn received(&self, frames: u64) {
        if self.counts.clone().wait_for(|counts| counts.frames >= frames).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Closes the connection as a PLC does that is told to: Forward Close, UnRegisterSession.
    pub async fn stop(mut self) -> OwnerCounts {
        self.stop.cancel();
        let _ = (&mut self.task).await;
        self.counts()
    }

    /// Vanishes without a word, as a PLC does that loses power.
    pub async fn crash(mut self) -> OwnerCounts {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.counts()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why the PLC has no session with the meter.
#[derive(Debug, thiserror::Error)]
enum NoSession {
    #[error("the meter does not answer")]
    Silent,
    #[error(transparent)]
    Network(#[from] io::Error),
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// The PLC at work.
struct Plc {
    meter: SocketAddr,
    local: Ipv4Addr,
    options: OwnerOptions,
    socket: UdpSocket,
    stop: CancellationToken,
    status: watch::Sender<OwnerStatus>,
    counts: watch::Sender<OwnerCounts>,
    data: watch::Sender<Data>,
}

impl Plc {
    async fn run(self) {
        while !self.stop.is_cancelled() {
            let ended = match self.session().await {
                Ok(session) => self.own(session).await,
                Err(error) => OwnerStatus::Lost(error.to_string()),
            };
            self.status.send_replace(ended);
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep(PAUSE) => {}
            }
        }
        self.status.send_replace(OwnerStatus::Gone);
    }

    async fn session(&self) -> Result<Session, NoSession> {
        let connect = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((self.local, 0)))?;
            socket.connect(self.meter).await
        };
        let stream = timeout(PATIENCE, connect).await.map_err(|_| NoSession::Silent)??;
        Ok(Session::register(stream, PATIENCE).await?)
    }

    /// Opens, holds and closes the connection.
    async fn own(&self, mut session: Session) -> OwnerStatus {
        let open = match self.request(&mut session).await {
            Ok(open) => open,
            Err(status) => return status,
        };
        let accepted = match session.open(&open, PATIENCE).await {
            Ok(Ok(accepted)) => accepted,
            Ok(Err(refused)) => {
                session.close().await;
                return OwnerStatus::Refused(refused.refusal);
            }
            Err(error) => return OwnerStatus::Lost(error.to_string()),
        };
        self.counts.send_modify(|counts| counts.opened += 1);
        self.status.send_replace(OwnerStatus::Open);
        let reason = match self.exchange(&open, &accepted).await {
            Ok(()) => "the frames stopped".to_owned(),
            Err(error) => error.to_string(),
        };
        let lost = OwnerStatus::Lost(reason);
        self.data.send_modify(|data| data.current = false);
        self.status.send_replace(lost.clone());
        self.close(session, &open).await;
        lost
    }

    async fn request(&self, session: &mut Session) -> Result<ForwardOpen, OwnerStatus> {
        let assembly = self.options.assembly;
        let size = match session.read(Read::AssemblySize(u16::from(assembly)), PATIENCE).await {
            Ok(Ok(size)) => match size[..] {
                [low, high] => u16::from_le_bytes([low, high]),
                _ => return Err(OwnerStatus::Lost("the meter does not tell the assembly's size".to_owned())),
            },
            Ok(Err(refused)) => return Err(OwnerStatus::Refused(refused.refusal)),
            Err(error) => return Err(OwnerStatus::Lost(error.to_string())),
        };
        let triad = Triad { connection: rand::random(), vendor: VENDOR, serial: self.options.serial };
        let rpis = (self.options.rpi, self.options.rpi);
        let configuration = self.options.configuration;
        let mut open = ForwardOpen::new(Application::InputOnly, assembly, configuration, triad, rpis, size);
        open.path.consumed = self.options.heartbeat;
        if self.options.status_header {
            open.t2o.0 += STATUS_HEADER_LEN;
        }
        if self.options.unicast {
            open.t2o = Parameters(open.t2o.0 & !TYPE | POINT_TO_POINT);
        }
        if self.options.variable {
            open.t2o = open.t2o.variable();
        }
        if self.options.high_priority {
            open.t2o = open.t2o.with(Priority::High);
        }
        if self.options.change_of_state {
            open.transport = CHANGE_OF_STATE;
        }
        Ok(open)
    }

    /// Sends heartbeats and receives frames until the frames stop or the PLC is stopped.
    async fn exchange(&self, open: &ForwardOpen, accepted: &Accepted) -> io::Result<()> {
        let opened = &accepted.opened;
        let port = accepted.heartbeat.map_or(class1::PORT, |heartbeat| heartbeat.port());
        let to = SocketAddr::new(self.meter.ip(), port);
        let group = accepted.group.map(|group| join(group, self.local)).transpose()?;
        let watchdog = opened.t2o_api * (4 << open.multiplier.min(7));
        let mut deadline = Instant::now() + watchdog.max(FIRST_FRAME);
        let mut ticks = interval(opened.o2t_api.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sequence: u32 = 0;
        let mut last = None;
        let mut heartbeat = Vec::new();
        let (mut unicast, mut multicast) = ([0; 1024], [0; 1024]);
        loop {
            let (datagram, from) = tokio::select! {
                // Whatever has arrived counts, also when the PLC is stopped at this moment.
                biased;
                Ok((length, from)) = self.socket.recv_from(&mut unicast) => (&unicast[..length], from),
                Ok((length, from)) = receive(group.as_ref(), &mut multicast) => (&multicast[..length], from),
                () = self.stop.cancelled() => return Ok(()),
                () = sleep_until(deadline) => return Ok(()),
                _ = ticks.tick() => {
                    sequence = sequence.wrapping_add(1);
                    heartbeat.clear();
                    let count = sequence as u16;
                    Frame { connection: opened.o2t_id, sequence, count, data: &[] }.encode(&mut heartbeat);
                    // One of many.
                    let _ = self.socket.send_to(&heartbeat, to).await;
                    continue;
                }
            };
            let frame = Frame::decode(datagram).filter(|frame| frame.connection == opened.t2o_id);
            // Of another size than was agreed on, or older than the last: no data, and no sign of life.
            let takes = |frame: &Frame| {
                let size = usize::from(open.t2o.size()).saturating_sub(SEQUENCE_COUNT_LEN);
                let sized =
                    if open.t2o.is_variable() { frame.data.len() <= size } else { frame.data.len() == size };
                sized && last.is_none_or(|last| frame.sequence.wrapping_sub(last).wrapping_sub(1) < HALF)
            };
            if let Some(frame) = frame.filter(|frame| from.ip() == self.meter.ip() && takes(frame)) {
                deadline = Instant::now() + watchdog;
                let missing = last.map_or(0, |last| frame.sequence.wrapping_sub(last).saturating_sub(1));
                last = Some(frame.sequence);
                self.data.send_modify(|data| {
                    data.current = true;
                    data.bytes.clear();
                    data.bytes.extend_from_slice(frame.data);
                });
                self.counts.send_modify(|counts| {
                    counts.frames += 1;
                    counts.lost += u64::from(missing);
                });
            }
        }
    }

    /// Forward Close, over a new session if the meter has closed the idle one.
    async fn close(&self, mut session: Session, open: &ForwardOpen) {
        let close = ForwardClose { triad: open.triad, path: open.path };
        if session.close_connection(&close, PATIENCE).await.is_ok() {
            session.close().await;
        } else if let Ok(mut session) = self.session().await {
            let _ = session.close_connection(&close, PATIENCE).await;
            session.close().await;
        }
    }
}

/// Receives from a group, or waits for ever without one.
async fn receive(group: Option<&UdpSocket>, datagram: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match group {
        Some(socket) => socket.recv_from(datagram).await,
        None => std::future::pending().await,
    }
}

fn bind_unicast(address: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    sockets::bind_beside_groups(&socket, address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

/// A socket for one group on the interface of an address; other programs of this host may have their own.
fn join(group: SocketAddrV4, local: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    sockets::bind_to_group(&socket, group)?;
    socket.join_multicast_v4(group.ip(), &local)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}
