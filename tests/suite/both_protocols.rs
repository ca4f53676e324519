//! A frozen meter read over EtherNet/IP and over Modbus TCP gives the true numbers, and is never written to.

use telegraf_pm500::meter::WordOrder;
use telegraf_pm500::meter::profile::PASSWORD_REGISTER;
use telegraf_pm500::meter::{Profile, Readings, Table, Use};
use telegraf_pm500::simulator::{Options, SimulatedMeter};
use telegraf_pm500::source::modbus::Settings;

use crate::common::reading::{PATIENT, Reading, explicit, frozen, meter, modbus};

/// Compares every field of these tables that the protocol carries, and counts them; the clock may have
/// gone on.
fn compare(meter: &SimulatedMeter, tables: &[Table], readings: &Readings, modbus: bool) -> usize {
    let profile = Profile::built_in();
    let mut compared = 0;
    for (index, element) in profile.elements.iter().enumerate() {
        let carried = if modbus { element.modbus.is_some() } else { element.place.is_some() };
        let wanted = tables.contains(&element.table) && carried && element.usage != Use::None;
        if wanted && element.name != "clock_offset_s" {
            let expected = meter.expected(element.table, &element.name);
            assert_eq!(readings.get(index), expected.as_ref(), "{}.{}", element.table, element.name);
            compared += 1;
        }
    }
    compared
}

#[tokio::test]
async fn every_field_is_true_over_ethernet_ip() {
    let meter = meter(frozen()).await;
    let tables = [Table::Realtime, Table::Max, Table::Demand, Table::Alarm, Table::Info, Table::Raw];
    let mut reading = Reading::new(explicit(meter.eip(), PATIENT), Profile::built_in());
    reading.gather(&tables).await;
    assert_eq!(reading.failures, []);
    reading.source.close().await;
    assert_eq!(compare(&meter, &tables, &reading.readings, false), 116);
    assert!(meter.record().writes().is_empty());
}

#[tokio::test]
async fn every_field_is_true_over_modbus_in_both_word_orders_with_and_without_a_hole() {
    let tables = [Table::Realtime, Table::Energy, Table::Alarm, Table::Settings, Table::Info];
    for (word_order, hole) in [(WordOrder::LowFirst, false), (WordOrder::HighFirst, true)] {
        let meter = meter(Options { word_order, hole, ..frozen() }).await;
        let settings = Settings::USUAL;
        let mut reading = Reading::new(modbus(meter.modbus(), PATIENT, settings), Profile::built_in());
        reading.word_order = word_order;
        for _ in 0..2 {
            reading.gather(&tables).await;
            assert_eq!(reading.failures, []);
        }
        assert_eq!(compare(&meter, &tables, &reading.readings, true), 59);
        let record = meter.record();
        assert!(record.writes().is_empty() && !record.touched(PASSWORD_REGISTER));
        assert_eq!((record.modbus_clients, record.modbus_rejected), (2, 0));
    }
}
