//! Whoever started the plugin may not read it, may share its pipes, and may trigger it wildly: nothing stops, and what
//! leaves, leaves whole.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::{ioctl_fionbio, ioctl_fionread};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::line::Line;
use crate::common::peer::scratch;
use crate::common::program::{Program, config, run};
use crate::common::simulated::{DEADLINE, Simulated, own_network, reads};

/// The smallest pipe there is.
const SMALL: usize = 4096;

fn plugin(test: &str, meters: &Simulated) -> PathBuf {
    let mut text =
        "[[inputs.powermonitor_500]]\nstate_file = \"\"\ninterval = \"200ms\"\nlog_level = \"debug\"\n"
            .to_owned();
    for (number, meter) in meters.meters().iter().enumerate() {
        let address = meter.eip();
        text +=
            &format!("[[inputs.powermonitor_500.meter]]\nname = \"m{number}\"\naddress = \"{address}\"\n");
    }
    config(&scratch(&format!("pipes_{test}")), &text)
}

fn start(config: &PathBuf, stdout: Stdio, stderr: Stdio) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telegraf-pm500"));
    command.arg("--config").arg(config).stdin(Stdio::piped()).stdout(stdout).stderr(stderr);
    command.spawn().unwrap()
}

/// A pipe that takes nothing more.
fn full() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    let size = fcntl_setpipe_size(&writer, SMALL).unwrap();
    writer.write_all(&vec![b'.'; size]).unwrap();
    (reader, writer)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

/// How it ended, which it must do soon: Telegraf waits for 5 s.
#[track_caller]
fn end(child: &mut Child) -> Option<i32> {
    let until = Instant::now() + DEADLINE;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    panic!("it does not end");
}

#[test]
fn with_a_stderr_that_nobody_reads_meters_are_read_and_both_ways_to_end_it_work() {
    for by_signal in [true, false] {
        let mut meters = Simulated::start(2);
        let (_unread, stderr) = full();
        let config = plugin(if by_signal { "unread_signal" } else { "unread_stdin" }, &meters);
        let mut child = start(&config, Stdio::null(), stderr.into());
        meters.wait_until(0, "read", |record| reads(record, 101) > 3);
        // Something to say at each gather.
        meters.stop(1);
        let before = meters.reads(0, 101);
        meters.wait_until(0, "read on", |record| reads(record, 101) > before + 5);
        if by_signal {
            signal(&child, Signal::TERM);
        } else {
            drop(child.stdin.take());
        }
        assert_eq!(end(&mut child), Some(0));
        meters.wait_until(0, "left", |record| record.unregistered == 1);
    }
}

#[test]
fn a_stderr_that_cannot_be_written_costs_the_log_and_nothing_else() {
    let meters = Simulated::start(1);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut child = start(&plugin("dev_full", &meters), Stdio::null(), full.into());
    meters.wait_until(0, "read", |record| reads(record, 101) > 3);
    drop(child.stdin.take());
    assert_eq!(end(&mut child), Some(0));
}

#[test]
fn a_stdout_that_somebody_made_non_blocking_gets_every_line_whole() {
    let meters = Simulated::start(8);
    let (mut reader, writer) = pipe().unwrap();
    fcntl_setpipe_size(&writer, SMALL).unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    let mut child = start(&plugin("non_blocking", &meters), writer.into(), Stdio::null());
    // Far more than the pipe holds is waiting when it is first read.
    meters.wait_until(0, "read", |record| reads(record, 101) > 10);
    drop(child.stdin.take());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(end(&mut child), Some(0));
    assert!(text.ends_with('\n'));
    let lines = Line::all(&text);
    let whole = |name: &str| {
        let of_meter = lines.iter().filter(|line| line.is(name, ""));
        of_meter.inspect(|line| assert_eq!(line.fields.len(), 30, "{line:?}")).count()
    };
    assert!((0..8).all(|number| whole(&format!("m{number}")) >= 5), "{text}");
}

#[test]
fn a_plugin_that_is_killed_while_its_pipe_is_full_leaves_no_half_of_a_line() {
    let meters = Simulated::start(8);
    let (mut reader, writer) = pipe().unwrap();
    let mut child = start(&plugin("killed", &meters), writer.into(), Stdio::null());
    let until = Instant::now() + DEADLINE;
    // Nothing more goes in when less than what leaves in one piece is free.
    let mut held = 0;
    while held == 0 || ioctl_fionread(&reader).unwrap() != held {
        held = ioctl_fionread(&reader).unwrap();
        assert!(Instant::now() < until, "never full: {held}");
        let before = meters.reads(0, 101);
        meters.wait_until(0, "read on", |record| reads(record, 101) > before + 4);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.ends_with('\n'), "…{}", &text[text.len() - 100..]);
    assert!(Line::all(&text).iter().filter(|line| line.measurement == "powermonitor_500").count() > 8);
}

#[test]
fn simulated_meters_serve_also_when_nobody_reads_what_the_simulator_says() {
    let (_unread, stdout) = full();
    let bind = own_network().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_telegraf-pm500"));
    command.args(["simulate", "--count", "2", "--bind", &bind, "--io-port", "0"]);
    let mut child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + DEADLINE;
    while std::net::TcpStream::connect((bind.as_str(), 44818)).is_err() {
        assert!(Instant::now() < until, "it does not serve");
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..3 {
        let dumped = run(&["dump", &bind]);
        assert_eq!(
            (dumped.code, dumped.lines().iter().any(|line| line.is(&bind, ""))),
            (Some(0), true),
            "{dumped:#?}"
        );
    }
    signal(&child, Signal::TERM);
    assert_eq!(end(&mut child), Some(0));
}

#[test]
fn a_storm_of_triggers_is_at_most_one_gather_in_200_ms_and_the_last_trigger_is_not_lost() {
    let meters = Simulated::start(1);
    let path = plugin("storm", &meters);
    let mut program = Program::start(&["--config", path.to_str().unwrap(), "--poll_interval_disabled"]);
    program.wait_for_log("The map is inferred");
    let began = Instant::now();
    for _ in 0..150 {
        program.signal(Signal::USR1);
        program.send("\n");
        std::thread::sleep(Duration::from_millis(10));
    }
    program.wait_for_quiet(Duration::from_secs(1));
    let most = began.elapsed().as_millis() / 200 + 2;
    let gathers = program.lines().iter().filter(|line| line.is("m0", "_status")).count();
    assert!((3..=most).contains(&(gathers as u128)), "{gathers} gathers, at most {most}");
    assert_eq!(program.finish().code, Some(0));
}

#[test]
fn the_end_of_stdin_is_no_trigger() {
    let meters = Simulated::start(4);
    let path = plugin("end", &meters);
    for _ in 0..8 {
        let mut program = Program::start(&["--config", path.to_str().unwrap(), "--poll_interval_disabled"]);
        program.wait_for_log("The map is inferred");
        let ended = program.finish();
        assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{ended:?}");
    }
    assert_eq!(meters.meter(0).record().sessions, 0);
}
