//! Lines as bytes.
//!
//! Whoever renders appends lines to a [`Batch`], whose bytes are written to stdout in one piece. Escaping is
//! `influxdb-line-protocol`'s; numbers are formatted here, because a REAL must come out as the shortest
//! decimal that reads back as the same `f32` (230.1, never 230.10000610351562).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use influxdb_line_protocol::LineProtocolBuilder;
use influxdb_line_protocol::builder::FieldValue;

use super::schema;

/// One field's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    /// A float that came off the wire as 32 bits.
    Real(f32),
    /// A float that was computed.
    Float(f64),
    /// An integer.
    Integer(i64),
    /// A string; control characters come out as spaces, so that a line stays a line.
    Text(&'a str),
}

impl Field<'_> {
    fn is_finite(&self) -> bool {
        match self {
            Field::Real(value) => value.is_finite(),
            Field::Float(value) => value.is_finite(),
            Field::Integer(_) | Field::Text(_) => true,
        }
    }
}

impl FieldValue for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Real(value) => fmt::Display::fmt(value, f),
            Field::Float(value) => fmt::Display::fmt(value, f),
            Field::Integer(value) => FieldValue::fmt(value, f),
            Field::Text(text) if text.contains(char::is_control) => {
                let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                FieldValue::fmt(&clean.as_str(), f)
            }
            Field::Text(text) => FieldValue::fmt(text, f),
        }
    }
}

/// The value of a line's first field, and every field after it.
///
/// The names of fields are ours, lower-case letters, digits and underscores: they go out as they are. The
/// library would look at each of their letters, and those are most of a line.
struct Fields<'f, I> {
    first: Field<'f>,
    rest: I,
}

impl<'f, I: Iterator<Item = (&'f str, Field<'f>)> + Clone> FieldValue for Fields<'f, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        for (name, value) in self.rest.clone() {
            f.write_str(",")?;
            f.write_str(name)?;
            f.write_str("=")?;
            value.fmt(f)?;
        }
        Ok(())
    }
}

/// Bytes of an ordinary gather's lines: realtime, alarm and status.
const ORDINARY: usize = 2048;

/// Whole lines, ready to be written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

impl Batch {
    /// An empty batch with room for the lines of an ordinary gather.
    pub fn roomy() -> Batch {
        Batch { bytes: Vec::with_capacity(ORDINARY), lines: 0 }
    }

    /// The lines' bytes, each line with its newline.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The same, to look at.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many lines.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// Appends one line; without a field there is no line. `tags` are sorted by key; `event`, if given,
    /// takes its place among them. Names of fields must not need escaping. Non-finite floats are left out.
    pub fn line<'f>(
        &mut self,
        measurement: &str,
        tags: &[(String, String)],
        event: Option<&str>,
        fields: impl IntoIterator<Item = (&'f str, Field<'f>), IntoIter: Clone>,
        at: i64,
    ) {
        let mut fields = fields.into_iter().filter(|(_, field)| field.is_finite());
        let Some((name, first)) = fields.next() else { return };
        let mut line = LineProtocolBuilder::new_with(&mut self.bytes).measurement(measurement);
        let mut event = event;
        for (key, value) in tags {
            if key.as_str() > schema::EVENT_TAG
                && let Some(kind) = event.take()
            {
                line = line.tag(schema::EVENT_TAG, kind);
            }
            line = line.tag(key, value);
        }
        if let Some(kind) = event {
            line = line.tag(schema::EVENT_TAG, kind);
        }
        line.field(name, Fields { first, rest: fields }).timestamp(at).close_line();
        self.lines += 1;
    }

    /// Takes the lines of another batch in.
    pub fn append(&mut self, other: &Batch) {
        self.bytes.extend_from_slice(&other.bytes);
        self.lines += other.lines;
    }
}

/// Nanoseconds since the epoch, rounded to `precision`.
pub fn timestamp(at: SystemTime, precision: Duration) -> i64 {
    let nanos = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let step = precision.as_nanos().max(1);
    i64::try_from((nanos + step / 2) / step * step).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn text(batch: &Batch) -> &str {
        std::str::from_utf8(batch.bytes()).unwrap()
    }

    #[test]
    fn reals_print_as_the_shortest_decimal_of_the_same_f32() {
        let mut batch = Batch::default();
        let fields = [230.1f32, 0.1, 1.0e-7, 16_777_216.0, -0.5].map(|value| ("x", Field::Real(value)));
        batch.line("m", &tags(&[("meter", "a")]), None, fields, 1);
        assert_eq!(text(&batch), "m,meter=a x=230.1,x=0.1,x=0.0000001,x=16777216,x=-0.5 1\n");
    }

    #[test]
    fn nan_and_infinity_are_left_out_and_a_line_without_fields_is_no_line() {
        let mut batch = Batch::default();
        batch.line("m", &[], None, [("a", Field::Float(f64::NAN)), ("b", Field::Integer(1))], 5);
        batch.line("m", &[], None, [("a", Field::Real(f32::INFINITY))], 5);
        assert_eq!((text(&batch), batch.lines()), ("m b=1i 5\n", 1));
    }

    #[test]
    fn special_characters_are_escaped_and_a_newline_cannot_split_a_line() {
        let mut batch = Batch::default();
        let tags = tags(&[("a b", "x,y=z"), ("meter", "Gerät 1")]);
        batch.line("m", &tags, None, [("s", Field::Text("say \"hi\"\nC:\\dir"))], 7);
        assert_eq!(text(&batch), "m,a\\ b=x\\,y\\=z,meter=Gerät\\ 1 s=\"say \\\"hi\\\" C:\\\\dir\" 7\n");
    }

    #[test]
    fn the_event_tag_takes_its_sorted_place() {
        let mut batch = Batch::default();
        let field = || [("n", Field::Integer(1))];
        batch.line("e", &tags(&[("area", "1"), ("meter", "a")]), Some("gap"), field(), 1);
        batch.line("e", &tags(&[("area", "1")]), Some("gap"), field(), 1);
        assert_eq!(text(&batch), "e,area=1,event=gap,meter=a n=1i 1\ne,area=1,event=gap n=1i 1\n");
    }

    #[test]
    fn time_is_rounded_to_the_precision() {
        // Windows' clock counts hundreds of nanoseconds.
        let at = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_567_800);
        assert_eq!(timestamp(at, Duration::from_millis(1)), 1_700_000_000_124_000_000);
        assert_eq!(timestamp(at, Duration::from_secs(1)), 1_700_000_000_000_000_000);
        assert_eq!(timestamp(at, Duration::from_nanos(1)), 1_700_000_000_123_567_800);
    }
}
