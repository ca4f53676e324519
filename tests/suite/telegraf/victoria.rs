//! VictoriaMetrics: it speaks the write API of InfluxDB 2, and scrapes as Prometheus does.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;
use telegraf_pm500::meter::Table;

use super::plant::{FEEDER, PRESS, Plant, loopback, number, wait_for};
use super::program::Shipped;
use crate::common::peer::peer;
use crate::common::process::Process;

/// A running server.
pub(crate) struct Victoria {
    url: String,
    _process: Process,
}

impl Victoria {
    /// Starts it with its files in this directory, and with these flags.
    pub(crate) fn start(directory: &Path, flags: &[String]) -> Victoria {
        let listen = format!("{}:8428", loopback());
        let mut command = Command::new(peer("victoria-metrics"));
        command.arg(format!("-httpListenAddr={listen}")).args(flags);
        command.arg(format!("-storageDataPath={}", directory.join("data").display()));
        let mut process = Process::start(&mut command);
        // It says that it is started a little before it listens.
        process.wait_for_log("started VictoriaMetrics");
        let url = format!("http://{listen}");
        wait_for("VictoriaMetrics listens", || ureq::get(format!("{url}/health")).call().ok());
        Victoria { url, _process: process }
    }

    /// The newest value of each of a meter's series, by the series' name.
    pub(crate) fn newest(&self, meter: &str) -> BTreeMap<String, f64> {
        let export = ureq::get(format!("{}/api/v1/export", self.url));
        let answer = export.query("match[]", format!("{{meter=\"{meter}\"}}")).call();
        let text = answer.unwrap().body_mut().read_to_string().unwrap();
        let series = text.lines().map(|line| {
            let line: Json = serde_json::from_str(line).unwrap();
            let name = line["metric"]["__name__"].as_str().unwrap().to_owned();
            (name, line["values"].as_array().unwrap().last().unwrap().as_f64().unwrap())
        });
        series.collect()
    }
}

#[test]
fn numbers_arrive_through_the_write_api_of_influxdb_2_and_texts_are_zeros() {
    let plant = Plant::start("influxdb_v2");
    let server = Victoria::start(&plant.directory, &[]);
    let environment =
        [("INFLUX_HOST", server.url.as_str()), ("INFLUX_TOKEN", "token"), ("INFLUX_ORG", "plant")];
    let telegraf = plant.telegraf(vec![Shipped::file("outputs/influxdb_v2.conf")], &environment);

    for (meter, table) in [(PRESS, Table::Realtime), (FEEDER, Table::Realtime), (FEEDER, Table::Energy)] {
        let expected = plant.expected(meter, table);
        let name = |field: &str| format!("{}_{field}", table.measurement());
        let found = wait_for(&format!("{table} of {meter}"), || {
            let found = server.newest(meter);
            let complete = expected.keys().all(|field| found.contains_key(&name(field)));
            (complete && found.contains_key("powermonitor_500_status_result")).then_some(found)
        });
        for (field, value) in &expected {
            assert_eq!(found[&name(field)], number(value), "{field} of {meter}");
        }
        assert_eq!(found["powermonitor_500_status_up"], 1.0);
        assert_eq!(found["powermonitor_500_status_result"], 0.0, "\"success\"");
    }
    telegraf.stop();
}
