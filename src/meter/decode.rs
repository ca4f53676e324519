//! Bytes of an assembly, or registers of a Modbus block → values.
//!
//! Pure: no I/O, no allocation except for text. Whoever calls has checked the length of the block
//! ([`assembly`] refuses a wrong one, [`registers`] ignores elements that are not wholly inside).

use super::assembly::WrongSize;
use super::element::{Convert, Element, Form, Use, WireType};
use super::profile::Profile;
use super::reading::{Raw, Readings, Value};
use super::word_order::WordOrder;

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
    assembly.check_size(data.len())?;
    let block = readings.begin_block();
    for (index, element) in profile.elements_of(assembly.table) {
        let Some(place) = element.place.filter(|place| place.instance == instance) else { continue };
        let start = usize::from(place.offset);
        let found = match place.form {
            Form::Own => match data.get(start..start + usize::from(element.wire.bytes())) {
                Some(bytes) => {
                    found(element, |word| u16::from_le_bytes([bytes[2 * word], bytes[2 * word + 1]]))
                }
                None => continue,
            },
            Form::Scaled(factor) => match real(data, place.offset) {
                Some(value) if element.wire == WireType::Real => found_real(element, scaled(value, factor)),
                Some(value) => found_counter(element, value, factor),
                None => continue,
            },
            Form::Pair { low_offset, modulus, factor } => {
                let (Some(high), Some(low)) = (real(data, place.offset), real(data, low_offset)) else {
                    continue;
                };
                found_pair(element, (high, low), modulus, factor)
            }
        };
        store(element, index, block, readings, found);
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
    elements: impl IntoIterator<Item = usize>,
    start: u16,
    words: &[u16],
    order: WordOrder,
    readings: &mut Readings,
) {
    let block = readings.begin_block();
    for index in elements {
        let Some(element) = profile.elements.get(index) else { continue };
        let Some(first) = element.modbus.and_then(|address| address.checked_sub(start)) else { continue };
        let (first, count) = (usize::from(first), usize::from(element.wire.words()));
        let Some(words) = words.get(first..first + count) else { continue };
        // Only numbers have a word order; letters and the clock are single words in sequence.
        let numeric = matches!(element.wire, WireType::Real | WireType::Ulint);
        let found = found(element, |word| {
            if numeric && order == WordOrder::HighFirst { words[count - 1 - word] } else { words[word] }
        });
        store(element, index, block, readings, found);
    }
}

/// The words of a number of this many in the other order: what it would be had they been sent so.
pub fn other_order(bits: u64, wire: WireType) -> u64 {
    let count = usize::from(wire.words());
    (0..count).fold(0, |other, word| other | (bits >> (16 * word) & 0xFFFF) << (16 * (count - 1 - word)))
}

/// What stood in one element's place.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    bits: u64,
    value: Reading,
}

#[derive(Debug, Clone, PartialEq)]
enum Reading {
    Value(Value),
    /// The pattern says that there is no such value.
    Absent,
    /// Not what this element can be.
    Implausible,
    /// Letters of a module that is not fitted.
    Blank,
}

/// Puts what was found into the element's slot.
fn store(element: &Element, index: usize, block: u16, readings: &mut Readings, found: Found) {
    if element.usage == Use::None {
        return;
    }
    readings.note(index, Raw { bits: found.bits, block, absent: found.value == Reading::Absent });
    let value = match found.value {
        Reading::Value(value) => Some(value),
        Reading::Absent => {
            readings.miss_one(element.table);
            None
        }
        Reading::Implausible => {
            readings.drop_one(element.table);
            None
        }
        Reading::Blank => None,
    };
    readings.set(index, value);
}

/// From here on a REAL is a way of saying "nothing": 3.4e38, and what rounding made of it.
const LARGEST: f32 = 3.39e38;

/// Whether a REAL says that there is no such value.
pub fn is_nothing(real: f64) -> bool {
    !real.is_finite() || real.abs() >= f64::from(LARGEST)
}

/// Patterns by which meters say that their wiring, their model or the moment has no such value.
fn is_absent(wire: WireType, bits: u64) -> bool {
    match wire {
        WireType::Real => is_nothing(f64::from(f32::from_bits(bits as u32))),
        WireType::Uint | WireType::Bit(_) => bits == u64::from(u16::MAX),
        // All ones; the largest and the smallest signed number, which say overflow on siblings.
        WireType::Ulint => [u64::MAX, i64::MAX as u64, i64::MIN as u64].contains(&bits),
        WireType::Clock => bits == u64::MAX,
        WireType::Letters(_) | WireType::ModelRevision => false,
    }
}

/// What stands in an element's words; `word(0)` is the least significant word of a number.
fn found(element: &Element, word: impl Fn(usize) -> u16) -> Found {
    let words = usize::from(element.wire.words()).min(4);
    let bits = (0..words).rev().fold(0u64, |wide, i| wide << 16 | u64::from(word(i)));
    if is_absent(element.wire, bits) {
        return Found { bits, value: Reading::Absent };
    }
    let value = match value(element, bits, word) {
        Some(value) => Reading::Value(value),
        // Blank letters are a module that is not fitted, not a value that was lost.
        None if element.wire.is_text() => Reading::Blank,
        None => Reading::Implausible,
    };
    Found { bits, value }
}

fn found_real(element: &Element, value: f32) -> Found {
    let bits = value.to_bits();
    found(element, |word| (bits >> (16 * word)) as u16)
}

fn scaled(value: f32, factor: u32) -> f32 {
    if is_absent(WireType::Real, u64::from(value.to_bits())) {
        return f32::NAN;
    }
    (f64::from(value) * f64::from(factor)) as f32
}

/// A counter in one REAL, in the element's unit at once: hours are 3600 s each.
fn found_counter(element: &Element, value: f32, factor: u32) -> Found {
    if is_absent(WireType::Real, u64::from(value.to_bits())) {
        return Found { bits: u64::MAX, value: Reading::Absent };
    }
    let number = (f64::from(value) * f64::from(factor)).round();
    // What is larger is not known to be whole.
    let number = (0.0..=9_007_199_254_740_992.0).contains(&number).then_some(number as i64);
    let value = number.and_then(|number| plausible(element, Value::Integer(number)));
    Found {
        bits: number.map_or(u64::MAX, i64::cast_unsigned),
        value: value.map_or(Reading::Implausible, Reading::Value),
    }
}

fn found_pair(element: &Element, (high, low): (f32, f32), modulus: u32, factor: u32) -> Found {
    if [high, low].iter().any(|half| is_absent(WireType::Real, u64::from(half.to_bits()))) {
        return Found { bits: u64::MAX, value: Reading::Absent };
    }
    let raw = joined(high, low, modulus, factor);
    let value = raw.and_then(|raw| plausible(element, convert(element, Value::Integer(raw))?));
    Found {
        bits: raw.map_or(u64::MAX, i64::cast_unsigned),
        value: value.map_or(Reading::Implausible, Reading::Value),
    }
}

/// The value in an element's words, which are `bits` where they are a number.
fn value(element: &Element, bits: u64, word: impl Fn(usize) -> u16) -> Option<Value> {
    let raw = match element.wire {
        WireType::Real => Value::Real(f32::from_bits(bits as u32)),
        WireType::Uint => Value::Integer(i64::from(word(0))),
        WireType::Ulint => Value::Integer(i64::try_from(bits).ok()?),
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
        registers(&profile, [energy], 0x0500, &words, WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(energy), Some(&Value::Integer(0x0900_0000_0001)));
        let reversed: Vec<_> = words.iter().rev().copied().collect();
        registers(&profile, [energy], 0x0500, &reversed, WordOrder::HighFirst, &mut readings);
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
        let mut read = |bits: u32| {
            let mut data = [0u8; 48];
            data[0..4].copy_from_slice(&bits.to_le_bytes());
            readings.begin();
            assembly(&profile, 101, &data, &mut readings).unwrap();
            assert_eq!(readings.get(index(&profile, Table::Realtime, "voltage_l1_n_v")), None, "{bits:08X}");
            (readings.dropped_of(Table::Realtime), readings.absent_of(Table::Realtime))
        };
        for bad in [1.0e9, -1.0f32] {
            assert_eq!(read(bad.to_bits()), (1, 0), "{bad} is out of range");
        }
        for nothing in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 3.4e38] {
            assert_eq!(read(nothing.to_bits()), (0, 1), "{nothing} says that there is no such value");
        }
        assert_eq!(read(u32::MAX), (0, 1), "all ones");
    }

    #[test]
    fn a_counter_of_ones_is_absent_and_no_number() {
        let profile = Profile::built_in();
        let energy = index(&profile, Table::Energy, "active_import_wh");
        for words in [[0xFFFF; 4], [0xFFFF, 0xFFFF, 0xFFFF, 0x7FFF], [0, 0, 0, 0x8000]] {
            let mut readings = Readings::new(profile.elements.len());
            registers(&profile, [energy], 0x0500, &words, WordOrder::LowFirst, &mut readings);
            assert_eq!(readings.get(energy), None);
            assert_eq!((readings.dropped(), readings.absent_of(Table::Energy)), (0, 1), "{words:04X?}");
        }
        assert_eq!(other_order(0x0102_0304_0506_0708, WireType::Ulint), 0x0708_0506_0304_0102);
        assert_eq!(other_order(0x0102_0304, WireType::Real), 0x0304_0102);
    }

    #[test]
    fn codes_hours_letters_and_the_clock_mean_what_the_manual_says() {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        let run = index(&profile, Table::Energy, "run_time_s");
        registers(&profile, [run], 0x0520, &[12345, 0, 0, 0], WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(run), Some(&Value::Integer(123 * 3600 + 45 * 60)));
        // Hours whose seconds pass 2^64 by 3,584: no plausible number may come of them.
        let words = 512_409_557_603_043_200_u64.to_le_bytes();
        let words = [0, 2, 4, 6].map(|at| u16::from_le_bytes([words[at], words[at + 1]]));
        registers(&profile, [run], 0x0520, &words, WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(run), None);
        let period = index(&profile, Table::Settings, "demand_period_s");
        registers(&profile, [period], 0x100B, &[3], WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(period), Some(&Value::Integer(900)));
        let serial = index(&profile, Table::Info, "serial_number");
        let words = [0x4142, 0x3132, 0x3334, 0x3536, 0x3738, 0x3930, 0x5A00];
        registers(&profile, [serial], 0x0020, &words, WordOrder::HighFirst, &mut readings);
        assert_eq!(readings.get(serial), Some(&Value::Text("AB1234567890Z".to_owned())));
        let firmware = index(&profile, Table::Info, "firmware");
        registers(&profile, [firmware], 0, &[0x4104], WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(firmware), Some(&Value::Text("A.4".to_owned())));
        let clock = index(&profile, Table::Settings, "clock_offset_s");
        registers(&profile, [clock], 0x1105, &[2026, 11, 23, 12, 0, 1], WordOrder::LowFirst, &mut readings);
        assert_eq!(readings.get(clock), Some(&Value::Integer(1_795_435_201)));
        let phase = index(&profile, Table::Realtime, "phase_sequence");
        let mut data = [0u8; 72];
        data[68..72].copy_from_slice(&(-1.0f32).to_le_bytes());
        assembly(&profile, 102, &data, &mut readings).unwrap();
        assert_eq!(readings.get(phase), Some(&Value::Integer(-1)));
    }
}
