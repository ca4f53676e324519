//! What went over the wire and what became of it: counters since start.

use crate::collector::report::Report;

use super::head::Heads;
use super::{Batch, Field, schema, timestamp};

/// Appends the line.
pub(super) fn write(report: &Report, heads: &mut Heads, batch: &mut Batch) {
    let (config, health) = (&report.config, &report.health);
    let traffic = &health.traffic;
    let counters = [
        ("requests", traffic.requests),
        ("responses", traffic.responses),
        ("timeouts", traffic.timeouts),
        ("errors", traffic.errors),
        ("reconnects", traffic.reconnects),
        ("frames_received", traffic.frames_received),
        ("frames_lost", traffic.frames_lost),
        ("frames_dropped", traffic.frames_dropped),
        ("values_dropped", health.values_dropped),
        ("values_absent", health.values_absent),
        ("gathers_missed", health.gathers_missed),
        ("gaps", health.gaps),
        ("counter_resets", health.counter_resets),
    ];
    let fields = counters
        .into_iter()
        .map(|(name, count)| (name, Field::Integer(count.try_into().unwrap_or(i64::MAX))));
    batch.line(heads.of(&report.config, schema::TRAFFIC), fields, timestamp(report.at, config.precision));
}
