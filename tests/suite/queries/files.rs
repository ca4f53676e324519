//! Every query file under telegraf/queries, asked in every language it is written in.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::engine::{DATABASE, Engines, Row, flux, influxql};
use super::grafana::{read, shipped};
use super::history::{History, MINUTE};
use crate::common::influxdb::InfluxDb;
use crate::common::peer::{peer, scratch};
use crate::common::process::run;

const LANGUAGES: [&str; 3] = ["flux", "influxql", "sql"];
const SECOND: i64 = 1_000_000_000;
const NOBODY_SAYS: Value = Value::Null;

/// A row that a query must give.
macro_rules! row {
    ($($column:ident: $value:expr),* $(,)?) => {
        Row::from([$((stringify!($column).to_owned(), json!($value))),*])
    };
}
pub(crate) use row;

/// Every topic and the rows that it must give.
fn topics(history: &History) -> Vec<(&'static str, Vec<Row>)> {
    let minute = |minute: i64| history.minute(minute);
    // Windows begin a second late.
    let hour = |hour: i64| history.hour(hour) + SECOND;
    vec![
        ("energy_per_hour", {
            let well = (0..5).map(|at| row! { meter: "press-4", time: hour(at), kwh: 6.0, covered_s: 3600 });
            let other = [(3.0, 3600), (1.5, 1800), (4.5, 5400), (2.95, 3540), (3.0, 3600)];
            let other = (0..).zip(other).map(
                |(at, (kwh, covered))| row! { meter: "press-5", time: hour(at), kwh: kwh, covered_s: covered },
            );
            well.chain(other).collect()
        }),
        ("energy_per_day", per_day(history)),
        (
            "consumption",
            vec![
                row! { meter: "press-4", kwh: 30.0, covered_s: 18_000 },
                row! { meter: "press-5", kwh: 14.95, covered_s: 17_940 },
            ],
        ),
        (
            "counter_resets",
            vec![
                row! { meter: "press-5", time: minute(200), field: "active_import_wh", before: 5_009_950, after: 7 },
            ],
        ),
        (
            "gaps",
            vec![
                row! { meter: "press-5", time: minute(90), table: "realtime,energy", duration_s: 4500, reason: "no reply" },
            ],
        ),
        ("meters_down", vec![row! { meter: "press-5", time: history.now, up: 0, result: "timeout" }]),
        (
            "data_age",
            vec![
                row! { meter: "press-4", time: history.now, age_s: 0.004 },
                row! { meter: "press-5", time: history.now, age_s: 125.005 },
            ],
        ),
        (
            "interval_profile",
            vec![
                row! { meter: "press-4", time: minute(15), active_import_wh: 1500, active_power_avg_w: 6000, coverage_pct: 100, quality_code: 0 },
                row! { meter: "press-4", time: minute(30), active_import_wh: 900, active_power_avg_w: 6000, coverage_pct: 60, quality_code: 1 },
                row! { meter: "press-4", time: minute(45), coverage_pct: 0, quality_code: 3 },
            ],
        ),
        ("demand", {
            let rows = [
                ("press-4", [40_000, 44_000, 48_000], [80.0, 88.0, 96.0]),
                ("press-5", [60_000, 60_000, 0], [120.0, 120.0, 0.0]),
            ];
            let quarter = |at: usize| minute(15 * i64::try_from(at).unwrap());
            let row = |meter: &str, at: usize, watt: i64, percent: f64| {
                row! { meter: meter, time: quarter(at), demand_w: watt, limit_pct: percent, samples: 15 }
            };
            let of = |&(meter, watt, percent): &(&str, [i64; 3], [f64; 3])| {
                (0..3).map(|at| row(meter, at, watt[at], percent[at])).collect::<Vec<_>>()
            };
            rows.iter().flat_map(of).collect()
        }),
        ("unbalance", {
            // 231, 232, 227 V: 3 of 230. 100, 70, 100 A: 20 of 90.
            let (volts, amperes) = (3.0 / 230.0 * 100.0, 20.0 / 90.0 * 100.0);
            let row = |meter: &str, quarter: i64, volts: f64, amperes: f64| {
                row! { meter: meter, time: minute(15 * quarter), voltage_pct: volts, current_pct: amperes }
            };
            vec![
                row("press-4", 0, 0.0, 0.0),
                row("press-4", 1, 0.0, 0.0),
                row("press-4", 2, 0.0, 0.0),
                row("press-5", 0, volts, amperes),
                row("press-5", 1, volts, amperes),
            ]
        }),
    ]
}

/// Five hours may belong to one UTC day or to two.
fn per_day(history: &History) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (meter, step) in [("press-4", 0.1), ("press-5", 0.05)] {
        for minute in 1..=300 {
            let away = meter == "press-5" && minute > 90 && minute < 165;
            let reset = meter == "press-5" && minute == 200;
            if away || reset {
                continue;
            }
            let minutes = if meter == "press-5" && minute == 165 { 75 } else { 1 };
            // A reading on the boundary closes the day that ends there.
            let day = History::day(history.minute(minute) - MINUTE) + SECOND;
            let found = rows.iter_mut().find(|row| row["meter"] == meter && row["time"] == day);
            let add = |row: &mut Row| {
                let sum = |row: &Row, column: &str| row[column].as_f64().unwrap();
                row.insert("kwh".to_owned(), json!(sum(row, "kwh") + step * f64::from(minutes)));
                row.insert("covered_s".to_owned(), json!(sum(row, "covered_s") + 60.0 * f64::from(minutes)));
            };
            match found {
                Some(row) => add(row),
                None => {
                    let mut row = row! { meter: meter, time: day, kwh: 0.0, covered_s: 0 };
                    add(&mut row);
                    rows.push(row);
                }
            }
        }
    }
    rows
}

/// Compares rows column by column; a column that only one language gives is not compared.
#[track_caller]
pub(crate) fn assert_rows(name: &str, mut found: Vec<Row>, wanted: &[Row]) {
    let text = |row: &Row| row.get("meter").and_then(Value::as_str).map(str::to_owned);
    let key = |row: &Row| (text(row), row.get("time").and_then(Value::as_i64));
    found.sort_by_key(key);
    let shown = |rows: &[Row]| rows.iter().map(|row| format!("{row:?}\n")).collect::<String>();
    let context = format!("{name}\nfound\n{}wanted\n{}", shown(&found), shown(wanted));
    assert_eq!(found.len(), wanted.len(), "{context}");
    for (found, wanted) in found.iter().zip(wanted) {
        for (column, wanted) in wanted {
            let found = found.get(column).unwrap_or(&NOBODY_SAYS);
            let same = match (found.as_f64(), wanted.as_f64()) {
                // Sums of floats differ in their last digits, and a window's start may be a second early or late.
                (Some(found), Some(wanted)) if column == "time" => (found - wanted).abs() <= 1.1e9,
                (Some(found), Some(wanted)) => (found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0),
                _ => found == wanted,
            };
            assert!(same, "{column} is {found}, not {wanted}: {context}");
        }
        let absent = ["active_import_wh", "active_power_avg_w"];
        assert!(
            absent.iter().all(|column| wanted.contains_key(*column) || !found.contains_key(*column)),
            "{context}"
        );
    }
}

#[test]
fn every_query_file_tells_the_truth_about_resets_gaps_and_window_edges() {
    let history = History::new();
    let engines = Engines::filled("queries_files", &history.lines);
    let directory = shipped("queries");
    let mut asked = BTreeSet::from(["README.md".to_owned()]);
    for (topic, wanted) in topics(&history) {
        for language in LANGUAGES {
            let name = format!("{topic}.{language}");
            let query = std::fs::read_to_string(directory.join(&name)).unwrap();
            assert_rows(&name, engines.ask(language, &query), &wanted);
            asked.insert(name);
        }
    }
    let found = std::fs::read_dir(&directory).unwrap().filter(|file| file.as_ref().unwrap().path().is_file());
    let found: BTreeSet<_> = found.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, asked, "a query that nobody asks");
}

#[test]
fn lines_of_before_the_upgrade_count_in_influxql_once_they_were_given_what_they_lack() {
    let mut lines = String::new();
    for line in History::new().lines.lines() {
        let (fields, time) = line.rsplit_once(' ').unwrap();
        lines += &format!("{} {time}\n", fields.split(",counting_since_ms=").next().unwrap());
    }
    let directory = scratch("queries_upgrade");
    let readme = read("queries/README.md");
    let statement = |language: &str, has: &str| {
        let fence = format!("```{language}\n");
        let mut blocks = readme.split(&fence).skip(1);
        let statement =
            blocks.find_map(|block| block.split("```").next().filter(|block| block.contains(has)));
        statement.unwrap().replace("2026-12-01T00:00:00Z", &jiff::Timestamp::now().to_string())
    };
    let wanted = [
        row! { meter: "press-4", kwh: 30.0, covered_s: 18_000 },
        row! { meter: "press-5", kwh: 14.95, covered_s: 17_940 },
    ];
    let consumption = read("queries/consumption.influxql");
    for release in [1, 2] {
        let directory = directory.join(release.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        let database = if release == 1 { InfluxDb::start(&directory) } else { InfluxDb::start_2(&directory) };
        database.create(DATABASE);
        database.write(DATABASE, &lines);
        assert!(influxql(&database, &consumption).is_empty(), "they lack nothing");
        match release {
            1 => drop(influxql(&database, &statement("sql", " INTO "))),
            _ => drop(flux(&database, &statement("js", "to(bucket"))),
        }
        assert_rows("consumption.influxql", influxql(&database, &consumption), &wanted);
        if release == 2 {
            assert_rows("consumption.flux", flux(&database, &read("queries/consumption.flux")), &wanted);
        }
    }
}

#[test]
fn each_file_begins_with_the_command_that_runs_it_and_influxs_own_client_does() {
    let database = InfluxDb::start(&scratch("queries_client"));
    database.create(DATABASE);
    database.write(DATABASE, &History::new().lines);
    let (host, port) = database.url().strip_prefix("http://").unwrap().split_once(':').unwrap();
    for file in std::fs::read_dir(shipped("queries")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (comment, command) = match name.rsplit_once('.').unwrap().1 {
            "influxql" => ("--", "influx -database power <"),
            "flux" => ("//", "influx query --org plant --file"),
            "sql" => ("--", "influxdb3 query --database power --file"),
            _ => continue,
        };
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("{comment} Run it: {command} {name}\n")), "{name}");
        if name.ends_with(".influxql") {
            let mut client = Command::new(peer("influx"));
            client.args(["-host", host, "-port", port, "-database", DATABASE]);
            let printed = run(&mut client, &text);
            assert!(printed.contains("press-") && !printed.contains("ERR"), "{name}: {printed}");
        }
    }
}
