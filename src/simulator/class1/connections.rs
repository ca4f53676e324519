//! Who is connected to a meter, what fits together, and when it ends.
//!
//! The first multicast connection to an assembly makes its stream: connection ID, group, interval, size and
//! priority are the same for all that follow. A listen-only connection lives on an input-only one and ends
//! with the last of them, silently. Each connection ends when its originator's heartbeats stop.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use tokio::time::Instant;

use super::admission;
use super::path::Points;
use super::producer::Producer;
use super::refusal::{
    DUPLICATE, NO_CONNECTION_LEFT, NO_OWNER, NOT_FOUND, OTHER_FIXED_OR_VARIABLE, OTHER_PRIORITY, OTHER_SIZE,
    OTHER_TRIGGER, OWNERSHIP, RPI_NOT_ACCEPTABLE, refusal,
};
use super::rules::Rules;
use crate::enip::forward_open::{Application, ForwardOpen, Kind, Opened, SEQUENCE_COUNT_LEN, Triad};
use crate::enip::status::Refusal;
use crate::simulator::defect::FrameDefects;
use crate::simulator::record::{IoRecord, OpenConnection};
use crate::simulator::variant::Variant;

/// RPI type in 0x0112: the one required to correct a mismatch.
const REQUIRED_RPI: u16 = 4;
/// The first heartbeat has at least this long.
const FIRST_HEARTBEAT: Duration = Duration::from_secs(10);
/// First group of the specification's allocation: 32 groups for each of 1024 hosts.
const FIRST_GROUP: u32 = u32::from_be_bytes([239, 192, 1, 0]);
const FIRST_ASSEMBLY: u8 = 100;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) struct Originator {
    /// The session's address.
    pub(in crate::simulator) address: Ipv4Addr,
    /// UDP port that point-to-point frames go to.
    pub(in crate::simulator) port: u16,
}

/// An accepted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) opened: Opened,
    /// Where heartbeats are expected.
    pub(super) heartbeat: SocketAddrV4,
    /// The group of a multicast connection.
    pub(super) group: Option<SocketAddrV4>,
}

#[derive(Debug)]
struct Connection {
    application: Application,
    triad: Triad,
    originator: Ipv4Addr,
    stream: u32,
    o2t_id: u32,
    o2t_rpi: Duration,
    watchdog: Duration,
    deadline: Instant,
    /// Its heartbeats stopped, its slot is still taken.
    dead: bool,
    heartbeats: u64,
}

/// The connections of one meter.
#[derive(Debug)]
pub(in crate::simulator) struct Connections {
    rules: Rules,
    io: SocketAddrV4,
    open: Vec<Connection>,
    producers: Vec<Producer>,
    /// Connection IDs and stream names; a reboot does not start them again.
    next_id: u32,
    record: IoRecord,
}

impl Connections {
    /// None so far.
    pub(in crate::simulator) fn new(rules: Rules) -> Connections {
        Connections {
            rules,
            io: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            open: Vec::new(),
            producers: Vec::new(),
            // Another meter, or the same program at another time, counts elsewhere.
            next_id: rand::random_range(1..u32::MAX / 2),
            record: IoRecord::default(),
        }
    }

    /// The meter has started: nothing is open, I/O is at this address.
    pub(in crate::simulator) fn restart(&mut self, io: SocketAddrV4) {
        self.io = io;
        self.open.clear();
        self.producers.clear();
    }

    /// Opens a connection to an assembly of `size` bytes.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn open(
        &mut self,
        open: &ForwardOpen,
        points: &Points,
        size: u16,
        originator: Originator,
        now: Instant,
    ) -> Result<Granted, Refusal> {
        let granted = self.try_open(open, points, size, originator, now);
        if let Err(refusal) = &granted {
            self.refused(refusal);
        }
        granted
    }

    /// Counts a refusal.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        let extended = refusal.extended.first().copied().unwrap_or(0);
        *self.record.refused.entry((refusal.general, extended)).or_default() += 1;
    }

    fn try_open(
        &mut self,
        open: &ForwardOpen,
        points: &Points,
        size: u16,
        originator: Originator,
        now: Instant,
    ) -> Result<Granted, Refusal> {
        let application = admission::application(points, &self.rules)?;
        admission::check(open, application, size, &self.rules)?;
        let assembly = u8::try_from(points.produced).map_err(|_| refusal(NO_OWNER))?;
        self.replace_dead(application, assembly, open.triad);
        if self.open.iter().any(|known| known.triad == open.triad) {
            return Err(refusal(DUPLICATE));
        }
        let joined = self.fitting_stream(application, assembly, open)?;
        self.check_slots(application)?;

        let stream = match joined {
            Some(stream) => stream,
            None => self.start_stream(application, assembly, open, originator, now),
        };
        let Some(producer) = self.producers.iter_mut().find(|producer| producer.stream == stream) else {
            return Err(refusal(NO_OWNER));
        };
        if application == Application::InputOnly {
            producer.stopped = false;
        }
        let (t2o_id, t2o_api) = (producer.t2o_id, producer.rpi);
        let group = (producer.kind == Kind::Multicast).then_some(producer.to);
        let o2t_id = self.take_id();
        let watchdog = open.o2t_rpi * (4 << open.multiplier);
        self.open.push(Connection {
            application,
            triad: open.triad,
            originator: originator.address,
            stream,
            o2t_id,
            o2t_rpi: open.o2t_rpi,
            watchdog,
            deadline: now + watchdog.max(FIRST_HEARTBEAT),
            dead: false,
            heartbeats: 0,
        });
        *self.record.opened.entry(application).or_default() += 1;
        let opened = Opened { o2t_id, t2o_id, triad: open.triad, o2t_api: open.o2t_rpi, t2o_api };
        Ok(Granted { opened, heartbeat: self.io, group })
    }

    /// An originator that returns takes the slot of its own dead connection.
    fn replace_dead(&mut self, application: Application, assembly: u8, triad: Triad) {
        let same = |known: &Connection, producers: &[Producer]| {
            known.dead
                && known.application == application
                && (known.triad.vendor, known.triad.serial) == (triad.vendor, triad.serial)
                && producers.iter().any(|p| p.stream == known.stream && p.assembly == assembly)
        };
        self.open.retain(|known| !same(known, &self.producers));
        self.settle();
    }

    /// The stream that a connection joins; `None` when it starts one.
    fn fitting_stream(
        &self,
        application: Application,
        assembly: u8,
        open: &ForwardOpen,
    ) -> Result<Option<u32>, Refusal> {
        let here = || self.producers.iter().filter(|producer| producer.assembly == assembly);
        let unicast = here().find(|producer| producer.kind == Kind::PointToPoint);
        let multicast = here().find(|producer| producer.kind == Kind::Multicast);
        let unicast_owner = unicast.is_some_and(|producer| self.has_owner(producer));
        let multicast_owner = multicast.is_some_and(|producer| self.has_owner(producer));

        if unicast.is_some() && self.rules.has(Variant::UnicastBlocks) {
            return Err(refusal(match application {
                Application::ListenOnly => NO_OWNER,
                Application::InputOnly => OWNERSHIP,
            }));
        }
        let second_stream = unicast_owner && self.rules.has(Variant::SecondStream);
        if application == Application::ListenOnly && !multicast_owner && !second_stream {
            return Err(refusal(NO_OWNER));
        }
        let joined = multicast.filter(|_| open.t2o.kind() == Some(Kind::Multicast));
        let any = || multicast.or(unicast).filter(|_| self.rules.has(Variant::UnicastLocksRpi));
        let locks = joined.or_else(any);
        if let Some(first) = locks.filter(|first| first.rpi != open.t2o_rpi) {
            return Err(self.other_rpi(open, first.rpi));
        }
        let Some(first) = joined else { return Ok(None) };
        if first.size != open.t2o.size() {
            Err(refusal(OTHER_SIZE))
        } else if first.variable != open.t2o.is_variable() {
            Err(refusal(OTHER_FIXED_OR_VARIABLE))
        } else if first.priority != open.t2o.priority() {
            Err(refusal(OTHER_PRIORITY))
        } else if first.transport != open.transport {
            Err(refusal(OTHER_TRIGGER))
        } else {
            Ok(Some(first.stream))
        }
    }

    /// 0x0112; behind it one byte each for the O→T and T→O RPI type, then both RPIs in µs, UDINT.
    fn other_rpi(&self, open: &ForwardOpen, right: Duration) -> Refusal {
        let mut refusal = refusal(RPI_NOT_ACCEPTABLE);
        if !self.rules.has(Variant::RpiWithoutValues) {
            refusal.extended.push(REQUIRED_RPI << 8);
            for rpi in [open.o2t_rpi, right] {
                let micros = u32::try_from(rpi.as_micros()).unwrap_or(u32::MAX);
                refusal.extended.extend([micros as u16, (micros >> 16) as u16]);
            }
        }
        refusal
    }

    fn check_slots(&self, application: Application) -> Result<(), Refusal> {
        let listeners = self.open.iter().filter(|c| c.application == Application::ListenOnly).count();
        let (taken, slots) = match (self.rules.listener_slots, application) {
            (Some(slots), Application::ListenOnly) => (listeners, slots),
            (Some(_), Application::InputOnly) => (self.open.len() - listeners, self.rules.slots),
            (None, _) => (self.open.len(), self.rules.slots),
        };
        if taken < slots { Ok(()) } else { Err(refusal(NO_CONNECTION_LEFT)) }
    }

    fn start_stream(
        &mut self,
        application: Application,
        assembly: u8,
        open: &ForwardOpen,
        originator: Originator,
        now: Instant,
    ) -> u32 {
        let stream = self.take_id();
        let sends = match open.t2o.kind() {
            Some(Kind::PointToPoint) => {
                let to = SocketAddrV4::new(originator.address, originator.port);
                (Kind::PointToPoint, open.t2o_id, to)
            }
            // Who sends to many chooses the ID.
            _ => (Kind::Multicast, stream, SocketAddrV4::new(self.group(assembly), self.io.port())),
        };
        let due = now + self.rules.first_frame(open.t2o_rpi);
        let mut producer = Producer::new(stream, assembly, open, sends, due);
        producer.for_listener = application == Application::ListenOnly;
        self.producers.push(producer);
        stream
    }

    /// The group of an assembly: the specification's allocation by host number.
    fn group(&self, assembly: u8) -> Ipv4Addr {
        let host = u32::from(*self.io.ip()).wrapping_sub(1) & 0x3FF;
        let index = u32::from(assembly.wrapping_sub(FIRST_ASSEMBLY)) & 0x1F;
        Ipv4Addr::from(FIRST_GROUP + (host << 5) + index)
    }

    fn take_id(&mut self) -> u32 {
        self.next_id = self.next_id.wrapping_add(1).max(1);
        self.next_id
    }

    /// Closes a connection.
    ///
    /// # Errors
    /// 0x0107 when it is not open.
    pub(super) fn close(&mut self, triad: Triad) -> Result<(), Refusal> {
        let position = self.open.iter().position(|known| known.triad == triad);
        let closed = self.open.remove(position.ok_or_else(|| refusal(NOT_FOUND))?);
        *self.record.closed.entry(closed.application).or_default() += 1;
        if closed.application == Application::ListenOnly && self.rules.has(Variant::ListenerStopsOwner) {
            let listened = self.producers.iter().find(|producer| producer.stream == closed.stream);
            let assembly = listened.map(|producer| producer.assembly);
            let streams = self.producers.iter_mut().filter(|producer| Some(producer.assembly) == assembly);
            streams.for_each(|producer| producer.stopped = true);
        }
        self.settle();
        Ok(())
    }

    /// A heartbeat came in.
    pub(super) fn heartbeat(&mut self, o2t_id: u32, from: Ipv4Addr, now: Instant) {
        let known = |c: &&mut Connection| c.o2t_id == o2t_id && c.originator == from && !c.dead;
        if let Some(connection) = self.open.iter_mut().find(known) {
            connection.deadline = now + connection.watchdog;
            connection.heartbeats += 1;
        }
    }

    /// Ends the connections whose heartbeats have stopped; their originators' addresses.
    pub(in crate::simulator) fn expire(&mut self, now: Instant) -> Vec<Ipv4Addr> {
        let late = |c: &Connection| !c.dead && c.deadline <= now;
        let mut originators = Vec::new();
        for connection in self.open.iter_mut().filter(|c| late(c)) {
            *self.record.timed_out.entry(connection.application).or_default() += 1;
            originators.push(connection.originator);
            connection.dead = true;
        }
        if originators.is_empty() {
            return originators;
        }
        if self.rules.has(Variant::KeepsDeadOwner) {
            self.stop_abandoned();
        }
        let rules = &self.rules;
        self.open.retain(|c| !c.dead || rules.keeps_dead(c.application));
        self.settle();
        if !self.rules.has(Variant::TimeoutClosesSessions) {
            originators.clear();
        }
        originators
    }

    /// Stops the streams all of whose owners are dead.
    fn stop_abandoned(&mut self) {
        for producer in &mut self.producers {
            let mut owners = self
                .open
                .iter()
                .filter(|c| c.stream == producer.stream && c.application == Application::InputOnly)
                .peekable();
            if owners.peek().is_some() && owners.all(|owner| owner.dead) {
                producer.stopped = true;
            }
        }
    }

    /// Ends listeners that have lost their owner, and streams that nobody is connected to.
    fn settle(&mut self) {
        let orphaned: Vec<u32> = self
            .producers
            .iter()
            .filter(|stream| {
                let beside = |p: &&Producer| {
                    stream.for_listener && p.assembly == stream.assembly && p.kind == Kind::PointToPoint
                };
                let owner = |producer: &Producer| self.has_owner(producer);
                let survives = stream.for_listener && self.rules.has(Variant::ListenerSurvivesOwner);
                !survives && !owner(stream) && !self.producers.iter().filter(beside).any(owner)
            })
            .map(|stream| stream.stream)
            .collect();
        self.open
            .retain(|c| c.dead || c.application != Application::ListenOnly || !orphaned.contains(&c.stream));
        let open = &self.open;
        self.producers.retain(|producer| open.iter().any(|c| c.stream == producer.stream));
    }

    fn has_owner(&self, producer: &Producer) -> bool {
        let owner = |c: &Connection| {
            c.stream == producer.stream
                && c.application == Application::InputOnly
                && (!c.dead || self.rules.has(Variant::KeepsDeadOwner))
        };
        self.open.iter().any(owner)
    }

    /// Makes every frame that is due and hands over its bytes and where they go.
    pub(super) fn produce(
        &mut self,
        now: Instant,
        defects: &mut FrameDefects,
        mut read: impl FnMut(u8, u16) -> Vec<u8>,
        mut send: impl FnMut(&[u8], SocketAddrV4),
    ) {
        let header_len = self.rules.header_len();
        for producer in self.producers.iter_mut().filter(|producer| producer.due <= now) {
            let alive = self.open.iter().any(|c| c.stream == producer.stream && !c.dead);
            if producer.stopped || !alive {
                producer.due = now + producer.rpi;
                continue;
            }
            let assembly = producer.assembly;
            let size = producer.size.saturating_sub(SEQUENCE_COUNT_LEN + header_len);
            let period = self.rules.sample_period;
            let Some(bytes) = producer.produce(now, period, header_len, defects, || read(assembly, size))
            else {
                continue;
            };
            *self.record.frames.entry(u16::from(assembly)).or_default() += 1;
            send(&bytes, producer.to);
            if std::mem::take(&mut defects.repeat_next) {
                send(&bytes, producer.to);
            }
        }
    }

    /// When something is next to be done.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let deadlines = self.open.iter().filter(|c| !c.dead).map(|c| c.deadline);
        self.producers.iter().map(|producer| producer.due).chain(deadlines).min()
    }

    /// What happened so far, and who is connected now.
    pub(in crate::simulator) fn record(&self) -> IoRecord {
        let stream = |c: &Connection| self.producers.iter().find(|producer| producer.stream == c.stream);
        let open = self.open.iter().filter_map(|c| {
            let producer = stream(c)?;
            Some(OpenConnection {
                application: c.application,
                originator: c.originator,
                triad: c.triad,
                assembly: u16::from(producer.assembly),
                kind: producer.kind,
                rpi: producer.rpi,
                heartbeat_rpi: c.o2t_rpi,
                heartbeats: c.heartbeats,
                dead: c.dead,
            })
        });
        IoRecord { open: open.collect(), ..self.record.clone() }
    }
}
