//! Who says when: both forms of the execd block, and Telegraf's own test mode.

use super::plant::{PRESS, Plant};
use super::program::{Shipped, Telegraf, telegraf};
use crate::common::line::Line;
use crate::common::process::Process;

/// Times of a meter's realtime lines in milliseconds, oldest first.
fn times(printed: &str) -> Vec<i64> {
    let lines = Line::all(printed).into_iter().filter(|line| line.is(PRESS, ""));
    lines.map(|line| line.time / 1_000_000).collect()
}

#[test]
fn with_the_signal_none_the_plugin_keeps_its_own_interval() {
    let plant = Plant::start("signal_none");
    let execd = plant.execd().with("# interval = \"10s\"", "interval = \"24h\"");
    let mut telegraf = Telegraf::start(&plant.directory, &[execd, Shipped::stdout()], &[], &[]);
    telegraf.process.wait_until(|printed| times(printed).len() >= 4);
    telegraf.stop();
}

#[test]
fn with_the_signal_stdin_telegrafs_interval_takes_over() {
    let plant = Plant::start("signal_stdin");
    plant.configure("interval = \"200ms\"");
    let execd = plant.execd().with("\n  signal = \"none\"\n  # signal = \"STDIN\"", "\n  signal = \"STDIN\"");
    let execd = execd.with("# interval = \"10s\"", "interval = \"2s\"");
    let mut telegraf = Telegraf::start(&plant.directory, &[execd, Shipped::stdout()], &[], &[]);
    // The plugin's own clock, which runs until the first trigger, would put many gathers between these.
    telegraf.process.wait_until(|printed| {
        let times = times(printed);
        let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.windows(3).any(|gaps| gaps.iter().all(|gap| *gap > 500))
    });
    telegraf.stop();
}

#[test]
fn telegraf_test_shows_metrics_when_it_is_told_to_wait() {
    let plant = Plant::start("test_wait");
    let config = plant.directory.join("execd.conf");
    std::fs::write(&config, plant.execd().text()).unwrap();
    let arguments =
        ["--config", config.to_str().unwrap(), "--input-filter", "execd", "--test", "--test-wait", "5"];
    let printed = Process::start(&mut telegraf(&arguments, &[])).end("", 0);
    for start in ["> powermonitor_500,", "> powermonitor_500_status,", "> powermonitor_500_energy,"] {
        assert!(printed.lines().any(|line| line.starts_with(start)), "no {start} in {printed}");
    }
}
