//! The third-party programs under target/peers, which tests/run.sh sets up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use serde_json::Value;

use super::process::{Process, run};

/// A file that tests/run.sh has set up.
pub(crate) fn peer(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers").join(name);
    assert!(path.exists(), "{} is missing; tests/run.sh sets it up", path.display());
    path
}

/// An empty directory for one test's files, by a name that no other test has.
pub(crate) fn scratch(test: &str) -> PathBuf {
    static TAKEN: Mutex<BTreeMap<String, ThreadId>> = Mutex::new(BTreeMap::new());
    let us = thread::current().id();
    let taken = *TAKEN.lock().unwrap_or_else(PoisonError::into_inner).entry(test.to_owned()).or_insert(us);
    assert_eq!(taken, us, "another test has the directory {test}");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("the target directory can be written");
    path
}

/// One of the Python programs beside this test.
pub(crate) fn python(script: &str) -> Command {
    let mut command = Command::new(peer("venv/bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(script));
    command
}

/// A third-party server, and the record of what it was asked.
pub(crate) struct Server {
    /// Where it listens, as host:port.
    pub(crate) address: String,
    record: PathBuf,
    _process: Process,
}

impl Server {
    /// Starts a Python server that serves what `served` describes.
    pub(crate) fn start(script: &str, served: &Value, scratch: &Path) -> Server {
        Server::start_with(script, served, scratch, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(script: &str, served: &Value, scratch: &Path, more: &[&str]) -> Server {
        let (given, record) = (scratch.join("served.json"), scratch.join("record.jsonl"));
        std::fs::write(&given, served.to_string()).expect("the target directory can be written");
        let mut process = Process::start(python(script).args([&given, &record]).args(more));
        let ready = process.wait_for("listening on ");
        let address = ready.trim().trim_start_matches("listening on ").to_owned();
        Server { address, record, _process: process }
    }

    /// Every request so far, oldest first.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.record).expect("the server writes a record");
        text.lines().map(|line| serde_json::from_str(line).expect("the record is JSON")).collect()
    }
}

/// The program under test.
pub(crate) fn telegraf_pm500(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telegraf-pm500"));
    command.args(arguments);
    command
}

/// The line protocol that `dump` prints.
pub(crate) fn dump(arguments: &[&str]) -> String {
    run(telegraf_pm500(&["dump"]).args(arguments), "")
}

/// Our own simulated meter with values that stand still.
pub(crate) struct Simulator {
    /// Where it answers EtherNet/IP, as host:port.
    pub(crate) eip: String,
    /// Where it answers Modbus TCP, as host:port.
    pub(crate) modbus: String,
    _process: Process,
}

impl Simulator {
    /// Starts one on free ports.
    pub(crate) fn start() -> Simulator {
        let ports = ["--eip-port", "0", "--io-port", "0", "--modbus-port", "0"];
        let arguments = [&["simulate", "--bind", "127.0.0.1", "--frozen"], &ports[..]].concat();
        let mut process = Process::start(&mut telegraf_pm500(&arguments));
        let ready = process.wait_for("Modbus TCP ");
        let after = |name: &str| {
            let rest = ready.split(name).nth(1).unwrap_or_else(|| panic!("no {name}in {ready:?}"));
            rest.split([',', '\n', ' ']).next().unwrap_or_default().to_owned()
        };
        Simulator { eip: after("EtherNet/IP "), modbus: after("Modbus TCP "), _process: process }
    }
}

/// The port in host:port.
pub(crate) fn port(address: &str) -> u16 {
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
    port.unwrap_or_else(|| panic!("no port in {address:?}"))
}
