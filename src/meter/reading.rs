//! What was read: one slot per element, with the time at which its block arrived.

use std::time::SystemTime;

use super::profile::Profile;
use super::table::Table;

/// One decoded value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A REAL, exactly as the meter sent it.
    Real(f32),
    /// A counter, state or code.
    Integer(i64),
    /// Letters of the info table.
    Text(String),
}

/// The values of one meter, indexed like [`Profile::elements`](super::profile::Profile::elements).
///
/// One `Readings` lives as long as its meter and is overwritten by each gather, so that reading costs no
/// allocation.
#[derive(Debug, Clone)]
pub struct Readings {
    values: Vec<Option<Value>>,
    taken: [Option<SystemTime>; Table::ALL.len()],
    /// Values that were NaN, infinite or outside their row's range, since the last [`Readings::begin`].
    pub dropped: u64,
}

impl Readings {
    /// Empty slots for a profile with this many elements.
    pub fn new(elements: usize) -> Self {
        Readings { values: vec![None; elements], taken: [None; Table::ALL.len()], dropped: 0 }
    }

    /// Forgets everything, at the start of a gather.
    pub fn begin(&mut self) {
        self.values.iter_mut().for_each(|value| *value = None);
        self.taken = [None; Table::ALL.len()];
        self.dropped = 0;
    }

    /// The value of an element, if it was read and plausible.
    pub fn get(&self, index: usize) -> Option<&Value> {
        self.values.get(index)?.as_ref()
    }

    /// Forgets the values of a table that must not leave; that it was read is still known.
    pub fn forget(&mut self, profile: &Profile, table: Table) {
        for (index, _) in profile.elements_of(table) {
            self.set(index, None);
        }
    }

    /// Stores an element's value.
    pub fn set(&mut self, index: usize, value: Option<Value>) {
        if let Some(slot) = self.values.get_mut(index) {
            *slot = value;
        }
    }

    /// Notes that a block of a table arrived; the oldest block gives the table its time.
    pub fn arrived(&mut self, table: Table, at: SystemTime) {
        let slot = &mut self.taken[table as usize];
        *slot = Some(slot.map_or(at, |earlier| earlier.min(at)));
    }

    /// When the oldest block of a table arrived, if any block did.
    pub fn taken(&self, table: Table) -> Option<SystemTime> {
        self.taken[table as usize]
    }

    /// The value of an element as a number, for checks that compute.
    pub fn number(&self, index: usize) -> Option<f64> {
        match self.get(index)? {
            Value::Real(value) => Some(f64::from(*value)),
            Value::Integer(value) => Some(*value as f64),
            Value::Text(_) => None,
        }
    }
}
