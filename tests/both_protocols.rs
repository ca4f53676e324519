//! A frozen meter read over EtherNet/IP and over Modbus TCP gives the true numbers, and is never written to.

use std::time::Duration;

use telegraf_pm500::meter::decode::WordOrder;
use telegraf_pm500::meter::profile::PASSWORD_REGISTER;
use telegraf_pm500::meter::{Profile, Readings, Table, TableSet, Use};
use telegraf_pm500::simulator::{Options, SimulatedMeter, Simulator};
use telegraf_pm500::source::modbus::Settings;
use telegraf_pm500::source::{Endpoint, Explicit, Gather, Modbus, Timeouts, Traffic};

const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(10), request: Duration::from_secs(10) };

fn endpoint(address: std::net::SocketAddr) -> Endpoint {
    Endpoint { host: address.ip().to_string(), port: address.port() }
}

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
    let simulator = Simulator::start(Options { frozen: true, ..Options::default() }).await.unwrap();
    let (meter, profile) = (&simulator.meters[0], Profile::built_in());
    let tables = [Table::Realtime, Table::Max, Table::Demand, Table::Alarm, Table::Info, Table::Raw];
    let (mut readings, mut traffic) = (Readings::new(profile.elements.len()), Traffic::default());
    let mut source = Explicit::new(endpoint(meter.eip()), TIMEOUTS, profile, true);
    let mut gather = Gather::new(tables.into_iter().collect(), &mut readings, &mut traffic);
    source.gather(&mut gather).await;
    assert_eq!(gather.failures, []);
    source.close().await;
    assert_eq!(compare(meter, &tables, &readings, false), 116);
    assert!(meter.record().writes().is_empty());
}

#[tokio::test]
async fn every_field_is_true_over_modbus_in_both_word_orders_with_and_without_a_hole() {
    let tables = [Table::Realtime, Table::Energy, Table::Alarm, Table::Settings, Table::Info];
    for (word_order, hole) in [(WordOrder::LowFirst, false), (WordOrder::HighFirst, true)] {
        let options = Options { frozen: true, word_order, hole, ..Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let (meter, profile) = (&simulator.meters[0], Profile::built_in());
        let (mut readings, mut traffic) = (Readings::new(profile.elements.len()), Traffic::default());
        let settings = Settings { unit_id: 1, word_order, close_after_gather: true, max_registers: 125 };
        let mut source = Modbus::new(endpoint(meter.modbus()), TIMEOUTS, profile, settings);
        let tables_due: TableSet = tables.into_iter().collect();
        for _ in 0..2 {
            let mut gather = Gather::new(tables_due, &mut readings, &mut traffic);
            source.gather(&mut gather).await;
            assert_eq!(gather.failures, []);
        }
        assert_eq!(compare(meter, &tables, &readings, true), 59);
        let record = meter.record();
        assert!(record.writes().is_empty() && !record.touched(PASSWORD_REGISTER));
        assert_eq!((record.modbus_clients, record.modbus_rejected), (2, 0));
    }
}
