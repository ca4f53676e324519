//! How a meter is doing: the result of its last gather, counters since start, and the status line.

use std::time::{Duration, SystemTime};

use crate::meter::{Table, TableSet};
use crate::metric::{Batch, Field, schema, timestamp};
use crate::source::{Failure, Traffic};

use super::events::milliseconds;
use super::gaps::Gaps;

/// `result` and `result_code` of a status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every due table was read.
    Success,
    /// Some were, some were not.
    Partial,
    /// No answer in time.
    Timeout,
    /// No connection.
    ConnectionFailed,
    /// The meter said no.
    Refused,
    /// Not the device the profile was made for.
    WrongDevice,
    /// An assembly has another size.
    WrongSize,
    /// The answers make no sense, or contradict the map.
    BadData,
    /// EtherNet/IP pauses because of our own Modbus.
    Suspended,
    /// Nobody owns a connection that could be heard.
    NoOwner,
    /// A connection is open and nothing has come yet.
    Stale,
    /// Nothing was tried yet.
    Starting,
}

impl Outcome {
    /// Code and word in the status line.
    pub fn code(self) -> (i64, &'static str) {
        match self {
            Outcome::Success => (0, "success"),
            Outcome::Partial => (1, "partial"),
            Outcome::Timeout => (2, "timeout"),
            Outcome::ConnectionFailed => (3, "connection_failed"),
            Outcome::Refused => (4, "refused"),
            Outcome::NoOwner => (5, "no_owner"),
            Outcome::WrongDevice => (6, "wrong_device"),
            Outcome::WrongSize => (7, "wrong_size"),
            Outcome::BadData => (8, "bad_data"),
            Outcome::Suspended => (9, "suspended"),
            Outcome::Stale => (10, "stale"),
            Outcome::Starting => (11, "starting"),
        }
    }
}

impl From<&Failure> for Outcome {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Timeout(_) => Outcome::Timeout,
            Failure::Connection(_) => Outcome::ConnectionFailed,
            Failure::Refused(_) => Outcome::Refused,
            Failure::WrongDevice(_) => Outcome::WrongDevice,
            Failure::WrongSize(_) => Outcome::WrongSize,
            Failure::BadData(_) => Outcome::BadData,
            Failure::Suspended(_) => Outcome::Suspended,
            Failure::NoOwner(_) => Outcome::NoOwner,
            Failure::Stale(_) => Outcome::Stale,
        }
    }
}

/// How the meter is read, as `connection` and `connection_code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Not at all at present.
    None,
    /// EtherNet/IP class 1, listening beside an owner.
    ListenOnly,
    /// EtherNet/IP class 1, with a connection of our own.
    InputOnly,
    /// EtherNet/IP explicit messages.
    Explicit,
    /// Modbus TCP.
    Modbus,
}

impl Link {
    /// Code and word in the status line.
    pub fn code(self) -> (i64, &'static str) {
        match self {
            Link::None => (0, "none"),
            Link::ListenOnly => (1, "listen_only"),
            Link::InputOnly => (2, "input_only"),
            Link::Explicit => (3, "explicit"),
            Link::Modbus => (4, "modbus"),
        }
    }
}

/// The health of one meter.
#[derive(Debug)]
pub struct Health {
    /// Counters of the sources.
    pub traffic: Traffic,
    /// Values that were not emitted, since start.
    pub values_dropped: u64,
    /// Gathers swallowed by longer ones, since start.
    pub gathers_missed: u64,
    /// Gaps since start.
    pub gaps: u64,
    /// Resets of counters, since start.
    pub counter_resets: u64,
    /// Result of the last gather.
    pub outcome: Outcome,
    /// Tables read completely in the last gather.
    pub tables_ok: usize,
    /// Tables that failed in the last gather.
    pub tables_failed: usize,
    /// Slowest reply of the last gather.
    pub response_time: Option<Duration>,
    /// Packet interval of what is heard.
    pub rpi: Option<Duration>,
    up: bool,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            traffic: Traffic::default(),
            values_dropped: 0,
            gathers_missed: 0,
            gaps: 0,
            counter_resets: 0,
            outcome: Outcome::Starting,
            tables_ok: 0,
            tables_failed: 0,
            response_time: None,
            rpi: None,
            up: false,
        }
    }
}

impl Health {
    /// Whether the last gather read at least one table.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Takes the result of a gather in: the tables that were due and those that failed.
    pub fn gathered(&mut self, due: TableSet, failures: &[(Table, Failure)], some: TableSet) {
        let failed: TableSet = failures.iter().map(|(table, _)| *table).collect();
        let failed = failed.intersection(due);
        self.tables_failed = failed.len();
        self.tables_ok = due.difference(failed).len();
        self.up = !some.is_empty();
        self.outcome = match failures.iter().find(|(table, _)| due.contains(*table)) {
            None => Outcome::Success,
            Some(_) if self.up => Outcome::Partial,
            Some((_, failure)) => failure.into(),
        };
    }

    /// The meter was due and left alone, because it did not answer before.
    pub fn left_alone(&mut self, due: TableSet) {
        (self.tables_ok, self.tables_failed, self.response_time) = (0, due.len(), None);
    }

    /// Appends the status line.
    pub fn write(
        &self,
        batch: &mut Batch,
        tags: &[(String, String)],
        link: Link,
        tables: TableSet,
        gaps: &Gaps,
        (now, precision): (SystemTime, Duration),
    ) {
        let integer = |value: u64| Field::Integer(i64::try_from(value).unwrap_or(i64::MAX));
        let link = if self.up { link } else { Link::None };
        let ages = tables.iter().filter(|table| *table != Table::Info).filter_map(|table| {
            let age = milliseconds(now) - milliseconds(gaps.last_read(table)?);
            Some((table.age_field(), Field::Integer(age.max(0))))
        });
        let head = [
            ("up", Field::Integer(self.up.into())),
            ("result_code", Field::Integer(self.outcome.code().0)),
            ("connection_code", Field::Integer(link.code().0)),
            ("tables_ok", integer(self.tables_ok as u64)),
            ("tables_failed", integer(self.tables_failed as u64)),
        ];
        let traffic = &self.traffic;
        let counters = [
            ("requests", integer(traffic.requests)),
            ("responses", integer(traffic.responses)),
            ("timeouts", integer(traffic.timeouts)),
            ("errors", integer(traffic.errors)),
            ("reconnects", integer(traffic.reconnects)),
            ("frames_received", integer(traffic.frames_received)),
            ("frames_lost", integer(traffic.frames_lost)),
            ("frames_dropped", integer(traffic.frames_dropped)),
            ("values_dropped", integer(self.values_dropped)),
            ("gathers_missed", integer(self.gathers_missed)),
            ("gaps", integer(self.gaps)),
            ("counter_resets", integer(self.counter_resets)),
            ("result", Field::Text(self.outcome.code().1)),
            ("connection", Field::Text(link.code().1)),
        ];
        let times = [("response_time_ms", self.response_time), ("rpi_ms", self.rpi)];
        let times = times.into_iter().filter_map(|(name, time)| Some((name, milliseconds_of(time?))));
        let fields = head.into_iter().chain(ages).chain(counters).chain(times);
        batch.line(schema::STATUS, tags, None, fields, timestamp(now, precision));
    }
}

/// Milliseconds with three digits behind the point.
fn milliseconds_of(time: Duration) -> Field<'static> {
    Field::Float((time.as_secs_f64() * 1.0e6).round() / 1000.0)
}
