//! Hosts that come late, leave and return.

use std::time::{Duration, Instant};

use super::bench::{count, edge_node, kinds, power, sound, subscriber, tahu};
use crate::common::peer::scratch;
use crate::telegraf::broker::Broker;

const T0: i64 = 1_700_000_000_000;

#[test]
fn a_host_that_comes_under_load_asks_for_births_and_gets_them_without_a_gap() {
    let directory = scratch("sparkplug_rebirth");
    let broker = Broker::plain(&directory);
    let mut subscriber = subscriber(&broker);
    let mut node = edge_node(&directory, &broker, "");
    let mut given = 0;
    let mut load = |node: &mut crate::common::process::Process| {
        for _ in 0..50 {
            given += 1;
            node.give(&power(
                ["a", "b", "c"][given as usize % 3],
                f64::from(given),
                T0 + i64::from(given) * 10,
            ));
        }
    };
    load(&mut node);
    subscriber.wait_until(|printed| count(printed, "DDATA a") > 0);
    let mut host = tahu(&broker, "late");
    // The load goes on until the host, which asks by itself, has understood a birth.
    let until = Instant::now() + Duration::from_secs(60);
    while !host.heard("{\"kind\":\"DBIRTH\",\"device\":\"c\"}") {
        assert!(Instant::now() < until, "{:?}", kinds(subscriber.wait_until(|_| true)));
        load(&mut node);
        std::thread::sleep(Duration::from_millis(100));
    }
    load(&mut node);
    node.end("", 0);
    host.wait_for("\"NDEATH\"");
    let printed = subscriber.wait_until(|printed| count(printed, "NDEATH") == 1);
    let messages = sound(printed);
    let births: Vec<_> = messages.iter().filter(|message| message.kind == "NBIRTH").collect();
    assert!(births.len() >= 2 && births.iter().all(|birth| birth.bd_seq() == 0), "{}", births.len());
    let values = messages.iter().flat_map(|message| &message.metrics);
    let mut times: Vec<_> = values
        .filter(|metric| metric.name.ends_with("total_w") && metric.value.is_some())
        .map(|metric| metric.at)
        .collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), given as usize);
}

#[test]
fn nothing_is_published_without_the_primary_host_and_nothing_is_lost() {
    let directory = scratch("sparkplug_state");
    let broker = Broker::plain(&directory);
    let mut subscriber = subscriber(&broker);
    let mut node = edge_node(&directory, &broker, "primary_host_id = \"scada\"");
    node.give(&power("a", 1.0, T0));
    node.wait_for("waiting for host \"scada\"");
    let mut host = tahu(&broker, "scada");
    subscriber.wait_until(|printed| count(printed, "DBIRTH a") == 1);
    node.give(&power("a", 2.0, T0 + 1000));
    subscriber.wait_until(|printed| count(printed, "DDATA a") == 1);
    host.wait_for("{\"kind\":\"DBIRTH\",\"device\":\"a\"}");
    host.end("", 0);
    node.wait_for("I! The primary host is offline");
    subscriber.wait_until(|printed| count(printed, "NDEATH") == 1);
    for second in 2..6 {
        node.give(&power("a", f64::from(second + 1), T0 + i64::from(second) * 1000));
    }
    let mut host = tahu(&broker, "scada");
    host.wait_for("{\"kind\":\"DBIRTH\",\"device\":\"a\"}");
    subscriber.wait_until(|printed| count(printed, "DDATA a") == 4);
    node.end("", 0);
    let printed = subscriber.wait_until(|printed| count(printed, "NDEATH") == 2);
    let messages = sound(printed);
    let births: Vec<_> =
        messages.iter().filter(|message| message.kind == "NBIRTH").map(|birth| birth.bd_seq()).collect();
    assert_eq!(births, [0, 1]);
    let late = messages.iter().flat_map(|message| &message.metrics).filter(|metric| metric.historical);
    let late: Vec<_> =
        late.filter(|metric| metric.name.ends_with("total_w")).map(|metric| metric.at - T0).collect();
    assert_eq!(late, [2000, 3000, 4000]);
    host.end("", 0);
}
