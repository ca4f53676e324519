//! Asks the meter: its own connection, and Modbus beside it where and when that is allowed.

use std::time::{Duration, Instant, SystemTime};

use tokio::time::timeout;

use crate::config::Connection;
use crate::enip::forward_open::Application;
use crate::meter::{Table, TableSet};
use crate::source::{Exhibit, Failure, Gather};

use super::Collector;
use super::events::{Event, milliseconds};
use super::health::Link;
use super::listening;

/// Newest notes about class 1 that are kept for `check`.
const MOST_NOTES: usize = 16;
/// Modbus beside EtherNet/IP is used at most this often, also across restarts.
const BESIDE_AT_MOST_EVERY: Duration = Duration::from_secs(300);
/// How long EtherNet/IP may be silent after our own Modbus before that counts as a fault. The maker is
/// reported to say that it recovers by itself; how fast is unknown.
const PAUSE_AFTER_MODBUS: Duration = Duration::from_secs(60);

impl Collector {
    /// Reads over the meter's own connection, the info table with it when that is due.
    pub(super) async fn read_source(
        &mut self,
        tables: TableSet,
        events: &mut Vec<Event>,
    ) -> Vec<(Table, Failure)> {
        if tables.is_empty() {
            return Vec::new();
        }
        let mut wanted = tables;
        if self.about.is_due(Instant::now()) {
            wanted.insert(Table::Info);
        }
        self.ask(wanted, events).await
    }

    /// Looks after listened connections when no table is due: one that is lost is said now, and not when its
    /// table is due next, which may be an hour away.
    pub(super) async fn watch(&mut self, events: &mut Vec<Event>) {
        if self.source.listens() {
            self.ask(TableSet::EMPTY, events).await;
        }
    }

    async fn ask(&mut self, wanted: TableSet, events: &mut Vec<Event>) -> Vec<(Table, Failure)> {
        let mut gather = Gather::new(wanted, &mut self.readings, &mut self.health.traffic);
        let limit = self.config.gather_timeout;
        if timeout(limit, self.source.gather(&mut gather)).await.is_err() {
            fail_untried(&mut gather, limit);
        }
        self.health.response_time = gather.slowest;
        let (mut failures, notices, exhibits) = (gather.failures, gather.notices, gather.exhibits);
        (self.samples, self.sampled) = (gather.samples, gather.sampled);
        let prefix = self.faults.prefix();
        for notice in notices {
            if self.notes.len() == MOST_NOTES {
                self.notes.remove(0);
            }
            self.notes.push(listening::sentence(&notice));
            events.extend(listening::tell(notice, prefix));
        }
        self.keep_exhibits(exhibits);
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
    pub(super) fn follow_link(&mut self, events: &mut Vec<Event>) {
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
    pub(super) fn allowed_beside(&self, tables: TableSet) -> TableSet {
        let now = milliseconds(SystemTime::now());
        let pause = BESIDE_AT_MOST_EVERY.as_millis() as u64 - 1000;
        match self.record.last_modbus_ms {
            Some(last) if now.abs_diff(last) < pause => TableSet::EMPTY,
            _ => tables,
        }
    }

    pub(super) async fn read_beside(&mut self, tables: TableSet) -> Vec<(Table, Failure)> {
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
        let (failures, exhibits) = (gather.failures, gather.exhibits);
        beside.close().await;
        self.keep_exhibits(exhibits);
        // A port that refused us has stopped nothing.
        if self.health.traffic.requests > requests_before {
            self.paused_until = Some(Instant::now() + PAUSE_AFTER_MODBUS);
        }
        failures
    }
}

impl Collector {
    /// Keeps what could not be used, and shows each kind once in the log.
    fn keep_exhibits(&mut self, exhibits: Vec<Exhibit>) {
        for exhibit in exhibits {
            if let Some(new) = self.exhibits.keep(exhibit) {
                log::debug!("{}: received: {new}", self.faults.prefix());
            }
        }
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
