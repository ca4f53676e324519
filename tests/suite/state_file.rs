//! The state file from outside: processes that share it, kills, and what else may stand in its place.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use crate::common::line::Line;
use crate::common::peer::scratch;
use crate::common::program::{Program, config};
use crate::common::simulated::{DEADLINE, Simulated};

const OPTIONS: &str = "state_file = \"state.json\"\ninterval = \"200ms\"";
/// Nanoseconds in a millisecond.
const MILLION: i64 = 1_000_000;

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

#[test]
fn after_a_kill_no_gap_is_declared_over_lines_that_exist() {
    let meters = Simulated::start(3);
    let directory = scratch("state_killed");
    let mut text =
        "[[inputs.powermonitor_500]]\nstate_file = \"state.json\"\ninterval = \"500ms\"\n".to_owned();
    for (number, meter) in meters.meters().iter().enumerate() {
        let address = meter.eip();
        text +=
            &format!("[[inputs.powermonitor_500.meter]]\nname = \"m{number}\"\naddress = \"{address}\"\n");
    }
    let config = config(&directory, &text);
    let start = || Program::start(&["--config", config.to_str().unwrap()]);
    let journal = directory.join("state.json.log");
    // Twice: the second time there is a state file that is older than the journal.
    for round in 0..2 {
        let mut program = start();
        for _ in 0..4 {
            program.wait_for("a line of the last meter", |line| line.is("m2", ""));
        }
        let last = |lines: &[Line], meter: &str| {
            lines.iter().rfind(|line| line.is(meter, "")).unwrap().time / MILLION
        };
        let until = Instant::now() + DEADLINE;
        // Which takes a moment after the line, and a third of a second is left until the next one.
        let seen = program.lines();
        // A line's time is rounded to whole milliseconds, the journal's is cut off.
        let has = |text: &str, at: i64| [at - 1, at].iter().any(|at| text.contains(&at.to_string()));
        let noted = |text: String| (0..3).all(|m| has(&text, last(&seen, &format!("m{m}"))));
        while !std::fs::read_to_string(&journal).is_ok_and(noted) {
            assert!(Instant::now() < until, "never in the journal");
            std::thread::yield_now();
        }
        program.signal(Signal::KILL);
        let killed = program.end().lines();
        // Longer than one and a half intervals must pass, or nothing was lost.
        std::thread::sleep(Duration::from_secs(1));
        let mut program = start();
        for meter in ["m0", "m1", "m2"] {
            let realtime =
                |line: &Line| line.is_event(meter, "gap") && line.text("table").contains("realtime");
            let gap = program.wait_for("a gap", realtime);
            assert_eq!(gap.text("reason"), "the plugin was not running");
            let apart = gap.integer("from_ms") - last(&killed, meter);
            assert!(apart.abs() <= 1, "round {round}: it begins {apart} ms after the last line: {gap:#?}");
        }
        assert_eq!(program.finish().code, Some(0));
    }
}

#[test]
fn what_need_be_said_once_is_said_at_the_first_start_with_a_state_file_only() {
    let meters = Simulated::start(1);
    let directory = scratch("said_once");
    let text = format!(
        "[[inputs.powermonitor_500]]\nstate_file = \"state.json\"\n[[inputs.powermonitor_500.meter]]\nname = \"a\"\n\
         address = \"{}\"\n",
        meters.eip(0)
    );
    let path = config(&directory, &text);
    let start = || {
        let mut program = Program::start(&["--config", path.to_str().unwrap()]);
        program.wait_for("values", |line| line.is("a", ""));
        program.finish().err
    };
    let (first, second) = (start(), start());
    assert!(first.contains("The map is inferred for realtime"), "{first}");
    assert!(!second.contains("The map is"), "{second}");
    for log in [first, second] {
        assert!(log.contains("I! Reading meter \"a\", explicit: realtime and alarm every 10s"), "{log}");
    }
}

#[test]
fn a_meter_that_began_anew_while_the_plugin_was_killed_is_said_although_it_has_counted_beyond_what_was_saved()
{
    let meters = Simulated::start(1);
    let (directory, meter) = (scratch("state_reset"), meters.meter(0));
    let text = format!(
        "[[inputs.powermonitor_500]]\n{OPTIONS}\ntables = [\"energy\"]\n\
         intervals = {{ energy = \"200ms\" }}\nconnection = \"modbus\"\n\
         [[inputs.powermonitor_500.meter]]\nname = \"a\"\naddress = \"{}\"\n",
        meters.modbus(0)
    );
    let config = config(&directory, &text);
    let start = || Program::start(&["--config", config.to_str().unwrap()]);
    let wait_for = |program: &mut Program, counted: i64| {
        program.wait_for("the counter", |line| {
            line.is("a", "_energy") && line.integer("active_import_wh") == counted
        });
    };
    // The state file knows this.
    meter.set_counter("active_import_wh", 1_000_000);
    let mut program = start();
    wait_for(&mut program, 1_000_000);
    assert_eq!(program.finish().code, Some(0));
    // And of this the journal only.
    let mut program = start();
    wait_for(&mut program, 1_000_000);
    meter.set_counter("active_import_wh", 1_000_900);
    wait_for(&mut program, 1_000_900);
    let until = Instant::now() + DEADLINE;
    let journal = directory.join("state.json.log");
    while !std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("1000900")) {
        assert!(Instant::now() < until, "never in the journal");
        std::thread::yield_now();
    }
    program.signal(Signal::KILL);
    program.end();
    let saved = std::fs::read_to_string(directory.join("state.json")).unwrap();
    assert!(saved.contains("1000000") && !saved.contains("1000900"), "{saved}");

    meter.set_counter("active_import_wh", 1_000_400);
    let mut program = start();
    let reset = program.wait_for("the reset", |line| line.is_event("a", "counter_reset"));
    assert_eq!((reset.float("before"), reset.float("after")), (1_000_900.0, 1_000_400.0));
    assert_eq!(program.finish().code, Some(0));
}
