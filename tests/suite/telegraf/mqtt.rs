//! Delivery over MQTT: in the clear, over mutual TLS, and after an outage of the broker.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use telegraf_pm500::meter::{Table, Value};

use super::broker::{Broker, newest};
use super::plant::{FEEDER, PRESS, Plant, number};
use super::program::Shipped;
use crate::common::line::{Line, Value as Field};
use crate::common::process::Process;
use crate::common::simulated::reads;

/// Every table that is read, by its topic.
const TOPICS: [(&str, Table); 5] = [
    (PRESS, Table::Realtime),
    (PRESS, Table::Alarm),
    (FEEDER, Table::Realtime),
    (FEEDER, Table::Energy),
    (FEEDER, Table::Alarm),
];

fn topic(meter: &str, table: Table) -> String {
    format!("power/{meter}/{}", table.measurement())
}

/// A message's fields are what the meter has, and integers have no decimal point.
pub(super) fn assert_json(plant: &Plant, meter: &str, table: Table, message: &str) {
    let message: Json = serde_json::from_str(message).unwrap();
    let fields = message["fields"].as_object().unwrap();
    let expected = plant.expected(meter, table);
    assert_eq!(fields.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, value) in expected {
        match value {
            Value::Integer(integer) => assert_eq!(fields[&name].as_i64(), Some(integer), "{name}"),
            real => assert_eq!(fields[&name].as_f64(), Some(number(&real)), "{name}"),
        }
    }
    assert_eq!((&message["tags"]["meter"], &message["name"]), (&meter.into(), &table.measurement().into()));
    assert!(message["timestamp"].as_i64().unwrap() > 1_600_000_000_000, "no milliseconds: {message}");
}

#[test]
fn each_meter_and_measurement_has_its_topic_with_the_meters_values_as_json() {
    let plant = Plant::start("mqtt_json");
    let broker = Broker::plain(&plant.directory);
    let mut subscriber = Process::start(&mut broker.subscriber());
    let server = format!("tcp://{}:1883", broker.address);
    let telegraf =
        plant.telegraf(vec![Shipped::file("outputs/mqtt_json.conf")], &[("MQTT_SERVER", server.as_str())]);

    for (meter, table) in TOPICS {
        let message = newest(&mut subscriber, &topic(meter, table));
        assert_json(&plant, meter, table, &message);
    }
    // What is about no meter has a topic of the same shape.
    let plugin: Json =
        serde_json::from_str(&newest(&mut subscriber, "power/plugin/powermonitor_500_plugin")).unwrap();
    assert_eq!(plugin["fields"]["meters"], 2);
    telegraf.stop();
}

#[test]
fn line_protocol_over_mqtt_5_keeps_every_type() {
    let plant = Plant::start("mqtt_line_protocol");
    let broker = Broker::plain(&plant.directory);
    let mut subscriber = Process::start(&mut broker.subscriber());
    let server = format!("tcp://{}:1883", broker.address);
    let output =
        Shipped::file("outputs/mqtt_line_protocol.conf").with("protocol = \"3.1.1\"", "protocol = \"5\"");
    let environment = [("MQTT_SERVER", server.as_str()), ("MQTT_TOPIC_PREFIX", "plant/vienna")];
    let telegraf = plant.telegraf(vec![output], &environment);

    for (meter, table) in TOPICS {
        let topic = topic(meter, table).replacen("power", "plant/vienna", 1);
        let line = Line::parse(&(newest(&mut subscriber, &topic) + "\n"));
        let fields = plant.expected(meter, table).into_iter().map(|(name, value)| match value {
            Value::Integer(integer) => (name, Field::Integer(integer)),
            real => (name, Field::Float(number(&real))),
        });
        assert_eq!(line.fields, fields.collect(), "{topic}");
        assert!(line.is(meter, table.measurement().trim_start_matches("powermonitor_500")));
    }
    telegraf.stop();
}

#[test]
fn with_its_certificate_it_reaches_a_broker_that_gives_nothing_to_anyone_without() {
    let plant = Plant::start("aws_iot_core");
    let (mut broker, certificates) = Broker::mutual_tls(&plant.directory);
    let (ca, own) = (certificates.ca(), certificates.aws_directory());
    let own = own.to_str().unwrap();
    let tls = || {
        let mut command = broker.subscriber();
        command.args(["-p", "8883", "--cafile"]).arg(&ca);
        command
    };
    let mut with = tls();
    with.args(["--cert", &format!("{own}/certificate.pem.crt"), "--key", &format!("{own}/private.pem.key")]);
    let (mut with, without) = (Process::start(&mut with), Process::start(&mut tls()));
    let endpoint = broker.address.to_string();
    let environment = [
        ("AWS_IOT_ENDPOINT", endpoint.as_str()),
        ("AWS_IOT_CLIENT_ID", "plant-vienna"),
        ("AWS_IOT_DIRECTORY", own),
    ];
    let telegraf = plant.telegraf(vec![Shipped::file("outputs/aws_iot_core.conf")], &environment);

    for (meter, table) in TOPICS {
        let message = newest(&mut with, &topic(meter, table));
        assert_json(&plant, meter, table, &message);
    }
    let client = broker.wait_for_log("as plant-vienna ");
    // Protocol 3.1.1, and the name in the certificate.
    assert!(client.contains("p2,") && client.contains("u'telegraf'"), "{client}");
    // It ends by itself, refused, and has printed nothing.
    assert_eq!(without.end_of_any_kind(), "");
    telegraf.stop();
}

#[test]
fn what_could_not_be_published_while_the_broker_was_away_is_published_when_it_is_back() {
    let plant = Plant::start("mqtt_outage");
    let mut broker = Broker::plain(&plant.directory);
    let server = format!("tcp://{}:1883", broker.address);
    // What it prints as well is what there was to publish.
    let files = vec![Shipped::file("outputs/mqtt_json.conf"), Shipped::stdout()];
    let mut telegraf = plant.telegraf(files, &[("MQTT_SERVER", server.as_str())]);
    let mut subscriber = Process::start(&mut broker.remembered_subscriber());
    newest(&mut subscriber, &topic(PRESS, Table::Realtime));
    broker.go();
    telegraf.process.wait_for_log("Error writing to outputs.mqtt");
    // Values go on meanwhile.
    let so_far = plant.meters.reads(0, 101);
    plant.meters.wait_until(0, "read on", |record| reads(record, 101) > so_far + 3);
    let back = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    broker.come();

    let arrived = |printed: &str| -> BTreeSet<i64> {
        let start = format!("{} ", topic(PRESS, Table::Realtime));
        let messages = printed.lines().filter_map(|line| line.strip_prefix(&start));
        messages
            .map(|text| serde_json::from_str::<Json>(text).unwrap()["timestamp"].as_i64().unwrap())
            .collect()
    };
    let beyond = |times: BTreeSet<i64>| times.last().is_some_and(|time| *time > back);
    let arrived = arrived(subscriber.wait_until(|printed| beyond(arrived(printed))));
    let measured = |printed: &str| -> BTreeSet<i64> {
        let lines = Line::all(printed).into_iter().filter(|line| line.is(PRESS, ""));
        lines.map(|line| line.time / 1_000_000).collect()
    };
    let measured = measured(telegraf.process.wait_until(|printed| beyond(measured(printed))));
    let from = *arrived.first().unwrap();
    let lost: Vec<_> = measured.range(from..=back).filter(|time| !arrived.contains(*time)).collect();
    assert!(lost.is_empty() && measured.range(from..=back).count() > 4, "lost {lost:?} of {measured:?}");
    telegraf.stop();
}
