//! What a meter is read with by the Modbus targets, and what must hold whatever comes.

use std::time::Duration;

use telegraf_pm500::collector::intake::take_in;
use telegraf_pm500::meter::element::WireType;
use telegraf_pm500::meter::{Profile, Readings, Table, TableSet, Value, WordOrder, block};
use telegraf_pm500::source::memory::Memory;
use telegraf_pm500::source::modbus::Settings;
use telegraf_pm500::source::{Deadline, Modbus, Source, Timeouts, Traffic};

use super::modbus_server::MOST_REGISTERS;

/// No table has more registers, so no chain of refusals can need more requests, twice for the two functions.
const MOST_REQUESTS: u64 = 600;
/// Of a gather; a request has a tenth of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How each meter of a target is spoken to.
pub(crate) const SETTINGS: Settings =
    Settings { close_after_gather: false, max_registers: MOST_REGISTERS, ..Settings::USUAL };
/// How long it is waited for.
pub(crate) const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_millis(200), request: Duration::from_millis(200) };

/// Gathers twice. Both end, ask only what may be asked, and bring nothing but plausible values.
pub(crate) async fn gather_twice(mut source: Modbus<Memory>) {
    let profile = Profile::built_in();
    let mut traffic = Traffic::default();
    let wanted = [Table::Realtime, Table::Energy, Table::Alarm, Table::Settings, Table::Info];
    for tables in [&wanted[..], &wanted[..4]] {
        let mut readings = Readings::new(profile.elements.len());
        let tables: TableSet = tables.iter().copied().collect();
        let wanted = block::spans(&profile, tables, source.access());
        let answer = source.read(&wanted, Deadline::within(PATIENCE)).await;
        traffic += answer.traffic;
        take_in(&answer, tables, (&profile, WordOrder::LowFirst), &mut readings);
        for (index, element) in profile.elements.iter().enumerate() {
            // A date, of which the collector makes an offset.
            if element.wire == WireType::Clock {
                continue;
            }
            let number = match readings.get(index) {
                Some(Value::Real(value)) => f64::from(*value),
                Some(Value::Integer(value)) => *value as f64,
                Some(Value::Text(_)) | None => continue,
            };
            assert!((element.range.0..=element.range.1).contains(&number), "{} is {number}", element.name);
        }
    }
    assert!(traffic.requests <= MOST_REQUESTS, "{} requests", traffic.requests);
    source.close().await;
}
