//! The load profile, `interval_energy`: energy must be read at every boundary, whatever else is written.

use std::collections::BTreeMap;
use std::time::Duration;

use super::duration::show;
use super::limits::MIN_MODBUS_TABLES_INTERVAL;
use crate::meter::names::ENERGIES;
use crate::meter::{Profile, Table, TableSet};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SHORTEST: Duration = Duration::from_secs(60);

/// A load profile that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadProfileError {
    /// Boundaries that would not be the same every day.
    #[error(
        "interval_energy = \"{}\" is not at least 1m and a whole part of a day, write 1m, 5m, 10m, 15m, 20m, 30m or 1h",
        show(*.0)
    )]
    Period(Duration),
    /// Energy that is not read.
    #[error(
        "interval_energy = \"{}\" needs the energy counters, name energy in tables or modbus_tables",
        show(*.0)
    )]
    NoEnergy(Duration),
    /// Counters that are left out.
    #[error(
        "interval_energy = \"{}\" needs one of {}, and none of them is emitted",
        show(*.0),
        ENERGIES.join(", ")
    )]
    NoCounter(Duration),
    /// Boundaries without a reading.
    #[error(
        "interval_energy = \"{}\" needs a reading at every boundary, and intervals.energy = \"{}\" is no whole part \
         of it",
        show(*period),
        show(*energy)
    )]
    Boundaries {
        /// The load profile's period.
        period: Duration,
        /// How often energy is read.
        energy: Duration,
    },
    /// Tables beside EtherNet/IP whose readings come too near to each other.
    #[error(
        "interval_energy = \"{}\" needs energy at every boundary, and modbus_tables are read at most every {}; give \
         all of them intervals of which each is a whole part of the next, such as 15m and 1h",
        show(*.0),
        show(MIN_MODBUS_TABLES_INTERVAL)
    )]
    Apart(Duration),
    /// A period that Modbus beside EtherNet/IP cannot follow.
    #[error(
        "interval_energy = \"{}\" needs energy at every boundary, and energy in modbus_tables is read at most every \
         {}, because each read may suspend EtherNet/IP, the PLC's own I/O included; write 15m",
        show(*.0),
        show(MIN_MODBUS_TABLES_INTERVAL)
    )]
    Beside(Duration),
}

/// Refuses a period whose boundaries would not be the same every day.
pub(super) fn check_period(period: Duration) -> Result<(), LoadProfileError> {
    if (SHORTEST..=DAY).contains(&period) && divides(period, DAY) {
        return Ok(());
    }
    Err(LoadProfileError::Period(period))
}

/// How often energy is read when nothing is said about it: `usual`, if that meets every boundary.
pub(super) fn default_interval(usual: Duration, period: Duration) -> Duration {
    if divides(usual, period) { usual } else { period }
}

/// Refuses tables and intervals with which a boundary would have no reading.
pub(super) fn check(
    period: Duration,
    profile: &Profile,
    selected: &[bool],
    (tables, beside): (TableSet, TableSet),
    intervals: &BTreeMap<Table, Duration>,
) -> Result<(), LoadProfileError> {
    if !tables.union(beside).contains(Table::Energy) {
        return Err(LoadProfileError::NoEnergy(period));
    }
    let is_selected = |name: &&str| {
        let index = profile.index_of(Table::Energy, name);
        index.is_some_and(|index| selected.get(index).copied().unwrap_or(false))
    };
    if !ENERGIES.iter().any(is_selected) {
        return Err(LoadProfileError::NoCounter(period));
    }
    let energy = intervals.get(&Table::Energy).copied().unwrap_or(period);
    if !divides(energy, period) {
        return Err(LoadProfileError::Boundaries { period, energy });
    }
    if !beside.contains(Table::Energy) {
        return Ok(());
    }
    // All are read at multiples of their periods, so two reads are apart by their greatest common divisor.
    let beside = beside.iter().filter_map(|table| intervals.get(&table));
    let apart = beside.fold(0, |apart, interval| common_divisor(apart, interval.as_millis()));
    if apart < MIN_MODBUS_TABLES_INTERVAL.as_millis() {
        return Err(LoadProfileError::Apart(period));
    }
    Ok(())
}

/// Refuses a period that Modbus beside EtherNet/IP could not follow.
pub(super) fn check_beside(period: Duration) -> Result<(), LoadProfileError> {
    if period >= MIN_MODBUS_TABLES_INTERVAL {
        return Ok(());
    }
    Err(LoadProfileError::Beside(period))
}

fn divides(part: Duration, whole: Duration) -> bool {
    !part.is_zero() && whole.as_nanos().is_multiple_of(part.as_nanos())
}

fn common_divisor(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
