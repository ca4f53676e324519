//! What a gather means for what is known: gaps, faults, who the meter is and what changed in it.

use std::time::{Instant, SystemTime};

use crate::meter::{Table, TableSet};
use crate::metric::Batch;
use crate::source::Failure;

use super::about::Context;
use super::events::{Event, milliseconds};
use super::health::Outcome;
use super::schedule::Due;
use super::{Collector, changes};

impl Collector {
    pub(super) fn follow_gaps(
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

    /// Takes in who the meter is and what changed in it, and writes the info line when it is due.
    pub(super) fn learn(&mut self, batch: &mut Batch, events: &mut Vec<Event>) {
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
