//! One reading of the counters: what their display shows.

use crate::meter::names::ENERGY_COUNTERS;

/// Energy counters of a meter.
pub(super) const COUNTERS: usize = ENERGY_COUNTERS.len();

/// What the counters show at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) counters: [i64; COUNTERS],
    pub(super) run_minutes: i64,
}
