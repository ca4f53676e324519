//! One meter: what is due is asked for, judged, remembered, and told in a [`Report`].
//!
//! ```text
//! schedule → Due ─→ Collector::gather ─→ Report → lines, display
//!                     │ backoff   may the meter be asked?
//!                     │ clock     was the host's clock set?
//!                     │ wire      ask: the meter's own connection, Modbus beside it
//!                     │ judge     may the values leave?
//!                     │ history   gaps, resets, changes, who it is, the load profile
//!                     │ faults    what is said on stderr, damped when it comes and goes
//!                     └ health    the result, counters since start
//! ```
//!
//! [`task`] runs one collector per meter, so that one dead meter never delays another; [`state`] keeps what survives
//! a restart.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::MeterConfig;
use crate::meter::{Readings, Table, TableSet};
use crate::source::{Answer, Failure, FailureKind, Link, Shared, Source};

pub mod backoff;
pub mod clock;
pub mod damper;
pub mod event;
pub mod exhibits;
pub mod faults;
pub mod found;
pub mod frames;
#[cfg(test)]
mod golden;
pub mod health;
pub mod history;
pub mod intake;
pub mod judge;
pub mod listening;
pub mod meter_clock;
pub mod report;
pub mod room;
pub mod schedule;
mod sources;
pub mod state;
pub mod task;
pub mod wire;

use backoff::Backoff;
use clock::{Clock, HostClock, WallClock};
use event::{Cause, Event};
use exhibits::Exhibits;
use faults::FaultLog;
use found::Found;
use health::{Health, Outcome};
use history::counters::Counted;
use history::{DeviceHistory, History};
use judge::fingerprint::fingerprint;
use judge::{Judge, Judgement, has_values};
use report::{Device, Report, Sample};
use room::Room;
use schedule::Due;
use state::State;
use wire::{Asked, Wire};

/// How long a disk may keep Modbus beside a PLC waiting.
const TO_SAVE: Duration = Duration::from_secs(2);

/// Reads one meter and keeps everything that must be known about it from gather to gather.
#[derive(Debug)]
pub struct Collector {
    config: Arc<MeterConfig>,
    clock: WallClock,
    backoff: Backoff,
    wire: Wire,
    judge: Judge,
    history: History,
    /// Tells the map in use from any other.
    map_print: u64,
    device: DeviceHistory,
    faults: FaultLog,
    health: Health,
    exhibits: Exhibits,
    state: State,
    room: Room,
    /// How the meter was read when it last was.
    link: Link,
    started: Option<Event>,
}

impl Collector {
    /// A collector with class 1 sockets of its own.
    pub fn new(config: Arc<MeterConfig>, state: State) -> Self {
        Collector::sharing(config, state, Shared::default())
    }

    /// A collector that has not connected yet, with what was known before and what the meters of the process share.
    pub fn sharing(config: Arc<MeterConfig>, state: State, shared: Shared) -> Self {
        let record = state.record(&config.name).unwrap_or_default();
        let intervals = record.packet_intervals_us.iter();
        let intervals = intervals.map(|(assembly, us)| (*assembly, Duration::from_micros(*us))).collect();
        let source =
            sources::own(&config, &shared, state.originator(), (record.open_connections, &intervals));
        let beside = sources::beside(&config, &shared);
        Collector::reading(config, state, (source, beside), Arc::new(HostClock))
    }

    /// A collector that reads this source, and perhaps one beside it, by these clocks.
    pub fn reading(
        config: Arc<MeterConfig>,
        state: State,
        (source, beside): (Box<dyn Source>, Option<Box<dyn Source>>),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let known = state.record(&config.name);
        let wire = Wire::new(config.clone(), source, beside);
        let tables = config.tables.union(config.modbus_tables);
        let basis = tables.iter().filter_map(|table| config.profile.basis(table, config.evidence)).min();
        let history = History::new(known, tables, config.interval_energy);
        let map_print = fingerprint(&config.profile, wire.word_order());
        let address = config.place_read();
        Collector {
            clock: WallClock::watching(clock),
            backoff: Backoff::default(),
            judge: Judge::new(
                config.map_check,
                wire.word_order(),
                &config.profile,
                history.has_proven(map_print),
            ),
            history,
            map_print,
            device: DeviceHistory::new(Device { address, basis, ..Device::default() }),
            faults: FaultLog::new(&config.name),
            health: Health::default(),
            exhibits: Exhibits::default(),
            room: Room::default(),
            link: Link::None,
            started: None,
            wire,
            state,
            config,
        }
    }

    /// Lets the first gather say that reading started, and whether anything before is known.
    pub fn say_started(&mut self) {
        let continued = !self.history.record().last_read_ms.is_empty();
        self.started = Some(Event::Started { continued });
    }

    /// The meter's settings.
    pub fn config(&self) -> &MeterConfig {
        &self.config
    }

    /// How the meter is doing.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The clocks it goes by.
    pub fn clock(&self) -> &WallClock {
        &self.clock
    }

    /// What was received since the start and could not be used, in sentences.
    pub fn exhibits(&self) -> Vec<String> {
        self.exhibits.sentences()
    }

    /// Reads what is due. Never fails: a meter's fault is in the report.
    pub async fn gather(&mut self, due: Due) -> Report {
        let mut room = self.room.take(&self.config.profile);
        let readings = Arc::make_mut(&mut room);
        let started = self.started.take();
        // Time that a clock skipped swallowed no gather.
        if self.follow_clock().is_none_or(|by| by < 0) {
            self.health.gathers_missed += due.missed;
            due.skipped.iter().for_each(|table| self.history.skipped(table));
        }
        let (now, last) = (self.clock.now(), self.history.last_modbus_ms());
        let due = Due { beside: self.wire.allowed_beside(due.beside, last, now), ..due };
        let wanted = due.tables.union(due.beside);
        let ready = due.boundary || self.may_be_asked().await;
        let mut found = if ready && !wanted.is_empty() {
            self.read(due, readings).await
        } else if ready && due.status && self.wire.listens() {
            // A connection that is lost is said now, and not when its table is due next, which may be an hour away.
            self.put(TableSet::EMPTY, readings).await.0
        } else {
            self.leave_alone(wanted);
            Found::default()
        };
        found.events.splice(0..0, started);
        self.state.remember(&self.config.name, self.history.record());
        if found.events.iter().any(Event::tells_of_another_level) {
            self.state.hurry();
        }
        self.room.share(&room);
        self.report(due, room, found)
    }

    /// Ends the connection as the protocol wants it.
    pub async fn close(&mut self) {
        self.wire.close().await;
        self.history.hold(self.wire.open_connections(), self.wire.packet_intervals());
        self.state.remember(&self.config.name, self.history.record());
    }

    /// The counters once more, for those who saw them last some gathers ago; nothing is read.
    pub fn last_word(&mut self) -> Report {
        let nothing = Arc::new(Readings::new(self.config.profile.elements.len()));
        self.report(Due { traffic: true, ..Due::default() }, nothing, Found::default())
    }

    fn report(&mut self, due: Due, readings: Arc<Readings>, found: Found) -> Report {
        let Found { read, samples, sampled, failures, notices, events, intervals, device_due } = found;
        Report {
            config: self.config.clone(),
            at: self.clock.stamp(self.config.precision, self.config.interval),
            due: due.tables.union(due.beside),
            status_due: due.status,
            traffic_due: due.traffic,
            readings,
            read,
            samples,
            sampled,
            failures,
            device: self.device.device(),
            device_due,
            map: self.judge.map(),
            notices,
            events,
            intervals,
            health: self.health.clone(),
            last_read: self.history.last_read(),
            counting_since_ms: self.history.counting_since_ms(),
        }
    }

    async fn read(&mut self, due: Due, readings: &mut Readings) -> Found {
        let config = self.config.clone();
        let (mut found, samples) = self.ask(due.tables, readings).await;
        if !due.beside.is_empty() {
            found.failures.extend(self.ask_beside(due.beside, readings).await);
        }
        let wanted = due.tables.union(due.beside);
        meter_clock::compare(&config.profile, config.timezone.as_ref(), readings);
        self.health.took(readings);
        let (again, first) = self.look_again(due, readings).await;
        found.also(again);
        found.failures.extend(judge::empty(&config.profile, readings, wanted, &found.failures));
        let Judgement { held, failures, events } = self.judge(readings, &found.failures);
        found.also(Found { failures, events, ..Found::default() });
        held.iter().for_each(|table| readings.forget(&config.profile, table));
        self.follow_clock();
        let read = |readings: &Readings| judge::read(&config.profile, readings, wanted.difference(held));
        // A meter whose values are held back has answered: it is known, and so is what is wrong with its map.
        let answered = !held.union(read(readings)).is_empty();
        // Who it is comes first: nothing is compared across an exchange of meters.
        let (again, exchanged) = match answered {
            true => self.recognize(readings, &found.failures).await,
            false => Default::default(),
        };
        found.also(again);
        let (counted, doubtful) = self.count(first.filter(|_| !exchanged), readings);
        found.failures.extend(doubtful);
        found.read = read(readings);
        found.samples = samples.into_iter().filter(|sample| found.read.contains(sample.table)).collect();
        self.health.gathered(wanted, &found.failures, found.read, self.link);
        let ended = self.history.follow_gaps(&config, due, readings, &found.failures, exchanged);
        self.health.gaps += ended.len() as u64;
        found.events.extend(ended);
        found.events.extend(self.follow_faults(wanted, readings, &found));
        if answered {
            found.events.extend(self.follow_values(readings, counted.events));
            found.intervals = self.history.intervals(&config, readings, counted.moved);
            found.device_due = self.device.is_due_to_say(&self.judge.map(), Instant::now());
        }
        found
    }

    /// Whether its time to rest is over, or it shows life.
    async fn may_be_asked(&mut self) -> bool {
        let now = Instant::now();
        self.backoff.ready(now) || (self.wire.shows_life().await && self.backoff.wake(now))
    }

    /// The meter did not answer before, and it is too early to ask it again.
    fn leave_alone(&mut self, wanted: TableSet) {
        if wanted.is_empty() {
            return;
        }
        wanted.iter().for_each(|table| self.history.missed(table, Cause::NoAnswer, false));
        self.health.left_alone(wanted);
        self.faults.left_alone();
    }

    /// Asks over the meter's own connection, for the info table as well when that is due.
    async fn ask(&mut self, tables: TableSet, readings: &mut Readings) -> (Found, Vec<Sample>) {
        if tables.is_empty() {
            return (Found::default(), Vec::new());
        }
        let due = self.device.is_due(Instant::now());
        let info = if due { Table::Info.into() } else { TableSet::EMPTY };
        self.put(tables.union(info), readings).await
    }

    /// Puts one question to the meter's own connection and says what happened to that.
    async fn put(&mut self, wanted: TableSet, readings: &mut Readings) -> (Found, Vec<Sample>) {
        let Asked { mut answer, failures } = self.wire.read(wanted, readings).await;
        self.account(&mut answer);
        self.health.response_time = answer.slowest;
        self.health.line_time = answer.line_time;
        self.health.rpi = self.wire.rpi();
        let mut events = self.faults.tell(&answer.notices);
        events.extend(self.follow_link(answer.link));
        if self.history.hold(self.wire.open_connections(), self.wire.packet_intervals()) {
            self.state.remember(&self.config.name, self.history.record());
            // Not with the next regular save: after a crash these must be closed, and they change rarely.
            self.state.hurry();
        }
        let (sampled, samples) = frames::decode(&self.config, &self.judge, answer.samples, wanted);
        let found = Found { sampled, failures, notices: answer.notices, events, ..Found::default() };
        (found, samples)
    }

    async fn ask_beside(&mut self, tables: TableSet, readings: &mut Readings) -> Vec<(Table, Failure)> {
        // Before, and not with the next regular save: a crash on the way must not lead to another use at once.
        self.history.used_modbus(self.clock.now());
        self.state.remember(&self.config.name, self.history.record());
        self.state.hurried(TO_SAVE).await;
        let Asked { mut answer, failures } = self.wire.read_beside(tables, readings).await;
        self.account(&mut answer);
        failures
    }

    /// Counts what went over the wire, recounts it to who asked for that, and keeps what could not be used.
    fn account(&mut self, answer: &mut Answer) {
        self.health.traffic += answer.traffic;
        self.faults.recount(&answer.exchanges);
        let new = answer.exhibits.drain(..).filter_map(|exhibit| self.exhibits.keep(exhibit));
        new.for_each(|new| self.faults.show(&new));
    }

    /// Notes how the meter was read just now, if it was; says so when it was read in another way before.
    fn follow_link(&mut self, after: Link) -> Option<Event> {
        let after = Some(after).filter(|after| *after != Link::None)?;
        let before = std::mem::replace(&mut self.link, after);
        let changed = before != Link::None && before != after;
        changed.then_some(Event::ConnectionChanged { before, after })
    }

    /// Which values contradict the map and are to be held back, beside what failed.
    fn judge(&mut self, readings: &Readings, failures: &[(Table, Failure)]) -> Judgement {
        let complete = !failures.iter().any(|(table, _)| *table == Table::Realtime);
        let connections = self.health.traffic.reconnects;
        let ct_ratio = self.history.ct_ratio();
        let profile = &self.config.profile;
        let judgement = self.judge.judge(profile, readings, complete, connections, ct_ratio);
        self.faults.tell_of_map(&judgement.events, judgement.held);
        if self.judge.is_proven() {
            self.history.proved(self.map_print);
        }
        judgement
    }

    /// Takes in who the meter is, beside what failed; gives what that told, and whether it is another one than before.
    async fn recognize(&mut self, readings: &mut Readings, failures: &[(Table, Failure)]) -> (Found, bool) {
        let mut found = Found::default();
        let config = self.config.clone();
        // Over EtherNet/IP every session begins with the question; Modbus has no session that an exchange breaks.
        let asked = readings.taken(Table::Info).is_some() || self.wire.identifies();
        if !asked && self.history.doubts(&config.profile, readings) {
            (found, _) = self.ask(Table::Info.into(), readings).await;
        }
        let refused = |(table, failure): &(Table, Failure)| *table == Table::Info && failure.is_no();
        let settled =
            readings.taken(Table::Info).is_some() || failures.iter().chain(&found.failures).any(refused);
        let identity = self.wire.identity();
        let news = self.device.learn(
            (identity, self.wire.controller()),
            &config.profile,
            readings,
            settled,
            Instant::now(),
        );
        if let (true, Some(identity)) = (news, identity)
            && let Some(mismatch) = identity.mismatch(&config.profile.identity)
        {
            self.faults.warn(&format!("{mismatch}; read all the same, as the configuration says"));
        }
        let Some(swapped) = self.history.recognize(&self.device, self.clock.now()) else {
            return (found, false);
        };
        self.faults.warn(&swapped.to_string());
        self.judge.exchanged();
        found.events.push(swapped);
        (found, true)
    }

    /// Says what failed and what works again, and lets a silent meter rest.
    fn follow_faults(&mut self, wanted: TableSet, readings: &Readings, found: &Found) -> Vec<Event> {
        if found.read.is_empty() {
            let Some((_, failure)) = found.failures.first() else { return Vec::new() };
            if self.health.outcome == Outcome::Suspended {
                return Vec::new();
            }
            self.faults.down(failure);
            // A meter whose numbers are held back does answer.
            if wanted.iter().all(|table| readings.taken(table).is_none()) {
                self.backoff.failed(Instant::now(), self.config.interval, rand::random());
                // Whoever answers next may be another meter.
                self.device.doubt();
            }
            return Vec::new();
        }
        self.backoff.succeeded();
        let new = self.faults.up(wanted, &found.failures).into_iter();
        let refused = new.filter(|(_, failure)| failure.is_no());
        refused.map(|(table, failure)| Event::BlockRefused { table, failure: failure.clone() }).collect()
    }

    /// Looks at the counters once more when one of them is where it cannot be; gives what the first look saw then. What
    /// a listener or a controller has may be the same sample again, and Modbus beside EtherNet/IP has had its turn:
    /// there the next gather decides.
    async fn look_again(&mut self, due: Due, readings: &mut Readings) -> (Found, Option<Readings>) {
        let profile = &self.config.profile;
        let anew = due.tables.contains(Table::Energy) && matches!(self.link, Link::Explicit | Link::Modbus);
        if !anew || !self.history.is_puzzled(profile, readings) {
            return Default::default();
        }
        let mut newer = Readings::new(profile.elements.len());
        let (again, _) = self.put(Table::Energy.into(), &mut newer).await;
        let again = Found { failures: Vec::new(), ..again };
        if newer.taken(Table::Energy).is_none() {
            return (again, None);
        }
        self.health.took(&newer);
        let first = readings.clone();
        readings.renew(&self.config.profile, Table::Energy, &newer);
        (again, Some(first))
    }

    /// Takes the counters in, and holds back those of which nobody knows yet what they mean: where that leaves nothing of
    /// energy, it is a failure.
    fn count(
        &mut self,
        first: Option<Readings>,
        readings: &mut Readings,
    ) -> (Counted, Option<(Table, Failure)>) {
        let profile = &self.config.profile;
        let counted = match &first {
            Some(first) => self.history.count(profile, &[first, readings]),
            None => self.history.count(profile, &[readings]),
        };
        self.health.values_dropped += counted.glitches;
        counted.held.iter().for_each(|index| readings.set(*index, None));
        let Some(doubt) = &counted.doubt else { return (counted, None) };
        if has_values(profile, readings, Table::Energy) {
            self.faults.warn_doubt(doubt);
            return (counted, None);
        }
        let failure = FailureKind::BadData.because(doubt.as_str());
        (counted, Some((Table::Energy, failure)))
    }

    /// Tells what began anew or changed in the meter, after `events` of its counters.
    fn follow_values(&mut self, readings: &Readings, mut events: Vec<Event>) -> Vec<Event> {
        events.extend(self.history.follow(&self.config.profile, readings));
        for event in &events {
            self.faults.warn_event(event);
            self.health.counter_resets += u64::from(matches!(event, Event::CounterReset(_)));
        }
        events
    }

    /// Moves what is remembered by the wall clock when that was set; returns by how many ms.
    fn follow_clock(&mut self) -> Option<i64> {
        let by = self.clock.step()?;
        self.history.clock_stepped(by);
        Some(by)
    }
}
