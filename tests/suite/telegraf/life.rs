//! Telegraf's life is the plugin's: reloads, ends and deaths on both sides.

use std::time::Duration;

use rustix::process::Signal;
use telegraf_pm500::enip::forward_open::Application::ListenOnly;

use super::plant::{FEEDER, PRESS, Plant, execd, wait_for};
use super::program::{Shipped, Telegraf, lives, signal};
use crate::common::capture::Capture;
use crate::common::line::Line;
use crate::common::listening::{frozen, owner, owner_of};
use crate::common::peer::scratch;
use crate::common::simulated::Simulated;
use crate::common::steady::steady;

/// Lines of a meter's measurement.
fn count(printed: &str, meter: &str, suffix: &str) -> usize {
    Line::all(printed).iter().filter(|line| line.is(meter, suffix)).count()
}

#[test]
fn a_reload_of_telegraf_applies_the_changed_configuration_and_leaves_no_session_behind() {
    let plant = Plant::start("reload");
    let mut telegraf = plant.telegraf(vec![Shipped::stdout()], &[]);
    telegraf.process.wait_until(|printed| count(printed, PRESS, "") > 0);
    let before = telegraf.plugin(None);
    let text = std::fs::read_to_string(plant.configuration()).unwrap();
    std::fs::write(plant.configuration(), text.replace(PRESS, "press-5")).unwrap();

    telegraf.process.signal(Signal::HUP);
    telegraf.process.wait_until(|printed| count(printed, "press-5", "") > 0);
    assert!(!lives(before));
    let record = plant.meters.meter(0).record();
    assert_eq!((record.sessions, record.unregistered), (2, 1));
    telegraf.stop();
}

#[test]
fn the_end_of_telegraf_is_a_good_bye_to_every_connection_and_session_on_the_wire() {
    steady(|| {
        let directory = scratch("telegraf_end");
        let meters = Simulated::at(frozen());
        let rpi = Duration::from_millis(100);
        let _owners = meters.block_on(async {
            (
                owner(meters.meter(0), 1, owner_of(101, rpi)).await,
                owner(meters.meter(0), 2, owner_of(102, rpi)).await,
            )
        });
        let before = meters.meter(0).record();
        let config = directory.join("config.toml");
        let text = format!(
            "[[inputs.powermonitor_500]]\nstate_file = \"\"\ninterval = \"1s\"\nconnection = \"auto\"\n\
             [[inputs.powermonitor_500.meter]]\nname = \"{PRESS}\"\naddress = \"{}\"\n",
            meters.eip(0)
        );
        std::fs::write(&config, text).unwrap();
        let capture = Capture::start(&meters.eip(0), &meters.modbus(0));
        let mut telegraf = Telegraf::start(&directory, &[execd(&config), Shipped::stdout()], &[], &[]);
        let listens = |line: &Line| line.is(PRESS, "_status") && line.text("connection") == "listen_only";
        telegraf.process.wait_until(|printed| Line::all(printed).iter().any(listens));
        telegraf.stop();

        let packets = capture.finish(&directory);
        let eip = packets.eip_data();
        let requests = packets.frames(
            &format!("{eip} && tcp.dstport == {} && cip.rr == 0", meters.meter(0).eip().port()),
            &["cip.sc"],
        );
        assert_eq!(requests[requests.len() - 2..], ["0x4e", "0x4e"], "{requests:?}");
        let commands = packets.frames(&eip, &["enip.command"]);
        assert_eq!(commands.last().map(String::as_str), Some("0x0066"));
        let record = meters.meter(0).record();
        assert_eq!((record.io.opened[&ListenOnly], record.io.closed[&ListenOnly]), (2, 2));
        assert_eq!(record.unregistered - before.unregistered, record.sessions - before.sessions);
    });
}

#[test]
fn a_killed_plugin_is_started_again_and_data_resumes() {
    let plant = Plant::start("killed_plugin");
    let execd = plant.execd().with("# restart_delay = \"10s\"", "restart_delay = \"1s\"");
    let mut telegraf = Telegraf::start(&plant.directory, &[execd, Shipped::stdout()], &[], &[]);
    telegraf.process.wait_until(|printed| count(printed, PRESS, "") > 0 && count(printed, FEEDER, "") > 0);
    let killed = telegraf.plugin(None);
    signal(killed, Signal::KILL);
    telegraf.process.wait_for_log("exited: signal: killed");
    let next = telegraf.plugin(Some(killed));
    let before = telegraf.process.wait_until(|_| true).len();
    telegraf.process.wait_until(|printed| {
        let new = &printed[before..];
        count(new, PRESS, "") > 1 && count(new, FEEDER, "_energy") > 1
    });
    assert!(lives(next));
    telegraf.stop();
    assert!(!lives(next));
}

#[test]
fn a_killed_telegraf_leaves_no_plugin_and_no_session_behind() {
    let plant = Plant::start("killed_telegraf");
    let mut telegraf = plant.telegraf(vec![Shipped::stdout()], &[]);
    telegraf.process.wait_until(|printed| count(printed, PRESS, "") > 0);
    let plugin = telegraf.plugin(None);
    telegraf.process.signal(Signal::KILL);
    wait_for("the plugin ends", || (!lives(plugin)).then_some(()));
    plant.meters.wait_until(0, "left", |record| record.sessions == 1 && record.unregistered == 1);
}
