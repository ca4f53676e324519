//! Settings of the meter that change: transformer ratios, wiring, demand period. Said in the data.

use crate::meter::element::WireType;
use crate::meter::{Profile, Readings, Table, Use};

use super::events::{Event, decimal};
use super::state::{Record, note};

/// Compares a gather with what is remembered, remembers the new values, and tells what changed.
pub fn changes(profile: &Profile, readings: &Readings, record: &mut Record) -> Vec<Event> {
    let mut events = Vec::new();
    for (index, element) in profile.elements_of(Table::Settings) {
        // The clock runs; its offset is not a setting.
        if element.usage != Use::Field || element.wire == WireType::Clock {
            continue;
        }
        let Some(now) = readings.number(index).map(decimal) else { continue };
        let before = note(&mut record.settings, &element.name, now);
        let Some(before) = before.filter(|before| *before != now) else { continue };
        let word = |code: f64| Some(element.labels.as_ref()?.1.get(code as usize)?.clone());
        let told = |code: f64| word(code).unwrap_or_else(|| code.to_string());
        events.push(Event {
            kind: "settings_changed",
            message: format!("{} changed from {} to {}", element.name, told(before), told(now)),
            table: Some(element.table.name().to_owned()),
            field: Some(element.name.clone()),
            before_text: word(before),
            after_text: word(now),
            before: Some(before),
            after: Some(now),
            ..Event::default()
        });
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Value;

    fn read(record: &mut Record, name: &str, value: Value) -> Vec<Event> {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        readings.set(profile.index_of(Table::Settings, name).unwrap(), Some(value));
        changes(&profile, &readings, record)
    }

    #[test]
    fn a_changed_ratio_is_said_with_both_values_and_a_changed_wiring_in_words() {
        let mut record = Record::default();
        assert!(read(&mut record, "ct_ratio", Value::Real(40.0)).is_empty());
        let changed = read(&mut record, "ct_ratio", Value::Real(60.0));
        assert_eq!((changed[0].before, changed[0].after), (Some(40.0), Some(60.0)));
        read(&mut record, "wiring_code", Value::Integer(5));
        let changed = read(&mut record, "wiring_code", Value::Integer(2));
        assert!(changed[0].before_text.is_some() && changed[0].before_text != changed[0].after_text);
    }
}
