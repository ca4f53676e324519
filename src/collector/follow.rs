//! What a gather means for what is known: gaps, faults, who the meter is and what changed in it.

use std::time::Instant;

use crate::config::Connection;
use crate::meter::{Table, TableSet};
use crate::metric::Batch;
use crate::source::Failure;

use super::about::Context;
use super::events::{Event, milliseconds};
use super::gaps::Cause;
use super::health::Outcome;
use super::interval::lines;
use super::schedule::Due;
use super::state::note;
use super::{Collector, changes, resets};

impl Collector {
    pub(super) fn follow_gaps(
        &mut self,
        due: Due,
        wanted: TableSet,
        failures: &[(Table, Failure)],
        swapped: bool,
        events: &mut Vec<Event>,
    ) {
        for table in wanted.iter() {
            // What the meter never gives leaves no gap in the rest of the table.
            let given = |failure: &Failure| match failure {
                Failure::Refused(_) | Failure::WrongSize(_) => self.has_values(table),
                _ => false,
            };
            match failures.iter().find(|(failed, failure)| *failed == table && !given(failure)) {
                Some((_, failure)) => self.gaps.broke(table, Cause::from(failure)),
                None => {
                    let Some(taken) = self.readings.taken(table) else { continue };
                    let period = (!due.triggered).then(|| self.config.period(table));
                    self.gaps.read(table, taken, period);
                    note(&mut self.record.last_read_ms, table.name(), milliseconds(taken));
                }
            }
        }
        let mut ended = self.gaps.ended();
        self.health.gaps += ended.len() as u64;
        if swapped {
            for reason in ended.iter_mut().filter_map(|gap| gap.reason.as_mut()) {
                reason.push_str("; since then another meter answers");
            }
        }
        events.extend(ended);
    }

    pub(super) fn follow_faults(
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

    /// Takes in who the meter is; returns whether it is another one than before.
    pub(super) async fn recognize(
        &mut self,
        failures: &mut Vec<(Table, Failure)>,
        events: &mut Vec<Event>,
    ) -> bool {
        let config = self.config.clone();
        // Over EtherNet/IP every session begins with the question; Modbus has no session that an exchange breaks.
        let asked = self.readings.taken(Table::Info).is_some() || config.connection != Connection::Modbus;
        if !asked && resets::counter_fell(&config.profile, &self.readings, &self.record) {
            failures.extend(self.read_source(TableSet::from_iter([Table::Info]), events).await);
        }
        let refused = |(table, failure): &(Table, Failure)| {
            *table == Table::Info && matches!(failure, Failure::Refused(_) | Failure::WrongSize(_))
        };
        let settled = self.readings.taken(Table::Info).is_some() || failures.iter().any(refused);
        let identity = self.source.identity();
        let news = self.about.learn(identity, &config.profile, &self.readings, settled, Instant::now());
        if let (true, Some(identity)) = (news, identity)
            && let Some(mismatch) = identity.mismatch(&config.profile.identity)
        {
            log::warn!("{}: {mismatch}; read all the same, as the configuration says", self.faults.prefix());
        }
        let Some(swapped) = self.about.swapped(&mut self.record) else { return false };
        log::warn!("{}: {}", self.faults.prefix(), swapped.message);
        self.record.counters.clear();
        self.record.settings.clear();
        self.record.maxima.clear();
        self.record.demand_runs = false;
        if let Some(load) = &mut self.load {
            load.began_anew();
        }
        events.push(swapped);
        true
    }

    /// Tells what began anew or changed in the meter, and writes the intervals that ended.
    pub(super) fn follow_values(&mut self, batch: &mut Batch, events: &mut Vec<Event>) {
        let config = self.config.clone();
        let resets = resets::resets(&config.profile, &self.readings, &mut self.record);
        let changes = changes::changes(&config.profile, &self.readings, &mut self.record);
        for event in resets.into_iter().chain(changes) {
            log::warn!("{}: {}", self.faults.prefix(), event.message);
            self.health.counter_resets += u64::from(event.kind == "counter_reset");
            events.push(event);
        }
        let Some(load) = &mut self.load else { return };
        let Some(reading) = lines::reading(&config.profile, &config.selected, &self.readings) else { return };
        for interval in load.read(reading) {
            lines::write(&interval, batch, &config.tags);
        }
        self.record.interval = load.running().cloned();
    }

    /// Writes the info line when it is due.
    pub(super) fn write_info(&mut self, batch: &mut Batch) {
        let config = &self.config;
        let context = Context {
            profile: &config.profile,
            profile_name: &config.profile_name,
            address: &self.address,
            basis: self.basis,
            map_check: self.judge.state(),
        };
        self.about.write(batch, &config.tags, context, config.precision);
    }

    /// Moves what is remembered by the wall clock when that was set; returns by how many ms.
    pub(super) fn follow_clock(&mut self) -> Option<i64> {
        let by = self.clock.step()?;
        self.gaps.clock_stepped(by);
        if let Some(load) = &mut self.load {
            load.clock_stepped(by);
        }
        if let Some(last) = &mut self.record.last_modbus_ms {
            *last += by;
        }
        Some(by)
    }
}
