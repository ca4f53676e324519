//! Telegraf as a user would configure it: with its own Modbus input, made from our table, and with our plugin.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::cores;
use crate::common::peer::{peer, telegraf_pm500};
use crate::common::process::run;
use crate::plant::MODBUS_PORT;

/// The tables that exist over Modbus and that both read.
pub(crate) const TABLES: [&str; 3] = ["realtime", "energy", "alarm"];
/// Where Telegraf's lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Nowhere: what it costs to gather.
    Discard,
    /// To stdout: what was gathered, and when.
    Stdout,
}

/// Telegraf, on the core of the program that is measured.
pub(crate) fn command(configuration: &Path) -> Command {
    let mut command = cores::on_the_measured_one(peer("telegraf"));
    command.arg("--config").arg(configuration);
    command
}

/// Telegraf's agent and output.
fn agent(output: Output) -> String {
    let output = match output {
        Output::Discard => "[[outputs.discard]]\n",
        Output::Stdout => "[[outputs.file]]\n  files = [\"stdout\"]\n  data_format = \"influx\"\n",
    };
    // Room for what a thousand meters bring between two flushes; times as exact as ours.
    format!(
        "[agent]\n  interval = \"1s\"\n  flush_interval = \"1s\"\n  precision = \"1ms\"\n  omit_hostname = true\n  \
         metric_batch_size = 5000\n  metric_buffer_limit = 100000\n  quiet = true\n{output}"
    )
}

/// Telegraf with our plugin, which has this configuration.
pub(crate) fn with_plugin(configuration: &Path, output: Output) -> String {
    let program = env!("CARGO_BIN_EXE_telegraf-pm500");
    let configuration = configuration.to_str().expect("the target directory is UTF-8");
    format!(
        "{}[[inputs.execd]]\n  command = [\"{program}\", \"--config\", \"{configuration}\"]\n  signal = \"none\"\n  \
         data_format = \"influx\"\n",
        agent(output)
    )
}

/// Telegraf with its own Modbus input: the same registers, as fields of the same names. `max_insert` lets it read
/// them in the same three requests: without it the four registers that nobody wants in the middle of a block,
/// and each bit of the same register, make a request more. Its connections stay open, as they do by default,
/// and so do the plugin's in this comparison.
pub(crate) fn with_modbus(meters: impl Iterator<Item = Ipv4Addr>, output: Output) -> String {
    let described = run(&mut telegraf_pm500(&["fields", "--json"]), "");
    let described: Value = serde_json::from_str(&described).expect("the list of fields is JSON");
    let elements = described["elements"].as_array().expect("a list of elements");
    let requests: Vec<String> = TABLES.map(|table| fields(elements, table)).into();
    let mut text = agent(output);
    for meter in meters {
        let _ = write!(
            text,
            "[[inputs.modbus]]\n  name = \"{meter}\"\n  controller = \"tcp://{meter}:{MODBUS_PORT}\"\n  \
             timeout = \"1s\"\n  configuration_type = \"request\"\n  exclude_register_type_tag = true\n"
        );
        for (table, fields) in TABLES.iter().zip(&requests) {
            let measurement = match *table {
                "realtime" => "powermonitor_500".to_owned(),
                table => format!("powermonitor_500_{table}"),
            };
            let _ = write!(
                text,
                "  [[inputs.modbus.request]]\n    slave_id = 1\n    byte_order = \"CDAB\"\n    register = \
                 \"holding\"\n    optimization = \"max_insert\"\n    \
                 optimization_max_register_fill = 50\n    measurement = \"{measurement}\"\n    fields = [\n{fields}    ]\n    \
                 [inputs.modbus.request.tags]\n      meter = \"{meter}\"\n"
            );
        }
    }
    text
}

/// The fields of one request.
fn fields(elements: &[Value], table: &str) -> String {
    let text = |element: &Value, key: &str| element[key].as_str().unwrap_or_default().to_owned();
    let mut rows = std::collections::BTreeMap::new();
    for element in elements.iter().filter(|element| element["table"] == table && element["read"] == true) {
        let address = text(element, "modbus_pdu");
        let Some(address) = address.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok())
        else {
            continue;
        };
        let (name, wire) = (text(element, "field"), text(element, "wire"));
        let (kind, bit) = match wire.split_once(' ') {
            Some(("BIT", bit)) => ("BIT", bit.parse().expect("the number of a bit")),
            _ if wire == "REAL" => ("FLOAT32", 0),
            _ if wire == "ULINT" => ("UINT64", 0),
            _ => ("UINT16", 0),
        };
        let bit_of = if kind == "BIT" { format!(", bit = {bit}") } else { String::new() };
        let row = format!("      {{ address = {address}, name = \"{name}\", type = \"{kind}\"{bit_of} }},\n");
        rows.insert((address, bit), row);
    }
    rows.into_values().collect()
}
