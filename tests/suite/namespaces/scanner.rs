//! A third party as the PLC: the I/O scanner of ST-node-ethernet-ip owns the simulated meter while we listen.

use std::process::Command;

use super::plant::{METER, Plant, collect, is_connected};
use crate::common::network::{Host, isolated};
use crate::common::process::Process;

/// Starts the scanner on a host and waits until frames arrive.
fn scan(host: Host, kind: &str) -> Process {
    let mut command: Command = host.command("node");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/node/scanner.js"));
    command.args([&METER.to_string(), "100", kind]);
    command.env("NODE_PATH", concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/node/node_modules"));
    let mut scanner = Process::start(&mut command);
    scanner.wait_for("frames ");
    scanner
}

/// Waits until the scanner has received twenty frames more, and has never lost its connection.
fn goes_on(scanner: &mut Process) {
    let before = scanner.wait_until(|_| true).lines().count();
    let printed = scanner.wait_until(|printed| printed.lines().count() >= before + 2);
    assert!(!printed.contains("disconnected"), "we disturbed it: {printed}");
}

#[test]
fn beside_a_third_party_scanner_that_owns_by_multicast_we_listen_and_it_goes_on() {
    isolated(|| {
        let plant = Plant::start("scanner_multicast");
        let mut scanner = scan(plant.plc, "multicast");
        let mut auto = collect(plant.a, &plant.config("a", "connection = \"auto\""));
        let status = auto.wait_for("listening", |line| is_connected(line, "listen_only"));
        assert_eq!(status.float("rpi_ms"), 100.0);
        let heard =
            auto.wait_for("frames", |line| line.is("m", "_traffic") && line.integer("frames_received") >= 20);
        assert_eq!((heard.integer("frames_lost"), heard.integer("frames_dropped")), (0, 0));
        goes_on(&mut scanner);
        assert_eq!(auto.finish().code, Some(0));
        goes_on(&mut scanner);
    });
}

#[test]
fn beside_a_third_party_scanner_that_owns_by_unicast_we_read_explicitly_and_say_why() {
    isolated(|| {
        let plant = Plant::start("scanner_unicast");
        let mut scanner = scan(plant.plc, "unicast");
        let mut auto = collect(plant.a, &plant.config("a", "connection = \"auto\""));
        auto.wait_for("explicit reads", |line| is_connected(line, "explicit") && line.integer("up") == 1);
        goes_on(&mut scanner);
        let ended = auto.finish();
        assert!(ended.err.contains("Use Unicast Connection"), "{}", ended.err);
        goes_on(&mut scanner);
    });
}
