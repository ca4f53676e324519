//! The meter's clock, read as a local date and time → its offset from ours, if we know its time zone.

use jiff::tz::TimeZone;

use crate::meter::element::WireType;
use crate::meter::{Profile, Readings, Table, Value};

/// Puts the clock's offset in place of its time; nothing when the zone is not known.
pub fn compare(profile: &Profile, zone: Option<&TimeZone>, readings: &mut Readings) {
    let Some(taken) = readings.taken(Table::Settings) else { return };
    let mut settings = profile.elements_of(Table::Settings);
    let Some((index, _)) = settings.find(|(_, element)| element.wire == WireType::Clock) else { return };
    let Some(Value::Integer(civil)) = readings.get(index) else { return };
    let offset = zone.and_then(|zone| {
        let now = jiff::Timestamp::try_from(taken).ok()?;
        let local = now.as_second() + i64::from(zone.to_offset(now).seconds());
        Some(Value::Integer(civil - local))
    });
    readings.set(index, offset);
}
