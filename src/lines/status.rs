//! How a meter is doing: the result of its last gather, and ages.

use std::time::Duration;

use crate::collector::report::Report;
use crate::meter::Table;
use crate::meter::reading::milliseconds;

use super::head::Heads;
use super::{Batch, Field, schema, timestamp};

/// Appends the line.
pub(super) fn write(report: &Report, heads: &mut Heads, batch: &mut Batch) {
    let (config, health) = (&report.config, &report.health);
    let ages = Table::ALL.into_iter().zip(report.last_read).filter_map(|(table, at)| {
        let age = milliseconds(report.at) - milliseconds(at?);
        Some((table.age_field(), Field::Integer(age.max(0))))
    });
    let (result_code, result) = health.outcome.code();
    let (connection_code, connection) = health.link.code();
    let head = [
        ("up", Field::Integer(health.up.into())),
        ("result_code", Field::Integer(result_code)),
        ("connection_code", Field::Integer(connection_code)),
        ("tables_ok", Field::Integer(health.tables_ok as i64)),
        ("tables_failed", Field::Integer(health.tables_failed as i64)),
    ];
    let words = [("result", Field::Text(result)), ("connection", Field::Text(connection))];
    let times = [("response_time_ms", health.response_time), ("rpi_ms", health.rpi)];
    let times = times.into_iter().filter_map(|(name, time)| Some((name, milliseconds_of(time?))));
    let fields = head.into_iter().chain(ages).chain(words).chain(times);
    batch.line(heads.of(&report.config, schema::STATUS), fields, timestamp(report.at, config.precision));
}

/// Milliseconds with three digits behind the point.
fn milliseconds_of(time: Duration) -> Field<'static> {
    Field::Float((time.as_secs_f64() * 1.0e6).round() / 1000.0)
}
