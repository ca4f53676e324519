//! Settings of the meter that change: transformer ratios, wiring, demand period. Said in the data.

use std::collections::BTreeMap;

use crate::collector::event::Event;
use crate::meter::element::WireType;
use crate::meter::reading::decimal;
use crate::meter::{Profile, Readings, Table, Use};

use super::record::note;

/// Compares a gather with what is remembered, remembers the new values, and tells what changed.
pub fn follow(profile: &Profile, readings: &Readings, known: &mut BTreeMap<String, f64>) -> Vec<Event> {
    let fields = profile.elements_of(Table::Settings).filter(|(_, element)| {
        // The clock runs; its offset is not a setting.
        element.usage == Use::Field && element.wire != WireType::Clock
    });
    let changed = fields.filter_map(|(index, element)| {
        let now = decimal(readings.number(index)?);
        let before = note(known, &element.name, now).filter(|before| *before != now)?;
        let word = |code: f64| Some(element.labels.as_ref()?.1.get(code as usize)?.clone());
        Some(Event::SettingsChanged {
            field: element.name.clone(),
            values: [before, now],
            labels: [word(before), word(now)],
        })
    });
    changed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Value;

    fn read(known: &mut BTreeMap<String, f64>, name: &str, value: Value) -> Vec<Event> {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        readings.set(profile.index_of(Table::Settings, name).unwrap(), Some(value));
        follow(&profile, &readings, known)
    }

    #[test]
    fn a_changed_ratio_is_said_with_both_values_and_a_changed_wiring_in_words() {
        let mut known = BTreeMap::new();
        assert!(read(&mut known, "ct_ratio", Value::Real(40.0)).is_empty());
        let changed = read(&mut known, "ct_ratio", Value::Real(60.0));
        let [Event::SettingsChanged { values, .. }] = &changed[..] else { panic!("{changed:?}") };
        assert_eq!(values, &[40.0, 60.0]);
        read(&mut known, "wiring_code", Value::Integer(5));
        let changed = read(&mut known, "wiring_code", Value::Integer(2));
        let [Event::SettingsChanged { labels, .. }] = &changed[..] else { panic!("{changed:?}") };
        assert!(labels[0].is_some() && labels[1].is_some() && labels[0] != labels[1]);
    }
}
