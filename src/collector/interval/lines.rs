//! What was read → a reading of the load profile; an interval → its line.

use crate::meter::{Profile, Readings, Table, Value};
use crate::metric::{Batch, Field, schema};

use super::{COUNTERS, Interval, Reading};
use crate::collector::events::milliseconds;

/// The energy counters of this gather, if energy was read; `selected` says per element whether it may leave.
pub fn reading(profile: &Profile, selected: &[bool], readings: &Readings) -> Option<Reading> {
    let at = milliseconds(readings.taken(Table::Energy)?);
    let counters = COUNTERS.map(|name| {
        let index = profile.index_of(Table::Energy, name)?;
        match readings.get(index) {
            Some(Value::Integer(value)) if selected.get(index) == Some(&true) => Some(*value),
            _ => None,
        }
    });
    counters.iter().any(Option::is_some).then_some(Reading { at, counters })
}

/// Appends the interval's line, at the boundary that ends it.
pub fn write(interval: &Interval, batch: &mut Batch, tags: &[(String, String)]) {
    let energy = COUNTERS.into_iter().zip(interval.energy);
    let energy = energy.filter_map(|(name, energy)| Some((name, Field::Integer(energy?))));
    let integers = [
        ("interval_s", interval.length / 1000),
        ("start_offset_ms", interval.start_offset),
        ("end_offset_ms", interval.end_offset),
        ("quality_code", interval.quality.code()),
    ];
    let integers = integers.into_iter().map(|(name, value)| (name, Field::Integer(value)));
    let floats = [("active_power_avg_w", interval.mean_power), ("coverage_pct", Some(interval.coverage))];
    let floats = floats.into_iter().filter_map(|(name, value)| Some((name, Field::Float(value?))));
    let at = interval.end.saturating_mul(1_000_000);
    batch.line(schema::INTERVAL, tags, None, energy.chain(integers).chain(floats), at);
}
