//! The tasks of telegraf/influxdb2: InfluxDB 2 takes them and runs them at a time that it is told, and what they have
//! written is what the queries say.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::engine::{DATABASE, flux};
use super::files::{assert_rows, row};
use super::grafana::read;
use super::history::History;
use crate::common::influxdb::InfluxDb;
use crate::common::peer::scratch;
use crate::queries::engine::Row;
use crate::telegraf::plant::wait_for;

/// Where the tasks write.
const LONG: &str = "power_long";

/// Makes a task of a file as it is shipped, and runs it as of these moments, one after the other.
#[track_caller]
fn run(database: &InfluxDb, file: &str, moments: impl Iterator<Item = i64>) {
    let task = json!({ "orgID": database.organization(), "flux": read(file) });
    let id = database.post("/api/v2/tasks", &task)["id"].as_str().unwrap().to_owned();
    for moment in moments {
        let at = Timestamp::from_nanosecond(i128::from(moment)).unwrap().to_string();
        let run = database.post(&format!("/api/v2/tasks/{id}/runs"), &json!({ "scheduledFor": at }));
        let path = format!("/api/v2/tasks/{id}/runs/{}", run["id"].as_str().unwrap());
        let ended = wait_for("the end of a run", || {
            let (_, body) = database.get(&path, &[]);
            let run: Value = serde_json::from_str(&body).ok()?;
            ["success", "failed"].contains(&run["status"].as_str()?).then_some(run)
        });
        assert_eq!(ended["status"], "success", "{file} at {at}: {}", ended["log"]);
    }
}

/// What a task has written of a measurement.
fn written(database: &InfluxDb, measurement: &str) -> Vec<Row> {
    let query = format!(
        "from(bucket: \"{LONG}\") |> range(start: -1d) |> filter(fn: (r) => r._measurement == \"{measurement}\")\n\
         |> pivot(rowKey: [\"_time\", \"meter\"], columnKey: [\"_field\"], valueColumn: \"_value\")\n\
         |> drop(columns: [\"_start\", \"_stop\", \"_measurement\"]) |> group()"
    );
    flux(database, &query)
}

#[test]
fn the_tasks_keep_for_long_what_the_queries_say_of_each_hour_and_quarter() {
    let history = History::new();
    let database = InfluxDb::start_2(&scratch("queries_tasks"));
    database.create(DATABASE);
    database.create(LONG);
    database.write(DATABASE, &history.lines);

    // Five minutes after the hour, as the task asks for.
    let five_minutes = history.minute(5) - history.start;
    let after = |hour: i64| history.hour(hour + 1) + five_minutes;
    run(&database, "influxdb2/energy_per_hour.flux", (0..5).map(after));
    let hour = |meter: &'static str, at: i64, kwh: f64, covered_s: i64| {
        row! { meter: meter, time: history.hour(at), kwh: kwh, covered_s: covered_s }
    };
    let well = (0..5).map(|at| hour("press-4", at, 6.0, 3600));
    let other = [(3.0, 3600), (1.5, 1800), (4.5, 5400), (2.95, 3540), (3.0, 3600)];
    let other = (0..).zip(other).map(|(at, (kwh, covered))| hour("press-5", at, kwh, covered));
    let energy: Vec<Row> = well.chain(other).collect();
    assert_rows("energy_per_hour", written(&database, "powermonitor_500_energy_per_hour"), &energy);

    let quarter = |at: i64| history.minute(15 * at);
    run(&database, "influxdb2/mean_per_quarter.flux", (1..=3).map(|at| quarter(at) + 60_000_000_000));
    let mean = |meter: &'static str, at: i64, watt: f64| {
        row! { meter: meter, time: quarter(at), active_power_total_w: watt }
    };
    let press_4 = [40_000.0, 44_000.0, 48_000.0];
    let press_5 = [60_000.0, 60_000.0, 0.0];
    let rows = (0..).zip(press_4).map(|(at, watt)| mean("press-4", at, watt));
    let means: Vec<Row> =
        rows.chain((0..).zip(press_5).map(|(at, watt)| mean("press-5", at, watt))).collect();
    assert_rows("mean_per_quarter", written(&database, "powermonitor_500_mean_per_quarter"), &means);
}
