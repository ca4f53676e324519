//! Meters on one line, behind a gateway from Ethernet to RS-485 or at a serial port: one connection, each asked in its
//! turn.

use std::net::SocketAddr;
use std::time::Duration;

use telegraf_pm500::meter::{Table, Value};
use telegraf_pm500::simulator::{Line, LineDefects, LineFault, LineOptions, Options};
use tokio::runtime::{Builder, Runtime};

use crate::common::line::{Line as Printed, Value as Field};
use crate::common::peer::scratch;
use crate::common::program::{Program, config, run};
use crate::common::simulated::own_network;
use crate::common::steady::steady;

const UNITS: u8 = 6;
/// The one that is dead at first.
const DEAD: u8 = 4;

/// A simulated line, and its address: a serial port, or a gateway that speaks like this.
fn start(mode: &str) -> (Runtime, Line, String) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let gateway = Some(SocketAddr::from((own_network(), 0)));
    let options = LineOptions {
        units: UNITS,
        meters: Options { frozen: true, ..Options::default() },
        ..LineOptions::default()
    };
    let options = match mode {
        "TCP" => LineOptions { gateway, ..options },
        "RTU" => options,
        _ => LineOptions { rtu_over_tcp: gateway, ..options },
    };
    let line = runtime.block_on(Line::start(options)).unwrap();
    let address = match line.gateway().or(line.rtu_over_tcp()) {
        Some(gateway) => format!("modbus://{gateway}"),
        None => format!("file://{}", line.path().unwrap().display()),
    };
    (runtime, line, address)
}

/// A block with a meter for each unit.
fn block(address: &str, mode: &str, units: impl IntoIterator<Item = u8>) -> String {
    let meter = |unit| {
        format!(
            "[[inputs.powermonitor_500.meter]]\nname = \"unit-{unit}\"\naddress = \"{address}\"\nunit_id = {unit}\n"
        )
    };
    let meters: String = units.into_iter().map(meter).collect();
    // Fast enough for all of them.
    let speed = if mode == "RTU" { "baud_rate = 19200\n" } else { "" };
    // A gateway that says itself that a unit is silent does so after a while; on a line nobody says it.
    let timeout = if mode == "TCP" { "1s" } else { "300ms" };
    format!(
        "[[inputs.powermonitor_500]]\nstate_file = \"\"\ninterval = \"1s\"\ntimeout = \"{timeout}\"\n\
         transmission_mode = \"{mode}\"\n{speed}{meters}"
    )
}

/// Each unit with the name of its meter.
fn names() -> impl Iterator<Item = (u8, String)> {
    (1..=UNITS).map(|unit| (unit, format!("unit-{unit}")))
}

/// Every realtime value that was printed of a meter is that of its unit; gives how many were.
fn assert_true(lines: &[Printed], line: &Line, (unit, name): &(u8, String)) -> usize {
    let mut count = 0;
    for printed in lines.iter().filter(|line| line.is(name, "")) {
        for (field, value) in &printed.fields {
            match (line.expected(*unit, Table::Realtime, field), value) {
                (Some(Value::Real(truth)), Field::Float(value)) => assert!(
                    (value - f64::from(truth)).abs() <= f64::from(truth.abs()) * 1e-6,
                    "{name}: {field} is {value} instead of {truth}"
                ),
                (Some(Value::Integer(truth)), Field::Integer(value)) => {
                    assert_eq!(*value, truth, "{name}: {field}");
                }
                (truth, value) => panic!("{name}: {field} is {value:?}, and in truth {truth:?}"),
            }
            count += 1;
        }
    }
    count
}

fn a_dead_unit_returns_without_harm_to_the_others(mode: &str, said: &str) {
    let (_runtime, line, address) = start(mode);
    line.set_defects(LineDefects { silent: [DEAD].into(), ..LineDefects::default() });
    let config = config(&scratch(&format!("gateway_{mode}")), &block(&address, mode, 1..=UNITS));
    let mut program = Program::start(&["--config", config.to_str().unwrap()]);
    for _ in 0..4 {
        for (unit, name) in names() {
            let up = i64::from(unit != DEAD);
            program.wait_for("each meter", |line| line.is(&name, "_status") && line.integer("up") == up);
        }
    }
    program.wait_for_log(said);
    line.set_defects(LineDefects::default());
    program.wait_for("the unit that is back", |line| line.is("unit-4", "_status") && line.integer("up") == 1);
    let lines = program.finish().lines();
    for each @ (unit, name) in &names().collect::<Vec<_>>() {
        let down = lines.iter().filter(|line| line.is(name, "_status") && line.integer("up") == 0).count();
        assert_eq!(down > 0, *unit == DEAD, "{name} was down {down} times");
        assert!(assert_true(&lines, &line, each) > 0);
    }
    let record = line.record();
    let (open, most) = record.clients;
    assert_eq!((open, line.writes()), (0, 0), "all are closed at the end");
    // The gateway may see the next connection before the end of the last one.
    assert!(most <= 2, "{most} connections at one time");
}

#[test]
fn meters_behind_a_gateway_share_one_connection_and_a_dead_one_returns_without_harm_to_the_others() {
    let said = "gateway target device failed to respond: check the unit id";
    a_dead_unit_returns_without_harm_to_the_others("TCP", said);
}

#[test]
fn meters_behind_a_gateway_that_passes_frames_on_do_so_too() {
    a_dead_unit_returns_without_harm_to_the_others("RTUoverTCP", "no reply to the read of");
}

#[test]
fn meters_at_a_serial_port_do_so_too() {
    a_dead_unit_returns_without_harm_to_the_others("RTU", "no reply to the read of");
}

#[test]
fn whatever_befalls_frames_behind_a_gateway_no_meter_gets_a_wrong_value_and_all_are_read_again() {
    whatever_befalls_frames_no_meter_gets_a_wrong_value("RTUoverTCP");
}

#[test]
fn whatever_befalls_frames_at_a_serial_port_no_meter_gets_a_wrong_value_and_all_are_read_again() {
    whatever_befalls_frames_no_meter_gets_a_wrong_value("RTU");
}

fn whatever_befalls_frames_no_meter_gets_a_wrong_value(mode: &str) {
    let (_runtime, line, address) = start(mode);
    let config = config(&scratch(&format!("gateway_faults_{mode}")), &block(&address, mode, 1..=UNITS));
    let mut program = Program::start(&["--config", config.to_str().unwrap()]);
    let faults = [
        LineFault::Noise,
        LineFault::Cut,
        LineFault::Late,
        LineFault::WrongUnit,
        LineFault::Crc,
        LineFault::SecondMaster,
        LineFault::Echo,
    ];
    for fault in faults {
        line.set_defects(LineDefects { defects: [fault].into(), every: 3, ..LineDefects::default() });
        let heard = line.record().answers;
        while line.record().answers < heard + 12 {
            program.wait_for("a meter", |line| line.measurement == "powermonitor_500_status");
        }
    }
    line.set_defects(LineDefects::default());
    for (_, name) in names() {
        let well = |line: &Printed| line.is(&name, "_status") && line.integer("result_code") == 0;
        program.wait_for(&format!("{name} to be well again"), well);
    }
    let lines = program.finish().lines();
    for each in &names().collect::<Vec<_>>() {
        assert!(assert_true(&lines, &line, each) > 0);
    }
}

#[test]
fn one_unit_under_two_names_is_refused_and_says_what_meters_behind_a_gateway_need() {
    let gateway = "modbus://192.0.2.1:502";
    let config = config(&scratch("gateway_twice"), &block(gateway, "TCP", [1, 2]).replace("unit_id = 2", ""));
    let refused = run(&["--check-config", "--config", config.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1));
    let expected = "have the same address 192.0.2.1:502 and unit_id = 1";
    assert!(refused.error().contains(expected), "{}", refused.error());
    assert!(refused.error().contains("meters behind a gateway have a unit_id each"), "{}", refused.error());
}

#[test]
fn two_wire_adapters_that_hear_themselves_are_read_as_if_they_did_not() {
    let (_runtime, line, address) = start("RTU");
    line.set_defects(LineDefects { defects: [LineFault::Echo].into(), every: 1, ..LineDefects::default() });
    let config = config(&scratch("serial_echo"), &block(&address, "RTU", 1..=UNITS));
    let mut program = Program::start(&["--config", config.to_str().unwrap()]);
    for (_, name) in names() {
        let well = |line: &Printed| line.is(&name, "_status") && line.integer("result_code") == 0;
        program.wait_for(&format!("{name} to be read"), well);
    }
    let lines = program.finish().lines();
    for each in &names().collect::<Vec<_>>() {
        assert!(assert_true(&lines, &line, each) > 0);
    }
}

#[test]
fn an_adapter_that_is_pulled_out_and_plugged_in_again_is_told_and_read_again() {
    let directory = scratch("serial_adapter");
    let link = directory.join("port");
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let plugged_in = || {
        let options = LineOptions { link: Some(link.clone()), ..LineOptions::default() };
        runtime.block_on(Line::start(options)).unwrap()
    };
    let line = plugged_in();
    let config = config(&directory, &block(&format!("file://{}", link.display()), "RTU", [1]));
    let mut program = Program::start(&["--config", config.to_str().unwrap()]);
    let is = |up| move |line: &Printed| line.is("unit-1", "_status") && line.integer("up") == up;
    program.wait_for("the meter", is(1));
    drop(line);
    program.wait_for("the meter to be gone", is(0));
    program.wait_for_log("is the adapter plugged in?");
    let _line = plugged_in();
    program.wait_for("the meter to be back", is(1));
}

#[test]
fn a_serial_port_that_another_program_has_is_told_as_such() {
    let (_runtime, _line, address) = start("RTU");
    let directory = scratch("serial_in_use");
    let config = config(&directory, &block(&address, "RTU", [1]));
    let mut first = Program::start(&["--config", config.to_str().unwrap()]);
    first.wait_for("the meter", |line| line.is("unit-1", "_status") && line.integer("up") == 1);
    let second = run(&["check", "--config", config.to_str().unwrap()]);
    let said = format!("{}{}", second.out, second.err);
    assert!(said.contains("is in use by another program; a line has one master only"), "{said}");
}

/// A block for two units, each with the path of its own.
fn two_paths(first: &str, second: &str) -> String {
    let block = block(&format!("file://{first}"), "RTU", [1]);
    format!(
        "{block}[[inputs.powermonitor_500.meter]]\nname = \"unit-2\"\naddress = \"file://{second}\"\nunit_id = 2\n"
    )
}

#[test]
fn two_paths_of_one_serial_port_are_one_line_and_whoever_wrote_them_is_told() {
    let (_runtime, line, address) = start("RTU");
    let path = address.strip_prefix("file://").unwrap();
    let other = format!("/dev/..{path}");
    let config = config(&scratch("serial_two_paths"), &two_paths(path, &other));
    let mut program = Program::start(&["--config", config.to_str().unwrap()]);
    let said = format!("the serial port {other} is {path}; write the same path for all meters on one line");
    program.wait_for_log(&said);
    for (_, name) in names().take(2) {
        let well = |line: &Printed| line.is(&name, "_status") && line.integer("result_code") == 0;
        program.wait_for(&format!("{name} to be read"), well);
    }
    let lines = program.finish().lines();
    for each in &names().take(2).collect::<Vec<_>>() {
        assert!(assert_true(&lines, &line, each) > 0);
    }
}

#[test]
fn a_path_that_comes_to_lead_to_a_port_in_use_is_refused_with_both_names() {
    let (_runtime, _line, address) = start("RTU");
    let path = address.strip_prefix("file://").unwrap();
    let directory = scratch("serial_late_path");
    let link = directory.join("by-id");
    let config = config(&directory, &two_paths(path, link.to_str().unwrap()));
    let mut program = Program::start(&["--config", config.to_str().unwrap()]);
    let is = |up: i64, name: &'static str| {
        move |line: &Printed| line.is(name, "_status") && line.integer("up") == up
    };
    program.wait_for("the first", is(1, "unit-1"));
    program.wait_for_log("is the adapter plugged in?");
    std::os::unix::fs::symlink(path, &link).unwrap();
    program.wait_for_log(&format!("{} is {path}, which this program has open by that name", link.display()));
    program.wait_for("the first again", is(1, "unit-1"));
}

#[test]
fn a_line_that_cannot_carry_what_its_meters_are_asked_is_refused_with_the_figures() {
    let config = config(&scratch("serial_too_much"), &block("file:///dev/ttyS0", "RTU", 1..=31));
    let refused = run(&["--check-config", "--config", config.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1));
    let expected =
        "the serial port /dev/ttyS0 cannot carry this: at 19200 baud 31 meters on it would take at least";
    assert!(refused.error().contains(expected), "{}", refused.error());
}

#[test]
fn verify_reads_a_meter_at_a_serial_port_and_one_behind_a_gateway_that_passes_frames_on() {
    for mode in ["RTU", "RTUoverTCP"] {
        let (_runtime, line, address) = start(mode);
        let speed = if mode == "RTU" { ["--baud-rate", "19200", "--parity", "N"].as_slice() } else { &[] };
        let how = ["verify", &address, "--unit-id", "2", "--transmission-mode", mode, "--interval", "200ms"];
        let verified = run(&[&how, speed].concat());
        assert_eq!(verified.code, Some(0), "{mode}: {}", verified.err);
        assert!(verified.out.contains("Nothing contradicts the map."), "{mode}: {}", verified.out);
        let asked = line.record().requests;
        assert_eq!(asked.keys().collect::<Vec<_>>(), [&2], "{mode}: nobody else is asked");
    }
}

#[test]
fn a_round_that_takes_longer_than_a_gather_may_costs_no_meter_its_turn_and_check_measures_it() {
    steady(|| {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let slow = Duration::from_millis(120);
        let options = LineOptions { units: 4, answer_time: slow, ..LineOptions::default() };
        let line = runtime.block_on(Line::start(options)).unwrap();
        let block = block(&format!("file://{}", line.path().unwrap().display()), "RTU", 1..=4);
        // Each has the time that it needs, and four of them have not.
        let block = block.replace("interval = \"1s\"", "interval = \"10s\"\ngather_timeout = \"1s\"");
        let config = config(&scratch("serial_slow"), &block);
        let once = run(&["--once", "--config", config.to_str().unwrap()]);
        assert_eq!(once.code, Some(0), "{}", once.err);
        let check = run(&["check", "--config", config.to_str().unwrap()]);
        assert!(check.out.contains("a round of its 4 meters with all tables takes "), "{}", check.out);
        assert!(check.out.contains(" of the interval of 10s"), "{}", check.out);
    });
}
