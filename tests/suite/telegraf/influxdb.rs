//! Delivery to InfluxDB 1 and 2.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use telegraf_pm500::meter::{Table, Value};

use super::plant::{FEEDER, PRESS, Plant, number, wait_for};
use super::program::Shipped;
use crate::common::influxdb::{InfluxDb, ORGANIZATION};

/// The newest point of a measurement and meter, without empty columns.
fn newest(database: &InfluxDb, measurement: &str, meter: &str) -> BTreeMap<String, Json> {
    let query =
        format!("SELECT * FROM \"{measurement}\" WHERE \"meter\" = '{meter}' ORDER BY time DESC LIMIT 1");
    wait_for(&format!("{measurement} of {meter}"), || {
        // The database does not exist before Telegraf has made it.
        let series = database.try_query("power", &query).ok()?.pop()?;
        let row = series.values.first()?.clone();
        Some(series.columns.into_iter().zip(row).filter(|(_, value)| !value.is_null()).collect())
    })
}

#[test]
fn what_is_in_influxdb_is_what_is_in_the_meter_with_its_type() {
    let plant = Plant::start("influxdb_v1");
    let database = InfluxDb::start(&plant.directory);
    let telegraf =
        plant.telegraf(vec![Shipped::file("outputs/influxdb_v1.conf")], &[("INFLUX_HOST", database.url())]);
    assert_delivered(&plant, &database);
    telegraf.stop();
}

#[test]
fn a_token_that_may_write_to_one_bucket_is_enough_for_influxdb_2() {
    let plant = Plant::start("influxdb_2");
    let database = InfluxDb::start_2(&plant.directory);
    let organization = database.organization();
    let bucket = database.post("/api/v2/buckets", &json!({ "orgID": organization, "name": "power" }));
    let resource = json!({ "type": "buckets", "id": bucket["id"], "orgID": organization });
    let permissions = json!([{ "action": "write", "resource": resource }]);
    let token = database
        .post("/api/v2/authorizations", &json!({ "orgID": organization, "permissions": permissions }));
    let environment =
        |token| [("INFLUX_HOST", database.url()), ("INFLUX_TOKEN", token), ("INFLUX_ORG", ORGANIZATION)];
    let output = || vec![Shipped::file("outputs/influxdb_v2.conf")];
    let telegraf = plant.telegraf(output(), &environment(token["token"].as_str().unwrap()));
    assert_delivered(&plant, &database);
    telegraf.stop();
    let mut telegraf = plant.telegraf(output(), &environment("another token"));
    telegraf.process.wait_for_log("401 Unauthorized");
}

/// Every value of both meters is in the database, with its type, and nothing else is.
fn assert_delivered(plant: &Plant, database: &InfluxDb) {
    for (meter, table) in [
        (PRESS, Table::Realtime),
        (PRESS, Table::Alarm),
        (FEEDER, Table::Realtime),
        (FEEDER, Table::Energy),
        (FEEDER, Table::Alarm),
    ] {
        let measurement = table.measurement();
        let mut found = newest(database, measurement, meter);
        let types = database.field_types("power", measurement);
        let expected = plant.expected(meter, table);
        assert!(expected.len() > 5, "{measurement}");
        for (name, value) in &expected {
            let kind = if matches!(value, Value::Integer(_)) { "integer" } else { "float" };
            assert_eq!(types[name], kind, "{measurement}.{name}");
            let stored = found.remove(name).unwrap_or_else(|| panic!("no {measurement}.{name} of {meter}"));
            match value {
                Value::Integer(integer) => assert_eq!(stored.as_i64(), Some(*integer), "{name}"),
                real => assert_eq!(stored.as_f64(), Some(number(real)), "{name}"),
            }
        }
        // And nothing else: time and tags.
        let site = found.remove("site");
        assert_eq!(site.is_some(), meter == PRESS);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["host", "meter", "time"], "{measurement}");
        assert_eq!(found["host"], "collector-1");
    }
    let status = newest(database, "powermonitor_500_status", FEEDER);
    assert_eq!((status["up"].as_i64(), status["result"].as_str()), (Some(1), Some("success")));
    assert_eq!(newest(database, "powermonitor_500_event", PRESS)["event"], "started");
}
