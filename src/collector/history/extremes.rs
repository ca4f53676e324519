//! Maximum and demand values that began anew. Said, never corrected.
//!
//! They are described by guessed rows only, so one odd value proves nothing: maximum values were reset when most
//! of them fell at once, for a maximum falls for no other reason. Demand values rise and fall by themselves; they
//! began anew when all of them are 0, the voltages' included, which a meter that measures never has otherwise. A
//! meter that lost power looks the same. The maximum demand is in no table that is known.

use std::collections::BTreeMap;

use crate::collector::event::Event;
use crate::meter::reading::decimal;
use crate::meter::{Profile, Readings, Table, Use, names};

use super::record::note;

/// Compares maximum values with what is remembered, remembers the new ones, and tells whether they were reset.
pub fn follow_max(
    profile: &Profile,
    readings: &Readings,
    known: &mut BTreeMap<String, f64>,
) -> Option<Event> {
    let (mut compared, mut fallen) = (0, Vec::new());
    for (name, now) in numbers(profile, readings, Table::Max) {
        // A power factor has a sign that says no amount, and what never was more than 0 cannot fall.
        if names::FACTOR.contains(&name) {
            continue;
        }
        let Some(before) = note(known, name, now).filter(|before| *before > 0.0) else {
            continue;
        };
        compared += 1;
        if now < before {
            fallen.push((name, before, now));
        }
    }
    let shown = fallen.iter().find(|(name, ..)| *name == names::ACTIVE[3]).or(fallen.first());
    let (field, before, after) = *shown.filter(|_| fallen.len() * 2 > compared)?;
    Some(Event::MaxReset { field: field.to_owned(), before, after, fell: fallen.len(), compared })
}

/// The same for demand values; `ran` is whether the last ones were not all 0.
pub fn follow_demand(profile: &Profile, readings: &Readings, ran: &mut bool) -> Option<Event> {
    let rows = profile.elements_of(Table::Demand).filter(|(_, row)| row.usage == Use::Field).count();
    let (mut read, mut zero) = (0, 0);
    for (_, now) in numbers(profile, readings, Table::Demand) {
        read += 1;
        zero += usize::from(now == 0.0);
    }
    // Half a table proves nothing: the other half may hold on.
    if read < rows || read == 0 {
        return None;
    }
    (std::mem::replace(ran, zero < read) && zero == read).then_some(Event::DemandReset)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Value;

    fn reading(table: Table, value: impl Fn(&str) -> f32) -> (std::sync::Arc<Profile>, Readings) {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        for (index, element) in profile.elements_of(table) {
            readings.set(index, Some(Value::Real(value(&element.name))));
        }
        (profile, readings)
    }

    #[test]
    fn maximum_values_that_fall_together_are_a_reset_and_a_single_one_is_not() {
        let mut known = BTreeMap::new();
        let mut max = |value: f32, odd: f32| {
            let value = move |name: &str| if name == "current_n_a" { odd } else { value };
            let (profile, readings) = reading(Table::Max, value);
            follow_max(&profile, &readings, &mut known)
        };
        assert_eq!((max(100.0, 5.0), max(110.0, 5.0), max(110.0, 4.0)), (None, None, None));
        let reset = max(90.0, 4.0);
        assert!(matches!(reset, Some(Event::MaxReset { before: 110.0, after: 90.0, .. })), "{reset:?}");
        assert_eq!(max(91.0, 4.0), None);
    }

    #[test]
    fn demand_that_falls_is_a_load_and_demand_that_is_all_zero_began_anew() {
        let mut ran = false;
        let mut demand = |volts: f32, rest: f32| {
            let value = move |name: &str| if name.starts_with("voltage") { volts } else { rest };
            let (profile, readings) = reading(Table::Demand, value);
            follow_demand(&profile, &readings, &mut ran)
        };
        assert_eq!(demand(0.0, 0.0), None, "nothing before is known");
        assert_eq!((demand(230.0, 10.0), demand(230.0, 0.0)), (None, None));
        assert_eq!(demand(0.0, 0.0), Some(Event::DemandReset));
        assert_eq!((demand(0.0, 0.0), demand(230.0, 1.0)), (None, None));
    }
}
