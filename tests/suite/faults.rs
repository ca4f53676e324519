//! Every fault on every transport: what is said meanwhile, when good values return, and that none is ever wrong.
//!
//! ```text
//! cargo test --features wire-tests --test suite faults:: -- --nocapture
//! ```
//!
//! prints the table that is kept in tests/results/faults.txt. Each row is one plugin with seven meters behind relays, in
//! a network of its own; twelve rows run side by side, all of them in about three and a half minutes, because an owner is
//! looked for once a minute.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::common::bench::{Bench, Cell, Expected, Fault, Row, TRANSPORTS};
use crate::common::controlled::ControllerFault;
use crate::common::namespace::run_apart;
use crate::common::relay::frames::FrameSpoil;
use crate::common::relay::spoil::Spoil;
use crate::common::usage::machine;

/// Names the row to a copy of the test.
const ROW: &str = "PM500_TEST_FAULT";
/// What a copy prints.
const PRINTED: &str = "row: ";
/// What the memory may grow by in a row.
const MOST_GROWTH_KIB: u64 = 1024;
/// Rows that run beside each other. Each is a whole plant, and two cores are late by themselves with all of them at once.
const AT_ONCE: usize = 12;

const OK: &[&str] = &["success"];
const PARTIAL: &[&str] = &["partial"];
const UNHARMED: Expected = [OK; TRANSPORTS.len()];
/// What is listened to does not need the session; the alarm table, read explicitly, does.
const fn session(
    explicit: &'static [&'static str],
    modbus: &'static [&'static str],
    frames: &'static [&'static str],
) -> Expected {
    [explicit, PARTIAL, PARTIAL, modbus, explicit, frames, frames]
}
/// Frames do not come; the session lives. A controller keeps the last values, and says that its module is faulted.
const UNHEARD: Expected = [OK, PARTIAL, PARTIAL, OK, STALE, OK, OK];
/// A PLC that leaves ends listening, and nothing else.
const NO_OWNER: Expected = [OK, PARTIAL, OK, OK, OK, OK, OK];
/// The controller alone is in trouble.
const fn controller(name: &'static str, fault: ControllerFault, said: &'static [&'static str]) -> Scene {
    Scene(name, Fault::Controller(fault), [OK, OK, OK, OK, said, OK, OK])
}
const STALE: &[&str] = &["stale"];
const TIMEOUT: &[&str] = &["timeout"];
const BAD_DATA: &[&str] = &["bad_data"];
const FAILED: &[&str] = &["connection_failed"];

/// One fault: its name in the table, and what is said meanwhile.
struct Scene(&'static str, Fault, Expected);

const fn tcp(name: &'static str, spoil: Spoil, expected: Expected) -> Scene {
    Scene(name, Fault::Tcp(spoil), expected)
}

const fn udp(name: &'static str, spoil: FrameSpoil, expected: Expected) -> Scene {
    Scene(name, Fault::Udp(spoil), expected)
}

/// Every row. Simulated meters and controllers make the last nine themselves: no relay can let a meter restart, or an
/// owner leave.
const SCENES: &[Scene] = &[
    tcp("replies 100 ms late", Spoil::Delayed(Duration::from_millis(100)), UNHARMED),
    tcp("replies after timeout", Spoil::LateReply, session(TIMEOUT, PARTIAL, TIMEOUT)),
    tcp("replies in many segments", Spoil::Split, UNHARMED),
    tcp(
        "replies drip slowly",
        Spoil::SlowDrip(Duration::from_millis(20)),
        session(TIMEOUT, TIMEOUT, TIMEOUT),
    ),
    tcp("old and new reply merged", Spoil::Merged, session(BAD_DATA, PARTIAL, BAD_DATA)),
    tcp("replies come twice", Spoil::Duplicate, session(BAD_DATA, OK, OK)),
    tcp("wrong session / unit", Spoil::WrongSession, session(BAD_DATA, BAD_DATA, BAD_DATA)),
    tcp("wrong context / number / CRC", Spoil::WrongContext, session(BAD_DATA, BAD_DATA, TIMEOUT)),
    tcp("wrong service / function", Spoil::WrongService, session(BAD_DATA, BAD_DATA, BAD_DATA)),
    tcp(
        "corrupt length",
        Spoil::CorruptLength,
        [BAD_DATA, PARTIAL, PARTIAL, TIMEOUT, TIMEOUT, TIMEOUT, TIMEOUT],
    ),
    tcp("closed instead of a reply", Spoil::Cut, session(FAILED, FAILED, FAILED)),
    tcp("replies lost", Spoil::Lost, session(TIMEOUT, TIMEOUT, TIMEOUT)),
    tcp("reset", Spoil::Reset, session(FAILED, FAILED, FAILED)),
    tcp("half-open", Spoil::HalfOpen, session(TIMEOUT, TIMEOUT, TIMEOUT)),
    tcp("connect refused", Spoil::Refused, session(FAILED, FAILED, FAILED)),
    udp("frames 300 ms late", FrameSpoil::Delayed(Duration::from_millis(300)), UNHARMED),
    udp("frames come twice", FrameSpoil::Duplicate, UNHARMED),
    udp("frames in wrong order", FrameSpoil::Reordered, UNHARMED),
    udp("two frames of three lost", FrameSpoil::SomeLost, UNHARMED),
    udp("frames and heartbeats lost", FrameSpoil::Lost, UNHEARD),
    udp("heartbeats lost", FrameSpoil::HeartbeatsLost, [OK, OK, PARTIAL, OK, STALE, OK, OK]),
    udp("old frames replayed", FrameSpoil::Replayed, UNHARMED),
    udp("frames of another connection", FrameSpoil::WrongConnection, UNHARMED),
    udp("frames of wrong length", FrameSpoil::WrongLength, UNHEARD),
    udp("frames cut", FrameSpoil::Cut, UNHEARD),
    udp("frames corrupt", FrameSpoil::Corrupt, UNHEARD),
    Scene("meter silent", Fault::Silent, [TIMEOUT, TIMEOUT, TIMEOUT, TIMEOUT, STALE, TIMEOUT, TIMEOUT]),
    Scene("meter reboots", Fault::Reboot, [FAILED, &[], &[], FAILED, STALE, TIMEOUT, TIMEOUT]),
    Scene("owner closes and returns", Fault::OwnersStop, NO_OWNER),
    Scene("owner vanishes and returns", Fault::OwnersCrash, NO_OWNER),
    controller("controller silent", ControllerFault::Silent, TIMEOUT),
    controller("controller slow", ControllerFault::Slow, TIMEOUT),
    controller("controller restarts", ControllerFault::Restart, FAILED),
    controller("controller downloading", ControllerFault::Download, FAILED),
    controller("module inhibited in it", ControllerFault::Inhibited, STALE),
];

#[test]
fn whatever_happens_no_value_is_wrong_and_good_ones_return() {
    if let Ok(row) = std::env::var(ROW) {
        let number: usize = row.parse().expect("the row is a number");
        let row = endure(number);
        println!("{PRINTED}{}", serde_json::to_string(&row).expect("a row is plain data"));
        return;
    }
    let apart = |number: usize| {
        let mut row = None;
        let ran = run_apart(
            &["faults::whatever_happens_no_value_is_wrong_and_good_ones_return", "--exact", "--nocapture"],
            &[(ROW, number.to_string())],
            |line| {
                if let Some((_, text)) = line.split_once(PRINTED) {
                    row = Some(serde_json::from_str(text).expect("a row is plain data"));
                }
            },
        );
        // Without namespaces, one after the other.
        ran.then(|| row.expect("a row is printed"))
    };
    let numbers: Vec<usize> = (0..SCENES.len()).collect();
    let together = |numbers: &[usize]| -> Vec<thread::Result<Option<Row>>> {
        thread::scope(|scope| {
            let started: Vec<_> = numbers.iter().map(|number| scope.spawn(move || apart(*number))).collect();
            started.into_iter().map(|row| row.join()).collect()
        })
    };
    let rows: Vec<thread::Result<Option<Row>>> = numbers.chunks(AT_ONCE).flat_map(together).collect();
    let mut problems = Vec::new();
    let mut table = Vec::new();
    for (number, row) in rows.into_iter().enumerate() {
        match row {
            Ok(row) => table.push((number, row.unwrap_or_else(|| endure(number)))),
            Err(_) => problems.push(format!("{}: failed", SCENES[number].0)),
        }
    }
    print_table(&table);
    problems.extend(table.iter().flat_map(|(number, row)| judge(&SCENES[*number], row)));
    assert_eq!(problems, [""; 0]);
}

fn endure(number: usize) -> Row {
    let Scene(_, fault, expected) = &SCENES[number];
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fault-{number}"));
    Bench::start(&directory).endure(*fault, expected)
}

fn judge(Scene(name, fault, expected): &Scene, row: &Row) -> Vec<String> {
    let mut problems = Vec::new();
    for ((transport, cell), expected) in TRANSPORTS.iter().zip(&row.cells).zip(expected) {
        let mut wrong = |what: String| problems.push(format!("{name}, {transport}: {what}"));
        cell.wrong.iter().for_each(|value| wrong(value.clone()));
        if cell.values == 0 {
            wrong("nothing was judged".to_owned());
        }
        if let Some(missing) = expected.iter().find(|result| !cell.results.contains(**result)) {
            wrong(format!("never {missing}, but {:?}", cell.results));
        }
        // Never silent: what was lost is declared when it is back.
        let harmed = expected.iter().any(|result| *result != "success");
        if harmed && !cell.events.contains_key("gap") {
            wrong(format!("no gap was declared: {:?}", cell.events));
        }
        let owner = matches!(fault, Fault::OwnersStop | Fault::OwnersCrash) && *transport == "listen_only";
        if owner && !["owner_lost", "owner_back"].iter().all(|kind| cell.events.contains_key(*kind)) {
            wrong(format!("the owner's coming and going was not said: {:?}", cell.events));
        }
        if *expected == OK && cell.good == 0 {
            wrong("no line came, though nothing was in the way".to_owned());
        }
    }
    if row.rss_after_kib > row.rss_before_kib + MOST_GROWTH_KIB || row.descriptors.1 > row.descriptors.0 {
        let Row { rss_before_kib, rss_after_kib, descriptors, .. } = row;
        problems.push(format!("{name}: left over: {rss_before_kib} > {rss_after_kib} KiB, {descriptors:?}"));
    }
    problems
}

fn print_table(table: &[(usize, Row)]) {
    println!("{}\n", machine());
    println!(
        "{:<29}{:>3} {:<12}{:<28}{:>5}{:>8}{:>8}{:>8}{:>7}  {:<13}",
        "fault", "s", "transport", "said meanwhile", "good", "back s", "well s", "values", "wrong", "RSS KiB"
    );
    let seconds = |ms: i64| format!("{:.1}", ms as f64 / 1000.0);
    for (number, row) in table {
        let (Scene(name, ..), lasted) = (&SCENES[*number], row.lasted.to_string());
        let memory = format!("{} > {}", row.rss_before_kib, row.rss_after_kib);
        for (at, (transport, cell)) in TRANSPORTS.iter().zip(&row.cells).enumerate() {
            let once = |text: &str| if at == 0 { text.to_owned() } else { String::new() };
            let Cell { good, first_good_ms, well_ms, values, wrong, .. } = cell;
            let said = cell.results.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            println!(
                "{:<29}{:>3} {transport:<12}{said:<28}{good:>5}{:>8}{:>8}{values:>8}{:>7}  {:<13}",
                once(name),
                once(&lasted),
                seconds(*first_good_ms),
                seconds(*well_ms),
                wrong.len(),
                once(&memory)
            );
        }
    }
    let cells = || table.iter().flat_map(|(_, row)| &row.cells);
    let (values, wrong) =
        (cells().map(|cell| cell.values).sum::<usize>(), cells().map(|c| c.wrong.len()).sum::<usize>());
    println!(
        "\n{} faults on {} transports: {values} values judged, {wrong} lines with a wrong one",
        table.len(),
        TRANSPORTS.len()
    );
}
