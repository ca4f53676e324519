//! Delivery through the write API of InfluxDB 2, to a server of another maker that speaks it.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value as Json;
use telegraf_pm500::meter::Table;

use crate::common::peer::peer;
use crate::common::process::Process;
use crate::plant::{FEEDER, PRESS, Plant, loopback, number, wait_for};
use crate::program::Shipped;

/// A series of numbers: its labels, and its newest value.
fn series(url: &str) -> Vec<(BTreeMap<String, String>, f64)> {
    let answer = ureq::get(format!("{url}/api/v1/export")).query("match[]", "{__name__!=\"\"}").call();
    let text = answer.unwrap().body_mut().read_to_string().unwrap();
    let series = text.lines().map(|line| {
        let line: Json = serde_json::from_str(line).unwrap();
        let labels = serde_json::from_value(line["metric"].clone()).unwrap();
        (labels, line["values"].as_array().unwrap().last().unwrap().as_f64().unwrap())
    });
    series.collect()
}

#[test]
fn numbers_arrive_through_the_write_api_of_influxdb_2_and_texts_are_zeros() {
    let plant = Plant::start("influxdb_v2");
    let listen = format!("{}:8428", loopback());
    let mut command = Command::new(peer("victoria-metrics"));
    command.arg(format!("-httpListenAddr={listen}"));
    command.arg(format!("-storageDataPath={}", plant.directory.join("data").display()));
    let mut server = Process::start(&mut command);
    server.wait_for_log("started VictoriaMetrics");
    let url = format!("http://{listen}");
    let environment = [("INFLUX_HOST", url.as_str()), ("INFLUX_TOKEN", "token"), ("INFLUX_ORG", "plant")];
    let telegraf = plant.telegraf(vec![Shipped::file("outputs/influxdb_v2.conf")], &environment);

    for (meter, table) in [(PRESS, Table::Realtime), (FEEDER, Table::Realtime), (FEEDER, Table::Energy)] {
        let expected = plant.expected(meter, table);
        let name = |field: &str| format!("{}_{field}", table.measurement());
        let found = wait_for(&format!("{table} of {meter}"), || {
            let of_meter =
                |labels: &BTreeMap<String, String>| labels.get("meter").is_some_and(|m| m == meter);
            let found: BTreeMap<_, _> = series(&url)
                .into_iter()
                .filter(|(labels, _)| of_meter(labels))
                .map(|(labels, value)| (labels["__name__"].clone(), value))
                .collect();
            expected.keys().all(|field| found.contains_key(&name(field))).then_some(found)
        });
        for (field, value) in &expected {
            assert_eq!(found[&name(field)], number(value), "{field} of {meter}");
        }
        assert_eq!(found["powermonitor_500_status_up"], 1.0);
        assert_eq!(found["powermonitor_500_status_result"], 0.0, "\"success\"");
    }
    telegraf.stop();
}
