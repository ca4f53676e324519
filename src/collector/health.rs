//! How a meter is doing: the result of its last gather, and counters since start.

use std::time::Duration;

use crate::meter::{Readings, Table, TableSet};
use crate::source::{Failure, FailureKind, Link, Traffic};

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
        match failure.kind {
            FailureKind::Timeout => Outcome::Timeout,
            FailureKind::Connection | FailureKind::Local => Outcome::ConnectionFailed,
            FailureKind::Refused => Outcome::Refused,
            FailureKind::WrongDevice => Outcome::WrongDevice,
            FailureKind::WrongSize => Outcome::WrongSize,
            FailureKind::BadData => Outcome::BadData,
            FailureKind::Suspended => Outcome::Suspended,
            FailureKind::NoOwner => Outcome::NoOwner,
            FailureKind::Stale => Outcome::Stale,
        }
    }
}

/// The health of one meter, as its status line tells it.
#[derive(Debug, Clone)]
pub struct Health {
    /// Whether the last gather read at least one table.
    pub up: bool,
    /// Result of the last gather.
    pub outcome: Outcome,
    /// How the meter was read in the last gather that had something to read; [`Link::None`] when nothing was.
    pub link: Link,
    /// Tables read completely in the last gather.
    pub tables_ok: usize,
    /// Tables that failed in the last gather.
    pub tables_failed: usize,
    /// Slowest reply of the last gather.
    pub response_time: Option<Duration>,
    /// How long the last gather had the line that the meter shares with others.
    pub line_time: Option<Duration>,
    /// Packet interval of what is heard.
    pub rpi: Option<Duration>,
    /// Counters of the sources.
    pub traffic: Traffic,
    /// Values that were not emitted, since start.
    pub values_dropped: u64,
    /// Values that the meter said it does not have, since start.
    pub values_absent: u64,
    /// Gathers swallowed by longer ones, since start.
    pub gathers_missed: u64,
    /// Gaps since start.
    pub gaps: u64,
    /// Resets of counters, since start.
    pub counter_resets: u64,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            up: false,
            outcome: Outcome::Starting,
            link: Link::None,
            tables_ok: 0,
            tables_failed: 0,
            response_time: None,
            line_time: None,
            rpi: None,
            traffic: Traffic::default(),
            values_dropped: 0,
            values_absent: 0,
            gathers_missed: 0,
            gaps: 0,
            counter_resets: 0,
        }
    }
}

impl Health {
    /// Takes the result of a gather in: the tables that were due, those that failed, those of which something
    /// leaves, and how they were read.
    pub fn gathered(&mut self, due: TableSet, failures: &[(Table, Failure)], some: TableSet, link: Link) {
        let failed: TableSet = failures.iter().map(|(table, _)| *table).collect();
        let failed = failed.intersection(due);
        self.tables_failed = failed.len();
        self.tables_ok = due.difference(failed).len();
        self.up = !some.is_empty();
        self.link = if self.up { link } else { Link::None };
        self.outcome = match failures.iter().find(|(table, _)| due.contains(*table)) {
            None => Outcome::Success,
            Some(_) if self.up => Outcome::Partial,
            Some((_, failure)) => failure.into(),
        };
    }

    /// Counts the values of a reading that were none.
    pub fn took(&mut self, readings: &Readings) {
        self.values_dropped += readings.dropped();
        self.values_absent += readings.absent();
    }

    /// The meter was due and left alone, because it did not answer before.
    pub fn left_alone(&mut self, due: TableSet) {
        (self.tables_ok, self.tables_failed) = (0, due.len());
        (self.response_time, self.line_time) = (None, None);
    }
}
