//! Bytes of an assembly, or registers of a Modbus block → values.
//!
//! Pure: no I/O, no allocation except for text. Whoever calls has checked the length of the block
//! ([`assembly`] refuses a wrong one, [`registers`] ignores elements that are not wholly inside).

use std::fmt;
use std::str::FromStr;

use super::element::{Convert, Element, Form, Use, WireType};
use super::profile::{Assembly, Profile};
use super::reading::{Readings, Value};

/// Which 16-bit word of a 32- or 64-bit value comes first over Modbus.
///
/// The manual's page on it was not found; siblings send the low word first (evidence: inferred).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WordOrder {
    /// Least significant word first.
    #[default]
    LowFirst,
    /// Most significant word first.
    HighFirst,
}

impl WordOrder {
    /// The word used in configuration.
    pub fn name(self) -> &'static str {
        match self {
            WordOrder::LowFirst => "low_first",
            WordOrder::HighFirst => "high_first",
        }
    }
}

impl fmt::Display for WordOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for WordOrder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "low_first" => Ok(WordOrder::LowFirst),
            "high_first" => Ok(WordOrder::HighFirst),
            _ => Err(format!("unknown word order \"{text}\", expected low_first or high_first")),
        }
    }
}

/// An assembly whose data has a length that the profile does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("assembly {instance} has {actual} bytes, the profile expects {expected}")]
pub struct WrongSize {
    /// Assembly instance.
    pub instance: u16,
    /// Bytes received or reported.
    pub actual: usize,
    /// Accepted sizes, in words for people.
    pub expected: String,
}

/// Checks an assembly's size in bytes against the profile.
///
/// # Errors
/// [`WrongSize`] when the profile does not accept it.
pub fn check_size(assembly: &Assembly, actual: usize) -> Result<(), WrongSize> {
    if assembly.sizes.iter().any(|size| usize::from(*size) == actual) {
        return Ok(());
    }
    let sizes: Vec<_> = assembly.sizes.iter().map(u16::to_string).collect();
    Err(WrongSize { instance: assembly.instance, actual, expected: sizes.join(" or ") })
}

/// Decodes an assembly's data (class 4, attribute 3; little-endian) into `readings`.
///
/// # Errors
/// [`WrongSize`] when the length is not one that the profile accepts; nothing is stored then.
pub fn assembly(
    profile: &Profile,
    instance: u16,
    data: &[u8],
    readings: &mut Readings,
) -> Result<(), WrongSize> {
    let unknown = || WrongSize { instance, actual: data.len(), expected: "no data".to_owned() };
    let assembly = profile.assembly(instance).ok_or_else(unknown)?;
    check_size(assembly, data.len())?;
    for (index, element) in profile.elements_of(assembly.table) {
        let Some(place) = element.place.filter(|place| place.instance == instance) else { continue };
        let start = usize::from(place.offset);
        let own =
            |bytes: &[u8]| value(element, |word| u16::from_le_bytes([bytes[2 * word], bytes[2 * word + 1]]));
        let value = match place.form {
            Form::Own => match data.get(start..start + usize::from(element.wire.bytes())) {
                Some(bytes) => own(bytes),
                None => continue,
            },
            Form::Scaled(factor) => real(data, place.offset)
                .map(|value| Value::Real((f64::from(value) * f64::from(factor)) as f32))
                .and_then(|value| plausible(element, value)),
            Form::Pair { low_offset, modulus, factor } => real(data, place.offset)
                .zip(real(data, low_offset))
                .and_then(|(high, low)| joined(high, low, modulus, factor))
                .and_then(|raw| plausible(element, convert(element, Value::Integer(raw))?)),
        };
        store(element, index, readings, value);
    }
    Ok(())
}

/// The REAL at a byte offset of an assembly's data.
pub fn real(data: &[u8], offset: u16) -> Option<f32> {
    let start = usize::from(offset);
    let bytes = data.get(start..start + 4)?;
    Some(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// The integer in two REALs, rounded where the low half has a fraction; `None` for halves that cannot belong
/// to one number: negative, not finite, a high half that is not whole, a low half that should have carried.
pub fn joined(high: f32, low: f32, modulus: u32, factor: u32) -> Option<i64> {
    let (high, low, modulus) = (f64::from(high), f64::from(low), f64::from(modulus));
    // 2^24: what is larger is not known to be whole.
    let sound = (0.0..=16_777_216.0).contains(&high) && high.fract() == 0.0 && (0.0..modulus).contains(&low);
    // Below 2^53, so the sum is as exact as the halves are.
    sound.then(|| ((high * modulus + low) * f64::from(factor)).round() as i64)
}

/// Decodes the elements with these indexes from a block of registers that begins at PDU address `start`.
pub fn registers(
    profile: &Profile,
    elements: &[usize],
    start: u16,
    words: &[u16],
    order: WordOrder,
    readings: &mut Readings,
) {
    for &index in elements {
        let Some(element) = profile.elements.get(index) else { continue };
        let Some(first) = element.modbus.and_then(|address| address.checked_sub(start)) else { continue };
        let (first, count) = (usize::from(first), usize::from(element.wire.words()));
        let Some(words) = words.get(first..first + count) else { continue };
        // Only numbers have a word order; letters and the clock are single words in sequence.
        let numeric = matches!(element.wire, WireType::Real | WireType::Ulint);
        let value = value(element, |word| {
            if numeric && order == WordOrder::HighFirst { words[count - 1 - word] } else { words[word] }
        });
        store(element, index, readings, value);
    }
}

/// Puts one element's value into its slot.
fn store(element: &Element, index: usize, readings: &mut Readings, value: Option<Value>) {
    if element.usage == Use::None {
        return;
    }
    // Blank letters are a module that is not fitted, not a value that was lost.
    if value.is_none() && !element.wire.is_text() {
        readings.dropped += 1;
    }
    readings.set(index, value);
}

/// The value in an element's words; `word(0)` is the least significant word of a number.
fn value(element: &Element, word: impl Fn(usize) -> u16) -> Option<Value> {
    let raw = match element.wire {
        WireType::Real => {
            let bits = u32::from(word(0)) | u32::from(word(1)) << 16;
            Value::Real(f32::from_bits(bits))
        }
        WireType::Uint => Value::Integer(i64::from(word(0))),
        WireType::Ulint => {
            let wide = (0..4).rev().fold(0u64, |wide, i| wide << 16 | u64::from(word(i)));
            Value::Integer(i64::try_from(wide).ok()?)
        }
        WireType::Bit(bit) => Value::Integer(i64::from(word(0) >> bit & 1)),
        WireType::Letters(words) => {
            let bytes = (0..usize::from(words)).flat_map(|i| word(i).to_be_bytes());
            return text(bytes).map(Value::Text);
        }
        WireType::ModelRevision => {
            let [letter, revision] = word(0).to_be_bytes();
            return letter
                .is_ascii_alphanumeric()
                .then(|| Value::Text(format!("{}.{revision}", letter as char)));
        }
        WireType::Clock => Value::Integer(civil_seconds([0, 1, 2, 3, 4, 5].map(&word))?),
    };
    plausible(element, convert(element, raw)?)
}

fn convert(element: &Element, raw: Value) -> Option<Value> {
    match (&element.convert, raw) {
        (Convert::None, raw) => Some(raw),
        (Convert::Code, Value::Real(value)) if value.fract() == 0.0 && value.abs() < 1.0e6 => {
            Some(Value::Integer(value as i64))
        }
        (Convert::HoursMinutes, Value::Integer(value)) if value % 100 < 60 => {
            let hours = (value / 100).checked_mul(3600)?;
            Some(Value::Integer(hours.checked_add(value % 100 * 60)?))
        }
        (Convert::Codes(codes), Value::Integer(value)) => {
            codes.get(usize::try_from(value).ok()?).copied().map(Value::Integer)
        }
        _ => None,
    }
}

fn plausible(element: &Element, value: Value) -> Option<Value> {
    let (low, high) = element.range;
    // The clock's range is that of the offset, which only the collector can compute.
    let number = match (&value, element.wire) {
        (_, WireType::Clock) => return Some(value),
        (Value::Real(real), _) => f64::from(*real),
        (Value::Integer(integer), _) => *integer as f64,
        (Value::Text(_), _) => return Some(value),
    };
    // NaN fails both comparisons.
    (number >= low && number <= high).then_some(value)
}

fn text(bytes: impl Iterator<Item = u8>) -> Option<String> {
    let letters: String = bytes.take_while(|byte| *byte != 0).map(char::from).collect();
    let letters = letters.trim();
    (!letters.is_empty() && letters.chars().all(|c| c.is_ascii_graphic() || c == ' '))
        .then(|| letters.to_owned())
}

/// Seconds since 1970-01-01 of a date and time, as if it were UTC.
fn civil_seconds(fields: [u16; 6]) -> Option<i64> {
    let [year, month, day, hour, minute, second] = fields;
    let small = |value: u16| i8::try_from(value).ok();
    let time = jiff::civil::DateTime::new(
        i16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        0,
    )
    .ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::table::Table;

    fn index(profile: &Profile, table: Table, name: &str) -> usize {
        profile.index_of(table, name).unwrap()
    }

    #[test]
    fn an_assembly_is_little_endian_reals_in_row_order() {
        let profile = Profile::built_in();
        let mut data = [0u8; 48];
        data[0..4].copy_from_slice(&[0x9A, 0x19, 0x66, 0x43]); // 230.1
        data[44..48].copy_from_slice(&0.25f32.to_le_bytes());
        let mut readings = Readings::new(profile.elements.len());
        assembly(&profile, 101, &data, &mut readings).unwrap();
        let v = index(&profile, Table::Realtime, "voltage_l1_n_v");
        assert_eq!(readings.get(v), Some(&Value::Real(230.1)));
        let n = index(&profile, Table::Realtime, "current_n_a");
        assert_eq!(readings.get(n), Some(&Value::Real(0.25)));
    }

    #[test]
    fn a_wrong_size_is_refused_and_nothing_is_stored() {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        let wrong = assembly(&profile, 101, &[0; 52], &mut readings).unwrap_err();
        assert_eq!(wrong.to_string(), "assembly 101 has 52 bytes, the profile expects 48");
        assert!((0..profile.elements.len()).all(|i| readings.get(i).is_none()));
    }

    #[test]
    fn counters_stay_integers_in_both_word_orders() {
        let profile = Profile::built_in();
        let energy = index(&profile, Table::Energy, "active_import_wh");
        // 9,007,199,254,7 needs more than 32 bits and would still be exact; 2^53 + 1 would not fit a double.
        let words = [0x0001, 0x0000, 0x0900, 0x0000];
        let mut readings = Readings::new(profile.elements.len());
        registers(&profile, &[energy], 0x0500, &words, WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(energy), Some(&Value::Integer(0x0900_0000_0001)));
        let reversed: Vec<_> = words.iter().rev().copied().collect();
        registers(&profile, &[energy], 0x0500, &reversed, WordOrder::HighFirst, &mut readings);
        assert_eq!(readings.get(energy), Some(&Value::Integer(0x0900_0000_0001)));
    }

    #[test]
    fn a_counter_in_two_reals_is_an_integer_and_halves_that_do_not_belong_together_are_none() {
        assert_eq!(joined(1234.0, 567_890.0, 1_000_000, 1), Some(1_234_567_890));
        assert_eq!(joined(16_777_215.0, 999_999.0, 1_000_000, 1), Some(16_777_215_999_999));
        // GWh and kWh: the low half has steps of 1/64 kWh.
        assert_eq!(joined(1.0, 234_567.89, 1_000_000, 1000), Some(1_234_567_891));
        for (high, low) in [
            (1.5, 0.0),
            (-1.0, 0.0),
            (0.0, -1.0),
            (0.0, 1_000_000.0),
            (2.0e7, 0.0),
            (f32::NAN, 0.0),
            (0.0, f32::NAN),
            (f32::INFINITY, 0.0),
        ] {
            assert_eq!(joined(high, low, 1_000_000, 1), None, "{high} {low}");
        }
        let pair = |modulus, factor| Form::Pair { low_offset: 4, modulus, factor };
        assert!(pair(1_000_000, 1).is_exact() && pair(10_000_000, 1).is_exact());
        assert_eq!(pair(1_000_000, 1000).step(), Some(62.5));
        assert_eq!(pair(1_000_000_000, 1).step(), Some(64.0));
    }

    #[test]
    fn nan_infinity_and_the_implausible_never_get_out() {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0e9, -1.0] {
            let mut data = [0u8; 48];
            data[0..4].copy_from_slice(&bad.to_le_bytes());
            readings.begin();
            assembly(&profile, 101, &data, &mut readings).unwrap();
            assert_eq!(readings.get(index(&profile, Table::Realtime, "voltage_l1_n_v")), None, "{bad}");
            assert_eq!(readings.dropped, 1, "{bad}");
        }
    }

    #[test]
    fn codes_hours_letters_and_the_clock_mean_what_the_manual_says() {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        let run = index(&profile, Table::Energy, "run_time_s");
        registers(&profile, &[run], 0x0520, &[12345, 0, 0, 0], WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(run), Some(&Value::Integer(123 * 3600 + 45 * 60)));
        // Hours whose seconds pass 2^64 by 3,584: no plausible number may come of them.
        let words = 512_409_557_603_043_200_u64.to_le_bytes();
        let words = [0, 2, 4, 6].map(|at| u16::from_le_bytes([words[at], words[at + 1]]));
        registers(&profile, &[run], 0x0520, &words, WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(run), None);
        let period = index(&profile, Table::Settings, "demand_period_s");
        registers(&profile, &[period], 0x100B, &[3], WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(period), Some(&Value::Integer(900)));
        let serial = index(&profile, Table::Info, "serial_number");
        let words = [0x4142, 0x3132, 0x3334, 0x3536, 0x3738, 0x3930, 0x5A00];
        registers(&profile, &[serial], 0x0020, &words, WordOrder::HighFirst, &mut readings);
        assert_eq!(readings.get(serial), Some(&Value::Text("AB1234567890Z".to_owned())));
        let firmware = index(&profile, Table::Info, "firmware");
        registers(&profile, &[firmware], 0, &[0x4104], WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(firmware), Some(&Value::Text("A.4".to_owned())));
        let clock = index(&profile, Table::Settings, "clock_offset_s");
        registers(&profile, &[clock], 0x1105, &[2026, 11, 23, 12, 0, 1], WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(clock), Some(&Value::Integer(1_795_435_201)));
        let phase = index(&profile, Table::Realtime, "phase_sequence");
        let mut data = [0u8; 72];
        data[68..72].copy_from_slice(&(-1.0f32).to_le_bytes());
        assembly(&profile, 102, &data, &mut readings).unwrap();
        assert_eq!(readings.get(phase), Some(&Value::Integer(-1)));
    }
}
