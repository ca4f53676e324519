//! `show` prints what a meter holds: with units for a person, as JSON and CSV for programs.

use serde_json::Value as Json;
use telegraf_pm500::collector::schedule::Due;
use telegraf_pm500::display::Latest;
use telegraf_pm500::meter::{Table, Value};
use telegraf_pm500::simulator::Options;

use crate::common::program::{Ended, run};
use crate::common::reading::collector;
use crate::common::simulated::Simulated;

/// One meter whose values stand still.
fn meter() -> Simulated {
    Simulated::with(Options { count: 1, frozen: true, ..Options::default() })
}

#[track_caller]
fn shown(arguments: &[&str]) -> Ended {
    let ended = run(&[&["show"], arguments].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

/// What the meter holds of a table's field.
fn held(meters: &Simulated, table: Table, field: &str) -> f64 {
    match meters.meter(0).expected(table, field) {
        Some(Value::Real(value)) => f64::from(value),
        Some(Value::Integer(value)) => value as f64,
        other => panic!("{field} is {other:?}"),
    }
}

#[test]
fn a_person_gets_values_with_units_that_fit_a_terminal_and_no_colors_in_a_pipe() {
    let meters = meter();
    let text = shown(&[&format!("press-4=modbus://{}", meters.modbus(0)), "--tables", "realtime,energy"]).out;
    let row = |name: &str| {
        let row = text.lines().find(|line| line.starts_with(name));
        row.unwrap_or_else(|| panic!("no row {name}:\n{text}")).to_owned()
    };
    assert!(row("press-4").contains("modbus"), "{text}");
    let volts = held(&meters, Table::Realtime, "voltage_l1_n_v");
    assert!(row("Voltage L-N").contains(&format!("{volts:.1} V")), "{volts} is not in:\n{text}");
    // A factor's sign is a side for a person.
    assert!(row("Power factor").contains(" lag") && !row("Power factor").contains('-'), "{text}");
    let kilowatt_hours = held(&meters, Table::Energy, "active_import_wh") / 1000.0;
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    assert!(digits(&row("Active  ")).starts_with(&digits(&format!("{kilowatt_hours:.3}"))), "{text}");
    assert!(!text.contains('\x1b') && text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn programs_get_every_value_unrounded_as_json_and_csv() {
    let meters = meter();
    let address = meters.eip(0);
    let document: Json = serde_json::from_str(&shown(&[&address, "--json"]).out).expect("JSON");
    assert_eq!(document["result"], "success");
    let table = shown(&[&address, "--csv", "--interval", "200ms", "--count", "2"]).out;
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let columns = reader.headers().expect("a header").clone();
    let rows: Vec<csv::StringRecord> =
        reader.records().collect::<Result<_, _>>().expect("rows fit the header");
    assert_eq!(rows.len(), 2, "one row for each gather:\n{table}");
    for field in ["voltage_l1_n_v", "current_n_a", "active_power_total_w", "power_factor_l3", "frequency_hz"]
    {
        let truth = held(&meters, Table::Realtime, field);
        let same = |value: f64| (value - truth).abs() <= truth.abs() * 1e-6;
        let value = document["tables"]["realtime"]["values"][field].as_f64();
        assert!(value.is_some_and(same), "{field}: {value:?} in JSON, {truth} in the meter");
        let place = columns.iter().position(|column| column == field).expect("a column");
        for row in &rows {
            let value = row[place].parse().ok();
            assert!(value.is_some_and(same), "{field}: {:?} in CSV, {truth} in the meter", &row[place]);
        }
    }
}

#[test]
fn a_meter_that_does_not_answer_is_said_and_the_other_is_shown() {
    let mut meters = Simulated::with(Options { count: 2, frozen: true, ..Options::default() });
    let (dead, alive) = (format!("dead={}", meters.eip(0)), format!("alive={}", meters.eip(1)));
    meters.stop(0);
    let ended = run(&["show", &dead, &alive]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.out.lines().any(|line| line.starts_with("dead ") && line.contains("connection_failed")),
        "{ended:?}"
    );
    assert!(ended.out.contains("Voltage L-N"), "{ended:?}");
    let why = |text: &str| text.matches("refuses the connection").count();
    assert_eq!((why(&ended.out), why(&ended.err)), (1, 0), "said once: {ended:?}");
}

#[tokio::test]
async fn why_a_meter_is_not_read_stays_on_the_screen_while_it_is_let_rest() {
    let place = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let mut collector = collector(&format!("address = \"{address}\"\ntables = [\"alarm\"]"));
    let due = || Due { tables: [Table::Alarm].into_iter().collect(), status: true, ..Due::default() };
    let mut latest = Latest::of(&collector.gather(due()).await);
    loop {
        let [failure] = &latest.failures()[..] else { panic!("{:?}", latest.failures()) };
        assert!(failure.contains("refuses the connection"), "{failure}");
        let report = collector.gather(due()).await;
        latest.take(&report);
        if report.failures.is_empty() {
            break;
        }
    }
    assert_eq!(latest.failures().len(), 1);
}
