//! Line protocol as a database understands it, through a parser that is not ours.

// Each test file uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;

use influxdb_line_protocol::{FieldValue, parse_lines};
use telegraf_pm500::metric::Batch;

/// A field's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Field {
    Float(f64),
    Integer(i64),
    Text(String),
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) measurement: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) fields: BTreeMap<String, Field>,
    pub(crate) time: i64,
}

impl Line {
    #[track_caller]
    pub(crate) fn integer(&self, name: &str) -> i64 {
        match self.fields.get(name) {
            Some(Field::Integer(value)) => *value,
            other => panic!("{name} of {} is {other:?}", self.measurement),
        }
    }

    #[track_caller]
    pub(crate) fn float(&self, name: &str) -> f64 {
        match self.fields.get(name) {
            Some(Field::Float(value)) => *value,
            other => panic!("{name} of {} is {other:?}", self.measurement),
        }
    }

    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.fields.get(name) {
            Some(Field::Text(value)) => value,
            other => panic!("{name} of {} is {other:?}", self.measurement),
        }
    }
}

/// The lines of one gather.
#[derive(Debug, Clone)]
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    pub(crate) fn of(batch: &Batch) -> Lines {
        let text = std::str::from_utf8(batch.bytes()).unwrap();
        Lines(parse_lines(text).map(|line| Line::from(&line.unwrap())).collect())
    }

    /// Whether the measurement has a line.
    pub(crate) fn has(&self, measurement: &str) -> bool {
        self.0.iter().any(|line| line.measurement == measurement)
    }

    /// The one line of a measurement.
    #[track_caller]
    pub(crate) fn one(&self, measurement: &str) -> &Line {
        let found: Vec<_> = self.0.iter().filter(|line| line.measurement == measurement).collect();
        let [line] = found[..] else { panic!("{} lines of {measurement} in {self:?}", found.len()) };
        line
    }

    /// `result` of the status line.
    #[track_caller]
    pub(crate) fn result(&self) -> &str {
        self.one("powermonitor_500_status").text("result")
    }

    /// The events of one kind.
    pub(crate) fn events(&self, kind: &str) -> Vec<&Line> {
        let is = |line: &&Line| line.tags.get("event").is_some_and(|event| event == kind);
        self.0.iter().filter(is).collect()
    }
}

impl From<&influxdb_line_protocol::ParsedLine<'_>> for Line {
    fn from(line: &influxdb_line_protocol::ParsedLine<'_>) -> Line {
        let tags = line.series.tag_set.iter().flatten();
        let field = |value: &FieldValue<'_>| match value {
            FieldValue::F64(value) => Field::Float(*value),
            FieldValue::I64(value) => Field::Integer(*value),
            FieldValue::String(value) => Field::Text(value.to_string()),
            other => panic!("no field has this type: {other:?}"),
        };
        Line {
            measurement: line.series.measurement.to_string(),
            tags: tags.map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            fields: line.field_set.iter().map(|(name, value)| (name.to_string(), field(value))).collect(),
            time: line.timestamp.unwrap(),
        }
    }
}
