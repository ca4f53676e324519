//! What a counter of energy adds up, and how fast it grows under a load.

use std::fmt;

/// The power of the system at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// Seconds since the same beginning.
    pub at: f64,
    /// Total active power, in W.
    pub active: f64,
    /// Total reactive power, in var.
    pub reactive: f64,
}

/// What a counter adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Active energy taken.
    ActiveImport,
    /// Reactive energy taken.
    ReactiveImport,
    /// Active energy given.
    ActiveExport,
    /// Reactive energy given.
    ReactiveExport,
    /// Time.
    Hours,
}

impl Quantity {
    /// Every one of them.
    pub(super) const ALL: [Quantity; 5] = [
        Quantity::ActiveImport,
        Quantity::ReactiveImport,
        Quantity::ActiveExport,
        Quantity::ReactiveExport,
        Quantity::Hours,
    ];

    /// How fast it grows, per hour.
    pub(super) fn rate(self, power: &Power) -> f64 {
        match self {
            Quantity::ActiveImport => power.active.max(0.0),
            Quantity::ReactiveImport => power.reactive.max(0.0),
            Quantity::ActiveExport => (-power.active).max(0.0),
            Quantity::ReactiveExport => (-power.reactive).max(0.0),
            Quantity::Hours => 1.0,
        }
    }

    /// What a counter of it may count in.
    pub(super) fn units(self) -> &'static [u32] {
        match self {
            Quantity::Hours => &[1],
            _ => &[1, 10, 100, 1_000, 10_000, 100_000, 1_000_000],
        }
    }

    /// In hours, a counter of time counts hours, or hours × 100 + minutes, which rises by 60 in each hour and then jumps.
    pub(super) fn worths(self) -> &'static [f64] {
        match self {
            Quantity::Hours => &[1.0, 1.0 / 60.0, 1.0 / 100.0],
            _ => &[1.0],
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Quantity::ActiveImport => "active energy taken",
            Quantity::ReactiveImport => "reactive energy taken",
            Quantity::ActiveExport => "active energy given",
            Quantity::ReactiveExport => "reactive energy given",
            Quantity::Hours => "time",
        })
    }
}
