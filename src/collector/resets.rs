//! What began anew in the meter: energy counters, maximum values, demand values. Said, never corrected.
//!
//! Counters: any that falls. One gather is one reset, whatever number of counters it concerns; a counter that
//! falls from its top to its bottom rolled over.
//!
//! Maximum and demand values are described by guessed rows only, so one odd value proves nothing:
//! maximum values were reset when most of them fell at once, for a maximum falls for no other reason. Demand
//! values rise and fall by themselves; they began anew when all of them are 0, the voltages' included, which
//! a meter that measures never has otherwise. A meter that lost power looks the same. The maximum demand is in
//! no table that is known.

use std::collections::BTreeMap;

use crate::meter::{Kind, Profile, Readings, Table, Use, Value};

use super::events::{Event, decimal};
use super::state::{Record, note};

/// A counter above this part of its range that falls below the other end of it rolled over.
const TOP: f64 = 0.95;

/// A counter that fell: name, before, now.
type Fall<'a> = (&'a str, i64, i64);

/// Whether any counter is less than what is remembered.
pub fn counter_fell(profile: &Profile, readings: &Readings, record: &Record) -> bool {
    counters(profile, readings)
        .any(|(name, now, _)| record.counters.get(name).is_some_and(|last| *last > now))
}

/// Compares with what is remembered, remembers the new values, and tells what began anew.
pub fn resets(profile: &Profile, readings: &Readings, record: &mut Record) -> Vec<Event> {
    let (mut reset, mut rolled) = (Vec::new(), Vec::new());
    for (name, now, top) in counters(profile, readings) {
        let before = note(&mut record.counters, name, now);
        let Some(before) = before.filter(|before| *before > now) else { continue };
        let over = before as f64 > TOP * top && (now as f64) < (1.0 - TOP) * top;
        if over { &mut rolled } else { &mut reset }.push((name, before, now));
    }
    let counters = [
        fallen("counter_reset", ["was reset", "were reset"], &reset),
        fallen("counter_rollover", ["rolled over"; 2], &rolled),
    ];
    let others = [max_reset(profile, readings, &mut record.maxima), demand_reset(profile, readings, record)];
    counters.into_iter().chain(others).flatten().collect()
}

/// Name, value and largest possible value of each counter that was read.
fn counters<'a>(profile: &'a Profile, readings: &'a Readings) -> impl Iterator<Item = (&'a str, i64, f64)> {
    let counters = profile.elements_of(Table::Energy);
    let counters = counters.filter(|(_, row)| row.usage == Use::Field && row.kind == Kind::Counter);
    counters.filter_map(|(index, row)| match readings.get(index) {
        Some(Value::Integer(value)) => Some((row.name.as_str(), *value, row.range.1)),
        _ => None,
    })
}

/// One event for all counters that fell; numbers for one, text for several.
fn fallen(kind: &'static str, [one, several]: [&str; 2], fallen: &[Fall<'_>]) -> Option<Event> {
    let names: Vec<&str> = fallen.iter().map(|(name, ..)| *name).collect();
    let list = |value: fn(&Fall<'_>) -> i64| {
        let values = fallen.iter().map(|fall| format!("{}={}", fall.0, value(fall)));
        values.collect::<Vec<_>>().join(",")
    };
    let event = Event {
        kind,
        table: Some(Table::Energy.name().to_owned()),
        field: Some(names.join(",")),
        ..Event::default()
    };
    match *fallen {
        [] => None,
        [(name, before, now)] => Some(Event {
            message: format!("A counter {one}: {name} fell from {before} to {now}"),
            before: Some(before as f64),
            after: Some(now as f64),
            ..event
        }),
        [(name, before, now), ..] => Some(Event {
            message: format!("{} counters {several}: {name} fell from {before} to {now}", fallen.len()),
            before_text: Some(list(|(_, before, _)| *before)),
            after_text: Some(list(|(.., now)| *now)),
            ..event
        }),
    }
}

/// Names and values of a table's numbers that were read.
fn numbers<'a>(
    profile: &'a Profile,
    readings: &'a Readings,
    table: Table,
) -> impl Iterator<Item = (&'a str, f64)> {
    let rows = profile.elements_of(table).filter(|(_, row)| row.usage == Use::Field);
    rows.filter_map(|(index, row)| Some((row.name.as_str(), decimal(readings.number(index)?))))
}

fn max_reset(profile: &Profile, readings: &Readings, maxima: &mut BTreeMap<String, f64>) -> Option<Event> {
    let (mut compared, mut fell) = (0, Vec::new());
    for (name, now) in numbers(profile, readings, Table::Max) {
        // A power factor has a sign that says no amount, and what never was more than 0 cannot fall.
        if name.starts_with("power_factor") {
            continue;
        }
        let Some(before) = note(maxima, name, now).filter(|before| *before > 0.0) else {
            continue;
        };
        compared += 1;
        if now < before {
            fell.push((name, before, now));
        }
    }
    let shown = fell.iter().find(|(name, ..)| *name == "active_power_total_w").or(fell.first());
    let (name, before, now) = *shown.filter(|_| fell.len() * 2 > compared)?;
    Some(Event {
        kind: "max_reset",
        message: format!("The maximum values were reset: {name} fell from {before} to {now}"),
        reason: Some(format!("{} of {compared} maximum values fell at once", fell.len())),
        table: Some(Table::Max.name().to_owned()),
        field: Some(name.to_owned()),
        before: Some(before),
        after: Some(now),
        ..Event::default()
    })
}

fn demand_reset(profile: &Profile, readings: &Readings, record: &mut Record) -> Option<Event> {
    let (mut read, mut zero) = (0, 0);
    for (_, now) in numbers(profile, readings, Table::Demand) {
        read += 1;
        zero += usize::from(now == 0.0);
    }
    // Half a table proves nothing: the other half may hold on.
    if read < numbers_in(profile, Table::Demand) || read == 0 {
        return None;
    }
    let ran = std::mem::replace(&mut record.demand_runs, zero < read);
    (ran && zero == read).then(|| Event {
        kind: "demand_reset",
        message: "The demand values began anew".to_owned(),
        reason: Some("all of them are 0, as after a reset or a restart of the meter".to_owned()),
        table: Some(Table::Demand.name().to_owned()),
        ..Event::default()
    })
}

fn numbers_in(profile: &Profile, table: Table) -> usize {
    profile.elements_of(table).filter(|(_, row)| row.usage == Use::Field).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(record: &mut Record, table: Table, value: impl Fn(&str) -> Option<Value>) -> Vec<Event> {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        for (index, row) in profile.elements_of(table) {
            readings.set(index, value(&row.name));
        }
        resets(&profile, &readings, record)
    }

    fn one(record: &mut Record, name: &str, value: i64) -> Vec<Event> {
        read(record, Table::Energy, |known| (known == name).then_some(Value::Integer(value)))
    }

    #[test]
    fn a_counter_that_falls_is_a_reset_and_one_that_falls_from_its_top_a_rollover() {
        let mut record = Record::default();
        let mut wh = |value| one(&mut record, "active_import_wh", value);
        assert_eq!((wh(500).len(), wh(501).len(), wh(501).len()), (0, 0, 0));
        let reset = wh(3);
        let shown = (reset[0].kind, reset[0].before, reset[0].after, reset[0].field.as_deref());
        assert_eq!(shown, ("counter_reset", Some(501.0), Some(3.0), Some("active_import_wh")));
        wh(9_999_999_999_000);
        assert_eq!(wh(12)[0].kind, "counter_rollover");
    }

    #[test]
    fn a_reset_of_all_counters_is_one_event_with_every_last_value() {
        let mut record = Record::default();
        let mut all = |value| {
            let running = move |name: &str| if name == "run_time_s" { 1 } else { value };
            read(&mut record, Table::Energy, move |name| Some(Value::Integer(running(name))))
        };
        all(9_007_199_254_993);
        let events = all(1);
        let [event] = &events[..] else { panic!("{events:?}") };
        assert_eq!((event.before, event.field.as_ref().unwrap().split(',').count()), (None, 8));
        assert!(
            event.before_text.as_ref().unwrap().starts_with("active_import_wh=9007199254993,"),
            "{event:?}"
        );
        assert!(event.after_text.as_ref().unwrap().ends_with("partial_reactive_export_varh=1"), "{event:?}");
        assert!(all(2).is_empty());
    }

    #[test]
    fn maximum_values_that_fall_together_are_a_reset_and_a_single_one_is_not() {
        let mut record = Record::default();
        let mut max = |value: f32, odd: f32| {
            let value = move |name: &str| if name == "current_n_a" { odd } else { value };
            read(&mut record, Table::Max, move |name| Some(Value::Real(value(name))))
        };
        assert!(max(100.0, 5.0).is_empty() && max(110.0, 5.0).is_empty() && max(110.0, 4.0).is_empty());
        let reset = max(90.0, 4.0);
        assert_eq!((reset[0].kind, reset[0].before, reset[0].after), ("max_reset", Some(110.0), Some(90.0)));
        assert!(max(91.0, 4.0).is_empty());
    }

    #[test]
    fn demand_that_falls_is_a_load_and_demand_that_is_all_zero_began_anew() {
        let mut record = Record::default();
        let mut demand = |volts: f32, rest: f32| {
            let value = move |name: &str| if name.starts_with("voltage") { volts } else { rest };
            read(&mut record, Table::Demand, move |name| Some(Value::Real(value(name))))
        };
        assert!(demand(0.0, 0.0).is_empty(), "nothing before is known");
        assert!(demand(230.0, 10.0).is_empty() && demand(230.0, 0.0).is_empty());
        assert_eq!(demand(0.0, 0.0)[0].kind, "demand_reset");
        assert!(demand(0.0, 0.0).is_empty() && demand(230.0, 1.0).is_empty());
    }
}
