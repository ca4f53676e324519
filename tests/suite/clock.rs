//! The host's clock is set while the plugin runs: libfaketime gives it another wall clock, the monotonic one stays.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use telegraf_pm500::simulator::Options;

use crate::common::line::Line;
use crate::common::peer::scratch;
use crate::common::program::{Program, config};
use crate::common::simulated::Simulated;
use crate::common::steady::steady;

/// An hour in ns.
const HOUR: i64 = 3600 * 1_000_000_000;

/// The library that `tests/run.sh` installs.
fn libfaketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let mut found =
        folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).filter(|file| file.is_file());
    found.next().expect("libfaketime is missing; tests/run.sh installs it")
}

#[test]
fn a_clock_that_is_set_stops_nothing_and_makes_no_gap_that_is_not_one() {
    steady(|| {
        let meters = Simulated::with(Options { count: 1, ..Options::default() });
        let directory = scratch("clock");
        let text = format!(
            "[[inputs.powermonitor_500]]\nstate_file = \"state.json\"\ninterval = \"500ms\"\nconnection = \"modbus\"\n\
             intervals = {{ energy = \"500ms\" }}\ninterval_energy = \"1m\"\n\
             [[inputs.powermonitor_500.meter]]\nname = \"a\"\naddress = \"{}\"\n",
            meters.modbus(0)
        );
        let (config, clock) = (config(&directory, &text), directory.join("clock"));
        // By rename: libfaketime may read at any time, and takes an empty file for no offset.
        let set = |hours: i64| {
            let new = directory.join("clock.new");
            std::fs::write(&new, format!("{:+}", hours * 3600)).unwrap();
            std::fs::rename(new, &clock).unwrap();
        };
        set(0);
        let mut command = Command::new(env!("CARGO_BIN_EXE_telegraf-pm500"));
        command.args(["--config", config.to_str().unwrap()]);
        command.env("LD_PRELOAD", libfaketime()).env("FAKETIME_TIMESTAMP_FILE", &clock);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let mut program = Program::from_command(command, Stdio::piped());
        let status = |line: &Line| line.is("a", "_status") && line.integer("up") == 1;

        let start = program.wait_for("a gather", status).time;
        set(-1);
        for _ in 0..4 {
            program.wait_for("a gather an hour ago", |line| status(line) && line.time < start - HOUR / 2);
        }
        assert!(!program.lines().iter().any(|line| line.is_event("a", "gap")), "{:#?}", program.lines());
        set(1);
        let gap = program.wait_for("the hole in the data", |line| line.is_event("a", "gap"));
        assert!(gap.text("reason").contains("set forward by 2h"), "{gap:#?}");
        assert!(gap.integer("to_ms") > gap.integer("from_ms"), "{gap:#?}");
        for _ in 0..4 {
            program.wait_for("a gather in an hour", |line| status(line) && line.time > start + HOUR / 2);
        }
        set(0);
        for _ in 0..4 {
            program.wait_for("a gather now", |line| status(line) && (line.time - start).abs() < HOUR / 2);
        }
        let ended = program.finish();
        let lines = ended.lines();
        let last = lines.iter().rfind(|line| line.is("a", "_traffic")).unwrap();
        assert_eq!((last.integer("gaps"), last.integer("gathers_missed")), (1, 0), "{last:#?}");
        // Nothing is said twice, and no interval is written twice.
        let once = lines.iter().filter(|line| line.is("a", "_event") || line.is("a", "_interval"));
        let once: Vec<_> =
            once.map(|line| (line.measurement.clone(), line.tags.clone(), line.time)).collect();
        assert_eq!(once.iter().collect::<BTreeSet<_>>().len(), once.len(), "{once:#?}");
        assert!(ended.err.contains("W! The clock of this host was set back by 1h"), "{ended:#?}");
    });
}
