//! Bytes of stdin → lines of line protocol → their values.
//!
//! Telegraf writes one line per metric, each with its newline; a string may hold no line break here, for none of this
//! project's does. The parser is `influxdb-line-protocol`'s.

use influxdb_line_protocol::{FieldValue, parse_lines};

use super::payload::{DataType, Scalar};
use crate::schema::{EVENT_TAG, METER_TAG};

/// Longest line that is looked at, in bytes.
pub const LONGEST: usize = 256 * 1024;

/// Most fields of one line.
const MOST_FIELDS: usize = 1024;

/// A value of a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A 32-bit float.
    Real(f32),
    /// A 64-bit float.
    Float(f64),
    /// A signed integer.
    Integer(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// A boolean.
    Flag(bool),
    /// A text.
    Text(String),
}

impl Value {
    /// The type that a metric of which nothing else is known has by this value.
    pub fn natural_type(&self) -> DataType {
        match self {
            Value::Real(_) => DataType::Float,
            Value::Float(_) => DataType::Double,
            Value::Integer(_) => DataType::Int64,
            Value::Unsigned(_) => DataType::UInt64,
            Value::Flag(_) => DataType::Boolean,
            Value::Text(_) => DataType::Text,
        }
    }

    /// The same value as this type, if that changes nothing but its form. A REAL comes as the shortest decimal that
    /// reads back as the same 32 bits, so these are what it becomes again.
    pub fn into_type(self, data_type: DataType) -> Option<Value> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let real = |value: f64| Some(value as f32).filter(|value| value.is_finite()).map(Value::Real);
        match (data_type, self) {
            (DataType::Float, Value::Float(value)) => real(value),
            (DataType::Float, Value::Integer(value)) if value.unsigned_abs() <= 1 << 24 => real(value as f64),
            (DataType::Double, Value::Float(value)) => Some(Value::Float(value)),
            (DataType::Double, Value::Integer(value)) if value.unsigned_abs() <= 1 << 53 => {
                Some(Value::Float(value as f64))
            }
            (DataType::Int64, Value::Integer(value)) => Some(Value::Integer(value)),
            (DataType::Int64, Value::Unsigned(value)) => i64::try_from(value).ok().map(Value::Integer),
            (DataType::Int64, Value::Float(value)) if value.fract() == 0.0 && value.abs() <= EXACT => {
                Some(Value::Integer(value as i64))
            }
            (DataType::UInt64, Value::Unsigned(value)) => Some(Value::Unsigned(value)),
            (DataType::UInt64, Value::Integer(value)) => u64::try_from(value).ok().map(Value::Unsigned),
            (DataType::Boolean, Value::Flag(value)) => Some(Value::Flag(value)),
            (DataType::Text, Value::Text(value)) => Some(Value::Text(value)),
            _ => None,
        }
    }

    /// As it is written in a payload.
    pub fn scalar(&self) -> Scalar {
        match self {
            Value::Real(value) => Scalar::Float(*value),
            Value::Float(value) => Scalar::Double(*value),
            Value::Integer(value) => Scalar::Long(*value as u64),
            Value::Unsigned(value) => Scalar::Long(*value),
            Value::Flag(value) => Scalar::Boolean(*value),
            Value::Text(value) => Scalar::Text(value.clone()),
        }
    }
}

/// A parsed line, as far as Sparkplug needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Measurement.
    pub measurement: String,
    /// The tag `meter`.
    pub meter: Option<String>,
    /// The tag `event`.
    pub event: Option<String>,
    /// Fields, in their order.
    pub fields: Vec<(String, Value)>,
    /// Milliseconds since the epoch; none when the line has no time.
    pub at_ms: Option<u64>,
}

/// Why a line cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
    /// Not line protocol.
    #[error("it is not influx line protocol ({0}); the output needs data_format = \"influx\"")]
    Garbled(String),
    /// More fields than any line of this project has.
    #[error("it has more than {MOST_FIELDS} fields")]
    TooManyFields,
}

/// Parses one line; none for an empty line and for a comment.
///
/// # Errors
/// Why it cannot be used.
pub fn parse(bytes: &[u8]) -> Result<Option<Line>, LineError> {
    let text = std::str::from_utf8(bytes).map_err(|_| LineError::NotText)?;
    if text.trim_start().starts_with('#') {
        return Ok(None);
    }
    let mut lines = parse_lines(text);
    let Some(first) = lines.next() else { return Ok(None) };
    let parsed = first.map_err(|error| LineError::Garbled(error.to_string()))?;
    if lines.next().is_some() {
        return Err(LineError::Garbled("a line break in a string".to_owned()));
    }
    if parsed.field_set.len() > MOST_FIELDS {
        return Err(LineError::TooManyFields);
    }
    let tag = |key: &str| parsed.tag_value(key).map(|value| value.as_str().to_owned());
    let (meter, event) = (tag(METER_TAG), tag(EVENT_TAG));
    let fields = parsed.field_set.into_iter().map(|(name, value)| {
        let value = match value {
            FieldValue::I64(value) => Value::Integer(value),
            FieldValue::U64(value) => Value::Unsigned(value),
            FieldValue::F64(value) => Value::Float(value),
            FieldValue::Boolean(value) => Value::Flag(value),
            FieldValue::String(value) => Value::Text(value.as_str().to_owned()),
        };
        (name.as_str().to_owned(), value)
    });
    let fields =
        fields.filter(|(_, value)| !matches!(value, Value::Float(value) if !value.is_finite())).collect();
    Ok(Some(Line {
        measurement: parsed.series.measurement.as_str().to_owned(),
        meter,
        event,
        fields,
        at_ms: parsed.timestamp.map(|nanos| u64::try_from(nanos / 1_000_000).unwrap_or(0)),
    }))
}

/// Whole lines of one chunk.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Lines without their newline, none of them empty.
    pub lines: Vec<Box<[u8]>>,
    /// Lines that were left out because they were longer than [`LONGEST`].
    pub overlong: u64,
}

/// Cuts what comes in chunks into lines; holds no more than one line.
#[derive(Debug, Default)]
pub struct Splitter {
    begun: Vec<u8>,
    skipping: bool,
}

impl Splitter {
    /// Takes a chunk in, and returns the lines that it completes.
    pub fn push(&mut self, chunk: &[u8]) -> Cut {
        let mut cut = Cut::default();
        let mut pieces = chunk.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            if self.skipping || self.begun.len() + piece.len() > LONGEST {
                cut.overlong += u64::from(!self.skipping);
                self.skipping = true;
                self.begun = Vec::new();
            } else {
                self.begun.extend_from_slice(piece);
            }
            if pieces.peek().is_some() {
                self.skipping = false;
                if !self.begun.is_empty() {
                    cut.lines.push(self.begun.as_slice().into());
                    self.begun.clear();
                }
            }
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        parse(format!("m v={text} 1").as_bytes()).unwrap().unwrap().fields.remove(0).1
    }

    #[test]
    fn every_value_that_telegraf_writes_comes_out_as_it_went_in() {
        let line = "powermonitor_500_event,event=gap,host=a\\ b,meter=press\\ 4 message=\"say \\\"hi\\\" C:\\\\dir\",n=-3i 1700000000123456789";
        let parsed = parse(line.as_bytes()).unwrap().unwrap();
        assert_eq!(parsed.meter.as_deref(), Some("press 4"));
        assert_eq!(parsed.event.as_deref(), Some("gap"));
        assert_eq!(parsed.fields[0], ("message".to_owned(), Value::Text("say \"hi\" C:\\dir".to_owned())));
        assert_eq!(parsed.at_ms, Some(1_700_000_000_123));
        assert_eq!(value("9007199254740993i"), Value::Integer(9_007_199_254_740_993));
        assert_eq!(value("-9223372036854775808i"), Value::Integer(i64::MIN));
        assert_eq!(value("18446744073709551615u"), Value::Unsigned(u64::MAX));
        assert_eq!(value("true"), Value::Flag(true));
        for real in [230.1f32, -0.5, 1e-7, f32::MAX, f32::MIN_POSITIVE] {
            assert_eq!(value(&format!("{real}")).into_type(DataType::Float), Some(Value::Real(real)));
        }
    }

    #[test]
    fn a_value_changes_its_form_only_where_nothing_is_lost() {
        let as_type = |value: Value, data_type| value.into_type(data_type);
        assert_eq!(as_type(Value::Integer(5), DataType::Float), Some(Value::Real(5.0)));
        assert_eq!(as_type(Value::Integer((1 << 53) + 1), DataType::Double), None);
        assert_eq!(as_type(Value::Integer((1 << 24) + 1), DataType::Float), None);
        assert_eq!(as_type(Value::Float(0.5), DataType::Int64), None);
        assert_eq!(as_type(Value::Float(1e300), DataType::Float), None);
        assert_eq!(as_type(Value::Unsigned(u64::MAX), DataType::Int64), None);
        assert_eq!(as_type(Value::Text("1".to_owned()), DataType::Int64), None);
    }

    #[test]
    fn what_is_no_line_is_told_from_what_is_bad() {
        assert_eq!(parse(b""), Ok(None));
        assert_eq!(parse(b"  # a comment"), Ok(None));
        assert_eq!(parse(b"\xFF"), Err(LineError::NotText));
        assert!(matches!(parse(b"{\"name\": 1}"), Err(LineError::Garbled(_))));
        assert!(matches!(parse(b"m v=1i 99999999999999999999"), Err(LineError::Garbled(_))));
    }

    #[test]
    fn lines_are_whole_however_they_arrive_and_a_line_without_an_end_costs_itself_only() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(b"ab"), Cut::default());
        let cut = splitter.push(b"c\n\nd\ne");
        assert_eq!(cut.lines.iter().map(|line| &line[..]).collect::<Vec<_>>(), [&b"abc"[..], b"d"]);
        let endless = vec![b'x'; LONGEST];
        assert_eq!(splitter.push(&endless).overlong, 1);
        assert_eq!(splitter.push(&endless), Cut::default());
        let cut = splitter.push(b"x\nf\n");
        assert_eq!((cut.lines.len(), &cut.lines[0][..], cut.overlong), (1, &b"f"[..], 0));
    }
}
