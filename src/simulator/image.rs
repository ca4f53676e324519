//! Values → bytes of an assembly, or registers: the decoder turned around, over the same profile.

use jiff::civil::date;

use crate::meter::WordOrder;
use crate::meter::element::{Convert, Element, Form, WireType};
use crate::meter::{Profile, Value};

/// Where the elements' values come from.
pub(super) trait Values {
    /// The value of an element as a decoder must see it; `None` for what is not fitted, which is served as 0.
    fn value(&mut self, element: &Element) -> Option<Value>;
}

/// The data of an assembly, `size` bytes, little-endian.
pub(super) fn assembly(profile: &Profile, instance: u16, size: usize, values: &mut impl Values) -> Vec<u8> {
    let mut data = vec![0; size];
    for element in &profile.elements {
        let Some(place) = element.place.filter(|place| place.instance == instance) else { continue };
        let value = values.value(element);
        let mut put = |offset: u16, bytes: &mut dyn Iterator<Item = u8>| {
            // Bits share a word.
            data.iter_mut().skip(usize::from(offset)).zip(bytes).for_each(|(slot, byte)| *slot |= byte);
        };
        match (place.form, value) {
            (Form::Own, value) => {
                put(place.offset, &mut words(element, value).into_iter().flat_map(u16::to_le_bytes));
            }
            (Form::Scaled(factor), Some(Value::Real(value))) => {
                let scaled = (f64::from(value) / f64::from(factor)) as f32;
                put(place.offset, &mut scaled.to_le_bytes().into_iter());
            }
            (Form::Scaled(factor), Some(Value::Integer(value))) => {
                let scaled = (value as f64 / f64::from(factor)) as f32;
                put(place.offset, &mut scaled.to_le_bytes().into_iter());
            }
            (Form::Pair { low_offset, modulus, factor }, Some(value)) => {
                let Value::Integer(number) = unconvert(element, value) else { continue };
                let worth = i64::from(modulus) * i64::from(factor);
                let (high, low) = (number / worth, (number % worth) as f64 / f64::from(factor));
                put(place.offset, &mut (high as f32).to_le_bytes().into_iter());
                put(low_offset, &mut (low as f32).to_le_bytes().into_iter());
            }
            (Form::Scaled(_) | Form::Pair { .. }, _) => {}
        }
    }
    data
}

/// The registers from PDU address `start`, `count` of them.
pub(super) fn registers(
    profile: &Profile,
    start: u16,
    count: u16,
    order: WordOrder,
    values: &mut impl Values,
) -> Vec<u16> {
    let mut block = vec![0; usize::from(count)];
    let wanted = u32::from(start)..u32::from(start) + u32::from(count);
    for element in &profile.elements {
        let Some(place) = element.registers() else { continue };
        if place.end <= wanted.start || place.start >= wanted.end {
            continue;
        }
        let mut words = words(element, values.value(element));
        if order == WordOrder::HighFirst && matches!(element.wire, WireType::Real | WireType::Ulint) {
            words.reverse();
        }
        for (address, word) in place.zip(words) {
            let slot = address.checked_sub(wanted.start).and_then(|at| block.get_mut(at as usize));
            slot.into_iter().for_each(|slot| *slot |= word);
        }
    }
    block
}

/// The element's words on the wire, the least significant word of a number first.
fn words(element: &Element, value: Option<Value>) -> Vec<u16> {
    let Some(value) = value.map(|value| unconvert(element, value)) else {
        return vec![0; usize::from(element.wire.words())];
    };
    match (element.wire, value) {
        (WireType::Real, Value::Real(value)) => split(u64::from(value.to_bits()), 2),
        (WireType::Real, Value::Integer(value)) => split(u64::from((value as f32).to_bits()), 2),
        (WireType::Uint, Value::Integer(value)) => split(value as u64, 1),
        (WireType::Ulint, Value::Integer(value)) => split(value as u64, 4),
        (WireType::Bit(bit), Value::Integer(value)) => vec![(value as u16 & 1) << bit],
        (WireType::Letters(words), Value::Text(text)) => {
            let letter = |at: usize| text.as_bytes().get(at).copied().unwrap_or(0);
            let word = |n: usize| u16::from_be_bytes([letter(2 * n), letter(2 * n + 1)]);
            (0..usize::from(words)).map(word).collect()
        }
        (WireType::ModelRevision, Value::Text(text)) => {
            let (model, revision) = text.split_once('.').unwrap_or((&text, "0"));
            let model = model.bytes().next().unwrap_or(0);
            vec![u16::from_be_bytes([model, revision.parse().unwrap_or(0)])]
        }
        (WireType::Clock, Value::Integer(seconds)) => clock(seconds),
        // A profile whose types do not fit the device's values is a mistake of the profile; it shows.
        (wire, _) => vec![0; usize::from(wire.words())],
    }
}

fn split(number: u64, words: u32) -> Vec<u16> {
    (0..words).map(|n| (number >> (16 * n)) as u16).collect()
}

/// Undoes the decoder's conversion.
fn unconvert(element: &Element, value: Value) -> Value {
    match (&element.convert, value) {
        (Convert::HoursMinutes, Value::Integer(seconds)) => {
            Value::Integer(seconds / 3600 * 100 + seconds / 60 % 60)
        }
        (Convert::Codes(codes), Value::Integer(value)) => {
            let code = codes.iter().position(|code| *code == value).unwrap_or(0);
            Value::Integer(code as i64)
        }
        (_, value) => value,
    }
}

/// Year, month, day, hour, minute, second of a date and time in seconds since 1970-01-01.
fn clock(seconds: i64) -> Vec<u16> {
    let epoch = date(1970, 1, 1).at(0, 0, 0, 0);
    let time = epoch.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(epoch);
    let small = [time.month(), time.day(), time.hour(), time.minute(), time.second()];
    std::iter::once(time.year() as u16).chain(small.map(|field| field as u16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::physics;
    use crate::meter::{Readings, Table, Use, decode};
    use crate::simulator::Options;
    use crate::simulator::device::{Device, UPTIME};
    use std::sync::Arc;
    use std::time::SystemTime;

    /// A device whose clock stands still, as host time would not.
    struct Still(Device);

    impl Values for Still {
        fn value(&mut self, element: &Element) -> Option<Value> {
            match element.wire {
                WireType::Clock => Some(Value::Integer(1_795_435_201)),
                _ => self.0.value(element.table, &element.name),
            }
        }
    }

    /// The built-in profile with every row in use, so that the decoder shows all of them.
    fn whole_profile() -> Profile {
        let mut profile = (*Profile::built_in()).clone();
        profile.elements.iter_mut().for_each(|element| element.usage = Use::Field);
        profile
    }

    #[test]
    fn what_the_decoder_reads_from_the_assemblies_is_what_the_device_has() {
        let (profile, mut device) =
            (whole_profile(), Still(Device::new(&Arc::new(Options { seed: 5, ..Options::default() }), 3)));
        device.0.advance(UPTIME + 1234.5);
        let mut readings = Readings::new(profile.elements.len());
        for row in &profile.assemblies {
            for size in &row.sizes {
                let data = assembly(&profile, row.instance, usize::from(*size), &mut device);
                decode::assembly(&profile, row.instance, &data, &mut readings).unwrap();
            }
        }
        for (index, element) in profile.elements.iter().enumerate().filter(|(_, e)| e.place.is_some()) {
            assert_eq!(readings.get(index), device.value(element).as_ref(), "{}", element.name);
        }
    }

    #[test]
    fn what_the_decoder_reads_from_registers_is_what_the_device_has_in_both_word_orders() {
        let (profile, mut device) =
            (whole_profile(), Still(Device::new(&Arc::new(Options { seed: 5, ..Options::default() }), 3)));
        for order in [WordOrder::LowFirst, WordOrder::HighFirst] {
            let mut readings = Readings::new(profile.elements.len());
            for (index, element) in profile.elements.iter().enumerate() {
                let Some(start) = element.modbus else { continue };
                // One register more on both sides: a block never depends on where it was cut.
                let start = start.saturating_sub(1);
                let words = registers(&profile, start, element.wire.words() + 2, order, &mut device);
                decode::registers(&profile, [index], start, &words, order, &mut readings);
                assert_eq!(readings.get(index), device.value(element).as_ref(), "{}", element.name);
            }
        }
    }

    #[test]
    fn the_numbers_obey_physics_at_any_time() {
        let profile = Profile::built_in();
        for seed in 0..20 {
            let mut device = Still(Device::new(&Arc::new(Options { seed, ..Options::default() }), 0));
            device.0.advance(UPTIME + seed as f64 * 977.0);
            let mut readings = Readings::new(profile.elements.len());
            readings.arrived(Table::Realtime, SystemTime::UNIX_EPOCH);
            for (instance, size) in [(101, 48), (102, 72)] {
                let data = assembly(&profile, instance, size, &mut device);
                decode::assembly(&profile, instance, &data, &mut readings).unwrap();
            }
            let map = physics::Map::new(&profile);
            let numbers = physics::Numbers::of(&map, &readings);
            let verdict = physics::judge(&map, &numbers, &physics::Known::default());
            assert_eq!(verdict, physics::Verdict::Consistent);
        }
    }
}
