//! What one gather has found so far: the parts of its report, as they come.

use crate::meter::{Table, TableSet};
use crate::source::{Failure, Notice};

use super::event::Event;
use super::history::load_profile::Interval;
use super::report::Sample;

/// What one gather has found so far.
#[derive(Debug, Default)]
pub struct Found {
    /// The tables of which at least one value may leave.
    pub read: TableSet,
    /// Every new sample of listened assemblies, where those are wanted.
    pub samples: Vec<Sample>,
    /// The assemblies whose values stand in `samples`.
    pub sampled: Vec<u16>,
    /// What failed, by table.
    pub failures: Vec<(Table, Failure)>,
    /// What happened to a listener.
    pub notices: Vec<Notice>,
    /// What happened.
    pub events: Vec<Event>,
    /// The intervals of the load profile that have ended.
    pub intervals: Vec<Interval>,
    /// Whether it is to be said what the meter is.
    pub device_due: bool,
}

impl Found {
    /// Adds what else was found: failures, notices and events.
    pub fn also(&mut self, more: Found) {
        self.failures.extend(more.failures);
        self.notices.extend(more.notices);
        self.events.extend(more.events);
    }
}
