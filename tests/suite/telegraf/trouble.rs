//! What an operator sees in Telegraf's log when something is wrong, and what it costs.

use rustix::process::Signal;
use telegraf_pm500::simulator::{Defects, Options};

use super::plant::{PRESS, Plant, execd};
use super::program::{Shipped, Telegraf, signal};
use crate::common::line::Line;
use crate::common::peer::scratch;
use crate::common::simulated::{Simulated, reads};
use crate::common::steady::steady;
use crate::common::usage::Usage;

#[test]
fn a_wrong_configuration_is_one_clear_line_in_telegrafs_log() {
    let plant = Plant::start("wrong_configuration");
    let text = std::fs::read_to_string(plant.configuration()).unwrap();
    std::fs::write(plant.configuration(), text.replace("interval = \"1s\"", "intervall = \"1s\"")).unwrap();
    let execd = plant.execd().with("# stop_on_error = false", "stop_on_error = true");
    let mut telegraf = Telegraf::start(&plant.directory, &[execd, Shipped::stdout()], &[], &[]);
    telegraf.process.wait_for_log("Process quit with message: exit status 1");
    let line = telegraf.process.wait_for_log("intervall");
    let place = plant.configuration().display().to_string();
    assert!(
        line.contains(" E! [inputs.execd] ") && line.contains(&place) && line.contains("interval"),
        "{line}"
    );
    telegraf.process.signal(Signal::TERM);
    let said = telegraf.process.log_at_end(0);
    assert_eq!(said.lines().filter(|line| line.contains("intervall")).count(), 1, "{said}");
    // Nor does Telegraf complain about the way it ended.
    assert!(!said.contains("stderr"), "{said}");
}

#[test]
fn lines_of_the_plugins_log_arrive_at_their_level() {
    let mut plant = Plant::start("levels");
    plant.configure("interval = \"1s\"\nlog_level = \"debug\"");
    let files = [plant.execd(), Shipped::stdout()];
    let mut telegraf = Telegraf::start(&plant.directory, &files, &[], &["--debug"]);
    telegraf.process.wait_for_log(" W! [inputs.execd] The map is inferred");
    telegraf.process.wait_until(|printed| Line::all(printed).iter().any(|line| line.is(PRESS, "")));
    plant.meters.stop(0);
    let fault = telegraf.process.wait_for_log(" E! [inputs.execd] Meter ");
    assert!(fault.contains(&format!("Meter \"{PRESS}\": ")), "{fault}");
    // The same outage in other words is for those who debug.
    plant.meters.break_it(0, Defects { silent: true, ..Defects::default() });
    plant.meters.restart(0);
    telegraf.process.wait_for_log(&format!(" D! [inputs.execd] Meter \"{PRESS}\": "));
    plant.meters.break_it(0, Defects::default());
    telegraf.process.wait_for_log(&format!(" I! [inputs.execd] Meter \"{PRESS}\": "));
    telegraf.process.signal(Signal::TERM);
    let said = telegraf.process.log_at_end(0);
    assert!(!said.contains("stderr"), "{said}");
}

/// Meters, and the size of a tag that makes their lines long: what waits reaches its limit sooner.
const METERS: u32 = 10;
const TAG: usize = 4000;

#[test]
fn a_telegraf_that_stops_reading_costs_bounded_memory_and_is_told_what_was_dropped() {
    steady(|| {
        let directory = scratch("telegraf_stalled");
        let meters = Simulated::with(Options { count: METERS, frozen: true, ..Options::default() });
        let mut text = format!(
            "[[inputs.powermonitor_500]]\nstate_file = \"\"\ninterval = \"200ms\"\ntags = {{ long = \"{}\" }}\n",
            "x".repeat(TAG)
        );
        for index in 0..METERS {
            text += &format!(
                "[[inputs.powermonitor_500.meter]]\nname = \"m{index}\"\naddress = \"{}\"\n",
                meters.eip(index as usize)
            );
        }
        let config = directory.join("config.toml");
        std::fs::write(&config, text).unwrap();
        let mut telegraf = Telegraf::start(&directory, &[execd(&config), Shipped::stdout()], &[], &[]);
        telegraf.process.wait_until(|printed| Line::all(printed).iter().any(|line| line.is("m9", "_status")));
        let plugin = telegraf.plugin(None);
        let before = Usage::of(plugin.as_raw_nonzero().get().unsigned_abs()).rss_kib;

        telegraf.process.signal(Signal::STOP);
        // Each gather is three lines of more than TAG bytes.
        let enough = (16 << 20) / (u64::from(METERS) * 3 * TAG as u64);
        let so_far = meters.reads(0, 101);
        meters.wait_until(0, "read on", |record| reads(record, 101) > so_far + enough);
        let grown = Usage::of(plugin.as_raw_nonzero().get().unsigned_abs()).rss_kib - before;
        assert!(grown < 24 << 10, "{grown} KiB more, of which 8 MiB are lines that wait");
        telegraf.process.signal(Signal::CONT);
        telegraf
            .process
            .wait_for_log(" W! [inputs.execd] Nobody reads the output; the oldest lines are dropped");
        telegraf.process.wait_for_log(" lines were dropped");
        let dropped =
            |line: &Line| line.measurement == "powermonitor_500_plugin" && line.integer("lines_dropped") > 0;
        telegraf.process.wait_until(|printed| Line::all(printed).iter().any(dropped));
        signal(plugin, Signal::TERM);
    });
}

#[test]
fn a_database_that_is_away_stops_no_reading_and_telegraf_says_what_it_drops() {
    let plant = Plant::start("stalled_output");
    // Nobody listens there. The limit is in the file, as a comment.
    let output = Shipped::file("outputs/influxdb_v1.conf")
        .with("# metric_buffer_limit = 100000", "metric_buffer_limit = 20");
    let mut telegraf = plant.telegraf(vec![output], &[("INFLUX_HOST", "http://127.0.0.1:1")]);
    telegraf.process.wait_for_log("Metric buffer overflow");
    let so_far = plant.meters.reads(0, 101);
    plant.meters.wait_until(0, "read on", |record| reads(record, 101) > so_far + 3);
    telegraf.process.signal(Signal::TERM);
    let said = telegraf.process.log_at_end(0);
    assert!(!said.contains("Nobody reads the output"), "{said}");
}
