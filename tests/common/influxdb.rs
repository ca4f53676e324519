//! A real InfluxDB 1 or 2 on a free loopback port, filled over `/write` and asked over `/query`, as Telegraf and
//! Grafana do, and in Flux. It keeps its files in a directory of its test's own, and ends with its owner.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;

use super::peer::peer;
use super::process::Process;

/// Longest wait for one answer; only a broken database reaches it.
const DEADLINE: Duration = Duration::from_secs(60);

/// The organization of an InfluxDB 2, and a token that may do everything in it.
pub(crate) const ORGANIZATION: &str = "plant";
pub(crate) const TOKEN: &str = "token-for-everything";

/// A running database server.
pub(crate) struct InfluxDb {
    url: String,
    agent: Agent,
    /// The id of the organization, in release 2.
    organization: Option<String>,
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
        let file = directory.join("influxdb.conf");
        std::fs::write(&file, settings(directory)).expect("the directory can be written");
        let mut command = Command::new(peer("influxd"));
        command.arg("-config").arg(&file).env_clear();
        let mut process = Process::start(&mut command);
        // Written once the port is open; port 0 in the settings lets the kernel choose it.
        let log = process.wait_for_log("Listening on HTTP");
        let address = log.split("addr=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let address = address.unwrap_or_else(|| panic!("no address in {log:?}")).to_owned();
        InfluxDb::reached(&address, process)
    }

    /// Starts InfluxDB 2 with its files in this directory, and sets it up as its first user does.
    pub(crate) fn start_2(directory: &Path) -> InfluxDb {
        let mut command = Command::new(peer("influxd2"));
        command.args(["run", "--reporting-disabled", "--http-bind-address", "127.0.0.1:0"]).env_clear();
        // Its query language comes with a database driver that leaves a cache at home.
        command.env("HOME", directory);
        for (flag, name) in
            [("--bolt-path", "bolt"), ("--sqlite-path", "sqlite"), ("--engine-path", "engine")]
        {
            command.arg(flag).arg(directory.join(name));
        }
        let mut process = Process::start(&mut command);
        let log = process.wait_for("service=tcp-listener transport=http");
        let port = log.rsplit("port=").next().unwrap_or_default();
        let mut database = InfluxDb::reached(&format!("127.0.0.1:{}", port.trim()), process);
        let answer = database.post(
            "/api/v2/setup",
            &json!({"username": "admin", "password": "password", "org": ORGANIZATION, "bucket": "first", "token": TOKEN}),
        );
        database.organization = Some(text(&answer["org"]["id"]));
        database
    }

    fn reached(address: &str, process: Process) -> InfluxDb {
        let agent =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(DEADLINE)).build();
        let url = format!("http://{address}");
        let database = InfluxDb { url, agent: agent.into(), organization: None, _process: process };
        let (status, body) = database.get("/ping", &[]);
        assert_eq!(status, 204, "{body}");
        database
    }

    /// What proves to release 2 who we are; release 1 does not look at it.
    fn authorization(&self) -> (&'static str, String) {
        ("Authorization", format!("Token {TOKEN}"))
    }

    /// Hands something to the API of release 2, which must take it.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (name, value) = self.authorization();
        let request = self.agent.post(format!("{}{path}", self.url)).header(name, value);
        let mut answer = request.send(body.to_string()).expect("InfluxDB answers");
        let text = answer.body_mut().read_to_string().expect("the answer is text");
        assert!(answer.status().is_success(), "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The id of the organization; release 1 has none.
    pub(crate) fn organization(&self) -> &str {
        self.organization.as_deref().expect("this is no InfluxDB 2")
    }

    /// Where it answers, as http://host:port.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Creates an empty database; in release 2 a bucket, which is a database of the same name as well.
    pub(crate) fn create(&self, database: &str) {
        if let Some(organization) = &self.organization {
            self.post("/api/v2/buckets", &json!({"orgID": organization, "name": database}));
            return;
        }
        let form = [("q", format!("CREATE DATABASE \"{database}\""))];
        let answer = self.agent.post(format!("{}/query", self.url)).send_form(form);
        let mut answer = answer.expect("InfluxDB answers");
        let body = answer.body_mut().read_to_string().expect("the answer is text");
        assert!(answer.status().is_success() && !body.contains("error"), "{body}");
    }

    /// Writes line protocol with times in nanoseconds. Every line must be accepted.
    #[track_caller]
    pub(crate) fn write(&self, database: &str, lines: &str) {
        let (name, value) = self.authorization();
        let request =
            self.agent.post(format!("{}/write", self.url)).query("db", database).header(name, value);
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
        rows.map(|row| (text(&row[0]), text(&row[1]))).collect()
    }

    /// The CSV that a Flux query gives; needs release 2.
    #[track_caller]
    pub(crate) fn flux(&self, flux: &str) -> String {
        let (name, value) = self.authorization();
        let request = self.agent.post(format!("{}/api/v2/query", self.url)).query("org", ORGANIZATION);
        let request = request
            .header(name, value)
            .header("Content-Type", "application/vnd.flux")
            .header("Accept", "application/csv");
        let mut answer = request.send(flux).expect("InfluxDB answers");
        let body = answer.body_mut().read_to_string().expect("the answer is text");
        assert!(answer.status().is_success(), "{body}\n{flux}");
        body
    }

    /// An answer's status and text.
    pub(crate) fn get(&self, path: &str, query: &[(&str, &str)]) -> (u16, String) {
        let (name, value) = self.authorization();
        let request = self.agent.get(format!("{}{path}", self.url)).query_pairs(query.iter().copied());
        let request = request.header(name, value);
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

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
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
[continuous_queries]
  enabled = false
"#
    )
}
