//! Line protocol as text → names, values and time.

use std::collections::BTreeMap;

use influxdb_line_protocol::{FieldValue, parse_lines};

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) measurement: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) fields: BTreeMap<String, Value>,
    /// Nanoseconds since the epoch.
    pub(crate) time: i64,
}

/// One field's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Integer(i64),
    Float(f64),
    Text(String),
    Boolean(bool),
    Unsigned(u64),
}

impl Line {
    /// Parses one line, which must be whole.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Line {
        assert!(text.ends_with('\n'), "cut: {text:?}");
        let mut parsed = parse_lines(text);
        let (line, rest) = (parsed.next(), parsed.next());
        let line = line.unwrap_or_else(|| panic!("no line: {text:?}"));
        let line = line.unwrap_or_else(|error| panic!("{error}: {text:?}"));
        assert!(rest.is_none(), "more than a line: {text:?}");
        let value = |value: FieldValue<'_>| match value {
            FieldValue::I64(value) => Value::Integer(value),
            FieldValue::U64(value) => Value::Unsigned(value),
            FieldValue::F64(value) => Value::Float(value),
            FieldValue::String(value) => Value::Text(value.to_string()),
            FieldValue::Boolean(value) => Value::Boolean(value),
        };
        let tags = line.series.tag_set.iter().flatten();
        let (tags, names) =
            (tags.map(|(key, value)| (key.to_string(), value.to_string())), line.field_set.len());
        let line = Line {
            measurement: line.series.measurement.to_string(),
            tags: tags.collect(),
            fields: line
                .field_set
                .into_iter()
                .map(|(name, field)| (name.to_string(), value(field)))
                .collect(),
            time: line.timestamp.unwrap_or_else(|| panic!("no time: {text:?}")),
        };
        assert_eq!(line.fields.len(), names, "a field twice: {text:?}");
        line
    }

    /// Parses every line of a text.
    #[track_caller]
    pub(crate) fn all(text: &str) -> Vec<Line> {
        text.split_inclusive('\n').map(Line::parse).collect()
    }

    /// Whether the line is of this meter and measurement; the suffix of realtime is "".
    pub(crate) fn is(&self, meter: &str, suffix: &str) -> bool {
        self.measurement.strip_prefix("powermonitor_500") == Some(suffix)
            && self.tags.get("meter").is_some_and(|name| name == meter)
    }

    /// Whether the line is this event of this meter.
    pub(crate) fn is_event(&self, meter: &str, event: &str) -> bool {
        self.is(meter, "_event") && self.tags.get("event").is_some_and(|kind| kind == event)
    }

    #[track_caller]
    pub(crate) fn integer(&self, field: &str) -> i64 {
        match self.fields.get(field) {
            Some(Value::Integer(value)) => *value,
            other => panic!("{field} is {other:?} in {self:#?}"),
        }
    }

    #[track_caller]
    pub(crate) fn float(&self, field: &str) -> f64 {
        match self.fields.get(field) {
            Some(Value::Float(value)) => *value,
            other => panic!("{field} is {other:?} in {self:#?}"),
        }
    }

    #[track_caller]
    pub(crate) fn text(&self, field: &str) -> &str {
        match self.fields.get(field) {
            Some(Value::Text(value)) => value,
            other => panic!("{field} is {other:?} in {self:#?}"),
        }
    }
}
