//! Counters that step backwards and settings that change: said in the data, never corrected.

use crate::meter::{Kind, Profile, Readings, Table, Use, Value};

use super::events::Event;
use super::state::Record;

/// Compares a gather with what is remembered, remembers the new values, and tells what changed.
pub fn changes(profile: &Profile, readings: &Readings, record: &mut Record) -> Vec<Event> {
    let mut events = Vec::new();
    for (index, element) in profile.elements.iter().enumerate() {
        if element.usage != Use::Field {
            continue;
        }
        match (element.table, element.kind, readings.get(index)) {
            (_, Kind::Counter, Some(Value::Integer(now))) => {
                let before = record.counters.insert(element.name.clone(), *now);
                if let Some(before) = before.filter(|before| before > now) {
                    events.push(stepped_back(&element.name, before, *now, element.range.1));
                }
            }
            // The clock runs; its offset is not a setting.
            (Table::Settings, _, Some(_)) if element.wire != crate::meter::element::WireType::Clock => {
                let Some(now) = readings.number(index) else { continue };
                let before = record.settings.insert(element.name.clone(), now);
                if let Some(before) = before.filter(|before| *before != now) {
                    events.push(Event {
                        kind: "settings_changed",
                        message: format!("{} changed from {before} to {now}", element.name),
                        table: Some(element.table.name().to_owned()),
                        field: Some(element.name.clone()),
                        before: Some(before),
                        after: Some(now),
                        ..Event::default()
                    });
                }
            }
            _ => {}
        }
    }
    events
}

/// A counter that was near its top rolled over; any other step backwards is a reset.
fn stepped_back(name: &str, before: i64, now: i64, top: f64) -> Event {
    let rolled = before as f64 > 0.95 * top && (now as f64) < 0.05 * top;
    let (kind, what) =
        if rolled { ("counter_rollover", "rolled over") } else { ("counter_reset", "was reset") };
    Event {
        kind,
        message: format!("{name} {what}: it fell from {before} to {now}"),
        table: Some(Table::Energy.name().to_owned()),
        field: Some(name.to_owned()),
        before: Some(before as f64),
        after: Some(now as f64),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(record: &mut Record, table: Table, name: &str, value: Value) -> Vec<Event> {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        readings.set(profile.index_of(table, name).unwrap(), Some(value));
        changes(&profile, &readings, record)
    }

    #[test]
    fn a_counter_that_falls_is_a_reset_and_one_that_falls_from_its_top_a_rollover() {
        let mut record = Record::default();
        let mut wh = |value| read(&mut record, Table::Energy, "active_import_wh", Value::Integer(value));
        assert_eq!((wh(500).len(), wh(501).len(), wh(501).len()), (0, 0, 0));
        let reset = wh(3);
        assert_eq!(
            (reset[0].kind, reset[0].before, reset[0].after),
            ("counter_reset", Some(501.0), Some(3.0))
        );
        wh(9_999_999_999_000);
        assert_eq!(wh(12)[0].kind, "counter_rollover");
    }

    #[test]
    fn a_changed_ratio_is_said_with_both_values() {
        let mut record = Record::default();
        assert!(read(&mut record, Table::Settings, "ct_ratio", Value::Real(40.0)).is_empty());
        let changed = read(&mut record, Table::Settings, "ct_ratio", Value::Real(60.0));
        assert_eq!((changed[0].before, changed[0].after), (Some(40.0), Some(60.0)));
    }
}
