//! One query in, rows out, whatever the language.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::common::influxdb::InfluxDb;
use crate::common::peer::{peer, python, scratch};
use crate::common::process::run;

/// One row: column → value; `time` in nanoseconds since the epoch. Null is no value at all.
pub(crate) type Row = BTreeMap<String, Value>;

/// The database that queries name.
pub(crate) const DATABASE: &str = "power";

/// Every engine, filled with the same points.
pub(crate) struct Engines {
    influxdb: InfluxDb,
    pub(crate) influxdb_2: InfluxDb,
    points: PathBuf,
}

impl Engines {
    /// Starts engines that hold these lines.
    pub(crate) fn filled(test: &str, lines: &str) -> Engines {
        let directory = scratch(test);
        let filled = |name: &str, start: fn(&Path) -> InfluxDb| {
            let directory = directory.join(name);
            std::fs::create_dir_all(&directory).unwrap();
            let database = start(&directory);
            database.create(DATABASE);
            database.write(DATABASE, lines);
            database
        };
        let points = directory.join("points.jsonl");
        std::fs::write(&points, run(&mut Command::new(peer("lineprotocol")), lines)).unwrap();
        let (influxdb, influxdb_2) = (filled("1", InfluxDb::start), filled("2", InfluxDb::start_2));
        Engines { influxdb, influxdb_2, points }
    }

    /// The rows that a query gives, in the language of this file name extension; "influxql" is asked of both releases of
    /// InfluxDB that speak it, and they must agree.
    #[track_caller]
    pub(crate) fn ask(&self, language: &str, query: &str) -> Vec<Row> {
        match language {
            "influxql" => {
                let rows = influxql(&self.influxdb, query);
                assert_eq!(influxql(&self.influxdb_2, query), rows, "InfluxDB 2 and 1 differ: {query}");
                rows
            }
            "flux" => flux(&self.influxdb_2, query),
            "sql" => {
                let rows = run(python("sql.py").arg(&self.points), query);
                let rows: Vec<Row> = serde_json::from_str(&rows).expect("the rows are JSON");
                rows.into_iter().map(without_nulls).collect()
            }
            other => panic!("no engine for {other:?}"),
        }
    }
}

/// The rows of an InfluxQL query; the tags it groups by are columns.
#[track_caller]
pub(crate) fn influxql(database: &InfluxDb, query: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for series in database.query(DATABASE, query) {
        let tags = series.tags.iter().map(|(name, value)| (name.clone(), json!(value)));
        let tags: Row = tags.collect();
        for values in &series.values {
            let columns = series.columns.iter().cloned().zip(values.iter().cloned());
            rows.push(without_nulls(tags.clone().into_iter().chain(columns).collect()));
        }
    }
    rows
}

/// The rows of a Flux query.
#[track_caller]
pub(crate) fn flux(database: &InfluxDb, query: &str) -> Vec<Row> {
    rows_of_csv(&database.flux(query))
}

/// The rows of Flux's CSV: tables are divided by empty lines and begin with annotations, which are comments here, and
/// the names of their columns; the first three columns say nothing about the data.
fn rows_of_csv(csv: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in csv.replace("\r\n", "\n").split("\n\n").filter(|table| !table.trim().is_empty()) {
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(table.as_bytes());
        let names = reader.headers().unwrap().clone();
        for record in reader.records() {
            let record = record.unwrap();
            let cells = names.iter().zip(&record).skip(3);
            let value = |text: &str| match (text.parse::<Timestamp>(), text.parse::<f64>()) {
                (Ok(time), _) => json!(i64::try_from(time.as_nanosecond()).unwrap()),
                (_, Ok(number)) => json!(number),
                _ if text.is_empty() => Value::Null,
                _ => json!(text),
            };
            let name = |name: &str| if name == "_time" { "time".to_owned() } else { name.to_owned() };
            rows.push(without_nulls(cells.map(|(column, text)| (name(column), value(text))).collect()));
        }
    }
    rows
}

fn without_nulls(row: Row) -> Row {
    row.into_iter().filter(|(_, value)| !value.is_null()).collect()
}
