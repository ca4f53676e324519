//! The program, a subscriber, and judges of what was published.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::common::peer::{peer, python};
use crate::common::process::{Process, run};
use crate::telegraf::broker::Broker;

/// Starts the program as an edge node of a broker without TLS, with these options besides.
pub(crate) fn edge_node(directory: &Path, broker: &Broker, more: &str) -> Process {
    edge_node_at(directory, &format!("tcp://{}:1883", broker.address), more)
}

/// Starts the program as an edge node, with these options besides. It keeps its state in the directory.
pub(crate) fn edge_node_at(directory: &Path, broker: &str, more: &str) -> Process {
    let path = directory.join("sparkplug.toml");
    let text = format!(
        "[[outputs.sparkplug_b]]\nbroker = \"{broker}\"\ngroup_id = \"plant\"\nedge_node_id = \"edge\"\nkeep_alive = \"2s\"\n\
         state_file = \"state.json\"\nbuffer_file = \"buffer\"\nlog_level = \"debug\"\n{more}\n"
    );
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_telegraf-pm500-sparkplug"));
    Process::start(command.arg("--config").arg(path))
}

/// A subscriber to everything of Sparkplug, which prints QoS, retain, payload and topic.
pub(crate) fn subscriber(broker: &Broker) -> Process {
    subscriber_with(&["-h", &broker.address.to_string()])
}

/// The same, with these options of its own.
pub(crate) fn subscriber_with(options: &[&str]) -> Process {
    // Line by line: what it says besides messages would stay in its buffer.
    let mut command = Command::new("stdbuf");
    command.args(["-oL", "mosquitto_sub"]).args(options).args([
        "-d",
        "-q",
        "1",
        "-t",
        "spBv1.0/plant/#",
        "-F",
        "%q %r %x %t",
    ]);
    let mut process = Process::start(&mut command);
    process.wait_for("Subscribed");
    process
}

/// One metric as a judge has understood it; numbers in words, as its language writes them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Metric {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) data_type: String,
    pub(crate) value: Option<String>,
    pub(crate) at: i64,
    pub(crate) historical: bool,
    pub(crate) unit: Option<String>,
    pub(crate) quality: Option<i64>,
}

/// One message as a judge has understood it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Message {
    pub(crate) kind: String,
    pub(crate) device: String,
    #[serde(default)]
    pub(crate) bd_seq: Option<i64>,
    #[serde(default)]
    pub(crate) seq: Option<serde_json::Value>,
    #[serde(default)]
    pub(crate) metrics: Vec<Metric>,
}

impl Message {
    /// Its sequence number, which one of the judges has as a text.
    pub(crate) fn seq(&self) -> Option<i64> {
        let seq = self.seq.as_ref()?;
        seq.as_i64().or_else(|| seq.as_str()?.parse().ok())
    }

    /// A metric by its name.
    pub(crate) fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    /// The number that ties births to deaths.
    pub(crate) fn bd_seq(&self) -> i64 {
        self.bd_seq.unwrap_or_else(|| self.metric("bdSeq").unwrap().value.as_ref().unwrap().parse().unwrap())
    }
}

/// Whose understanding is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Judge {
    Pysparkplug,
    SparkplugPayload,
}

impl Judge {
    /// What it understands of what a subscriber has printed.
    pub(crate) fn messages(self, printed: &str) -> Vec<Message> {
        let input: String = published(printed)
            .map(|Published { payload, topic, .. }| format!("{payload} {topic}\n"))
            .collect();
        let mut command = match self {
            Judge::Pysparkplug => python("sparkplug_payload.py"),
            Judge::SparkplugPayload => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/node/sparkplug.js");
                let mut command = Command::new("node");
                command.arg(script).env("NODE_PATH", peer("node/node_modules"));
                command
            }
        };
        let judged = run(&mut command, &input);
        judged
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
            .collect()
    }
}

/// Every message was sent as the specification demands, and sequence numbers have no gap. Returns what was understood.
#[track_caller]
pub(crate) fn sound(printed: &str) -> Vec<Message> {
    for Published { qos, retain, topic, .. } in published(printed) {
        let expected = if topic.contains("/NDEATH/") { "1" } else { "0" };
        assert_eq!((qos, retain), (expected, "0"), "QoS and retain of {topic}");
    }
    let messages = Judge::Pysparkplug.messages(printed);
    let mut last = None;
    for message in messages.iter().filter(|message| message.kind != "NDEATH") {
        let expected = if message.kind == "NBIRTH" { Some(0) } else { last.map(|last| (last + 1) % 256) };
        assert_eq!(message.seq(), expected, "{} {}", message.kind, message.device);
        last = message.seq();
    }
    messages
}

/// A line of a meter's power.
pub(crate) fn power(meter: &str, watts: f64, at_ms: i64) -> String {
    format!("powermonitor_500,host=h,meter={meter} active_power_total_w={watts} {at_ms}000000\n")
}

/// A line of the subscriber's about a message.
struct Published<'a> {
    qos: &'a str,
    retain: &'a str,
    payload: &'a str,
    topic: &'a str,
}

fn published(printed: &str) -> impl Iterator<Item = Published<'_>> {
    printed.lines().filter_map(|line| {
        let mut words = line.splitn(4, ' ');
        let (qos, retain, payload, topic) = (words.next()?, words.next()?, words.next()?, words.next()?);
        // What hosts command is not ours.
        let ours = topic.starts_with("spBv1.0/plant/") && !topic.contains("/NCMD/");
        ours.then_some(Published { qos, retain, payload, topic })
    })
}

/// The topics' kinds and devices in a subscriber's text, such as "DDATA a".
pub(crate) fn kinds(printed: &str) -> Vec<String> {
    let topics = published(printed).map(|published| published.topic);
    topics
        .map(|topic| {
            let levels: Vec<&str> = topic.split('/').collect();
            [&levels[2..3], &levels[4..]].concat().join(" ")
        })
        .collect()
}

/// How often something of this kind was published.
pub(crate) fn count(printed: &str, kind: &str) -> usize {
    kinds(printed).iter().filter(|each| *each == kind).count()
}

/// The host application of Eclipse Tahu.
pub(crate) fn tahu(broker: &Broker, id: &str) -> Process {
    let path = format!("{}/*:{}", peer("tahu/lib").display(), peer("tahu/classes").display());
    let mut command = Command::new("java");
    let url = format!("tcp://{}:1883", broker.address);
    Process::start(command.args([
        "-Xshare:auto",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        &path,
        "Host",
        &url,
        id,
        "plant",
    ]))
}
