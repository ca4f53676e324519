//! The meter's clock, read as a local date and time → its offset from ours, if we know its time zone.

use jiff::tz::TimeZone;

use crate::meter::element::WireType;
use crate::meter::{Profile, Readings, Table, Value};

/// The readings with the clock's offset in place of its time; with nothing there when the zone is not known.
pub fn offset(
    profile: &Profile,
    zone: Option<&TimeZone>,
    readings: &Readings,
) -> Option<(usize, Option<Value>)> {
    let taken = readings.taken(Table::Settings)?;
    let mut settings = profile.elements_of(Table::Settings);
    let (index, _) = settings.find(|(_, element)| element.wire == WireType::Clock)?;
    let Some(Value::Integer(civil)) = readings.get(index) else { return None };
    let offset = zone.and_then(|zone| {
        let now = jiff::Timestamp::try_from(taken).ok()?;
        let local = now.as_second() + i64::from(zone.to_offset(now).seconds());
        Some(Value::Integer(civil - local))
    });
    Some((index, offset))
}
