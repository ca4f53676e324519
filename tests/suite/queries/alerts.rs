//! The alert rules: each fires for the meters in trouble and for no other, and the file has the form that Grafana
//! reads. Grafana itself is not run: its two steps after the query, "reduce" to the last value and "threshold", are
//! done here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Deserialize;
use serde_json::{Value, json};
use telegraf_pm500::simulator::Options;

use super::engine::{DATABASE, influxql};
use super::grafana::read;
use super::history::{History, MINUTE};
use super::trouble::Trouble;
use crate::common::influxdb::InfluxDb;
use crate::common::peer::scratch;
use crate::common::program::{Program, config};
use crate::common::simulated::Simulated;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    api_version: u32,
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Group {
    org_id: u32,
    name: String,
    folder: String,
    interval: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rule {
    uid: String,
    title: String,
    condition: String,
    data: Vec<Step>,
    no_data_state: String,
    exec_err_state: String,
    r#for: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Step {
    ref_id: String,
    relative_time_range: Range,
    datasource_uid: String,
    model: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: u32,
    to: u32,
}

fn file() -> File {
    serde_yaml_ng::from_str(&read("grafana/alert_rules.yaml")).unwrap()
}

/// The meters for which a rule fires, once its "for" has passed.
#[track_caller]
fn firing(rule: &Rule, database: &InfluxDb) -> BTreeSet<String> {
    let (query, condition) =
        (&rule.data[0].model["query"], &rule.data[2].model["conditions"][0]["evaluator"]);
    let limit = condition["params"][0].as_f64().unwrap();
    let mut last = BTreeMap::new();
    // What the summary names.
    let group = if rule.annotations["summary"].contains(".Labels.host") { "host" } else { "meter" };
    for row in influxql(database, query.as_str().unwrap()) {
        let mut numbers = row.iter().filter(|(column, _)| *column != "time" && *column != group);
        let (number, None) = (numbers.next(), numbers.next()) else { panic!("{}: {row:?}", rule.title) };
        // What is no number is dropped before the last one is taken.
        let Some((_, number)) = number else { continue };
        last.insert(row[group].as_str().unwrap().to_owned(), number.as_f64().unwrap());
    }
    let above = |value: f64| match condition["type"].as_str().unwrap() {
        "gt" => value > limit,
        "lt" => value < limit,
        other => panic!("{other}"),
    };
    last.into_iter().filter(|(_, value)| above(*value)).map(|(meter, _)| meter).collect()
}

/// The last minutes of the meters of the history, and one that nobody writes about any more.
fn recent(now: i64) -> String {
    let mut lines = String::new();
    for minute in 1..5 {
        let time = now - minute * MINUTE;
        let good = "voltage_l1_n_v=230.0,voltage_l2_n_v=231.0,voltage_l3_n_v=229.0,current_l1_a=60.0,current_l2_a=66.0,\
                    current_l3_a=54.0,active_power_total_w=40000.0,power_factor_total=-0.97";
        let bad = "voltage_l1_n_v=230.0,voltage_l2_n_v=231.0,voltage_l3_n_v=220.0,current_l1_a=110.0,current_l2_a=90.0,\
                   current_l3_a=20.0,active_power_total_w=51000.0,power_factor_total=-0.6";
        // Unbalanced, but without a load.
        let idle = "voltage_l1_n_v=230.0,voltage_l2_n_v=231.0,voltage_l3_n_v=229.0,current_l1_a=0.0,current_l2_a=0.0,\
                    current_l3_a=0.4,active_power_total_w=20.0,power_factor_total=0.2";
        writeln!(lines, "powermonitor_500,meter=press-4 {good} {time}").unwrap();
        writeln!(lines, "powermonitor_500,meter=press-5 {bad} {time}").unwrap();
        writeln!(lines, "powermonitor_500,meter=press-6 {idle} {time}").unwrap();
        let long_ago = time - 30 * MINUTE;
        writeln!(lines, "powermonitor_500_status,meter=press-7 up=1i,realtime_age_ms=4i {long_ago}").unwrap();
        writeln!(lines, "powermonitor_500_plugin,host=collector-1 lines_dropped={}i {time}", 5 - minute)
            .unwrap();
        writeln!(lines, "powermonitor_500_plugin,host=collector-2 lines_dropped=3i {time}").unwrap();
    }
    // Read every twenty minutes, the last time 19 minutes ago, as it should be; press-9 has missed three of four.
    for turn in 0..9 {
        let time = now - (19 + 20 * turn) * MINUTE;
        let age = if turn == 0 { 3_700_000 } else { 4 };
        writeln!(lines, "powermonitor_500_status,meter=press-8 up=1i,realtime_age_ms=1100000i {time}")
            .unwrap();
        writeln!(lines, "powermonitor_500_status,meter=press-9 up=1i,realtime_age_ms={age}i {time}").unwrap();
    }
    // Lost, and back.
    for (event, minutes) in [("owner_lost", 9), ("owner_back", 3)] {
        let time = now - minutes * MINUTE;
        writeln!(lines, "powermonitor_500_event,event={event},meter=press-4 message=\"Assembly 101\" {time}")
            .unwrap();
    }
    lines
}

#[test]
fn each_rule_fires_for_the_meters_in_trouble_and_for_no_other() {
    let (history, trouble) = (History::new(), Trouble::get());
    let databases =
        [InfluxDb::start(&scratch("queries_alerts")), InfluxDb::start_2(&scratch("queries_alerts_2"))];
    for database in &databases {
        database.create(DATABASE);
        for lines in [&history.lines, &trouble.lines, &recent(history.now)] {
            database.write(DATABASE, lines);
        }
    }
    // The load of simulated meters is what it is.
    let unbalanced = |meter: &&str| {
        let phases = ["current_l1_a", "current_l2_a", "current_l3_a"];
        *meter == "press-5" || trouble.unbalance(meter, phases) > 50.0
    };
    let unbalanced = ["press-5", "pump-1", "pump-2", "pump-3"].into_iter().filter(unbalanced).collect();
    let expected = [
        ("pm500_meter_down", vec!["press-5", "pump-2"]),
        ("pm500_meter_silent", vec!["press-7"]),
        ("pm500_data_stale", vec!["press-5", "press-9"]),
        ("pm500_owner_lost", vec!["pump-3"]),
        ("pm500_gap", vec!["press-5", "pump-2"]),
        ("pm500_counter_reset", vec!["press-5", "pump-2"]),
        ("pm500_voltage_unbalance", vec!["press-5"]),
        ("pm500_current_unbalance", unbalanced),
        ("pm500_power_factor", vec!["press-5"]),
        ("pm500_demand_limit", vec!["press-5"]),
        ("pm500_lines_dropped", vec!["collector-1"]),
    ];
    let file = file();
    let rules = &file.groups[0].rules;
    assert_eq!(rules.len(), expected.len());
    for (rule, (uid, meters)) in rules.iter().zip(expected) {
        assert_eq!(rule.uid, uid);
        let meters: BTreeSet<String> = meters.into_iter().map(str::to_owned).collect();
        for (release, database) in (1..).zip(&databases) {
            assert_eq!(firing(rule, database), meters, "{} in InfluxDB {release}", rule.title);
        }
    }
}

#[test]
fn the_meters_of_the_demo_set_off_no_rule() {
    let meters = Simulated::with(Options { count: 2, ..Options::default() });
    let text = read("demo/config.toml")
        .replace("\"127.0.0.1\"", &format!("\"{}\"", meters.eip(0)))
        .replace("\"127.0.0.2:1502\"", &format!("\"{}\"", meters.modbus(1)))
        .replace("\"5s\"", "\"1s\"");
    let settings = config(&scratch("queries_alerts_demo_config"), &text);
    let mut program = Program::start(&["--config", settings.to_str().unwrap()]);
    for meter in ["press-4", "feeder-1"] {
        program.wait_for("values", |line| line.is(meter, "") && line.time > 0);
        program.wait_for("a second status", |line| line.is(meter, "_status") && line.integer("up") == 1);
    }
    let database = InfluxDb::start(&scratch("queries_alerts_demo"));
    database.create(DATABASE);
    database.write(DATABASE, &program.finish().out);
    let values =
        influxql(&database, "SELECT last(\"current_l1_a\") FROM \"powermonitor_500\" GROUP BY \"meter\"");
    assert_eq!(values.len(), 2, "{values:?}");
    for rule in &file().groups[0].rules {
        assert_eq!(firing(rule, &database), BTreeSet::new(), "{}", rule.title);
    }
}

#[test]
fn each_release_of_influxdb_has_a_data_source_that_the_rules_and_the_dashboard_find() {
    let sources = ["grafana/datasource.yaml", "grafana/datasource_influxdb1.yaml"].map(|name| {
        let file: Value = serde_yaml_ng::from_str(&read(name)).unwrap();
        file["datasources"][0].clone()
    });
    for name in ["uid", "name", "type", "access", "url"] {
        assert_eq!(sources[0][name], sources[1][name], "{name}");
    }
    // Release 1 knows users and no tokens, release 2 tokens and no users.
    assert!(sources[0].get("user").is_none() && sources[1]["jsonData"].get("httpHeaderName1").is_none());
    assert!(sources.iter().all(|source| source["jsonData"]["version"] == "InfluxQL"));
}

#[test]
fn the_rules_have_the_form_that_grafana_reads_and_leave_nothing_to_its_environment() {
    let text = read("grafana/alert_rules.yaml");
    let settings: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    assert!(!settings.join("\n").contains('$'), "Grafana would replace it by an environment variable");
    let file = file();
    assert_eq!((file.api_version, file.groups.len()), (1, 1));
    let group = &file.groups[0];
    assert_eq!((group.org_id, group.interval.as_str()), (1, "1m"));
    assert!(!group.name.is_empty() && !group.folder.is_empty());
    let source: Value = serde_yaml_ng::from_str(&read("grafana/datasource.yaml")).unwrap();
    let source = &source["datasources"][0]["uid"];
    let mut uids = BTreeSet::new();
    for rule in &group.rules {
        let title = &rule.title;
        assert!(uids.insert(&rule.uid) && rule.uid.len() <= 40, "{title}");
        let steps: Vec<&str> = rule.data.iter().map(|step| step.ref_id.as_str()).collect();
        assert_eq!((steps, rule.condition.as_str()), (vec!["A", "B", "C"], "C"), "{title}");
        for step in &rule.data {
            assert_eq!(step.model["refId"], step.ref_id, "{title}");
            assert!(step.relative_time_range.from > 0 && step.relative_time_range.to == 0, "{title}");
        }
        let [query, reduce, threshold] = &rule.data[..] else { panic!("{title}") };
        assert_eq!(json!(query.datasource_uid), *source, "{title}");
        assert_eq!(
            (query.model["rawQuery"].clone(), query.model["resultFormat"].clone()),
            (json!(true), json!("time_series"))
        );
        assert_eq!(
            (reduce.datasource_uid.as_str(), threshold.datasource_uid.as_str()),
            ("__expr__", "__expr__")
        );
        let reduced = json!({ "refId": "B", "type": "reduce", "expression": "A", "reducer": "last", "settings": { "mode": "dropNN" } });
        assert_eq!(reduce.model, reduced, "{title}");
        let judged = (&threshold.model["type"], &threshold.model["expression"]);
        assert_eq!(judged, (&json!("threshold"), &json!("B")), "{title}");
        assert!(["OK", "Alerting", "NoData", "KeepLast"].contains(&rule.no_data_state.as_str()), "{title}");
        assert!(["OK", "Alerting", "Error", "KeepLast"].contains(&rule.exec_err_state.as_str()), "{title}");
        assert!(rule.r#for.parse::<humantime::Duration>().is_ok(), "{title}");
        let summary = &rule.annotations["summary"];
        assert!(summary.contains("{{ .Labels.meter }}") || summary.contains("{{ .Labels.host }}"), "{title}");
        assert!(["critical", "warning", "info"].contains(&rule.labels["severity"].as_str()), "{title}");
    }
}
