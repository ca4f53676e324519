//! One meter: what is due is read, judged and turned into lines.
//!
//! ```text
//! schedule → Due ─→ Collector::gather ─→ Batch of lines → stdout
//!                     │ backoff   may the meter be asked?
//!                     │ clock     was the host's clock set?
//!                     │ wire      read the tables: sources, listening; what is unusable → exhibits
//!                     │ verdict   may the values leave: judge
//!                     │ follow    what must be said: gaps, resets, changes, about → events; faults → stderr
//!                     │ interval  the load profile
//!                     └ health    the status line
//! ```
//!
//! [`task`] runs one collector per meter, so that one dead meter never delays another.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::config::MeterConfig;
use crate::enip::hub::Hub;
use crate::enip::stream::Sample;
use crate::meter::element::Place;
use crate::meter::{Evidence, Readings, Table, TableSet, decode};
use crate::metric::Batch;
use crate::source::{Failure, Modbus, Source};

pub mod about;
pub mod backoff;
pub mod changes;
pub mod clock;
pub mod events;
pub mod exhibits;
pub mod faults;
mod follow;
pub mod gaps;
pub mod health;
pub mod interval;
pub mod judge;
mod listening;
pub mod report;
pub mod resets;
pub mod schedule;
mod sources;
pub mod state;
pub mod task;
mod verdict;
mod wire;

use about::About;
use backoff::Backoff;
use clock::WallClock;
use events::{Event, EventLog};
use exhibits::Exhibits;
use faults::FaultLog;
use gaps::{Cause, Gaps};
use health::{Health, Link};
use interval::LoadProfile;
use judge::Judge;
use schedule::Due;
use state::{Record, State};

/// Reads one meter and keeps everything that must be known about it from gather to gather.
#[derive(Debug)]
pub struct Collector {
    config: Arc<MeterConfig>,
    source: Source,
    /// Modbus beside EtherNet/IP, if the config allows it.
    beside: Option<Modbus>,
    /// How the meter was read in the last gather.
    link: Link,
    address: String,
    basis: Option<Evidence>,
    state: State,
    record: Record,
    readings: Readings,
    /// Every new sample of listened assemblies since the last gather, when the configuration wants them.
    samples: Vec<(Table, u16, Sample)>,
    /// The assemblies that these samples are of.
    sampled: Vec<u16>,
    backoff: Backoff,
    judge: Judge,
    about: About,
    gaps: Gaps,
    clock: WallClock,
    load: Option<LoadProfile>,
    events: EventLog,
    faults: FaultLog,
    health: Health,
    exhibits: Exhibits,
    /// What was said about class 1 since the start, for `check`.
    notes: Vec<String>,
    /// What failed in the last gather.
    failures: Vec<(Table, Failure)>,
    /// The `started` event, until it is written.
    started: Option<Event>,
    connections_judged: u64,
    /// Whether `link` says anything yet.
    linked: bool,
    paused_until: Option<Instant>,
}

impl Collector {
    /// A collector with class 1 sockets of its own.
    pub fn new(config: Arc<MeterConfig>, state: State) -> Self {
        Collector::with_hub(config, state, Hub::default())
    }

    /// A collector that has not connected yet; `state` tells what was known before, `hub` has the class 1
    /// sockets of the process.
    pub fn with_hub(config: Arc<MeterConfig>, state: State, hub: Hub) -> Self {
        let profile = config.profile.clone();
        let known = state.record(&config.name);
        let leftovers = known.iter().flat_map(|record| record.open_connections.clone()).collect();
        let source = sources::own(&config, hub, state.originator(), leftovers);
        let beside = sources::beside(&config);
        let address = sources::endpoint(&config, config.port()).to_string();
        let tables = config.tables.union(config.modbus_tables);
        let basis = tables.iter().filter_map(|table| profile.basis(table, config.evidence)).min();
        let mut gaps = Gaps::default();
        for (name, at) in known.iter().flat_map(|record| &record.last_read_ms) {
            let table = tables.iter().find(|table| table.name() == name);
            if let (Some(table), Ok(at)) = (table, u64::try_from(*at)) {
                gaps.restore(table, UNIX_EPOCH + Duration::from_millis(at));
            }
        }
        let running = known.as_ref().and_then(|record| record.interval.clone());
        let load = config.interval_energy.map(|period| LoadProfile::new(period, running));
        let mut record = known.unwrap_or_default();
        // A profile that is switched off does not go on where it was when it is switched on again.
        record.interval = load.as_ref().and_then(LoadProfile::running).cloned();
        Collector {
            source,
            beside,
            link: Link::None,
            address,
            basis,
            state,
            record,
            readings: Readings::new(profile.elements.len()),
            samples: Vec::new(),
            sampled: Vec::new(),
            backoff: Backoff::default(),
            judge: Judge::new(config.map_check),
            about: About::default(),
            gaps,
            clock: WallClock::default(),
            load,
            events: EventLog::default(),
            faults: FaultLog::new(&config.name),
            health: Health::default(),
            exhibits: Exhibits::default(),
            notes: Vec::new(),
            failures: Vec::new(),
            started: None,
            connections_judged: 0,
            linked: false,
            paused_until: None,
            config,
        }
    }

    /// Lets the first gather say that reading started, and whether anything before is known.
    pub fn say_started(&mut self) {
        let known = self.state.record(&self.config.name).is_some_and(|known| !known.last_read_ms.is_empty());
        let reason = if known { "continued from the state file" } else { "nothing before is known" };
        self.started = Some(Event {
            kind: "started",
            message: "The plugin started reading this meter".to_owned(),
            reason: Some(reason.to_owned()),
            ..Event::default()
        });
    }

    /// The meter's settings.
    pub fn config(&self) -> &MeterConfig {
        &self.config
    }

    /// How the meter is doing.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Whether the map is suspected and another gather will tell more.
    pub fn is_undecided(&self) -> bool {
        self.judge.is_undecided()
    }

    /// Reads what is due and returns the lines. Never fails: a meter's fault is in the status line.
    pub async fn gather(&mut self, due: Due) -> Batch {
        let mut batch = Batch::roomy();
        let mut events: Vec<Event> = self.started.take().into_iter().collect();
        self.readings.begin();
        // Time that a clock skipped swallowed no gather.
        if self.follow_clock().is_none_or(|by| by < 0) {
            self.health.gathers_missed += due.missed;
        }
        let due = Due { beside: self.allowed_beside(due.beside), ..due };
        let wanted = due.tables.union(due.beside);
        let ready = due.boundary || self.backoff.ready(Instant::now());
        if ready && !wanted.is_empty() {
            self.read(due, &mut batch, &mut events).await;
        } else if ready && due.status {
            self.watch(&mut events).await;
        } else if !wanted.is_empty() {
            let cause = || Cause::Meter("the meter did not answer".to_owned());
            wanted.iter().for_each(|table| self.gaps.broke(table, cause()));
            self.health.left_alone(wanted);
            self.faults.left_alone();
        }
        let (now, precision) = (SystemTime::now(), self.config.precision);
        let tags = &self.config.tags;
        for event in &events {
            self.events.write(event, now, &mut batch, tags, precision);
        }
        if due.status {
            let tables = self.config.tables.union(self.config.modbus_tables);
            self.health.write(&mut batch, tags, self.link, tables, &self.gaps, (now, precision));
        }
        self.state.remember(&self.config.name, &self.record);
        batch
    }

    /// Ends the connection as the protocol wants it.
    pub async fn close(&mut self) {
        self.source.close().await;
        self.record.open_connections = self.source.open_connections();
        self.state.remember(&self.config.name, &self.record);
        if let Some(beside) = &mut self.beside {
            beside.close().await;
        }
    }

    async fn read(&mut self, due: Due, batch: &mut Batch, events: &mut Vec<Event>) {
        let mut failures = self.read_source(due.tables, events).await;
        if !due.beside.is_empty() {
            failures.extend(self.read_beside(due.beside).await);
        }
        let wanted = due.tables.union(due.beside);
        self.health.values_dropped += self.readings.dropped;
        self.miss_empty(wanted, &mut failures);
        let held = self.judge(&mut failures, events);
        for table in held.iter() {
            self.readings.forget(&self.config.profile, table);
        }
        self.clock_offset();

        let read: TableSet = wanted.iter().filter(|table| self.has_values(*table)).collect();
        self.write_tables(read, batch);
        self.health.gathered(wanted, &failures, read);
        self.follow_clock();
        // A meter whose values are held back has answered: it is known, and so is what is wrong with its map.
        let answered = !read.union(held).is_empty();
        // Who it is comes first: nothing is compared across an exchange of meters.
        let swapped = answered && self.recognize(&mut failures, events).await;
        self.follow_gaps(due, wanted, &failures, swapped, events);
        self.follow_faults(wanted, &failures, read, events);
        if answered {
            self.follow_values(batch, events);
            self.write_info(batch);
        }
        self.failures = failures;
    }

    /// Appends the lines of these tables: one for each new sample where those are wanted, and one for the rest.
    fn write_tables(&mut self, tables: TableSet, batch: &mut Batch) {
        let (config, samples) = (self.config.clone(), std::mem::take(&mut self.samples));
        let mut write = |table, readings: &Readings| {
            batch.table(&config.profile, table, readings, &config.selected, &config.tags, config.precision);
        };
        // A value that has its lines already, or waits for a new sample.
        let has_own = |instance| self.sampled.contains(&instance);
        for table in tables.iter() {
            let elements = || config.profile.elements_of(table);
            let sampled = |place: Option<Place>| place.is_some_and(|place| has_own(place.instance));
            if !elements().any(|(_, element)| sampled(element.place)) {
                write(table, &self.readings);
                continue;
            }
            for (_, instance, sample) in samples.iter().filter(|(of, ..)| *of == table) {
                let mut one = Readings::new(config.profile.elements.len());
                if decode::assembly(&config.profile, *instance, &sample.data, &mut one).is_ok() {
                    one.arrived(table, sample.at);
                    write(table, &one);
                }
            }
            let mut rest = self.readings.clone();
            for (index, _) in elements().filter(|(_, element)| sampled(element.place)) {
                rest.set(index, None);
            }
            write(table, &rest);
        }
    }
}
