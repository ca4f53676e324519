//! What a gather takes from the heap once a meter is known: lines included, whatever way it is read.
//!
//! The counts are printed, so that a change shows. They were 87, 89 and 48 when each gather made its slots, its record and
//! its requests anew. The bounds leave room for a reply that comes in two pieces, and for a frame more.

use std::net::Ipv4Addr;
use std::time::Duration;

use allocation_counter::measure;
use telegraf_pm500::collector::Collector;
use telegraf_pm500::collector::schedule::Due;
use telegraf_pm500::lines::{Batch, Lines};
use telegraf_pm500::meter::Table;
use telegraf_pm500::simulator::Options;

use crate::common::listening::{owner, owner_of};
use crate::common::namespace::apart;
use crate::common::reading::{collector, set};
use crate::common::simulated::Simulated;

/// Gathers until everything is known that is learned.
const FIRST: usize = 8;
/// Gathers that are counted.
const COUNTED: u64 = 10;

/// One gather of these tables and its lines.
async fn gather(collector: &mut Collector, tables: &[Table], lines: &mut Lines, room: Batch) -> Batch {
    let due = Due { tables: set(tables), status: true, ..Due::default() };
    let report = collector.gather(due).await;
    let batch = lines.render(&report, room);
    assert!(batch.lines() > tables.len() as u64, "{report:?}");
    batch
}

/// Allocations of one gather and its lines on the steady path.
fn steady(options: &str, tables: &[Table]) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut collector, mut lines) = (collector(options), Lines::default());
    let mut batch = Batch::default();
    runtime.block_on(async {
        for _ in 0..FIRST {
            batch = gather(&mut collector, tables, &mut lines, std::mem::take(&mut batch)).await;
        }
    });
    let counted = measure(|| {
        runtime.block_on(async {
            for _ in 0..COUNTED {
                batch = gather(&mut collector, tables, &mut lines, std::mem::take(&mut batch)).await;
            }
        });
    });
    runtime.block_on(collector.close());
    counted.count_total / COUNTED
}

#[track_caller]
fn assert_at_most(most: u64, how: &str, allocations: u64) {
    println!("{how}: {allocations} allocations a gather");
    assert!(allocations <= most, "{how}: {allocations} allocations a gather, not {most}");
}

#[test]
fn an_explicit_gather_allocates_little() {
    let meters = Simulated::start(1);
    let options = format!("address = \"{}\"", meters.eip(0));
    assert_at_most(26, "explicit", steady(&options, &[Table::Realtime, Table::Alarm]));
}

#[test]
fn a_modbus_gather_allocates_little() {
    let meters = Simulated::start(1);
    let options =
        format!("address = \"{}\"\nconnection = \"modbus\"\nclose_after_gather = false", meters.modbus(0));
    let tables = [Table::Realtime, Table::Energy, Table::Alarm];
    assert_at_most(36, "Modbus", steady(&options, &tables));
}

#[test]
fn a_listened_gather_allocates_little() {
    apart(|| {
        let bind = Ipv4Addr::new(127, 0, 0, 2);
        let meters = Simulated::at(Options { bind, io_port: 2222, frozen: true, ..Options::default() });
        let rpi = Duration::from_millis(100);
        let _owners = [(1, 101), (2, 102)]
            .map(|(host, assembly)| meters.block_on(owner(meters.meter(0), host, owner_of(assembly, rpi))));
        let options = format!("address = \"{}\"\nconnection = \"auto\"\nrpi = \"100ms\"", meters.eip(0));
        assert_at_most(24, "listened", steady(&options, &[Table::Realtime]));
    });
}
