//! How a meter is doing: the result of its last gather, ages, counters since start.

use std::time::Duration;

use crate::collector::report::Report;
use crate::meter::reading::milliseconds;

use super::{Batch, Field, schema, timestamp};

/// Appends the line.
pub(super) fn write(report: &Report, batch: &mut Batch) {
    let (config, health) = (&report.config, &report.health);
    let integer = |value: u64| Field::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let ages = report.last_read.iter().map(|(table, at)| {
        let age = milliseconds(report.at) - milliseconds(*at);
        (table.age_field(), Field::Integer(age.max(0)))
    });
    let (result_code, result) = health.outcome.code();
    let (connection_code, connection) = health.link.code();
    let head = [
        ("up", Field::Integer(health.up.into())),
        ("result_code", Field::Integer(result_code)),
        ("connection_code", Field::Integer(connection_code)),
        ("tables_ok", integer(health.tables_ok as u64)),
        ("tables_failed", integer(health.tables_failed as u64)),
    ];
    let traffic = &health.traffic;
    let counters = [
        ("requests", integer(traffic.requests)),
        ("responses", integer(traffic.responses)),
        ("timeouts", integer(traffic.timeouts)),
        ("errors", integer(traffic.errors)),
        ("reconnects", integer(traffic.reconnects)),
        ("frames_received", integer(traffic.frames_received)),
        ("frames_lost", integer(traffic.frames_lost)),
        ("frames_dropped", integer(traffic.frames_dropped)),
        ("values_dropped", integer(health.values_dropped)),
        ("values_absent", integer(health.values_absent)),
        ("gathers_missed", integer(health.gathers_missed)),
        ("gaps", integer(health.gaps)),
        ("counter_resets", integer(health.counter_resets)),
        ("result", Field::Text(result)),
        ("connection", Field::Text(connection)),
    ];
    let times = [("response_time_ms", health.response_time), ("rpi_ms", health.rpi)];
    let times = times.into_iter().filter_map(|(name, time)| Some((name, milliseconds_of(time?))));
    let fields = head.into_iter().chain(ages).chain(counters).chain(times);
    batch.line(schema::STATUS, &config.tags, None, fields, timestamp(report.at, config.precision));
}

/// Milliseconds with three digits behind the point.
fn milliseconds_of(time: Duration) -> Field<'static> {
    Field::Float((time.as_secs_f64() * 1.0e6).round() / 1000.0)
}
