//! Every field's value, type and unit is for each judge what went in as line protocol.

use std::collections::BTreeMap;

use telegraf_pm500::meter::element::Use;
use telegraf_pm500::meter::{Profile, Table};
use telegraf_pm500::schema::{self, Type};

use super::bench::{Judge, Message, Metric, count, edge_node, kinds, power, sound, subscriber, tahu};
use crate::common::peer::scratch;
use crate::common::process::Process;
use crate::telegraf::broker::Broker;

/// What a metric must be: type, unit (where our own table has one) and value.
#[derive(Debug, Clone, PartialEq)]
struct Expected {
    data_type: &'static str,
    unit: Option<String>,
    value: Value,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Real(f32),
    Float(f64),
    Integer(i64),
    Text(String),
}

impl Value {
    /// As line protocol writes it.
    fn written(&self) -> String {
        match self {
            Value::Real(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Integer(value) => format!("{value}i"),
            Value::Text(value) => format!("\"{value}\""),
        }
    }

    fn is(&self, said: &str) -> bool {
        match self {
            Value::Real(value) => said.parse::<f64>().is_ok_and(|said| said as f32 == *value),
            Value::Float(value) => said.parse() == Ok(*value),
            Value::Integer(value) => said.parse() == Ok(*value),
            Value::Text(value) => said == value,
        }
    }
}

/// A number that differs by field and round, negative in every other; integers are beyond what a double can hold.
fn number(index: usize, round: i64) -> i64 {
    let sign = if index.is_multiple_of(2) { 1 } else { -1 };
    sign * ((1 << 53) + 1 + 2 * (index as i64 * 7 + round))
}

/// The lines of one gather of a meter with everything, and what a host must know after it.
fn everything(meter: &str, round: i64, at_ms: i64) -> (String, BTreeMap<String, Expected>) {
    let mut lines: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    let mut expected = BTreeMap::new();
    let mut add = |measurement: &'static str,
                   field: &str,
                   data_type: &'static str,
                   unit: Option<&str>,
                   value: Value| {
        let folder = measurement.strip_prefix("powermonitor_500").unwrap().trim_start_matches('_');
        let folder = if folder.is_empty() { "realtime" } else { folder };
        let tags = if measurement == schema::EVENT { ",event=gap" } else { "" };
        let line = lines.entry((measurement, tags.to_owned())).or_default();
        line.push(format!("{field}={}", value.written()));
        let unit = unit.map(str::to_owned);
        expected.insert(format!("{folder}/{field}"), Expected { data_type, unit, value });
    };
    let profile = Profile::built_in();
    for (index, element) in profile.elements.iter().enumerate() {
        if element.usage != Use::Field || element.table == Table::Info {
            continue;
        }
        let measurement = element.table.measurement();
        let unit = Some(element.unit.as_str());
        if element.is_integer() {
            add(measurement, &element.name, "Int64", unit, Value::Integer(number(index, round)));
        } else {
            let real = (number(index, round) % 99_991) as f32 / 10.0;
            add(measurement, &element.name, "Float", unit, Value::Real(real));
        }
        if let Some((label, _)) = &element.labels {
            add(measurement, label, "String", None, Value::Text(format!("label {index} \u{e9} {round}")));
        }
    }
    for (index, entry) in
        schema::FIELDS.iter().enumerate().filter(|(_, entry)| entry.measurement != schema::PLUGIN)
    {
        let field = entry.field;
        let value = match entry.kind {
            // The meter lives, and its tables are fresh.
            Type::Integer if field == "up" => Value::Integer(1),
            Type::Integer if field.ends_with("_age_ms") => Value::Integer(0),
            Type::Integer => Value::Integer(number(index, round)),
            Type::Float => Value::Float(number(index, round) as f64 / 3.0),
            Type::Text => Value::Text(format!("{field} = {round}, \\\\ and \\\"")),
        };
        let data_type = match entry.kind {
            Type::Integer => "Int64",
            Type::Float => "Double",
            Type::Text => "String",
        };
        add(entry.measurement, field, data_type, None, value);
    }
    for expected in expected.values_mut() {
        if let Value::Text(text) = &mut expected.value {
            *text = text.replace("\\\\", "\\").replace("\\\"", "\"");
        }
    }
    let meter = meter.replace(' ', "\\ ");
    let text = lines.iter().map(|((measurement, tags), fields)| {
        format!("{measurement}{tags},host=h,meter={meter} {} {at_ms}000000\n", fields.join(","))
    });
    (text.collect(), expected)
}

/// A judge's newest word on every metric is what is expected.
#[track_caller]
fn agree<'a>(
    who: &str,
    metrics: impl Iterator<Item = &'a Metric>,
    expected: &BTreeMap<String, Expected>,
    born: bool,
) {
    let newest: BTreeMap<&str, &Metric> = metrics.map(|metric| (metric.name.as_str(), metric)).collect();
    for (name, Expected { data_type, unit, value }) in expected {
        let metric = newest.get(name.as_str()).unwrap_or_else(|| panic!("{who} knows no {name}"));
        assert_eq!(metric.data_type, *data_type, "{who}: {name}");
        let said = metric.value.as_deref().unwrap_or_else(|| panic!("{who} has no value of {name}"));
        assert!(value.is(said), "{who}: {name} is {said}, and {value:?} went in");
        if let Some(unit) = unit.as_ref().filter(|unit| born && !unit.is_empty()) {
            assert_eq!(metric.unit.as_ref(), Some(unit), "{who}: {name}");
        }
    }
}

/// What the host application has printed about a device's metrics.
fn told(host: &mut Process, kind: &str, device: &str, enough: usize) -> Vec<Metric> {
    let parse = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let ours = value["kind"] == kind && value["device"] == device;
        ours.then(|| serde_json::from_value::<Metric>(value).unwrap())
    };
    let start = format!("{{\"kind\":\"{kind}\",\"device\":\"{device}\"");
    let printed =
        host.wait_until(|printed| printed.lines().filter(|line| line.starts_with(&start)).count() >= enough);
    printed.lines().filter_map(parse).collect()
}

#[test]
fn three_judges_understand_every_field_as_it_went_in() {
    for aliases in [false, true] {
        let directory = scratch(&format!("sparkplug_values_{aliases}"));
        let broker = Broker::plain(&directory);
        let mut subscriber = subscriber(&broker);
        let mut host = tahu(&broker, "scada");
        host.wait_for("\"connected\"");
        let mut node = edge_node(&directory, &broker, &format!("aliases = {aliases}"));
        let (first, born) = everything("press 4", 1, 1_700_000_000_000);
        let (second, then) = everything("press 4", 2, 1_700_000_010_000);
        // Of this one nothing is known but its power.
        let sparse = power("sparse", -0.1, 1_700_000_000_000);
        node.give(&format!(
            "{first}{sparse}powermonitor_500_plugin meters=2i,version=\"1\" 1700000000000000000\n"
        ));
        subscriber.wait_until(|printed| {
            count(printed, "DBIRTH press 4") == 1 && count(printed, "DBIRTH sparse") == 1
        });
        node.give(&second);
        let tables: Vec<_> = then.keys().map(|name| name.split('/').next().unwrap().to_owned()).collect();
        let printed = subscriber.wait_until(|printed| count(printed, "DDATA press 4") > 0).to_owned();
        // Births say everything twice over: the judges of payloads get exactly the same text.
        let all: Vec<Message> = sound(&printed);
        let last = |messages: &[Message], kind: &str, device: &str| -> Vec<Metric> {
            let of = messages.iter().filter(|message| message.kind == kind && message.device == device);
            of.flat_map(|message| message.metrics.clone()).collect()
        };
        for judge in [Judge::Pysparkplug, Judge::SparkplugPayload] {
            let who = format!("{judge:?}, aliases {aliases}");
            let messages = judge.messages(&printed);
            assert_eq!(messages.len(), all.len(), "{who}");
            agree(&who, last(&messages, "DBIRTH", "press 4").iter(), &born, true);
            agree(&who, last(&messages, "DDATA", "press 4").iter(), &then, false);
            let sparse = last(&messages, "DBIRTH", "sparse");
            for metric in sparse.iter().filter(|metric| metric.name != "realtime/active_power_total_w") {
                assert_eq!((&metric.value, metric.quality), (&None, Some(500)), "{who}: {}", metric.name);
            }
        }
        let metrics = last(&all, "DBIRTH", "press 4").len();
        agree("Tahu", told(&mut host, "birth", "press 4", metrics).iter(), &born, true);
        agree("Tahu", told(&mut host, "data", "press 4", then.len() + 1).iter(), &then, false);
        let nulls = told(&mut host, "birth", "sparse", metrics);
        assert!(nulls.iter().filter(|metric| metric.value.is_none()).count() == metrics - 1, "Tahu");
        assert!(tables.contains(&"energy".to_owned()) && kinds(&printed)[0] == "NBIRTH");
        node.end("", 0);
        subscriber.wait_until(|printed| count(printed, "NDEATH") == 1);
        host.wait_for("\"NDEATH\"");
    }
}
