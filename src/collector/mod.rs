//! One meter: what is due is read, judged and turned into lines.
//!
//! ```text
//! schedule → Due ─→ Collector::gather ─→ Batch of lines → stdout
//!                     │ backoff   may the meter be asked?
//!                     │ source    read the tables
//!                     │ judge     do the numbers contradict the map?
//!                     │ gaps, changes, about   what must be said in the data → events
//!                     │ faults    what must be said on stderr
//!                     └ health    the status line
//! ```
//!
//! [`task`] runs one collector per meter, so that one dead meter never delays another.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::time::timeout;

use crate::config::{Connection, MeterConfig};
use crate::enip::forward_open::Application;
use crate::enip::hub::Hub;
use crate::enip::stream::Sample;
use crate::meter::decode::WordOrder;
use crate::meter::element::{Place, WireType};
use crate::meter::{Evidence, Readings, Table, TableSet, Value, decode};
use crate::metric::Batch;
use crate::source::{Failure, Gather, Modbus, Source};

pub mod about;
pub mod backoff;
pub mod changes;
pub mod events;
pub mod faults;
pub mod gaps;
pub mod health;
pub mod judge;
mod listening;
pub mod report;
pub mod schedule;
mod sources;
pub mod state;
pub mod task;

use about::{About, Context};
use backoff::Backoff;
use events::{Event, EventLog, milliseconds};
use faults::FaultLog;
use gaps::Gaps;
use health::{Health, Link, Outcome};
use judge::{Judge, Ruling};
use schedule::Due;
use state::{Record, State};

/// Newest notes about class 1 that are kept for `check`.
const MOST_NOTES: usize = 16;
/// Modbus beside EtherNet/IP is used at most this often, also across restarts.
const BESIDE_AT_MOST_EVERY: Duration = Duration::from_secs(300);
/// How long EtherNet/IP may be silent after our own Modbus before that counts as a fault. The maker is
/// reported to say that it recovers by itself; how fast is unknown.
const PAUSE_AFTER_MODBUS: Duration = Duration::from_secs(60);

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
    events: EventLog,
    faults: FaultLog,
    health: Health,
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
        Collector {
            source,
            beside,
            link: Link::None,
            address,
            basis,
            state,
            record: known.unwrap_or_default(),
            readings: Readings::new(profile.elements.len()),
            samples: Vec::new(),
            sampled: Vec::new(),
            backoff: Backoff::default(),
            judge: Judge::new(config.map_check),
            about: About::default(),
            gaps,
            events: EventLog::default(),
            faults: FaultLog::new(&config.name),
            health: Health::default(),
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
        let mut batch = Batch::default();
        let mut events: Vec<Event> = self.started.take().into_iter().collect();
        self.health.gathers_missed += due.missed;
        self.readings.begin();
        let due = Due { beside: self.allowed_beside(due.beside), ..due };
        let wanted = due.tables.union(due.beside);
        if !wanted.is_empty() && !self.backoff.ready(Instant::now()) {
            wanted.iter().for_each(|table| self.gaps.broke(table, "the meter did not answer"));
            self.health.left_alone(wanted);
            self.faults.left_alone();
        } else if !wanted.is_empty() {
            self.read(due, &mut batch, &mut events).await;
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
        self.follow_gaps(due, wanted, &failures, events);
        self.follow_faults(wanted, &failures, read, events);
        // A meter whose values are held back has answered: it is known, and so is what is wrong with its map.
        if !read.union(held).is_empty() {
            self.learn(batch, events);
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

    /// Reads over the meter's own connection, the info table with it when that is due.
    async fn read_source(&mut self, tables: TableSet, events: &mut Vec<Event>) -> Vec<(Table, Failure)> {
        if tables.is_empty() {
            return Vec::new();
        }
        let mut wanted = tables;
        if self.about.is_due(SystemTime::now()) {
            wanted.insert(Table::Info);
        }
        let mut gather = Gather::new(wanted, &mut self.readings, &mut self.health.traffic);
        let limit = self.config.gather_timeout;
        if timeout(limit, self.source.gather(&mut gather)).await.is_err() {
            fail_untried(&mut gather, limit);
        }
        self.health.response_time = gather.slowest;
        let (mut failures, notices) = (gather.failures, gather.notices);
        (self.samples, self.sampled) = (gather.samples, gather.sampled);
        let prefix = self.faults.prefix();
        for notice in notices {
            if self.notes.len() == MOST_NOTES {
                self.notes.remove(0);
            }
            self.notes.push(listening::sentence(&notice));
            events.extend(listening::tell(notice, prefix));
        }
        self.follow_link(events);
        if self.paused_until.is_some_and(|until| Instant::now() < until) {
            for (_, failure) in &mut failures {
                if matches!(failure, Failure::Timeout(_) | Failure::Connection(_)) {
                    *failure = Failure::Suspended("EtherNet/IP pauses after our own Modbus".to_owned());
                }
            }
        }
        failures
    }

    /// Notes how the meter is read now, and says so when that changed.
    fn follow_link(&mut self, events: &mut Vec<Event>) {
        let heard = self.source.heard();
        let link = match (heard, self.config.connection) {
            (Some((Application::ListenOnly, _)), _) => Link::ListenOnly,
            (Some((Application::InputOnly, _)), _) => Link::InputOnly,
            (None, Connection::Modbus) => Link::Modbus,
            (None, _) => Link::Explicit,
        };
        self.health.rpi = heard.map(|(_, rpi)| rpi);
        let before = std::mem::replace(&mut self.link, link);
        if self.linked && before != link {
            let (before, after) = (before.code().1, link.code().1);
            events.push(Event {
                kind: "connection_changed",
                message: format!("The meter is read in another way: {after} instead of {before}"),
                before_text: Some(before.to_owned()),
                after_text: Some(after.to_owned()),
                ..Event::default()
            });
        }
        self.linked = true;
        let open = self.source.open_connections();
        if self.record.open_connections != open {
            self.record.open_connections = open;
            self.state.remember(&self.config.name, &self.record);
            // Not with the next regular save: after a crash these must be closed, and they change rarely.
            if let Err(problem) = self.state.save() {
                log::warn!("{}: {problem}", self.faults.prefix());
            }
        }
    }

    /// The tables that may be read over Modbus now: not within five minutes of the last time, on either side
    /// of it, for the clock may have been set back since.
    fn allowed_beside(&self, tables: TableSet) -> TableSet {
        let now = milliseconds(SystemTime::now());
        let pause = BESIDE_AT_MOST_EVERY.as_millis() as u64 - 1000;
        match self.record.last_modbus_ms {
            Some(last) if now.abs_diff(last) < pause => TableSet::EMPTY,
            _ => tables,
        }
    }

    async fn read_beside(&mut self, tables: TableSet) -> Vec<(Table, Failure)> {
        let Some(beside) = &mut self.beside else { return Vec::new() };
        // Before, and not with the next regular save: a crash on the way must not lead to another use at once.
        self.record.last_modbus_ms = Some(milliseconds(SystemTime::now()));
        self.state.remember(&self.config.name, &self.record);
        if let Err(problem) = self.state.save() {
            log::warn!("{}: {problem}", self.faults.prefix());
        }
        let requests_before = self.health.traffic.requests;
        let mut gather = Gather::new(tables, &mut self.readings, &mut self.health.traffic);
        let limit = self.config.gather_timeout;
        if timeout(limit, beside.gather(&mut gather)).await.is_err() {
            fail_untried(&mut gather, limit);
        }
        let failures = gather.failures;
        beside.close().await;
        // A port that refused us has stopped nothing.
        if self.health.traffic.requests > requests_before {
            self.paused_until = Some(Instant::now() + PAUSE_AFTER_MODBUS);
        }
        failures
    }

    /// A table that arrived without one plausible value was not read.
    fn miss_empty(&self, tables: TableSet, failures: &mut Vec<(Table, Failure)>) {
        for table in tables.iter().filter(|table| self.readings.taken(*table).is_some()) {
            if !self.has_values(table) && !failures.iter().any(|(failed, _)| *failed == table) {
                let text = "no value is plausible; over Modbus this is usually the word order".to_owned();
                failures.push((table, Failure::BadData(text)));
            }
        }
    }

    /// Whether at least one plausible value of the table arrived.
    fn has_values(&self, table: Table) -> bool {
        let mut elements = self.config.profile.elements_of(table);
        self.readings.taken(table).is_some() && elements.any(|(index, _)| self.readings.get(index).is_some())
    }

    /// Holds realtime values back that contradict the map.
    fn judge(&mut self, failures: &mut Vec<(Table, Failure)>, events: &mut Vec<Event>) -> TableSet {
        let mut held = TableSet::EMPTY;
        if self.readings.taken(Table::Realtime).is_none() {
            return held;
        }
        if self.connections_judged != self.health.traffic.reconnects {
            self.connections_judged = self.health.traffic.reconnects;
            self.judge.reset();
        }
        let complete = !failures.iter().any(|(table, _)| *table == Table::Realtime);
        if let Ruling::Hold(reason) = self.judge.rule(&self.config.profile, &self.readings, complete) {
            // A wrong word order spoils every number that is longer than a word.
            let alike = TableSet::from_iter([Table::Realtime, Table::Energy, Table::Settings]);
            held = match self.config.connection {
                Connection::Modbus => alike.intersection(self.config.tables),
                _ => TableSet::from_iter([Table::Realtime]),
            };
            let text = format!(
                "the numbers contradict the register map: {}; nothing of it is emitted (map_check = \"warn\" \
                 would)",
                self.hinted(&reason)
            );
            let tables = held.iter().filter(|table| self.readings.taken(*table).is_some());
            failures.extend(tables.map(|table| (table, Failure::BadData(text.clone()))));
        }
        if let Some(reason) = self.judge.verdict() {
            let reason = self.hinted(&reason);
            if held.is_empty() {
                log::warn!("{}: the numbers contradict the register map: {reason}", self.faults.prefix());
            }
            events.push(Event {
                kind: "map_contradicted",
                message: "The numbers contradict the register map".to_owned(),
                reason: Some(reason),
                table: Some(Table::Realtime.name().to_owned()),
                ..Event::default()
            });
        }
        held
    }

    /// What contradicts the map, with the usual reason where there is one.
    fn hinted(&self, reason: &str) -> String {
        let other = match self.config.modbus.word_order {
            WordOrder::LowFirst => WordOrder::HighFirst,
            WordOrder::HighFirst => WordOrder::LowFirst,
        };
        match self.config.connection {
            Connection::Modbus => format!("{reason}; the usual reason is the other word_order = \"{other}\""),
            _ => reason.to_owned(),
        }
    }

    /// The meter's clock, read as local date and time → its offset from ours, if we know its time zone.
    fn clock_offset(&mut self) {
        let Some(taken) = self.readings.taken(Table::Settings) else { return };
        for (index, element) in self.config.profile.elements_of(Table::Settings) {
            let (WireType::Clock, Some(Value::Integer(civil))) = (element.wire, self.readings.get(index))
            else {
                continue;
            };
            let offset = self.config.timezone.as_ref().and_then(|zone| {
                let now = jiff::Timestamp::try_from(taken).ok()?;
                let local = now.as_second() + i64::from(zone.to_offset(now).seconds());
                Some(Value::Integer(civil - local))
            });
            self.readings.set(index, offset);
        }
    }

    fn follow_gaps(
        &mut self,
        due: Due,
        wanted: TableSet,
        failures: &[(Table, Failure)],
        events: &mut Vec<Event>,
    ) {
        for table in wanted.iter() {
            // What the meter never gives leaves no gap in the rest of the table.
            let given = |failure: &Failure| match failure {
                Failure::Refused(_) | Failure::WrongSize(_) => self.has_values(table),
                _ => false,
            };
            match failures.iter().find(|(failed, failure)| *failed == table && !given(failure)) {
                Some((_, failure)) => self.gaps.broke(table, &failure.to_string()),
                None => {
                    let Some(taken) = self.readings.taken(table) else { continue };
                    let period = (!due.triggered).then(|| self.config.period(table));
                    self.gaps.read(table, taken, period);
                    self.record.last_read_ms.insert(table.name().to_owned(), milliseconds(taken));
                }
            }
        }
        let ended = self.gaps.ended();
        self.health.gaps += ended.len() as u64;
        events.extend(ended);
    }

    fn follow_faults(
        &mut self,
        wanted: TableSet,
        failures: &[(Table, Failure)],
        read: TableSet,
        events: &mut Vec<Event>,
    ) {
        if read.is_empty() {
            let Some((_, failure)) = failures.first() else { return };
            if self.health.outcome == Outcome::Suspended {
                return;
            }
            self.faults.down(failure);
            // A meter whose numbers are held back does answer.
            if wanted.iter().all(|table| self.readings.taken(table).is_none()) {
                self.backoff.failed(Instant::now(), self.config.interval, rand::random());
                // Whoever answers next may be another meter.
                self.about.doubt();
            }
            return;
        }
        self.backoff.succeeded();
        for (table, failure) in self.faults.up(wanted, failures) {
            if matches!(failure, Failure::Refused(_) | Failure::WrongSize(_)) {
                events.push(Event {
                    kind: "block_refused",
                    message: format!("The meter does not give all of table {table}"),
                    reason: Some(failure.to_string()),
                    table: Some(table.name().to_owned()),
                    ..Event::default()
                });
            }
        }
    }

    /// Takes in who the meter is and what changed in it, and writes the info line when it is due.
    fn learn(&mut self, batch: &mut Batch, events: &mut Vec<Event>) {
        let (config, now) = (self.config.clone(), SystemTime::now());
        let identity = self.source.identity();
        let news = self.about.learn(identity, &config.profile, &self.readings, now);
        if let (true, Some(identity)) = (news, identity)
            && let Some(mismatch) = identity.mismatch(&config.profile.identity)
        {
            log::warn!("{}: {mismatch}; read all the same, as the configuration says", self.faults.prefix());
        }
        if let Some(swapped) = self.about.swapped(&mut self.record) {
            log::warn!("{}: {}", self.faults.prefix(), swapped.message);
            self.record.counters.clear();
            self.record.settings.clear();
            events.push(swapped);
        }
        let changed = changes::changes(&config.profile, &self.readings, &mut self.record);
        for event in &changed {
            log::warn!("{}: {}", self.faults.prefix(), event.message);
            if event.kind == "counter_reset" {
                self.health.counter_resets += 1;
            }
        }
        events.extend(changed);
        let context = Context {
            profile: &config.profile,
            profile_name: &config.profile_name,
            address: &self.address,
            basis: self.basis,
            map_check: self.judge.state(),
        };
        self.about.write(batch, &config.tags, context, (now, config.precision));
    }
}

/// The whole gather took too long: what was not tried is a timeout.
fn fail_untried(gather: &mut Gather<'_>, limit: Duration) {
    let limit = humantime::format_duration(limit);
    for table in gather.tables.difference(gather.tried).iter() {
        let text = format!("the gather did not end within {limit} (gather_timeout)");
        gather.fail(table, Failure::Timeout(text));
    }
}
