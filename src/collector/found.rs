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
    /// Adds what a second question of the gather told beside its values.
    pub fn also(&mut self, again: Found) {
        self.failures.extend(again.failures);
        self.notices.extend(again.notices);
        self.events.extend(again.events);
    }
}
