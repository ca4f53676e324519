//! What was read: one slot per element, with the time at which its block arrived.

use std::time::{SystemTime, UNIX_EPOCH};

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

/// What stood in the place of an element, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw {
    /// The number's bits: of a REAL in the element's unit the lower 32, of a counter all 64.
    pub bits: u64,
    /// Which block of the gather it came in; values of one block belong to one moment.
    pub block: u16,
    /// Whether the pattern says that there is no such value.
    pub absent: bool,
}

impl Raw {
    /// The bits as a REAL; whatever they are, finite or not.
    pub fn real(self) -> f32 {
        f32::from_bits(self.bits as u32)
    }
}

/// The values of one meter, indexed like [`Profile::elements`](super::profile::Profile::elements).
///
/// One `Readings` lives as long as its meter and is overwritten by each gather, so that reading costs no
/// allocation.
#[derive(Debug, Clone)]
pub struct Readings {
    values: Vec<Option<Value>>,
    raw: Vec<Option<Raw>>,
    taken: [Option<SystemTime>; Table::ALL.len()],
    dropped: [u64; Table::ALL.len()],
    absent: [u64; Table::ALL.len()],
    blocks: u16,
}

impl Readings {
    /// Empty slots for a profile with this many elements.
    pub fn new(elements: usize) -> Self {
        Readings {
            values: vec![None; elements],
            raw: vec![None; elements],
            taken: [None; Table::ALL.len()],
            dropped: [0; Table::ALL.len()],
            absent: [0; Table::ALL.len()],
            blocks: 0,
        }
    }

    /// Forgets everything, at the start of a gather.
    pub fn begin(&mut self) {
        self.values.iter_mut().for_each(|value| *value = None);
        self.raw.iter_mut().for_each(|raw| *raw = None);
        self.taken = [None; Table::ALL.len()];
        self.dropped = [0; Table::ALL.len()];
        self.absent = [0; Table::ALL.len()];
        self.blocks = 0;
    }

    /// Finite values of every table that were outside their row's range, since the last [`Readings::begin`].
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Finite values of a table that were outside their row's range.
    pub fn dropped_of(&self, table: Table) -> u64 {
        self.dropped[table as usize]
    }

    /// Values of every table that said "not available here", since the last [`Readings::begin`].
    pub fn absent(&self) -> u64 {
        self.absent.iter().sum()
    }

    /// Values of a table that said "not available here".
    pub fn absent_of(&self, table: Table) -> u64 {
        self.absent[table as usize]
    }

    /// What stood in an element's place, if its block arrived.
    pub fn raw(&self, index: usize) -> Option<Raw> {
        self.raw.get(index).copied().flatten()
    }

    /// A block begins; its number.
    pub(super) fn begin_block(&mut self) -> u16 {
        self.blocks = self.blocks.saturating_add(1);
        self.blocks
    }

    /// Notes what stood in an element's place, whether it made a value or not.
    pub(super) fn note(&mut self, index: usize, raw: Raw) {
        if let Some(slot) = self.raw.get_mut(index) {
            *slot = Some(raw);
        }
    }

    /// Counts a value that was implausible.
    pub(super) fn drop_one(&mut self, table: Table) {
        self.dropped[table as usize] += 1;
    }

    /// Counts a value that is absent.
    pub(super) fn miss_one(&mut self, table: Table) {
        self.absent[table as usize] += 1;
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

    /// Takes a table out of a newer reading, in place of what was read of it here.
    pub fn renew(&mut self, profile: &Profile, table: Table, newer: &Readings) {
        for (index, _) in profile.elements_of(table) {
            self.set(index, newer.get(index).cloned());
            if let Some(slot) = self.raw.get_mut(index) {
                *slot = newer.raw(index);
            }
        }
        let slot = table as usize;
        self.taken[slot] = newer.taken[slot];
        self.dropped[slot] = newer.dropped[slot];
        self.absent[slot] = newer.absent[slot];
    }

    /// Stores an element's value.
    pub fn set(&mut self, index: usize, value: Option<Value>) {
        if let Some(slot) = self.values.get_mut(index) {
            *slot = value;
        }
    }

    /// Takes a value back that turns out to be implausible.
    pub fn refuse(&mut self, index: usize, table: Table) {
        self.set(index, None);
        self.drop_one(table);
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

/// A REAL as a number that prints like it: 230.1, not 230.10000610351562.
pub fn decimal(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

/// Milliseconds since the epoch.
pub fn milliseconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
