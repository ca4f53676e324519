//! Lines as bytes.
//!
//! Whoever renders appends lines to a [`Batch`], whose bytes are written to stdout in one piece. Heads of lines and
//! texts with something to escape are `influxdb-line-protocol`'s work. Numbers are formatted here, because a REAL must
//! come out as the shortest decimal that reads back as the same `f32` (230.1, never 230.10000610351562).
//!
//! The library looks at each letter of each field's name, and those are most of a line. The names are ours, lower-case
//! letters, digits and underscores, so that fields are written here; a test holds each byte against the library's.

use std::fmt;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use influxdb_line_protocol::builder::FieldValue;

use super::Head;

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

/// Appends a finite value as line protocol writes it.
fn append(bytes: &mut Vec<u8>, field: Field) {
    match field {
        Field::Real(value) => append_real(bytes, value),
        Field::Float(value) => append_printed(bytes, &value),
        Field::Integer(value) => {
            bytes.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            bytes.push(b'i');
        }
        Field::Text(value) => append_text(bytes, value),
    }
}

fn append_printed(bytes: &mut Vec<u8>, value: &impl fmt::Display) {
    // To write to a vector never fails.
    let _ = write!(bytes, "{value}");
}

/// Appends a finite REAL as the standard library prints it, with a third of its effort.
fn append_real(bytes: &mut Vec<u8>, real: f32) {
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(real).as_bytes();
    let digits = shortest.strip_suffix(b".0").unwrap_or(shortest);
    // Byte by byte: to set a search up takes longer than to look at the few that there are.
    let places = digits.iter().position(|byte| *byte == b'.').map_or(0, |point| digits.len() - point - 1);
    // Line protocol's numbers have no exponents here. And where the number lies in the middle between two decimals that
    // are as short, which is where it has one binary digit behind the point more than they have decimal ones, the
    // standard library takes the upper one.
    if digits.contains(&b'e') || binary_places(real) == places + 1 {
        append_printed(bytes, &real);
    } else {
        bytes.extend_from_slice(digits);
    }
}

/// How many binary digits a number has behind its point, which are as many as decimal ones.
fn binary_places(real: f32) -> usize {
    let bits = real.to_bits();
    let mantissa = bits & ((1 << 23) - 1) | 1 << 23;
    let exponent = (bits >> 23 & 0xFF) as usize;
    (127 + 23 - mantissa.trailing_zeros() as usize).saturating_sub(exponent)
}

fn append_text(bytes: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if text.as_bytes().iter().all(is_plain) {
        bytes.push(b'"');
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'"');
    } else if text.contains(char::is_control) {
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        append_printed(bytes, &Escaped(&clean));
    } else {
        append_printed(bytes, &Escaped(text));
    }
}

/// A string in the library's form.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FieldValue::fmt(&self.0, f)
    }
}

/// Whole lines, ready to be written.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

impl Batch {
    /// Forgets the lines, and keeps the room that they had.
    #[must_use]
    pub fn emptied(mut self) -> Batch {
        self.bytes.clear();
        Batch { lines: 0, ..self }
    }

    /// The lines' bytes, each line with its newline.
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

    /// Appends one line of these fields.
    pub fn line<'f>(&mut self, head: &Head, fields: impl IntoIterator<Item = (&'f str, Field<'f>)>, at: i64) {
        self.compose(head, at, |line| fields.into_iter().for_each(|(name, field)| line.field(name, field)));
    }

    /// Appends one line of the fields that `write` gives it; without a field there is no line. `at` is in ns since the
    /// epoch.
    pub fn compose(&mut self, head: &Head, at: i64, write: impl FnOnce(&mut Line)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(head.bytes());
        let mut line = Line { bytes: &mut self.bytes, is_empty: true };
        write(&mut line);
        if line.is_empty {
            self.bytes.truncate(start);
            return;
        }
        self.bytes.push(b' ');
        self.bytes.extend_from_slice(itoa::Buffer::new().format(at).as_bytes());
        self.bytes.push(b'\n');
        self.lines += 1;
    }
}

/// A line that is being written.
#[derive(Debug)]
pub struct Line<'b> {
    bytes: &'b mut Vec<u8>,
    is_empty: bool,
}

impl Line<'_> {
    /// Whether it has no field yet.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Appends a field, whose name must not need escaping. A float that is not finite is left out.
    pub fn field(&mut self, name: &str, field: Field) {
        if !field.is_finite() {
            return;
        }
        self.bytes.push(if std::mem::take(&mut self.is_empty) { b' ' } else { b',' });
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(b'=');
        append(self.bytes, field);
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
    use influxdb_line_protocol::LineProtocolBuilder;
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    fn head() -> Head {
        Head::new("m", &[("meter".to_owned(), "a".to_owned())], None)
    }

    fn text(batch: &Batch) -> &str {
        std::str::from_utf8(batch.bytes()).unwrap()
    }

    #[test]
    fn reals_print_as_the_shortest_decimal_of_the_same_f32() {
        let mut batch = Batch::default();
        let fields = [230.1f32, 0.1, 1.0e-7, 16_777_216.0, -0.5].map(|value| ("x", Field::Real(value)));
        batch.line(&head(), fields, 1);
        assert_eq!(text(&batch), "m,meter=a x=230.1,x=0.1,x=0.0000001,x=16777216,x=-0.5 1\n");
    }

    #[test]
    fn nan_and_infinity_are_left_out_and_a_line_without_fields_is_no_line() {
        let mut batch = Batch::default();
        batch.line(&head(), [("a", Field::Float(f64::NAN)), ("b", Field::Integer(1))], 5);
        batch.line(&head(), [("a", Field::Real(f32::INFINITY))], 5);
        assert_eq!((text(&batch), batch.lines()), ("m,meter=a b=1i 5\n", 1));
    }

    #[test]
    fn special_characters_are_escaped_and_a_newline_cannot_split_a_line() {
        let mut batch = Batch::default();
        batch.line(&head(), [("s", Field::Text("say \"hi\"\nC:\\dir"))], 7);
        assert_eq!(text(&batch), "m,meter=a s=\"say \\\"hi\\\" C:\\\\dir\" 7\n");
    }

    /// A value as the library alone would write it; a REAL as the standard library prints it.
    fn by_the_library(field: Field) -> String {
        struct Printed(String);
        impl FieldValue for Printed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        let line = LineProtocolBuilder::new().measurement("m").tag("meter", "a");
        let line = match field {
            Field::Real(value) => line.field("x", Printed(value.to_string())),
            Field::Float(value) => line.field("x", value),
            Field::Integer(value) => line.field("x", value),
            Field::Text(value) => line.field("x", value),
        };
        String::from_utf8(line.timestamp(-3).close_line().build()).unwrap()
    }

    /// What is at the edge of something, and a large sample of the rest.
    fn sample() -> Vec<Field<'static>> {
        let mut random = StdRng::seed_from_u64(500);
        let edges =
            [0, 1, 0x7F_FFFF, 0x80_0000, 0x7F7F_FFFF, 0x4B80_0000, 0x4B00_0001, 0x3DCC_CCCD, 0x501502F9];
        let edges = edges.into_iter().flat_map(|bits: u32| [bits, bits | 1 << 31]);
        let powers = (-45..=38).flat_map(|power| {
            let power = format!("1e{power}").parse::<f32>().unwrap().to_bits();
            [power.saturating_sub(1), power, power + 1]
        });
        let bits: Vec<u32> = edges.chain(powers).chain((0..100_000).map(|_| random.random())).collect();
        let mut fields: Vec<Field> = bits.iter().map(|bits| Field::Real(f32::from_bits(*bits))).collect();
        // As a meter has them: some digits before and after the point.
        let measured = (0..100_000).map(|_| (random.random_range(-9_000_000..9_000_000) as f32) / 1000.0);
        fields.extend(measured.map(Field::Real));
        fields.extend(bits.iter().map(|bits| Field::Float(f32::from_bits(*bits).into())));
        fields.extend((0..100_000).map(|_| Field::Float(f64::from_bits(random.random()))));
        let doubles = [f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e21, 1e-7, 0.1 + 0.2, 123_456_789.123_456_79];
        fields.extend(doubles.into_iter().flat_map(|value| [Field::Float(value), Field::Float(-value)]));
        fields.extend([0, 1, -1, 9, 10, i64::MAX, i64::MIN].map(Field::Integer));
        fields.extend(
            (0..50_000).map(|_| Field::Integer(random.random::<i64>() >> random.random_range(0..64))),
        );
        fields.extend(["", " ", "a b,c=d", "\"", "\\", "\\\"", "Gerät ⚡", "C:\\dir\\"].map(Field::Text));
        fields.retain(Field::is_finite);
        fields
    }

    #[test]
    fn every_value_comes_out_as_the_library_alone_would_write_it_first_in_a_line_or_later() {
        let mut batch = Batch::default();
        for field in sample() {
            batch = batch.emptied();
            batch.line(&head(), [("x", field)], -3);
            let alone = by_the_library(field);
            assert_eq!(text(&batch), alone, "{field:?}");
            batch = batch.emptied();
            batch.line(&head(), [("x", field), ("x", field)], -3);
            let value = &alone["m,meter=a x=".len()..alone.len() - " -3\n".len()];
            assert_eq!(text(&batch), format!("m,meter=a x={value},x={value} -3\n"), "{field:?}");
            if let Field::Real(real) = field {
                assert_eq!(value.parse::<f32>().unwrap().to_bits(), real.to_bits(), "{field:?}");
            }
        }
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
