//! The flows of telegraf/node-red in a real Node-RED, fed by a real Telegraf over a broker on which Node-RED may only read:
//! what they hand on, when they raise an alarm, what they report, and what their dashboard shows in a browser.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use telegraf_pm500::meter::Table;
use telegraf_pm500::simulator::{Options, State};

use super::broker::{Broker, newest};
use super::mqtt::assert_json;
use super::plant::{FEEDER, PRESS, Plant, loopback, number};
use super::program::{Shipped, folder};
use crate::common::peer::{peer, scratch};
use crate::common::process::{Process, run};
use crate::common::simulated::{Simulated, own_network};

/// The flows as they are shipped.
fn flows() -> Vec<Json> {
    serde_json::from_str(&std::fs::read_to_string(folder().join("node-red/flows.json")).unwrap()).unwrap()
}

/// A running Node-RED.
struct NodeRed {
    url: String,
    directory: PathBuf,
    _process: Process,
}

impl NodeRed {
    /// Starts it with the shipped flows, this tab enabled and the password of the plant's broker entered, as an operator
    /// would.
    fn start(directory: &Path, plant: &Broker, tab: &str, environment: &[(&str, &str)]) -> NodeRed {
        let directory = directory.join("node-red");
        std::fs::create_dir_all(&directory).unwrap();
        let mut flows = flows();
        let tab = flows.iter_mut().find(|node| node["id"] == tab).unwrap();
        assert_eq!(tab["disabled"], true, "nothing is handed on, and no module needed, unasked");
        tab["disabled"] = json!(false);
        install(&directory, "sparkplug-payload");
        std::fs::write(directory.join("flows.json"), json!(flows).to_string()).unwrap();
        let credentials = json!({ "pm500-broker": { "user": "node-red", "password": "secret" } });
        std::fs::write(directory.join("flows_cred.json"), credentials.to_string()).unwrap();
        let host = loopback();
        let mut command = Command::new("node");
        command.arg(peer("node-red/node_modules/node-red/red.js"));
        command
            .arg("--settings")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/node-red/settings.js"));
        command.env("NODE_RED_DIRECTORY", &directory).env("NODE_RED_HOST", host.to_string());
        command.env("NODE_RED_PORT", "1880").env("TZ", "UTC").env("MQTT_TOPIC", "power/+/+");
        command.env("MQTT_SERVER", format!("tcp://{}:1883", plant.address));
        command.envs(environment.iter().copied());
        let mut process = Process::start(&mut command);
        process.wait_for("Started flows");
        NodeRed { url: format!("http://{host}:1880"), directory, _process: process }
    }

    /// Presses the button of an inject node.
    fn inject(&self, node: &str) {
        let status = ureq::post(format!("{}/inject/{node}", self.url)).send_empty().unwrap().status();
        assert!(status.is_success(), "{status}");
    }

    /// Looks at a page of the dashboard, which must come to show all that is wanted, and nothing that is written as "!text".
    /// The picture goes beside the files of the test, and where UPDATE_PICTURES is set and nothing is missing in it to the README as
    /// well.
    fn look_at(&self, name: &str, wanted: &[&str]) {
        let picture = self.directory.join(format!("{name}.png"));
        let _ = std::fs::remove_file(&picture);
        let mut command = Command::new("node");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/node-red/page.js"));
        command.env("NODE_PATH", peer("node-red/node_modules")).arg(self.directory.join("chromium"));
        command.arg(format!("{}/dashboard/{name}", self.url)).arg(&picture).args(wanted);
        run(&mut command, "");
        assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
        let shipped = folder().join(format!("node-red/{name}.png"));
        if std::env::var_os("UPDATE_PICTURES").is_some() && !wanted.iter().any(|each| each.starts_with('!')) {
            std::fs::copy(&picture, shipped).unwrap();
        }
    }
}

/// Installs a module for functions, as npm does in Node-RED's directory.
fn install(directory: &Path, module: &str) {
    let installed = peer("node-red/node_modules").join(module);
    let manifest: Json =
        serde_json::from_str(&std::fs::read_to_string(installed.join("package.json")).unwrap()).unwrap();
    let manifest = json!({ "dependencies": { module: manifest["version"] } });
    std::fs::write(directory.join("package.json"), manifest.to_string()).unwrap();
    std::fs::create_dir_all(directory.join("node_modules")).unwrap();
    std::os::unix::fs::symlink(installed, directory.join("node_modules").join(module)).unwrap();
}

/// The states in the messages of a topic that a subscriber has printed, oldest first.
fn states(printed: &str, topic: &str) -> Vec<String> {
    let start = format!("{topic} ");
    let messages = printed.lines().filter_map(|line| line.strip_prefix(&start));
    let state =
        |message: &str| serde_json::from_str::<Json>(message).unwrap()["state"].as_str().unwrap().to_owned();
    messages.map(state).collect()
}

/// Two meters at ports that others after them find again.
fn meters(bind: Ipv4Addr, state: State) -> Simulated {
    let ports = Options { eip_port: 44_818, modbus_port: 1502, ..Options::default() };
    Simulated::at(Options { bind, count: 2, frozen: true, state, ..ports })
}

#[test]
fn node_red_shows_hands_on_reports_and_alarms_what_telegraf_publishes() {
    let (bind, directory) = (own_network(), scratch("telegraf_node_red"));
    let mut plant = Plant { meters: meters(bind, State::Ordinary), directory: directory.clone() };
    plant.configure("interval = \"1s\"");
    let users = [("telegraf", "readwrite power/#"), ("node-red", "read power/#")];
    let broker = Broker::with_users(&directory, &users);
    let office = Broker::plain(&scratch("telegraf_node_red_office"));
    let mut subscriber = Process::start(&mut office.subscriber());
    // A demand of six seconds instead of a quarter of an hour, and a limit below the 43 kW of the simulated load.
    let office_server = format!("tcp://{}:1883", office.address);
    let environment = [
        ("DEMAND_MINUTES", "0.1"),
        ("DEMAND_LIMIT_W", "30000"),
        ("SILENT_AFTER_S", "10"),
        ("HANDOFF_SERVER", &office_server),
        ("HANDOFF_TOPIC_PREFIX", "office/vienna"),
    ];
    let node_red = NodeRed::start(&directory, &broker, "pm500-tab-handoff", &environment);
    let server = format!("tcp://{}:1883", broker.address);
    let login =
        [("MQTT_SERVER", server.as_str()), ("MQTT_USERNAME", "telegraf"), ("MQTT_PASSWORD", "secret")];
    let telegraf = plant.telegraf(vec![Shipped::file("outputs/mqtt_json.conf")], &login);

    // Every value is handed on as it was in the meter.
    for (meter, table) in [(PRESS, Table::Realtime), (FEEDER, Table::Energy)] {
        let topic = format!("office/vienna/{meter}/{}", table.measurement());
        assert_json(&plant, meter, table, &newest(&mut subscriber, &topic));
    }

    // The demand is above the limit: the alarm is raised, and the dashboard shows it.
    let alarm = format!("office/vienna/alarm/{PRESS}");
    let raised: Json = serde_json::from_str(&newest(&mut subscriber, &alarm)).unwrap();
    assert_eq!((&raised["state"], raised["limit_w"].as_f64()), (&json!("raised"), Some(30_000.0)));
    let power = number(&plant.expected(PRESS, Table::Realtime)["active_power_total_w"]);
    let demand = raised["demand_w"].as_f64().unwrap();
    assert!((demand - power).abs() < 1.0, "{demand} is not the mean of {power}");
    let kilowatt = format!("{:.1}", power / 1000.0);
    node_red.look_at("meters", &[PRESS, FEEDER, "up", &kilowatt, "30.0", "ALARM"]);

    // At night it is below: the alarm is cleared, once.
    for index in 0..2 {
        plant.meters.stop(index);
    }
    drop(plant.meters);
    let _night = meters(bind, State::Night);
    let ended = subscriber.wait_until(|printed| states(printed, &alarm).len() > 1);
    assert_eq!(states(ended, &alarm), ["raised", "cleared"]);

    // A counter counts 600 Wh, is reset, counts 100, returns to what it was, and counts 100.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let readings =
        (0..).zip([(5_000_000, 0), (5_000_600, 0), (7, 1), (107, 1), (5_000_700, 2), (5_000_800, 2)]);
    let messages = readings.map(|(second, (counter, since))| {
        let (tags, fields) =
            (json!({ "meter": "crane" }), json!({ "active_import_wh": counter, "counting_since_ms": since }));
        // The report at midnight is about the day that was a minute ago.
        let time = now - 60_000 + 1000 * second;
        json!({ "name": "powermonitor_500_energy", "tags": tags, "fields": fields, "timestamp": time })
            .to_string()
    });
    let mut client = Command::new("mosquitto_pub");
    client.args(["-h", &broker.address.to_string(), "-u", "telegraf", "-P", "secret", "-q", "1", "-l"]);
    client.args(["-t", "power/crane/powermonitor_500_energy"]);
    run(&mut client, &(messages.collect::<Vec<_>>().join("\n") + "\n"));
    node_red.look_at("energy", &["crane", "0.80", "started"]);
    node_red.inject("pm500-midnight");
    let is_report = |line: &&str| line.starts_with("office/vienna/report/");
    let printed = subscriber.wait_until(|printed| printed.lines().any(|line| is_report(&line)));
    let (_, report) = printed.lines().find(is_report).unwrap().split_once(' ').unwrap();
    let report: Json = serde_json::from_str(report).unwrap();
    let of_the_crane = report["meters"].as_array().unwrap().iter().find(|meter| meter["meter"] == "crane");
    let wanted = json!({ "meter": "crane", "energy_kwh": 0.8, "covered_s": 3, "counter_resets": 1 });
    assert_eq!(of_the_crane, Some(&wanted), "{report}");

    // When nobody speaks of the meters any more, the last values do not stay as if they were new.
    telegraf.stop();
    node_red.look_at("meters", &["silent", "!\nup\n", "!50.0"]);
}

#[cfg(feature = "sparkplug")]
#[test]
fn node_red_shows_births_deaths_and_quality_of_what_sparkplug_publishes() {
    let mut plant = Plant::start("node_red_sparkplug");
    // The host only reads; who publishes may do what the page of the program says.
    let rules = "readwrite spBv1.0/plant/#";
    let broker =
        Broker::with_users(&plant.directory, &[("telegraf", rules), ("node-red", "read spBv1.0/plant/#")]);
    let environment = [("SPARKPLUG_TOPIC", "spBv1.0/plant/#")];
    let node_red = NodeRed::start(&plant.directory, &broker, "pm500-tab-sparkplug", &environment);
    let configuration = plant.directory.join("sparkplug.toml");
    let text = format!(
        "[[outputs.sparkplug_b]]\nbroker = \"tcp://{}:1883\"\nusername = \"telegraf\"\npassword = \"secret\"\n\
         group_id = \"plant\"\nedge_node_id = \"power\"\naliases = true\nstate_file = \"spark.json\"\nbuffer_file = \"spark.buffer\"\n",
        broker.address
    );
    std::fs::write(&configuration, text).unwrap();
    let output = Shipped::file("outputs/sparkplug_b.conf")
        .with("/usr/bin/telegraf-pm500-sparkplug", env!("CARGO_BIN_EXE_telegraf-pm500-sparkplug"))
        .with("/etc/telegraf-pm500/sparkplug.toml\"]", &format!("{}\"]", configuration.display()));
    let telegraf = plant.telegraf(vec![output], &[]);

    let kilowatt = |meter| {
        let power = number(&plant.expected(meter, Table::Realtime)["active_power_total_w"]);
        format!("{:.1}", power / 1000.0)
    };
    let (press, feeder) = (kilowatt(PRESS), kilowatt(FEEDER));
    node_red.look_at("sparkplug", &["plant/power", PRESS, FEEDER, "born", &press, &feeder]);

    // A meter that dies has no value left, and the other one lives.
    plant.meters.stop(0);
    node_red.look_at("sparkplug", &["dead", "born", &format!("!{press}"), &feeder]);
    plant.meters.restart(0);
    node_red.look_at("sparkplug", &["born", &press, &feeder]);

    // Telegraf ends: the death of the node is that of its meters.
    telegraf.stop();
    node_red.look_at("sparkplug", &["dead", &format!("!{press}"), &format!("!{feeder}")]);
}

#[test]
fn the_flows_hold_no_credentials_no_address_and_nothing_that_could_write_to_a_meter() {
    let flows = flows();
    let kinds: BTreeSet<&str> = flows.iter().map(|node| node["type"].as_str().unwrap()).collect();
    let known = [
        "comment",
        "delay",
        "function",
        "inject",
        "link in",
        "link out",
        "mqtt in",
        "mqtt out",
        "mqtt-broker",
        "tab",
        "ui-base",
        "ui-chart",
        "ui-group",
        "ui-notification",
        "ui-page",
        "ui-table",
        "ui-theme",
    ];
    assert_eq!(kinds, BTreeSet::from(known));
    for node in &flows {
        assert!(node.get("credentials").is_none(), "{node}");
        match node["type"].as_str().unwrap() {
            "mqtt-broker" => assert!(node["broker"].as_str().unwrap().starts_with("${"), "{node}"),
            // What is published goes to the other broker, and to nobody while the hand-off is disabled.
            "mqtt out" => assert_eq!(
                (&node["broker"], &node["z"]),
                (&json!("pm500-handoff-broker"), &json!("pm500-tab-handoff"))
            ),
            "function" if node["id"] == "pm500-sparkplug-decode" => {
                let library = json!([{ "var": "sparkplugPayload", "module": "sparkplug-payload" }]);
                assert_eq!(node["libs"], library);
            }
            "function" => assert_eq!(node["libs"], json!([]), "{node}"),
            _ => {}
        }
    }
}
