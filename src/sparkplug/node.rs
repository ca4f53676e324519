//! The edge node as a machine without input and output: lines and what the broker says go in, messages come out.
//!
//! ```text
//! lines ──→ device (newest values, life) ──→ store ──┐
//! broker: connected, lost, commands, host state ─────┴→ next(): NBIRTH, DBIRTH…, then data in order
//! ```
//!
//! Messages are made when they are asked for, so that `seq` is right whatever is put before them, and a birth carries what
//! is known at its moment. Data goes out at QoS 0, as the specification demands; so what was published is held until the
//! broker has answered something that was sent later, and goes out again, as history, when the connection breaks first.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;

use super::catalog::{self, Catalog};
use super::device::{Device, Life, Reading};
use super::host::{HostWatch, Verdict};
use super::line;
use super::message::{self, Message, Qos, Topics};
use super::names;
use super::payload::{self, Command, CommandError, Metric, Payload};
use super::refusal::{MOST_DEVICES, Refusal, Taken};
use super::store::{Entry, Slot, Store, Waiting};
use super::unconfirmed::Unconfirmed;

/// The node itself among the devices.
const NODE: Slot = 0;

/// Aliases of the metrics that the node has besides those of its catalog.
const BD_SEQ_ALIAS: u64 = 0xFFFF;
const REBIRTH_ALIAS: u64 = 0xFFFE;
const TEMPLATE_ALIAS: u64 = 0xFFFD;

/// Name of the type of the meter.
pub const TEMPLATE: &str = "PowerMonitor 500";

/// All births at most this often, however often they are asked for.
const BIRTHS_EVERY: Duration = Duration::from_secs(1);

/// What of the configuration concerns the node.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its topics.
    pub topics: Topics,
    /// The host without which nothing is published.
    pub primary_host: bool,
    /// Whether data carries aliases in place of names.
    pub aliases: bool,
    /// Whether the birth of the node defines the meter as a type.
    pub template: bool,
    /// Bytes of lines that may wait.
    pub buffer_size: usize,
}

/// Now, on the clock of the wall and on one that never jumps.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Milliseconds since the epoch.
    pub wall_ms: u64,
    /// Since some moment before.
    pub steady: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No session.
    Away,
    /// A session, and the host is awaited.
    Waiting,
    /// Born, or about to be.
    Open,
}

/// The edge node.
#[derive(Debug)]
pub struct Node {
    settings: Settings,
    meter: Arc<Catalog>,
    phase: Phase,
    bd_seq: u8,
    seq: u8,
    devices: Vec<Device>,
    slots: HashMap<String, Slot>,
    birth_due: bool,
    births: VecDeque<Slot>,
    born_at: Option<Duration>,
    births_at: Option<Duration>,
    store: Store,
    unconfirmed: Unconfirmed,
    published: u64,
    watch: HostWatch,
    refused: u64,
}

impl Node {
    /// A node without a session, and without a device.
    pub fn new(settings: Settings) -> Node {
        let itself = Device::new(None, 0, Arc::new(Catalog::of_node()));
        Node {
            store: Store::new(settings.buffer_size),
            settings,
            meter: Arc::new(Catalog::of_meter()),
            phase: Phase::Away,
            bd_seq: 0,
            seq: 0,
            devices: vec![itself],
            slots: HashMap::new(),
            birth_due: false,
            births: VecDeque::new(),
            born_at: None,
            births_at: None,
            unconfirmed: Unconfirmed::default(),
            published: 0,
            watch: HostWatch::default(),
            refused: 0,
        }
    }

    /// Takes a line in.
    pub fn line(&mut self, bytes: Box<[u8]>, now: Now) -> Taken {
        let taken = match self.understand(&bytes, now) {
            Ok(None) => Taken::default(),
            Ok(Some((slot, reading, refused))) => Taken {
                keep: if reading.values.is_empty() { None } else { self.admit(slot, bytes, reading) },
                refusal: (refused > 0).then_some(Refusal::Fields(refused)),
            },
            Err(refusal) => Taken { keep: None, refusal: Some(refusal) },
        };
        self.refused += u64::from(taken.refusal.is_some());
        taken
    }

    /// Takes in a line of an earlier run that was not delivered. It is history only: what its meter does now is not known.
    pub fn restore(&mut self, bytes: Box<[u8]>, now: Now) {
        match self.understand(&bytes, now) {
            Ok(Some((slot, Reading { group, at_ms, .. }, _))) => {
                let line = Waiting { bytes, group, at_ms, historical: true, reading: None, kept: true };
                self.store.push(slot, Entry::Line(line));
            }
            Ok(None) => {}
            Err(_) => self.refused += 1,
        }
    }

    /// A session has begun, and the subscriptions are confirmed; its will carries this number.
    pub fn connected(&mut self, bd_seq: u8) {
        self.bd_seq = bd_seq;
        self.published = 0;
        self.watch = HostWatch::default();
        self.phase = Phase::Waiting;
        if !self.settings.primary_host {
            self.open();
        }
    }

    /// The session is over. Returns the lines that wait now and that the file does not have yet.
    pub fn lost(&mut self) -> Vec<Box<[u8]>> {
        self.phase = Phase::Away;
        self.birth_due = false;
        self.births_at = None;
        self.births.clear();
        for device in &mut self.devices {
            device.born = false;
            device.birth_due = false;
            device.forget_ages();
        }
        for (slot, lines) in self.unconfirmed.take() {
            self.store.put_back(slot, lines.into_iter());
        }
        self.store.age();
        self.store.unkept()
    }

    /// The broker has everything up to this message of the session.
    pub fn confirmed(&mut self, message: u64) {
        self.unconfirmed.confirm(message);
    }

    /// A command to the node has come.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn command(&mut self, payload: &[u8], now: Now) -> Result<Command, CommandError> {
        let command = payload::read_command(payload, self.settings.aliases.then_some(REBIRTH_ALIAS))?;
        if command == Command::Rebirth && self.phase == Phase::Open && !self.birth_due {
            let earliest = self.born_at.map_or(now.steady, |born| born + BIRTHS_EVERY);
            self.births_at = Some(earliest.max(now.steady));
        }
        Ok(command)
    }

    /// A message of the primary host about itself has come. When it is offline while the node is born, the session is to
    /// be ended with the node's death.
    pub fn host_state(&mut self, payload: &[u8], now: Now) -> Verdict {
        let verdict = self.watch.judge(payload, now.wall_ms);
        if verdict == Verdict::Online && self.phase == Phase::Waiting {
            self.open();
        }
        verdict
    }

    /// The next message to be published, in this session's order. The first has number 1 for [`Node::confirmed`].
    pub fn next(&mut self, now: Now) -> Option<Message> {
        if self.phase != Phase::Open {
            return None;
        }
        if self.births_at.is_some_and(|at| at <= now.steady) {
            self.births_at = None;
            self.open();
        }
        if self.birth_due {
            return Some(self.node_birth(now));
        }
        while let Some(slot) = self.births.pop_front() {
            self.devices[slot].birth_due = false;
            if self.devices[slot].lives() {
                return Some(self.device_birth(slot, now));
            }
        }
        while let Some((slot, entry)) = self.store.pop(|slot| self.devices[slot].born) {
            let message = match entry {
                Entry::Line(line) => self.data(slot, line, now),
                Entry::Death => Some(self.device_death(slot, now)),
                Entry::Stale(group) => {
                    let metrics = self.devices[slot].stale(group, self.settings.aliases);
                    (!metrics.is_empty()).then(|| self.message("DATA", slot, metrics, Vec::new(), now))
                }
            };
            if message.is_some() {
                return message;
            }
        }
        None
    }

    /// The will of a session with this number.
    pub fn will(&self, bd_seq: u8, now: Now) -> Message {
        self.settings.topics.node_death(bd_seq, now.wall_ms)
    }

    /// The node's death, before a session is closed on purpose; none when it was not born.
    pub fn death(&self, now: Now) -> Option<Message> {
        let born = self.phase == Phase::Open && !self.birth_due;
        born.then(|| self.settings.topics.node_death(self.bd_seq, now.wall_ms))
    }

    /// When the next message may be due though nothing happens.
    pub fn due(&self) -> Option<Duration> {
        self.births_at
    }

    /// Whether the host is awaited.
    pub fn awaits_host(&self) -> bool {
        self.phase == Phase::Waiting
    }

    /// Whether so much is unconfirmed that an answer should be asked for.
    pub fn wants_confirmation(&self) -> bool {
        self.unconfirmed.is_much()
    }

    /// Whether everything that can go out has gone out and is confirmed.
    pub fn settled(&self) -> bool {
        self.unconfirmed.is_empty()
            && (self.phase != Phase::Open
                || (!self.birth_due
                    && self.births.is_empty()
                    && !self.store.has(|slot| self.devices[slot].born)))
    }

    /// Lines that wait, or were published and are not confirmed.
    pub fn waiting(&self) -> usize {
        self.store.lines() + self.unconfirmed.lines()
    }

    /// What waits, for the file.
    pub fn all_waiting(&self) -> Vec<Box<[u8]>> {
        self.store.all()
    }

    /// Lines dropped since start because the store was full.
    pub fn dropped(&self) -> u64 {
        self.store.dropped()
    }

    /// Lines that could not be used, since start.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Meters, and how many of them are born.
    pub fn meters(&self) -> (usize, usize) {
        let born = self.devices.iter().skip(1).filter(|device| device.born).count();
        (self.devices.len() - 1, born)
    }

    fn understand(&mut self, bytes: &[u8], now: Now) -> Result<Option<(Slot, Reading, usize)>, Refusal> {
        let Some(line) = line::parse(bytes)? else { return Ok(None) };
        if catalog::folder(&line.measurement).is_none() {
            return Err(Refusal::Foreign(line.measurement));
        }
        let slot = match &line.meter {
            None if self.devices[NODE].catalog().find(&line.measurement).is_some() => NODE,
            None => return Err(Refusal::NoMeter),
            Some(meter) => self.slot(meter)?,
        };
        let fields = line.fields.len();
        let Some(resolved) = self.devices[slot].resolve(line, now.wall_ms) else {
            return Err(Refusal::Fields(fields));
        };
        if resolved.new_metric && self.devices[slot].born {
            self.bear(slot);
        }
        Ok(Some((slot, resolved.reading, resolved.refused)))
    }

    fn slot(&mut self, meter: &str) -> Result<Slot, Refusal> {
        if let Some(slot) = self.slots.get(meter) {
            return Ok(*slot);
        }
        names::check(meter).map_err(Refusal::BadName)?;
        if self.devices.len() > MOST_DEVICES {
            return Err(Refusal::TooManyMeters);
        }
        let slot = self.devices.len();
        self.devices.push(Device::new(Some(meter.to_owned()), slot as u64, self.meter.clone()));
        self.slots.insert(meter.to_owned(), slot);
        Ok(slot)
    }

    /// Returns the line when it waits.
    fn admit(&mut self, slot: Slot, bytes: Box<[u8]>, reading: Reading) -> Option<Box<[u8]>> {
        let open = self.phase == Phase::Open;
        let device = &mut self.devices[slot];
        let status = device.is_status(reading.group);
        let before = device.newest_ms(reading.group);
        let newest = device.take(&reading);
        let (mut died, mut stale) = (false, Vec::new());
        match device.up(&reading).filter(|_| status && newest) {
            Some(true) => {
                device.life = Life::Alive;
                stale = device.grown_stale(&reading, before);
            }
            Some(false) => {
                died = device.life != Life::Dead;
                device.life = Life::Dead;
                device.forget_ages();
            }
            None => {}
        }
        let goes = open && (device.born || device.birth_due || device.lives());
        if device.life == Life::Dead && status && !(died && goes) {
            // Its death says it.
            return None;
        }
        if !goes && device.is_own(reading.group) {
            // Of what this program counts the newest is enough, and is in the birth.
            return None;
        }
        if goes && device.lives() && !device.born {
            self.bear(slot);
        }
        let kept = (!goes).then(|| bytes.clone());
        let line = Waiting {
            group: reading.group,
            at_ms: reading.at_ms,
            historical: !(goes && newest),
            reading: goes.then_some(reading),
            kept: kept.is_some(),
            bytes,
        };
        self.store.push(slot, Entry::Line(line));
        if goes {
            stale.into_iter().for_each(|group| self.store.push(slot, Entry::Stale(group)));
            if died {
                self.store.push(slot, Entry::Death);
            }
        }
        kept
    }

    /// Everything is to be born, again.
    fn open(&mut self) {
        self.phase = Phase::Open;
        self.birth_due = true;
        self.births.clear();
        for (slot, device) in self.devices.iter_mut().enumerate() {
            device.born = false;
            device.birth_due = slot != NODE && device.lives();
            if device.birth_due {
                self.births.push_back(slot);
            }
        }
    }

    /// A device is to be born, again.
    fn bear(&mut self, slot: Slot) {
        if slot == NODE {
            self.birth_due = true;
            self.open();
        } else if !self.devices[slot].birth_due {
            self.devices[slot].birth_due = true;
            self.births.push_back(slot);
        }
    }

    fn node_birth(&mut self, now: Now) -> Message {
        let aliases = self.settings.aliases;
        let alias = |alias| aliases.then_some(alias);
        self.birth_due = false;
        self.born_at = Some(now.steady);
        self.seq = message::LAST_NUMBER;
        let mut metrics = vec![
            message::bd_seq_metric(self.bd_seq, now.wall_ms, alias(BD_SEQ_ALIAS)),
            message::rebirth_metric(now.wall_ms, alias(REBIRTH_ALIAS)),
        ];
        if self.settings.template {
            let definitions = self.meter.definitions.iter();
            let members = definitions.map(|each| (each.name.as_str(), each.data_type, each.unit.as_str()));
            let version = env!("CARGO_PKG_VERSION");
            let defined = message::definition(TEMPLATE, version, members, now.wall_ms, alias(TEMPLATE_ALIAS));
            metrics.push(defined);
        }
        self.birth(NODE, metrics, now)
    }

    fn device_birth(&mut self, slot: Slot, now: Now) -> Message {
        self.birth(slot, Vec::new(), now)
    }

    /// A birth carries the newest line of each group; what else waits of the device is history now.
    fn birth(&mut self, slot: Slot, mut metrics: Vec<Metric>, now: Now) -> Message {
        let device = &mut self.devices[slot];
        device.born = true;
        metrics.extend(device.birth(self.settings.aliases, now.wall_ms));
        let covered = self.store.take_lines(slot, |line| device.newest_ms(line.group) == Some(line.at_ms));
        self.store.age_one(slot);
        self.message("BIRTH", slot, metrics, covered, now)
    }

    fn device_death(&mut self, slot: Slot, now: Now) -> Message {
        self.devices[slot].born = false;
        let message = self.message("DEATH", slot, Vec::new(), Vec::new(), now);
        if self.devices[slot].lives() {
            self.bear(slot);
        }
        message
    }

    /// A message of data: a line, and those right behind it that belong to the same moment of the same device.
    fn data(&mut self, slot: Slot, first: Waiting, now: Now) -> Option<Message> {
        let historical = first.historical;
        let (mut metrics, mut lines) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(mut line) = next {
            let reading = match line.reading.take() {
                Some(reading) => Some(reading),
                // It was understood once, when it came.
                None => self.understand(&line.bytes, now).ok().flatten().map(|(_, reading, _)| reading),
            };
            if let Some(reading) = reading {
                metrics.extend(self.devices[slot].data(&reading, historical, self.settings.aliases));
            }
            lines.push(line);
            let told: Vec<usize> = lines.iter().map(|line: &Waiting| line.group).collect();
            next = self
                .store
                .pop_line(slot, |line| line.historical == historical && !told.contains(&line.group));
        }
        (!metrics.is_empty()).then(|| self.message("DATA", slot, metrics, lines, now))
    }

    fn message(
        &mut self,
        kind: &str,
        slot: Slot,
        metrics: Vec<Metric>,
        lines: Vec<Waiting>,
        now: Now,
    ) -> Message {
        self.seq = self.seq.wrapping_add(1);
        self.published += 1;
        let device = self.devices[slot].name.as_deref();
        let kind = format!("{}{kind}", if device.is_some() { "D" } else { "N" });
        let payload = Payload { timestamp: Some(now.wall_ms), metrics, seq: Some(u64::from(self.seq)) };
        self.unconfirmed.push(self.published, slot, lines);
        Message {
            topic: self.settings.topics.of(&kind, device),
            payload: payload.encode_to_vec(),
            qos: Qos::AtMostOnce,
        }
    }
}
