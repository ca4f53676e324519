//! Delivery to Prometheus: what a scrape finds.

use std::collections::BTreeMap;

use telegraf_pm500::meter::Table;
use telegraf_pm500::schema::COUNTING_SINCE;

use super::plant::{FEEDER, PRESS, Plant, loopback, number, wait_for};
use super::program::Shipped;
use super::victoria::Victoria;

/// A scrape of one port: types by name, and values by name and meter.
#[derive(Default)]
struct Scrape {
    types: BTreeMap<String, String>,
    values: BTreeMap<(String, String), f64>,
}

fn scrape(listen: &str) -> Option<Scrape> {
    let text = ureq::get(format!("http://{listen}/metrics")).call().ok()?.body_mut().read_to_string().ok()?;
    let mut scrape = Scrape::default();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ')?;
            scrape.types.insert(name.to_owned(), kind.to_owned());
        } else if !line.starts_with('#') {
            let (name, rest) = line.split_once('{')?;
            let (labels, value) = rest.rsplit_once("} ")?;
            let meter = labels.split("meter=\"").nth(1).and_then(|rest| rest.split('"').next());
            let meter = meter.unwrap_or_default().to_owned();
            assert!(scrape.values.insert((name.to_owned(), meter), value.parse().ok()?).is_none(), "{line}");
        }
    }
    Some(scrape)
}

#[test]
fn a_scrape_finds_every_number_once_with_its_type() {
    let plant = Plant::start("prometheus");
    let address = loopback();
    let (often, seldom) = (format!("{address}:9273"), format!("{address}:9274"));
    let environment = [("PROMETHEUS_LISTEN", often.as_str()), ("PROMETHEUS_LISTEN_SLOW", seldom.as_str())];
    let telegraf = plant.telegraf(vec![Shipped::file("outputs/prometheus.conf")], &environment);

    for (meter, table, listen, kind) in [
        (PRESS, Table::Realtime, &often, "gauge"),
        (FEEDER, Table::Alarm, &often, "gauge"),
        (FEEDER, Table::Energy, &seldom, "counter"),
    ] {
        let expected = plant.expected(meter, table);
        let name = |field: &str| format!("{}_{field}", table.measurement());
        let found = wait_for(&format!("{table} of {meter}"), || {
            let complete = |scrape: &Scrape| {
                expected.keys().all(|field| scrape.values.contains_key(&(name(field), meter.to_owned())))
            };
            scrape(listen).filter(complete)
        });
        for (field, value) in &expected {
            assert_eq!(found.values[&(name(field), meter.to_owned())], number(value), "{field}");
            let kind = if field == COUNTING_SINCE { "gauge" } else { kind };
            assert_eq!(found.types[&name(field)], kind, "{field}");
        }
        let untyped: Vec<_> = found.types.iter().filter(|(_, kind)| *kind == "untyped").collect();
        assert_eq!(untyped, [], "{listen}");
    }
    let found = scrape(&often).unwrap();
    assert_eq!(found.types["powermonitor_500_traffic_requests"], "counter");
    assert_eq!(found.types["powermonitor_500_status_up"], "gauge");
    let slow = |name: &String| name.starts_with("powermonitor_500_energy") || name.contains("_event");
    assert_eq!(found.types.keys().find(|name| slow(name)), None);
    telegraf.stop();
}

/// The scrape configuration that the file shows in its comment.
fn scrape_configuration(file: &Shipped) -> String {
    let lines = file.text().lines().map(|line| line.strip_prefix("##").unwrap_or_default());
    let shown = lines.skip_while(|line| line.trim() != "scrape_configs:").take_while(|line| !line.is_empty());
    shown.map(|line| format!("{}\n", &line[3..])).collect()
}

#[test]
fn the_scrape_configuration_that_is_shown_brings_both_ports_into_a_database() {
    let plant = Plant::start("prometheus_scrape");
    let address = loopback();
    let output = Shipped::file("outputs/prometheus.conf");
    let scrape = scrape_configuration(&output).replace("telegraf-host", &address.to_string());
    let file = plant.directory.join("scrape.yml");
    std::fs::write(&file, format!("global:\n  scrape_interval: 1s\n{scrape}")).unwrap();
    let server = Victoria::start(&plant.directory, &[format!("-promscrape.config={}", file.display())]);
    let (often, seldom) = (format!("{address}:9273"), format!("{address}:9274"));
    let environment = [("PROMETHEUS_LISTEN", often.as_str()), ("PROMETHEUS_LISTEN_SLOW", seldom.as_str())];
    let telegraf = plant.telegraf(vec![output], &environment);

    let power = number(&plant.expected(FEEDER, Table::Realtime)["active_power_total_w"]);
    let energy = number(&plant.expected(FEEDER, Table::Energy)["active_import_wh"]);
    wait_for("both", || {
        let found = server.newest(FEEDER);
        let is = |name: &str, value: f64| found.get(name).is_some_and(|found| *found == value);
        let both = is("powermonitor_500_active_power_total_w", power)
            && is("powermonitor_500_energy_active_import_wh", energy);
        both.then_some(())
    });
    telegraf.stop();
}
