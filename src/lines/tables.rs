//! The meter's own tables: one line each, or one for each new sample where those are wanted.

use std::time::SystemTime;

use crate::collector::report::Report;
use crate::config::MeterConfig;
use crate::meter::element::Place;
use crate::meter::{Table, Value};

use super::head::Heads;
use super::{Batch, Field, Head, schema, timestamp};

/// Appends the lines of all tables that were read.
pub(super) fn write(report: &Report, heads: &mut Heads, batch: &mut Batch) {
    let profile = &report.config.profile;
    // A value that has its lines already, or waits for a new sample.
    let has_own = |place: Option<Place>| place.is_some_and(|place| report.sampled.contains(&place.instance));
    for table in report.read.iter() {
        let head = heads.of(&report.config, table.measurement());
        for sample in report.samples.iter().filter(|sample| sample.table == table) {
            let values = sample.values.iter().map(|(index, value)| (*index, value));
            line(&report.config, head, sample.at, values, None, batch);
        }
        let Some(taken) = report.readings.taken(table) else { continue };
        let rest = profile.elements_of(table).filter(|(_, element)| !has_own(element.place));
        let rest = rest.filter_map(|(index, _)| Some((index, report.readings.get(index)?)));
        // Without this nobody can tell consumption from a level that moved.
        let since = (schema::COUNTING_SINCE, Field::Integer(report.counting_since_ms));
        let since = Some(since).filter(|_| table == Table::Energy);
        line(&report.config, head, taken, rest, since, batch);
    }
}

/// Appends one line: the selected ones of these values, which stand in the profile's order, and what the plugin has to
/// say about them, if there are any.
pub fn line<'r>(
    config: &'r MeterConfig,
    head: &Head,
    at: SystemTime,
    values: impl Iterator<Item = (usize, &'r Value)>,
    about: Option<(&'r str, Field<'r>)>,
    batch: &mut Batch,
) {
    batch.compose(head, timestamp(at, config.precision), |line| {
        for (index, value) in values {
            let Some(element) = config.profile.elements.get(index) else { continue };
            if !config.selected.get(index).copied().unwrap_or(false) {
                continue;
            }
            let field = match value {
                Value::Real(value) => Field::Real(*value),
                Value::Integer(value) => Field::Integer(*value),
                Value::Text(text) => Field::Text(text),
            };
            line.field(&element.name, field);
            if let (Value::Integer(code), Some((name, labels))) = (value, &element.labels)
                && let Some(label) = usize::try_from(*code).ok().and_then(|code| labels.get(code))
            {
                line.field(name, Field::Text(label));
            }
        }
        if let Some((name, field)) = about
            && !line.is_empty()
        {
            line.field(name, field);
        }
    });
}
