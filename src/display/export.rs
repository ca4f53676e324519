//! What a gather found → JSON and CSV for programs.

use std::time::SystemTime;

use serde_json::{Map, Value as Json, json};

use super::latest::Latest;
use crate::collector::report::Report;
use crate::config::MeterConfig;
use crate::meter::{Table, Use, Value};

/// One meter as a JSON object; its keys are stable, new ones may be added.
pub fn json(meter: &Latest, now: SystemTime) -> Json {
    let tables: Map<String, Json> = meter
        .tables()
        .map(|table| {
            let values = meter
                .config
                .profile
                .elements_of(table)
                .filter_map(|(index, element)| Some((element.name.clone(), number(meter.value(index)?))));
            let document = json!({
                "time": meter.taken(table).map(time),
                "age_s": meter.age(table, now),
                "source": meter.source(table),
                "values": values.collect::<Map<String, Json>>(),
            });
            (table.name().to_owned(), document)
        })
        .collect();
    json!({
        "meter": meter.config.name, "address": meter.address, "connection": meter.link.code().1,
        "result": meter.outcome.code().1, "map": meter.verdict(), "device": meter.device,
        "time": meter.at.map(time), "failures": meter.failures(), "tables": tables,
    })
}

/// The columns of CSV: time, meter and result, then every field that one of the meters may have.
#[derive(Debug)]
pub struct Columns {
    fields: Vec<(Table, String)>,
}

impl Columns {
    /// The columns for these meters.
    pub fn of<'a>(meters: impl IntoIterator<Item = &'a MeterConfig>) -> Columns {
        let mut fields: Vec<(Table, String)> = Vec::new();
        for meter in meters {
            let elements = meter.profile.elements.iter().zip(&meter.selected);
            for (element, _) in
                elements.filter(|(element, selected)| **selected && element.usage == Use::Field)
            {
                let field = (element.table, element.name.clone());
                if !fields.contains(&field) {
                    fields.push(field);
                }
            }
        }
        fields.sort_by_key(|(table, _)| *table);
        Columns { fields }
    }

    /// The header. Fields of other tables than realtime have their table before their name.
    pub fn header(&self) -> String {
        let fields = self.fields.iter().map(|(table, name)| match table {
            Table::Realtime => name.clone(),
            table => format!("{table}.{name}"),
        });
        line(["time", "meter", "result"].map(str::to_owned).into_iter().chain(fields))
    }

    /// One gather of one meter. What was not read in it is empty.
    pub fn row(&self, report: &Report) -> String {
        let profile = &report.config.profile;
        let value = |(table, name): &(Table, String)| -> String {
            let index = profile.index_of(*table, name).filter(|_| report.read.contains(*table));
            match index.and_then(|index| report.readings.get(index)) {
                Some(Value::Real(real)) => real.to_string(),
                Some(Value::Integer(integer)) => integer.to_string(),
                Some(Value::Text(text)) => text.clone(),
                None => String::new(),
            }
        };
        let head = [time(report.at), report.config.name.clone(), report.health.outcome.code().1.to_owned()];
        line(head.into_iter().chain(self.fields.iter().map(value)))
    }
}

/// One line of CSV; a cell is quoted where it must be.
fn line(cells: impl Iterator<Item = String>) -> String {
    let quote = |cell: String| match cell.contains([',', '"', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    };
    cells.map(quote).collect::<Vec<_>>().join(",") + "\n"
}

fn number(value: &Value) -> Json {
    match value {
        // The shortest decimal of the same 32 bits, and not that of the double it makes.
        Value::Real(real) => real.to_string().parse::<f64>().map_or(Json::Null, Json::from),
        Value::Integer(integer) => Json::from(*integer),
        Value::Text(text) => Json::from(text.clone()),
    }
}

/// RFC 3339 with milliseconds.
fn time(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}
