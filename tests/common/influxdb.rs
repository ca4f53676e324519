//! A real InfluxDB 1 on a free loopback port, filled over `/write` and asked over `/query`, as Telegraf and
//! Grafana do. It keeps its files in a directory of its test's own, and ends with its owner.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use ureq::Agent;

use super::peer::peer;
use super::process::Process;

/// Longest wait for one answer; only a broken database reaches it.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running database server.
pub(crate) struct InfluxDb {
    url: String,
    agent: Agent,
    _process: Process,
}

/// One series of an answer: a measurement, or a group of one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Series {
    #[serde(default)]
    pub(crate) name: String,
    /// The tags that the query groups by.
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) columns: Vec<String>,
    #[serde(default)]
    pub(crate) values: Vec<Vec<Value>>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Statement>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(default)]
    series: Vec<Series>,
    error: Option<String>,
}

impl InfluxDb {
    /// Starts Debian's InfluxDB 1.6 with its files in this directory.
    pub(crate) fn start(directory: &Path) -> InfluxDb {
        InfluxDb::start_program(&peer("influxd"), directory)
    }

    /// Starts another release of InfluxDB 1.
    pub(crate) fn start_program(program: &Path, directory: &Path) -> InfluxDb {
        let file = directory.join("influxdb.conf");
        std::fs::write(&file, settings(directory)).expect("the directory can be written");
        let mut command = Command::new(program);
        command.arg("-config").arg(&file).env_clear();
        let mut process = Process::start(&mut command);
        // Written once the port is open; port 0 in the settings lets the kernel choose it.
        let log = process.wait_for_log("Listening on HTTP");
        let address = log.split("addr=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let url = format!("http://{}", address.unwrap_or_else(|| panic!("no address in {log:?}")));
        let agent =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(DEADLINE)).build();
        let database = InfluxDb { url, agent: agent.into(), _process: process };
        let (status, body) = database.get("/ping", &[]);
        assert_eq!(status, 204, "{body}");
        database
    }

    /// Where it answers, as http://host:port.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Creates an empty database.
    pub(crate) fn create(&self, database: &str) {
        let form = [("q", format!("CREATE DATABASE \"{database}\""))];
        let answer = self.agent.post(format!("{}/query", self.url)).send_form(form);
        let mut answer = answer.expect("InfluxDB answers");
        let body = answer.body_mut().read_to_string().expect("the answer is text");
        assert!(answer.status().is_success() && !body.contains("error"), "{body}");
    }

    /// Writes line protocol with times in nanoseconds. Every line must be accepted.
    #[track_caller]
    pub(crate) fn write(&self, database: &str, lines: &str) {
        let request = self.agent.post(format!("{}/write", self.url)).query("db", database);
        let mut answer = request.send(lines).expect("InfluxDB answers");
        let body = answer.body_mut().read_to_string().expect("the answer is text");
        // 200 would be a partial write of early releases, 400 one of later ones.
        assert_eq!(answer.status().as_u16(), 204, "{body}");
    }

    /// The series that one InfluxQL statement gives, with times in nanoseconds since the epoch.
    #[track_caller]
    pub(crate) fn query(&self, database: &str, influxql: &str) -> Vec<Series> {
        self.try_query(database, influxql).unwrap_or_else(|error| panic!("{error}\n{influxql}"))
    }

    /// The series that one InfluxQL statement gives, or why it gives none.
    pub(crate) fn try_query(&self, database: &str, influxql: &str) -> Result<Vec<Series>, String> {
        let (_, body) = self.get("/query", &[("db", database), ("epoch", "ns"), ("q", influxql)]);
        let answer: Answer = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        if let Some(error) = answer.error {
            return Err(error);
        }
        let mut statements = answer.results.into_iter();
        let (Some(statement), None) = (statements.next(), statements.next()) else {
            return Err("not one statement".to_owned());
        };
        statement.error.map_or(Ok(statement.series), Err)
    }

    /// The type of every field of a measurement: float, integer, string or boolean. An answer in JSON does not
    /// tell 1 from 1.0.
    #[track_caller]
    pub(crate) fn field_types(&self, database: &str, measurement: &str) -> BTreeMap<String, String> {
        let series = self.query(database, &format!("SHOW FIELD KEYS FROM \"{measurement}\""));
        let rows = series.iter().flat_map(|series| &series.values);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        rows.map(|row| (text(&row[0]), text(&row[1]))).collect()
    }

    /// An answer's status and text.
    pub(crate) fn get(&self, path: &str, query: &[(&str, &str)]) -> (u16, String) {
        let request = self.agent.get(format!("{}{path}", self.url)).query_pairs(query.iter().copied());
        let mut answer = request.call().expect("InfluxDB answers");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("the answer is text"))
    }
}

impl Series {
    /// One column, top to bottom.
    #[track_caller]
    pub(crate) fn column(&self, name: &str) -> Vec<&Value> {
        let place = self.columns.iter().position(|column| column == name);
        let place = place.unwrap_or_else(|| panic!("no column {name} in {:?}", self.columns));
        self.values.iter().map(|row| &row[place]).collect()
    }

    /// One column of numbers; null is `None`.
    #[track_caller]
    pub(crate) fn numbers(&self, name: &str) -> Vec<Option<f64>> {
        self.column(name).into_iter().map(Value::as_f64).collect()
    }
}

/// Loopback only, no reports to its maker, no second thoughts about old or many points.
fn settings(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        r#"
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = "{directory}/meta"
[data]
  dir = "{directory}/data"
  wal-dir = "{directory}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:0"
  log-enabled = false
  # Known from release 1.7 on.
  flux-enabled = true
[continuous_queries]
  enabled = false
"#
    )
}
