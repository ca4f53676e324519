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
    let at = timestamp(report.at, config.precision);
    batch.compose(heads.of(config, schema::STATUS), at, |line| {
        let (result_code, result) = health.outcome.code();
        let (connection_code, connection) = health.link.code();
        line.field("up", Field::Integer(health.up.into()));
        line.field("result_code", Field::Integer(result_code));
        line.field("connection_code", Field::Integer(connection_code));
        line.field("tables_ok", Field::Integer(health.tables_ok as i64));
        line.field("tables_failed", Field::Integer(health.tables_failed as i64));
        for (table, at) in Table::ALL.into_iter().zip(report.last_read) {
            if let Some(at) = at {
                let age = milliseconds(report.at) - milliseconds(at);
                line.field(table.age_field(), Field::Integer(age.max(0)));
            }
        }
        line.field("result", Field::Text(result));
        line.field("connection", Field::Text(connection));
        for (name, time) in [("response_time_ms", health.response_time), ("rpi_ms", health.rpi)] {
            if let Some(time) = time {
                line.field(name, milliseconds_of(time));
            }
        }
    });
}

/// Milliseconds with three digits behind the point.
fn milliseconds_of(time: Duration) -> Field<'static> {
    Field::Float((time.as_secs_f64() * 1.0e6).round() / 1000.0)
}
