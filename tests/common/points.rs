//! Line protocol, read by InfluxData's own strict decoder.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::peer::peer;
use super::process::run;

/// One line, as a database understands it.
#[derive(Debug, Deserialize)]
pub(crate) struct Point {
    pub(crate) measurement: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) fields: BTreeMap<String, Field>,
    pub(crate) time: i64,
}

/// One field's type and value.
#[derive(Debug, Deserialize)]
pub(crate) struct Field {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) value: Value,
}

impl Point {
    /// A float that must be the shortest decimal of this f32.
    #[track_caller]
    pub(crate) fn assert_real(&self, name: &str, expected: f32) {
        let field = self.field(name);
        let shortest: f64 = expected.to_string().parse().expect("an f32 prints as a number");
        assert_eq!((field.kind.as_str(), field.value.as_f64()), ("float", Some(shortest)), "{name}");
    }

    /// An integer.
    #[track_caller]
    pub(crate) fn assert_integer(&self, name: &str, expected: i64) {
        let field = self.field(name);
        assert_eq!((field.kind.as_str(), field.value.as_i64()), ("int", Some(expected)), "{name}");
    }

    #[track_caller]
    fn field(&self, name: &str) -> &Field {
        self.fields.get(name).unwrap_or_else(|| panic!("{} has no field {name}", self.measurement))
    }
}

/// Every line of this text as a point; one that does not parse is an error with its number.
pub(crate) fn points(lines: &str) -> Vec<Point> {
    let parsed = run(&mut Command::new(peer("lineprotocol")), lines);
    parsed.lines().map(|line| serde_json::from_str(line).expect("the decoder prints JSON")).collect()
}

/// The points of one measurement.
pub(crate) fn of<'a>(points: &'a [Point], measurement: &str) -> Vec<&'a Point> {
    points.iter().filter(|point| point.measurement == measurement).collect()
}

/// The one point of a measurement.
#[track_caller]
pub(crate) fn only<'a>(points: &'a [Point], measurement: &str) -> &'a Point {
    match of(points, measurement)[..] {
        [point] => point,
        ref found => panic!("{} points of {measurement} in {points:#?}", found.len()),
    }
}
