//! The load profile, `interval_energy`: energy must be read at every boundary, whatever else is written.

use std::collections::BTreeMap;
use std::time::Duration;

use super::duration::show;
use super::limits::MIN_MODBUS_TABLES_INTERVAL;
use crate::collector::interval::COUNTERS;
use crate::meter::{Profile, Table, TableSet};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SHORTEST: Duration = Duration::from_secs(60);

/// Refuses a period whose boundaries would not be the same every day.
pub(super) fn check_period(period: Duration) -> Result<(), String> {
    if (SHORTEST..=DAY).contains(&period) && divides(period, DAY) {
        return Ok(());
    }
    Err(format!(
        "interval_energy = \"{}\" is not at least 1m and a whole part of a day, write 1m, 5m, 10m, 15m, 20m, 30m \
         or 1h",
        show(period)
    ))
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
) -> Result<(), String> {
    let needs = format!("interval_energy = \"{}\" needs", show(period));
    if !tables.union(beside).contains(Table::Energy) {
        return Err(format!("{needs} the energy counters, name energy in tables or modbus_tables"));
    }
    let is_selected = |name: &&str| {
        let index = profile.index_of(Table::Energy, name);
        index.is_some_and(|index| selected.get(index).copied().unwrap_or(false))
    };
    if !COUNTERS.iter().any(is_selected) {
        return Err(format!("{needs} one of {}, and none of them is emitted", COUNTERS.join(", ")));
    }
    let energy = intervals.get(&Table::Energy).copied().unwrap_or(period);
    if !divides(energy, period) {
        return Err(format!(
            "{needs} a reading at every boundary, and intervals.energy = \"{}\" is no whole part of it",
            show(energy)
        ));
    }
    if !beside.contains(Table::Energy) {
        return Ok(());
    }
    // All are read at multiples of their periods, so two reads are apart by their greatest common divisor.
    let beside = beside.iter().filter_map(|table| intervals.get(&table));
    let apart = beside.fold(0, |apart, interval| common_divisor(apart, interval.as_millis()));
    if apart < MIN_MODBUS_TABLES_INTERVAL.as_millis() {
        return Err(format!(
            "{needs} energy at every boundary, and modbus_tables are read at most every {}; give all of them \
             intervals of which each is a whole part of the next, such as 15m and 1h",
            show(MIN_MODBUS_TABLES_INTERVAL)
        ));
    }
    Ok(())
}

/// Refuses a period that Modbus beside EtherNet/IP could not follow.
pub(super) fn check_beside(period: Duration) -> Result<(), String> {
    if period >= MIN_MODBUS_TABLES_INTERVAL {
        return Ok(());
    }
    Err(format!(
        "interval_energy = \"{}\" needs energy at every boundary, and energy in modbus_tables is read at most every \
         {}, because each read may suspend EtherNet/IP, the PLC's own I/O included; write 15m",
        show(period),
        show(MIN_MODBUS_TABLES_INTERVAL)
    ))
}

fn divides(part: Duration, whole: Duration) -> bool {
    !part.is_zero() && whole.as_nanos().is_multiple_of(part.as_nanos())
}

fn common_divisor(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
