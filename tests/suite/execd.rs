//! The life that Telegraf's inputs.execd gives the plugin: started, triggered, stalled, ended, started again.

use std::io::{PipeReader, Read, pipe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use telegraf_pm500::meter::identity::Identity;
use telegraf_pm500::simulator::{Defects, Options};

use crate::common::fake;
use crate::common::line::Line;
use crate::common::peer::scratch;
use crate::common::program::{Ended, Program, config, run};
use crate::common::simulated::{Simulated, reads};
use crate::common::steady::steady;

/// Silence that shows that nobody's clock runs: five of the intervals used here.
const QUIET: Duration = Duration::from_secs(1);

/// A plugin block with these options, and a meter for each name and address.
fn block(options: &str, meters: &[(&str, String)]) -> String {
    let mut text = format!("[[inputs.powermonitor_500]]\n{options}\n");
    for (name, address) in meters {
        text += &format!("[[inputs.powermonitor_500.meter]]\nname = \"{name}\"\naddress = \"{address}\"\n");
    }
    text
}

/// Writes a configuration without a state file, for a test of this name.
fn plugin(test: &str, options: &str, meters: &[(&str, String)]) -> PathBuf {
    config(&scratch(&format!("execd_{test}")), &block(&format!("state_file = \"\"\n{options}"), meters))
}

fn start(config: &Path, flags: &[&str]) -> Program {
    Program::start(&[&["--config", config.to_str().unwrap()], flags].concat())
}

/// The last word of a meter's counters.
fn counters(ended: &Ended, meter: &str) -> Line {
    ended.lines().into_iter().rfind(|line| line.is(meter, "_traffic")).expect("counters")
}

fn statuses(program: &Program, meter: &str) -> usize {
    program.lines().iter().filter(|line| line.is(meter, "_status")).count()
}

#[test]
fn it_gathers_at_start_and_then_on_its_own_clock() {
    let meters = Simulated::start(1);
    // The next boundary is up to a day away; the first gather does not wait for it.
    let slow = plugin("at_start", "interval = \"24h\"", &[("a", meters.eip(0))]);
    let mut program = start(&slow, &[]);
    program.wait_for("the first status", |line| line.is("a", "_status") && line.integer("up") == 1);
    assert_eq!(program.finish().code, Some(0));

    let mut program = start(&slow, &["--poll_interval", "200ms"]);
    for _ in 0..3 {
        program.wait_for("another status", |line| line.is("a", "_status"));
    }
    let ended = program.finish();
    let first: Vec<_> = ended.lines().into_iter().take_while(|line| !line.is("a", "_status")).collect();
    assert!(first.iter().any(|line| line.is_event("a", "started")), "{ended:#?}");
    assert!(first.iter().any(|line| line.is("a", "")), "{ended:#?}");
    assert!(first.iter().any(|line| line.is("a", "_info")), "{ended:#?}");
    assert!(ended.lines().iter().any(|line| line.measurement == "powermonitor_500_plugin"), "{ended:#?}");
}

#[test]
fn the_first_newline_takes_the_clock_over_and_each_one_is_one_gather() {
    let meters = Simulated::start(1);
    let config = plugin("newline", "interval = \"200ms\"", &[("a", meters.eip(0))]);
    let mut program = start(&config, &[]);
    for _ in 0..2 {
        program.wait_for("its own clock", |line| line.is("a", "_status"));
    }
    program.send("\n");
    program.wait_for_quiet(QUIET);
    let (before, read) = (statuses(&program, "a"), meters.reads(0, 101));
    for gather in 1..=3 {
        program.send("\n");
        program.wait_for("a gather", |line| line.is("a", "_status"));
        program.wait_for_quiet(QUIET);
        assert_eq!((statuses(&program, "a") - before, meters.reads(0, 101) - read), (gather, gather as u64));
    }
    assert_eq!(program.finish().code, Some(0));
}

#[test]
fn with_the_clock_disabled_signals_and_newlines_gather_and_nothing_else_does() {
    let meters = Simulated::start(1);
    let config = plugin("signals", "interval = \"200ms\"", &[("a", meters.eip(0))]);
    let mut program = start(&config, &["-poll_interval_disabled"]);
    // Said when stdin and signals are listened to.
    program.wait_for_log("The map is inferred");
    program.wait_for_quiet(QUIET);
    assert_eq!((statuses(&program, "a"), meters.meter(0).record().sessions), (0, 0));
    let mut gathers = 0;
    for signal in [Some(Signal::HUP), Some(Signal::USR1), Some(Signal::USR2), None, Some(Signal::HUP)] {
        match signal {
            Some(signal) => program.signal(signal),
            None => program.send("\n"),
        }
        program.wait_for("a gather", |line| line.is("a", "_status"));
        program.wait_for_quiet(QUIET);
        gathers += 1;
        assert_eq!((statuses(&program, "a"), meters.reads(0, 101)), (gathers, gathers as u64), "{signal:?}");
    }
    let ended = program.finish();
    assert_eq!((ended.code, ended.err.contains("E! ")), (Some(0), false), "{ended:#?}");
}

#[test]
fn newlines_during_a_slow_gather_make_one_gather_after_it() {
    let meters = Simulated::start(1);
    let options = "interval = \"200ms\"\ntimeout = \"20s\"\ngather_timeout = \"30s\"";
    let config = plugin("coalesced", options, &[("a", meters.eip(0))]);
    let mut program = start(&config, &["--poll_interval_disabled"]);
    program.wait_for_log("The map is inferred");
    meters.break_it(0, Defects { delay_next_reply: Some(Duration::from_secs(3)), ..Defects::default() });
    program.send("\n");
    meters.wait_until(0, "asked", |record| record.sessions == 1);
    for _ in 0..5 {
        program.send("\n");
        // What the plugin itself says to a newline shows that it was taken, while the meter still thinks.
        program.wait_for("its own line", |line| line.measurement == "powermonitor_500_plugin");
    }
    assert_eq!(statuses(&program, "a"), 0, "the meter was not slow");
    for _ in 0..2 {
        program.wait_for("a gather", |line| line.is("a", "_status"));
    }
    program.wait_for_quiet(QUIET);
    assert_eq!((statuses(&program, "a"), meters.reads(0, 101)), (2, 2));
    assert_eq!(program.finish().code, Some(0));
}

#[test]
fn the_end_of_stdin_sigterm_and_sigint_end_it_in_order() {
    type End = fn(&mut Program);
    let ends: [(&str, End); 3] = [
        ("the end of stdin", Program::close_stdin),
        ("SIGTERM", |program| program.signal(Signal::TERM)),
        ("SIGINT", |program| program.signal(Signal::INT)),
    ];
    for (what, end) in ends {
        let meters = Simulated::start(10);
        let names: Vec<_> = (0..10).map(|index| format!("m{index}")).collect();
        let list: Vec<_> =
            names.iter().enumerate().map(|(at, name)| (name.as_str(), meters.eip(at))).collect();
        let mut program = start(&plugin("ends", "interval = \"200ms\"", &list), &[]);
        for name in &names {
            program.wait_for("every meter", |line| line.is(name, "_status") && line.integer("up") == 1);
        }
        end(&mut program);
        let ended = program.end();
        assert_eq!((ended.code, ended.err.contains("E! ")), (Some(0), false), "{what}: {ended:#?}");
        // Parsing proves that nothing is cut.
        assert!(ended.lines().len() > 10);
        for index in 0..10 {
            meters.wait_until(index, what, |record| (record.sessions, record.unregistered) == (1, 1));
            assert!(meters.meter(index).record().writes().is_empty());
        }
    }
}

#[test]
fn a_meter_that_does_not_answer_does_not_hold_the_end_up() {
    let silent = fake::serve(fake::hold);
    let options = "interval = \"1s\"\ntimeout = \"50s\"\ngather_timeout = \"55s\"";
    let mut program = start(&plugin("held_up", options, &[("a", silent)]), &[]);
    program.wait_for("its own line", |line| line.measurement == "powermonitor_500_plugin");
    let asked = Instant::now();
    assert_eq!(program.finish().code, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "Telegraf sends SIGTERM after five seconds");
}

/// A pipe that holds one page, whose other end is the plugin's stdout.
fn narrow(config: &Path, flags: &[&str]) -> (Program, PipeReader) {
    let (reader, writer) = pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    let arguments = [&["--config", config.to_str().unwrap()], flags].concat();
    (Program::start_with(&arguments, writer.into()), reader)
}

#[test]
fn a_stalled_reader_stalls_neither_the_meters_nor_the_end() {
    let meters = Simulated::start(10);
    let list: Vec<_> = (0..10).map(|index| meters.eip(index)).collect();
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let list: Vec<_> = names.into_iter().zip(list).collect();
    let (mut program, mut reader) = narrow(&plugin("stalled", "interval = \"200ms\"", &list), &[]);
    // The first gather alone is more than the pipe holds.
    for index in 0..10 {
        meters.wait_until(index, "read on", |record| reads(record, 101) >= 8);
    }
    // Whoever reads again gets whole lines from where the reader stopped.
    let mut read = vec![0; 64 << 10];
    reader.read_exact(&mut read).unwrap();
    let whole = read.iter().rposition(|byte| *byte == b'\n').unwrap();
    let lines = Line::all(std::str::from_utf8(&read[..=whole]).unwrap());
    assert!(lines.iter().any(|line| line.is("j", "")));

    program.close_stdin();
    let asked = Instant::now();
    let ended = program.end();
    assert_eq!((ended.code, ended.err.contains("E! ")), (Some(0), false), "{ended:#?}");
    assert!(asked.elapsed() < Duration::from_secs(5), "Telegraf sends SIGTERM after five seconds");
    for index in 0..10 {
        meters.wait_until(index, "left", |record| record.unregistered == 1);
    }
}

#[test]
fn a_closed_stdout_ends_it_without_a_word() {
    let meters = Simulated::start(1);
    let (program, reader) = narrow(
        &plugin("closed", "interval = \"200ms\"\nlog_level = \"error\"", &[("a", meters.eip(0))]),
        &[],
    );
    meters.wait_until(0, "read", |record| reads(record, 101) > 0);
    drop(reader);
    // stdin stays open: it ends by itself.
    let ended = program.end();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    meters.wait_until(0, "left", |record| record.unregistered == 1);
}

#[test]
fn a_dead_meter_never_delays_another() {
    steady(|| {
        let meters = Simulated::start(1);
        // It is given up after one request, six intervals long.
        let options = "interval = \"1s\"\ntimeout = \"6s\"\ngather_timeout = \"20s\"";
        let list = [("dead", fake::serve(fake::hold)), ("well", meters.eip(0))];
        let mut program = start(&plugin("dead", options, &list), &[]);
        let dead = program.wait_for("the dead meter's status", |line| line.is("dead", "_status"));
        assert_eq!((dead.integer("up"), dead.text("result"), dead.integer("result_code")), (0, "timeout", 2));
        let well: Vec<_> = program.lines().into_iter().filter(|line| line.is("well", "_status")).collect();
        assert!(well.len() >= 5, "{well:#?}");
        assert!(well.iter().all(|status| status.integer("up") == 1), "{well:#?}");
        let ended = program.finish();
        assert_eq!(counters(&ended, "well").integer("gathers_missed"), 0, "{ended:#?}");
        let error = ended.error();
        assert!(error.starts_with("E! Meter \"dead\": no reply"), "{error}");
    });
}

#[test]
fn a_meter_that_dies_and_returns_is_read_again_and_its_gap_is_in_the_data() {
    steady(|| {
        let mut meters = Simulated::start(2);
        let list = [("a", meters.eip(0)), ("b", meters.eip(1))];
        let mut program = start(&plugin("returns", "interval = \"1s\"", &list), &[]);
        program.wait_for("a good start", |line| line.is("a", "_status") && line.integer("up") == 1);
        meters.stop(0);
        for _ in 0..2 {
            let down =
                program.wait_for("the outage", |line| line.is("a", "_status") && line.integer("up") == 0);
            assert_eq!(
                (down.text("result"), down.integer("result_code")),
                ("connection_failed", 3),
                "{down:#?}"
            );
            assert_eq!((down.text("connection"), down.integer("tables_ok")), ("none", 0), "{down:#?}");
        }
        meters.restart(0);
        let gap = program.wait_for("the gap", |line| line.is_event("a", "gap"));
        program.wait_for("the recovery", |line| line.is("a", "_status") && line.integer("up") == 1);

        let lines = program.lines();
        let (from, to) = (gap.integer("from_ms"), gap.integer("to_ms"));
        // Both tables were away: from the first that was last read to the last that was read again.
        let times = |table| {
            let lines = lines.iter().filter(move |line| line.is("a", table));
            lines.map(|line| line.time / 1_000_000).collect::<Vec<_>>()
        };
        let (realtime, alarm) = (times(""), times("_alarm"));
        let middle = (from + to) / 2;
        let last = |times: &[i64]| times.iter().copied().filter(|time| *time < middle).max().unwrap();
        let next = |times: &[i64]| times.iter().copied().filter(|time| *time > middle).min().unwrap();
        // Lines are rounded to the millisecond, the event's fields are cut.
        let near = |a: i64, b: i64| (a - b).abs() <= 1;
        assert!(near(from, last(&realtime).min(last(&alarm))), "{gap:#?} {realtime:?} {alarm:?}");
        assert!(near(to, next(&realtime).max(next(&alarm))), "{gap:#?} {realtime:?} {alarm:?}");
        assert!((gap.time / 1_000_000 - from).abs() <= 1, "{gap:#?}");
        assert!((gap.float("duration_s") - (to - from) as f64 / 1000.0).abs() < 0.002, "{gap:#?}");
        assert_eq!(gap.text("table"), "realtime,alarm");
        let b: Vec<_> = lines.iter().filter(|line| line.is("b", "_status")).collect();
        assert!(b.iter().all(|line| line.integer("up") == 1), "{b:#?}");
        let ended = program.finish();
        let (a, b) = (counters(&ended, "a"), counters(&ended, "b"));
        assert!(a.integer("gaps") >= 1 && a.integer("reconnects") >= 1, "{a:#?}");
        assert_eq!(b.integer("gathers_missed"), 0, "{b:#?}");
        assert!(!lines.iter().any(|line| line.is_event("b", "gap")), "{ended:#?}");
        let log: Vec<_> = ended.err.lines().filter(|line| line.contains("Meter \"a\"")).collect();
        let [fault, recovered] = log[..] else { panic!("said more than once: {log:#?}") };
        assert!(fault.starts_with("E! ") && recovered.contains("recovered after"), "{log:#?}");
    });
}

#[test]
fn no_meter_is_legal_and_keeps_telegraf_happy() {
    let config = plugin("none", "interval = \"200ms\"", &[]);
    let mut program = start(&config, &[]);
    for _ in 0..2 {
        let own = program.wait_for("its own line", |line| line.measurement == "powermonitor_500_plugin");
        assert_eq!((own.integer("meters"), own.integer("meters_up"), own.tags.len()), (0, 0, 0));
    }
    program.send("\n");
    program.wait_for_quiet(QUIET);
    let ended = program.finish();
    assert_eq!(ended.code, Some(0));
    let [none, told] = ended.err.lines().collect::<Vec<_>>()[..] else { panic!("{ended:#?}") };
    assert!(none.starts_with("I! No meter") && told.starts_with("I! Gathering when told"), "{ended:#?}");
}

#[test]
fn everything_it_says_on_stderr_has_a_level_that_telegraf_knows() {
    let mut meters = Simulated::start(2);
    let list = [("a", meters.eip(0)), ("b ü", meters.eip(1)), ("c", "something.invalid".to_owned())];
    let mut program = start(&plugin("levels", "interval = \"200ms\"", &list), &["--debug"]);
    program.wait_for("a good start", |line| line.is("a", "_status") && line.integer("up") == 1);
    meters.stop(0);
    program.wait_for_log("E! Meter \"a\": ");
    meters.restart(0);
    program.wait_for_log("recovered after");
    // `end` looks at every line.
    let ended = program.finish();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[test]
fn a_restart_continues_from_the_state_file_and_says_what_happened_meanwhile() {
    let meters = Simulated::with(Options { count: 1, ..Options::default() });
    let directory = scratch("execd_state");
    let options = "state_file = \"state.json\"\ninterval = \"200ms\"\nconnection = \"modbus\"\n\
                   intervals = { energy = \"200ms\" }";
    let config = config(&directory, &block(options, &[("a", meters.modbus(0))]));
    let mut first = start(&config, &[]);
    let started = first.wait_for("the start", |line| line.is_event("a", "started"));
    assert_eq!(started.text("reason"), "nothing before is known");
    first.wait_for("a gather", |line| line.is("a", "_status") && line.integer("up") == 1);
    let ended = first.finish();
    let last = |name: &str| ended.lines().into_iter().rfind(|line| line.is("a", name)).unwrap();
    let (counted, read) = (last("_energy").integer("active_import_wh"), last("").time / 1_000_000);
    assert!(directory.join("state.json").is_file());

    meters.meter(0).reset_counters();
    // Longer than one and a half intervals must pass, or nothing was lost.
    std::thread::sleep(Duration::from_millis(500));
    let mut second = start(&config, &[]);
    let started = second.wait_for("the start", |line| line.is_event("a", "started"));
    assert_eq!(started.text("reason"), "continued from the state file");
    second.wait_for("the reset", |line| line.is_event("a", "counter_reset"));
    let ended = second.finish();
    assert!(counters(&ended, "a").integer("counter_resets") > 0, "{ended:#?}");
    let events = ended.lines();
    let gap = events.iter().find(|line| line.is_event("a", "gap") && line.text("table").contains("realtime"));
    let gap = gap.unwrap_or_else(|| panic!("no gap: {ended:#?}"));
    assert!((gap.integer("from_ms") - read).abs() <= 1, "{gap:#?} {read}");
    assert_eq!(gap.text("reason"), "the plugin was not running");
    let reset = events
        .iter()
        .find(|line| line.is_event("a", "counter_reset"))
        .unwrap_or_else(|| panic!("no reset: {ended:#?}"));
    let before = format!("active_import_wh={counted},");
    assert!(reset.text("before_text").starts_with(&before), "{reset:#?}");
    assert!(!reset.text("after_text").contains(&before), "{reset:#?}");
    let resets = events.iter().filter(|line| line.is_event("a", "counter_reset"));
    assert_eq!(resets.count(), 1, "{ended:#?}");
    assert!(ended.err.contains("counters were reset: active_import_wh fell from"), "{ended:#?}");
}

#[test]
fn another_meter_at_the_same_address_is_said_after_a_restart_and_while_it_runs() {
    let mut meters = Simulated::start(1);
    let directory = scratch("execd_swapped");
    let options = "state_file = \"state.json\"\ninterval = \"200ms\"";
    let config = config(&directory, &block(options, &[("a", meters.eip(0))]));
    let up = |line: &Line| line.is("a", "_status") && line.integer("up") == 1;
    let mut first = start(&config, &[]);
    first.wait_for("a gather", up);
    let ended = first.finish();
    assert!(!ended.lines().iter().any(|line| line.is_event("a", "meter_swapped")), "{ended:#?}");

    let own = meters.meter(0).identity();
    let other = |serial| {
        let identity = Some(Identity { serial, ..own.clone() });
        Defects { identity, ..Defects::default() }
    };
    meters.break_it(0, other(123));
    let mut second = start(&config, &[]);
    let swapped = second.wait_for("the swap", |line| line.is_event("a", "meter_swapped"));
    assert!(swapped.text("before_text").contains("940000000"), "{swapped:#?}");
    assert!(swapped.text("after_text").contains("123"), "{swapped:#?}");
    second.wait_for("a gather", up);
    assert_eq!(second.finish().code, Some(0));

    let mut third = start(&config, &[]);
    third.wait_for("a gather", up);
    assert!(!third.lines().iter().any(|line| line.is_event("a", "meter_swapped")), "{:#?}", third.lines());
    meters.stop(0);
    third.wait_for("the outage", |line| line.is("a", "_status") && line.integer("up") == 0);
    meters.break_it(0, other(456));
    meters.restart(0);
    let swapped = third.wait_for("the swap", |line| line.is_event("a", "meter_swapped"));
    assert!(swapped.text("before_text").contains("123"), "{swapped:#?}");
    assert!(swapped.text("after_text").contains("456"), "{swapped:#?}");
    assert_eq!(third.finish().code, Some(0));
}

#[test]
fn a_garbled_state_file_is_said_and_costs_nothing_but_the_past() {
    let meters = Simulated::start(1);
    let directory = scratch("execd_garbled");
    let config = config(
        &directory,
        &block("state_file = \"state.json\"\ninterval = \"200ms\"", &[("a", meters.eip(0))]),
    );
    std::fs::write(directory.join("state.json"), "{\"format\": 1, \"met").unwrap();
    for (reason, warned) in [("nothing before is known", true), ("continued from the state file", false)] {
        let mut program = start(&config, &[]);
        let started = program.wait_for("the start", |line| line.is_event("a", "started"));
        assert_eq!(started.text("reason"), reason);
        program.wait_for("a gather", |line| line.is("a", "_status") && line.integer("up") == 1);
        let ended = program.finish();
        assert_eq!((ended.code, ended.err.contains("state.json")), (Some(0), warned), "{ended:#?}");
    }
}

#[test]
fn each_request_and_its_reply_is_said_by_layer_and_bytes_only_to_who_asks_for_them() {
    let meters = Simulated::start(1);
    let (eip, modbus) = (meters.eip(0), format!("modbus://{}", meters.modbus(0)));
    for (flag, bytes) in [("--debug", false), ("--trace", true)] {
        let ended = run(&[flag, "dump", &eip, &modbus]);
        for said in
            ["session: connected", "CIP: the read of assembly 101: 48 bytes", "Modbus: the read of 0x0050"]
        {
            assert!(ended.err.contains(said), "{flag}: {ended:#?}");
        }
        // Whole packets in both directions: RegisterSession, the read of 101 by Get_Attribute_Single, that of 0x0050.
        for (layer, request) in
            [("session", "65000400"), ("CIP", "0e0320042465"), ("Modbus", "000000060103005000")]
        {
            let of = |direction: &str| format!("{layer}: {direction} ");
            let sent = ended.err.lines().any(|line| line.contains(&of("sent")) && line.contains(request));
            let received = ended.err.contains(&of("received"));
            assert_eq!((sent, received), (bytes, bytes), "{flag}: {ended:#?}");
        }
        let ours = |line: &str| line.contains("Meter \"") || line.starts_with("W! The map is inferred");
        assert!(ended.err.lines().all(ours), "{flag}: {ended:#?}");
    }
    let quiet = run(&["dump", &eip]);
    assert!(!quiet.err.contains("CIP: "), "{quiet:#?}");
}
