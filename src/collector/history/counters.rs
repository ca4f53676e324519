//! Energy counters that fall: they began anew, or rolled over. Said, never corrected.
//!
//! One gather is one reset, whatever number of counters it concerns; a counter that falls from its top to its
//! bottom rolled over.

use std::collections::BTreeMap;

use crate::collector::event::{Event, Step};
use crate::meter::{Kind, Profile, Readings, Table, Use, Value};

use super::record::note;

/// A counter above this part of its range that falls below the other end of it rolled over.
const TOP: f64 = 0.95;

/// Whether any counter is less than what is remembered.
pub fn any_fell(profile: &Profile, readings: &Readings, known: &BTreeMap<String, i64>) -> bool {
    counters(profile, readings).any(|(name, now, _)| known.get(name).is_some_and(|last| *last > now))
}

/// Compares with what is remembered, remembers the new values, and tells what began anew.
pub fn follow(profile: &Profile, readings: &Readings, known: &mut BTreeMap<String, i64>) -> Vec<Event> {
    let (mut reset, mut rolled) = (Vec::new(), Vec::new());
    for (name, now, top) in counters(profile, readings) {
        let before = note(known, name, now);
        let Some(before) = before.filter(|before| *before > now) else { continue };
        let over = before as f64 > TOP * top && (now as f64) < (1.0 - TOP) * top;
        let step = Step { field: name.to_owned(), before, after: now };
        if over { &mut rolled } else { &mut reset }.push(step);
    }
    let events = [Event::CounterReset(reset), Event::CounterRollover(rolled)];
    let some = |event: &Event| match event {
        Event::CounterReset(steps) | Event::CounterRollover(steps) => !steps.is_empty(),
        _ => false,
    };
    events.into_iter().filter(some).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(known: &mut BTreeMap<String, i64>, value: impl Fn(&str) -> i64) -> Vec<Event> {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        for (index, element) in profile.elements_of(Table::Energy) {
            readings.set(index, Some(Value::Integer(value(&element.name))));
        }
        follow(&profile, &readings, known)
    }

    #[test]
    fn a_counter_that_falls_is_a_reset_with_both_values_and_from_its_top_a_roll_over() {
        let mut known = BTreeMap::new();
        let mut wh = |value| read(&mut known, move |name| if name == "active_import_wh" { value } else { 0 });
        assert_eq!((wh(500).len(), wh(501).len(), wh(501).len()), (0, 0, 0));
        let step = |before, after| vec![Step { field: "active_import_wh".to_owned(), before, after }];
        assert_eq!(wh(3), [Event::CounterReset(step(501, 3))]);
        wh(9_999_999_999_000);
        assert_eq!(wh(12), [Event::CounterRollover(step(9_999_999_999_000, 12))]);
    }

    #[test]
    fn a_reset_of_all_counters_is_one_event_with_every_last_value() {
        let mut known = BTreeMap::new();
        let mut all = |value| read(&mut known, move |name| if name == "run_time_s" { 1 } else { value });
        all(9_007_199_254_993);
        let events = all(1);
        let [Event::CounterReset(steps)] = &events[..] else { panic!("{events:?}") };
        assert!(steps.len() == 8 && steps.iter().all(|step| step.before == 9_007_199_254_993));
        assert!(all(2).is_empty());
    }
}
