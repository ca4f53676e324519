//! The Grafana dashboard: Grafana's types accept it, its panels fit, and each of them shows the truth.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::engine::{DATABASE, Row, influxql};
use super::grafana::{Dashboard, View, read};
use super::history::{History, MINUTE};
use super::trouble::Trouble;
use crate::common::influxdb::InfluxDb;
use crate::common::peer::{peer, scratch};
use crate::common::process::run;

#[test]
fn grafanas_own_types_accept_the_dashboard() {
    run(&mut Command::new(peer("grafana")), &read("grafana/dashboard.json"));
}

#[test]
fn panels_have_a_title_a_unit_and_a_place_of_their_own() {
    let dashboard = Dashboard::read();
    let all = dashboard.0["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in all {
        let title = panel["title"].as_str().unwrap();
        assert!(!title.is_empty() && ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is taken");
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24 && place("w") > 0 && place("h") > 0, "{title} sticks out");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} covers another panel");
            }
        }
    }
    let source = json!({ "type": "influxdb", "uid": "${datasource}" });
    for panel in dashboard.panels() {
        let title = &panel["title"];
        assert_eq!(panel["datasource"], source, "{title}");
        assert!(panel["targets"].as_array().unwrap().iter().all(|target| target["datasource"] == source));
        let unit = panel["fieldConfig"]["defaults"]["unit"].is_string();
        assert!(unit || ["table", "state-timeline"].contains(&panel["type"].as_str().unwrap()), "{title}");
        let legend = panel["options"]["legend"]["showLegend"] == true;
        assert!(legend || ["table", "stat"].contains(&panel["type"].as_str().unwrap()), "{title}");
    }
}

/// A database that holds both what happened in hours and what the plugin itself wrote.
struct Shown {
    dashboard: Dashboard,
    database: InfluxDb,
    history: History,
    trouble: &'static Trouble,
    to: i64,
}

impl Shown {
    fn new(database: InfluxDb) -> Shown {
        let (history, trouble) = (History::new(), Trouble::get());
        database.create(DATABASE);
        database.write(DATABASE, &history.lines);
        database.write(DATABASE, &trouble.lines);
        let to = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap();
        Shown { dashboard: Dashboard::read(), database, history, trouble, to }
    }

    #[track_caller]
    fn ask(&self, query: &str, meter: &str) -> Vec<Row> {
        influxql(&self.database, &self.dashboard.filled(query, &View { meter, to: self.to }))
    }

    /// The rows of every query of a panel that have a value beside the time.
    #[track_caller]
    fn rows(&self, title: &str, meter: &str) -> Vec<Row> {
        let panels = self.dashboard.panels();
        let panel = panels.iter().find(|panel| panel["title"] == title);
        let panel = panel.unwrap_or_else(|| panic!("no panel {title}"));
        let queries = self.dashboard.queries(panel);
        let mut rows: Vec<Row> = queries.iter().flat_map(|query| self.ask(query, meter)).collect();
        rows.retain(|row| row.keys().any(|column| column != "time" && column != "meter"));
        rows
    }

    /// Holds the last row of a panel, of one meter where it has several, against the truth.
    #[track_caller]
    fn assert_last(&self, title: &str, meter: &str, wanted: &[(&str, Value)]) {
        let rows = self.rows(title, meter);
        for (column, wanted) in wanted {
            let with =
                |row: &&Row| row.contains_key(*column) && row.get("meter").is_none_or(|of| of == meter);
            let row = rows.iter().rfind(with).unwrap_or_else(|| panic!("{title}: no {column} in {rows:?}"));
            assert!(same(&row[*column], wanted), "{title}: {column} is not {wanted} in {row:?}");
        }
    }

    /// The true values of a meter under the names of a legend.
    #[track_caller]
    fn assert_truth(&self, title: &str, meter: &str, fields: &[(&str, &str)]) {
        let wanted: Vec<_> =
            fields.iter().map(|(shown, field)| (*shown, json!(self.trouble.truth(meter, field)))).collect();
        self.assert_last(title, meter, &wanted);
    }

    /// One column of a panel, oldest first.
    #[track_caller]
    fn assert_column(&self, title: &str, meter: &str, column: &str, wanted: &[f64]) {
        let rows = self.rows(title, meter);
        let of = |row: &&Row| row.get("meter").is_none_or(|of| of == meter);
        let found: Vec<&Value> = rows.iter().filter(of).filter_map(|row| row.get(column)).collect();
        let all = found.len() == wanted.len()
            && found.iter().zip(wanted).all(|(found, wanted)| same(found, &json!(wanted)));
        assert!(all, "{title}: {column} is {found:?}, not {wanted:?}");
    }
}

fn same(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => (found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0),
        _ => found == wanted,
    }
}

#[test]
fn every_panel_shows_the_truth_of_a_plant_in_trouble() {
    assert_truth(&Shown::new(InfluxDb::start(&scratch("queries_dashboard"))));
}

#[test]
fn every_panel_shows_the_same_when_its_data_is_in_influxdb_2() {
    assert_truth(&Shown::new(InfluxDb::start_2(&scratch("queries_dashboard_2"))));
}

fn assert_truth(shown: &Shown) {
    let truth = |field: &str| shown.trouble.truth("pump-1", field);
    let mut checked = BTreeSet::new();
    let mut panel = |title: &'static str| {
        assert!(checked.insert(title));
        title
    };

    // All meters. Up: press-4, pump-1, pump-3. Down: press-5, pump-2.
    shown.assert_last(panel("Meters up"), "", &[("up", json!(3))]);
    shown.assert_last(panel("Meters down"), "", &[("down", json!(2))]);
    let gaps = shown.trouble.events("gap");
    shown.assert_last(panel("Gaps"), "", &[("gaps", json!(1 + gaps))]);
    let resets = 1 + shown.trouble.events("counter_reset");
    shown.assert_last(panel("Counter resets"), "", &[("resets", json!(resets))]);
    let pumps: f64 =
        (1..=3).map(|pump| shown.trouble.truth(&format!("pump-{pump}"), "active_power_total_w")).sum();
    shown.assert_last(panel("Total active power"), "", &[("total", json!(48_000.0 + pumps))]);
    let meters = panel("Meters");
    assert_eq!(shown.rows(meters, "").len(), 5);
    shown.assert_last(
        meters,
        "press-5",
        &[("Up", json!(0)), ("Result", json!("timeout")), ("Data age", json!(125_005))],
    );
    shown.assert_last(
        meters,
        "pump-3",
        &[("Up", json!(1)), ("Result", json!("success")), ("Connection", json!("explicit"))],
    );
    shown.assert_last(meters, "pump-2", &[("Up", json!(0))]);
    let counters = panel("Counted since start");
    assert_eq!(shown.rows(counters, "").len(), 4);
    shown.assert_last(counters, "pump-2", &[("Gaps", json!(gaps)), ("Resets", json!(resets - 1))]);
    shown.assert_last(counters, "press-5", &[("Timeouts", json!(9)), ("Gaps", json!(1))]);
    let power = panel("Active power of all meters");
    shown.assert_last(power, "pump-1", &[("power", json!(truth("active_power_total_w")))]);
    shown.assert_last(power, "press-5", &[("power", json!(0.0))]);
    let hours = [3.0, 1.5, 4.5, 2.95, 3.0];
    shown.assert_column(panel("Energy per hour of all meters"), "press-5", "kwh", &hours);
    let states = panel("Up and down");
    shown.assert_last(states, "pump-1", &[("up", json!(1))]);
    shown.assert_last(states, "pump-2", &[("up", json!(0))]);
    let events = shown.rows(panel("Events of all meters"), "");
    for (meter, event) in
        [("press-5", "gap"), ("pump-2", "counter_reset"), ("pump-3", "owner_lost"), ("pump-1", "started")]
    {
        let found = events.iter().any(|row| row["Meter"] == meter && row["Event"] == event);
        assert!(found, "no {event} of {meter} in {events:#?}");
    }

    // One meter.
    let phases = [("L1-N", "voltage_l1_n_v"), ("L2-N", "voltage_l2_n_v"), ("L3-N", "voltage_l3_n_v")];
    shown.assert_truth(panel("Phase voltages"), "pump-1", &phases);
    let lines = [("L1-L2", "voltage_l1_l2_v"), ("L2-L3", "voltage_l2_l3_v"), ("L3-L1", "voltage_l3_l1_v")];
    shown.assert_truth(panel("Line voltages"), "pump-3", &lines);
    let currents =
        [("L1", "current_l1_a"), ("L2", "current_l2_a"), ("L3", "current_l3_a"), ("N", "current_n_a")];
    shown.assert_truth(panel("Currents"), "pump-2", &currents);
    let of = |phases: [&str; 3]| json!(shown.trouble.unbalance("pump-1", phases));
    let unbalance = [
        ("voltages", of(["voltage_l1_n_v", "voltage_l2_n_v", "voltage_l3_n_v"])),
        ("currents", of(["current_l1_a", "current_l2_a", "current_l3_a"])),
    ];
    shown.assert_last(panel("Unbalance"), "pump-1", &unbalance);
    let powers = [
        ("active", "active_power_total_w"),
        ("reactive", "reactive_power_total_var"),
        ("apparent", "apparent_power_total_va"),
    ];
    shown.assert_truth(panel("Power"), "pump-1", &powers);
    let factors = [("L1", "power_factor_l1"), ("L3", "power_factor_l3"), ("total", "power_factor_total")];
    shown.assert_truth(panel("Power factor"), "pump-1", &factors);
    shown.assert_truth(panel("Frequency"), "pump-1", &[("frequency", "frequency_hz")]);
    let energy = panel("Energy per hour");
    shown.assert_column(energy, "press-5", "kwh", &hours);
    shown.assert_column(energy, "press-5", "covered", &[3600.0, 1800.0, 5400.0, 3540.0, 3600.0]);
    let days = shown.rows(panel("Energy per day"), "press-5");
    let total: f64 = days.iter().map(|row| row["kwh"].as_f64().unwrap()).sum();
    assert!(same(&json!(total), &json!(14.95)), "{days:?}");
    let demand = panel("Demand against limit");
    shown.assert_column(demand, "press-4", "demand", &[40_000.0, 44_000.0, 48_000.0]);
    shown.assert_column(demand, "press-4", "limit", &[50_000.0, 50_000.0, 50_000.0]);
    shown.assert_last(panel("Data age"), "press-5", &[("age", json!(125_005))]);
    shown.assert_column(panel("Trouble"), "press-5", "timeouts", &[3.0, 5.0]);
    let connection = panel("Connection in use");
    shown.assert_last(connection, "pump-1", &[("connection", json!(3))]);
    shown.assert_last(connection, "pump-3", &[("connection", json!(3))]);
    let gap =
        [("Tables", json!("realtime,energy")), ("Duration", json!(4500)), ("Reason", json!("no reply"))];
    let reasons = panel("Gaps and their reasons");
    shown.assert_last(reasons, "press-5", &gap);
    assert_eq!(shown.rows(reasons, "press-5")[0]["time"], shown.history.minute(90));
    assert_eq!(shown.rows(reasons, "pump-1"), Vec::<Row>::new());

    let panels = shown.dashboard.panels();
    let titles: BTreeSet<&str> = panels.iter().map(|panel| panel["title"].as_str().unwrap()).collect();
    assert_eq!(checked, titles, "a panel that is not held against the truth");

    // What the viewer chooses from, and what stands on the graphs.
    let meters = shown.ask(shown.dashboard.variable("meter")["query"].as_str().unwrap(), "");
    let meters: Vec<&str> = meters.iter().map(|row| row["value"].as_str().unwrap()).collect();
    assert_eq!(meters, ["press-4", "press-5", "pump-1", "pump-2", "pump-3"]);
    for annotation in shown.dashboard.0["annotations"]["list"].as_array().unwrap() {
        let target = &annotation["target"];
        let rows = shown.ask(target["query"].as_str().unwrap(), "press-5");
        let at = |row: &&Row| row["time"] == shown.history.minute(90) && row["event"] == "gap";
        let gap = rows.iter().find(at).unwrap_or_else(|| panic!("{rows:?}"));
        assert_eq!(gap[target["textColumn"].as_str().unwrap()], "No data of realtime,energy for 75 min");
        assert!(
            target["tagsColumn"].as_str().unwrap().split(',').all(|tag| gap.contains_key(tag)),
            "{gap:?}"
        );
    }
    assert!(shown.to - shown.history.now < 10 * MINUTE);
}
