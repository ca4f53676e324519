//! The load profile: the intervals that have ended, each at the boundary that ends it.

use crate::collector::report::Report;
use crate::meter::names::ENERGIES;

use super::head::Heads;
use super::{Batch, Field, schema};

/// Appends a line for each interval.
pub(super) fn write(report: &Report, heads: &mut Heads, batch: &mut Batch) {
    for interval in &report.intervals {
        let energy = ENERGIES.into_iter().zip(interval.energy);
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
        batch.line(heads.of(&report.config, schema::INTERVAL), energy.chain(integers).chain(floats), at);
    }
}
