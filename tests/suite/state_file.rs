//! The state file from outside: processes that share it, kills, and what else may stand in its place.

use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::common::peer::scratch;
use crate::common::program::Program;
use crate::common::simulated::Simulated;

const OPTIONS: &str = "state_file = \"state.json\"\ninterval = \"200ms\"";

/// A plugin that reads one meter; its configuration is called after it.
fn plugin(directory: &Path, name: &str, address: &str) -> Program {
    let path = directory.join(format!("{name}.toml"));
    let meter = format!("[[inputs.powermonitor_500.meter]]\nname = \"{name}\"\naddress = \"{address}\"\n");
    std::fs::write(&path, format!("[[inputs.powermonitor_500]]\n{OPTIONS}\n{meter}")).unwrap();
    Program::start(&["--config", path.to_str().unwrap()])
}

/// Waits until it has read its meter; returns what it knew of it.
#[track_caller]
fn knew(program: &mut Program, name: &str) -> String {
    let started = program.wait_for("the start", |line| line.is_event(name, "started"));
    program.wait_for("a gather", |line| line.is(name, "_status") && line.integer("up") == 1);
    started.text("reason").to_owned()
}

#[test]
fn two_processes_with_the_same_state_file_lose_nothing_of_each_other() {
    let meters = Simulated::start(2);
    let directory = scratch("state_shared");
    for (reason, order) in
        [("nothing before is known", ["a", "b"]), ("continued from the state file", ["b", "a"])]
    {
        let addresses = |name: &str| meters.eip(usize::from(name == "b"));
        let mut first = plugin(&directory, order[0], &addresses(order[0]));
        assert_eq!(knew(&mut first, order[0]), reason);
        let mut second = plugin(&directory, order[1], &addresses(order[1]));
        assert_eq!(knew(&mut second, order[1]), reason);
        let (first, second) = (first.finish(), second.finish());
        assert!(!first.err.contains("state.json"), "{first:#?}");
        let said = second.err.lines().filter(|line| line.contains("state.json"));
        let [said] = said.collect::<Vec<_>>()[..] else { panic!("not once: {second:#?}") };
        let own = format!("state-{}.json", order[1]);
        assert!(said.starts_with("W! Another process uses state file") && said.contains(&own), "{said}");
    }
}

#[test]
fn a_fifo_in_the_place_of_the_state_file_stops_nothing() {
    let meters = Simulated::start(1);
    let directory = scratch("state_fifo");
    mknodat(CWD, directory.join("state.json"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut program = plugin(&directory, "a", &meters.eip(0));
    assert_eq!(knew(&mut program, "a"), "nothing before is known");
    let ended = program.finish();
    assert!(ended.err.contains("it is a FIFO, and not a regular file"), "{ended:#?}");
    assert_eq!(ended.code, Some(0));
}
