//! The meter's clock, read as a local date and time → its offset from ours, if we know its time zone.

use jiff::tz::TimeZone;

use crate::meter::element::WireType;
use crate::meter::{Profile, Readings, Table, Value};

/// Puts the clock's offset in place of its time; nothing when the zone is not known, or the meter's year is none that a
/// clock shows.
pub fn compare(profile: &Profile, zone: Option<&TimeZone>, readings: &mut Readings) {
    let Some(taken) = readings.taken(Table::Settings) else { return };
    let mut settings = profile.elements_of(Table::Settings);
    let Some((index, element)) = settings.find(|(_, element)| element.wire == WireType::Clock) else {
        return;
    };
    let Some(&Value::Integer(civil)) = readings.get(index) else { return };
    let offset = zone.and_then(|zone| {
        let now = jiff::Timestamp::try_from(taken).ok()?;
        let local = now.as_second() + i64::from(zone.to_offset(now).seconds());
        Some(civil.saturating_sub(local))
    });
    let (low, high) = element.range;
    match offset {
        Some(offset) if (low..=high).contains(&(offset as f64)) => {
            readings.set(index, Some(Value::Integer(offset)))
        }
        Some(_) => readings.refuse(index, element.table),
        None => readings.set(index, None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// The offset that comes out of a clock that is so many seconds after 1970, in a moment of 2026, and what was dropped.
    fn offset(civil: i64, zone: Option<&TimeZone>) -> (Option<Value>, u64) {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        let (index, _) = profile
            .elements_of(Table::Settings)
            .find(|(_, element)| element.wire == WireType::Clock)
            .unwrap();
        readings.set(index, Some(Value::Integer(civil)));
        readings.arrived(Table::Settings, UNIX_EPOCH + Duration::from_secs(1_790_000_000));
        compare(&profile, zone, &mut readings);
        (readings.get(index).cloned(), readings.dropped())
    }

    #[test]
    fn the_clock_of_a_meter_is_an_offset_from_ours_and_a_year_that_no_clock_shows_is_none() {
        let utc = Some(&TimeZone::UTC);
        assert_eq!(offset(1_790_000_005, utc), (Some(Value::Integer(5)), 0));
        assert_eq!(offset(1_790_000_005, None), (None, 0));
        // As a meter shows it whose clock was never set.
        assert_eq!(offset(0, utc), (Some(Value::Integer(-1_790_000_000)), 0));
        // The year 2.
        assert_eq!(offset(-62_101_288_678, utc), (None, 1));
    }
}
