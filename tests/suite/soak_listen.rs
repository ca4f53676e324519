//! Nine listened connections per meter at 100 ms: not one frame is unaccounted for, and nothing grows.
//!
//! The smoke test runs for ten seconds with two meters. The real one, whose result is in
//! tests/results/soak_listen.txt, is
//!
//! ```text
//! SOAK_SECONDS=600 SOAK_METERS=10 cargo test --release --features wire-tests --test suite soak_listen -- --nocapture
//! ```
//!
//! With `SOAK_ALONE=1` the plugin has a core of its own; tests/bench/run.sh does that. What a frame costs alone, without
//! gathers and heartbeats, is the difference between two runs with other packet intervals (`SOAK_RPI_MS`). The meters and their PLCs
//! live in this process, the plugin is the real program in its own. To make the sums exact, the meters keep
//! their frames back (numbered, not sent) until every listener has joined its group, as its first heartbeat
//! shows, and again at the end. Between them each meter withholds a few frames on purpose and repeats one, so
//! that the counters of the plugin are seen to count.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use crate::common::cores;
use crate::common::line::Line;
use crate::common::namespace::apart;
use crate::common::program::{Program, config};
use crate::common::simulated::{DEADLINE, Simulated};
use crate::common::usage::{Usage, machine};
use telegraf_pm500::enip::forward_open::Application;
use telegraf_pm500::simulator::{
    Defects, FrameDefects, Options, Owner, OwnerOptions, Record, SimulatedMeter,
};

/// Every assembly, each with an owner of its own.
const ASSEMBLIES: std::ops::RangeInclusive<u8> = 100..=108;
/// The packet interval in ms, if nothing else is said.
const RPI: u32 = 100;
/// The plugin is 127.0.0.1.
const FIRST_METER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const FIRST_OWNER: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
/// Frames that each meter numbers and does not send.
const WITHHELD: u32 = 5;
/// Frames that each meter sends twice.
const REPEATED: u64 = 1;
/// What the memory may grow by between the start, when everything is open, and the end.
const MOST_GROWTH_KIB: u64 = 2048;

#[test]
fn every_frame_of_nine_listened_connections_is_received_or_counted_as_lost() {
    apart(|| {
        let (seconds, meters) = (setting("SOAK_SECONDS", 10), setting("SOAK_METERS", 2));
        soak(Duration::from_secs(seconds.into()), meters);
    });
}

fn setting(name: &str, default: u32) -> u32 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn rpi() -> Duration {
    Duration::from_millis(setting("SOAK_RPI_MS", RPI).into())
}

fn soak(duration: Duration, meters: u32) {
    if alone() {
        cores::leave_the_measured_one();
    }
    let rpi = rpi();
    let interval = if duration > Duration::from_secs(60) { "10s" } else { "1s" };
    let options =
        Options { bind: FIRST_METER, count: meters, io_port: 2222, connections: 18, ..Options::default() };
    let plant = Plant::start(options);
    let mut program = start_plugin(&plant, interval);
    plant.wait_for_listeners();

    plant.break_all(&FrameDefects::default());
    let began = Instant::now();
    let usage = |program: &Program| (began.elapsed().as_secs_f64(), Usage::of(program.id()));
    sleep(duration / 20);
    let start = usage(&program);
    sleep((duration / 2).saturating_sub(duration / 20));
    let middle = usage(&program);
    plant.break_all(&FrameDefects { drop_next: WITHHELD, repeat_next: true, ..FrameDefects::default() });
    sleep(duration / 2);
    let end = usage(&program);
    assert!(
        plant.meters().all(|meter| meter.defects().frames == FrameDefects::default()),
        "not all was withheld"
    );
    plant.break_all(&withhold_all());

    // What is in the sockets now has been counted a second later.
    let quiet = SystemTime::now() + Duration::from_secs(1);
    let sums: Vec<Sum> = counters(&mut program, meters, quiet)
        .into_iter()
        .zip(plant.meters())
        .map(|((name, counters), meter)| Sum::of(name, meter, &counters))
        .collect();
    drop(plant);
    let ended = program.finish();

    println!(
        "{}\n{meters} meters x {} listened connections x {} ms, {} s; the plugin gathers every {interval}\n",
        machine(),
        ASSEMBLIES.count(),
        rpi.as_millis(),
        duration.as_secs()
    );
    let total = print_sums(&sums);
    print_usage([("start", &start), ("middle", &middle), ("end", &end)], &total);

    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let due = duration.as_millis() / rpi.as_millis() * ASSEMBLIES.count() as u128;
    for sum in &sums {
        assert_eq!(sum.difference(), 0, "frames of {} are unaccounted for", sum.name);
        assert!(sum.lost >= sum.withheld && sum.dropped == sum.repeated, "{sum:?}");
        assert!(u128::from(sum.sent) > due / 10, "{} has sent too little to prove anything", sum.name);
    }
    let ((_, start), (_, end)) = (start, end);
    assert!(end.rss_kib <= start.rss_kib + MOST_GROWTH_KIB, "memory grows: {start:?}, {end:?}");
    assert_eq!(end.descriptors, start.descriptors, "descriptors leak");
}

/// Prints the table of frames; its last line.
fn print_sums(sums: &[Sum]) -> Sum {
    let total = sums.iter().fold(Sum { name: "sum".to_owned(), ..Sum::default() }, Sum::plus);
    println!("{:<12}---------- meter ----------  --------- plugin ----------", "");
    println!(
        "{:<12}{:>9}{:>9}{:>9}  {:>9}{:>9}{:>9}{:>12}",
        "", "sent", "withheld", "repeated", "received", "lost", "dropped", "difference"
    );
    for sum in sums.iter().chain([&total]) {
        let Sum { name, sent, withheld, repeated, received, lost, dropped } = sum;
        let difference = sum.difference();
        println!(
            "{name:<12}{sent:>9}{withheld:>9}{repeated:>9}  {received:>9}{lost:>9}{dropped:>9}{difference:>12}"
        );
    }
    total
}

/// Prints what the plugin took, each time after so many seconds of frames, and what a frame costs.
fn print_usage(times: [(&str, &(f64, Usage)); 3], total: &Sum) {
    println!("\n{:<12}{:>9}{:>12}{:>10}{:>13}", "plugin", "after s", "CPU s", "RSS KiB", "descriptors");
    for (when, (after, Usage { cpu, rss_kib, descriptors, .. })) in times {
        println!("{when:<12}{after:>9.1}{cpu:>12.2}{rss_kib:>10}{descriptors:>13}");
    }
    let [(_, (from, start)), _, (_, (to, end))] = times;
    let (cpu, seconds) = (end.cpu - start.cpu, to - from);
    let frames = total.received as f64 * seconds / to;
    println!(
        "\nFrom start to end: {:.1} ms of CPU per 1,000 frames, gathers included; {:.2} % of one core",
        cpu * 1e6 / frames,
        cpu / seconds * 100.0
    );
}

fn withhold_all() -> FrameDefects {
    FrameDefects { drop_all: true, ..FrameDefects::default() }
}

/// The meters and the PLCs that own them.
struct Plant {
    simulated: Simulated,
    owners: Vec<Owner>,
}

impl Plant {
    /// Meters that keep their frames back, and a PLC for each assembly.
    fn start(options: Options) -> Plant {
        let simulated = Simulated::at(options);
        let mut plant = Plant { simulated, owners: Vec::new() };
        plant.break_all(&withhold_all());
        let wanted = plant.meters().flat_map(|meter| ASSEMBLIES.map(move |assembly| (meter.eip(), assembly)));
        let owners = (u32::from(FIRST_OWNER)..).zip(wanted).map(|(local, (meter, assembly))| {
            let options = OwnerOptions { assembly, rpi: rpi(), serial: local, ..OwnerOptions::default() };
            Owner::start(meter, local.into(), options).expect("the address is free")
        });
        plant.owners = plant.simulated.block_on(async {
            let owners: Vec<Owner> = owners.collect();
            for owner in &owners {
                owner.opened().await;
            }
            // Who joins a stream that has just begun cannot tell whose it is.
            tokio::time::sleep(rpi() * 10).await;
            owners
        });
        plant
    }

    fn meters(&self) -> impl Iterator<Item = &SimulatedMeter> {
        self.simulated.meters().iter()
    }

    fn break_all(&self, frames: &FrameDefects) {
        for meter in self.meters() {
            meter.set_defects(Defects { frames: frames.clone(), ..Defects::default() });
        }
    }

    /// Waits until every assembly of every meter has a listener that has joined its group: it does so before its
    /// first heartbeat.
    fn wait_for_listeners(&self) {
        let ready = |record: &Record| {
            let listeners = record.io.open.iter().filter(|c| c.application == Application::ListenOnly);
            listeners.filter(|listener| listener.heartbeats > 0).count() == ASSEMBLIES.count()
        };
        for index in 0..self.simulated.meters().len() {
            self.simulated.wait_until(index, "listened to", ready);
            let sent = self.simulated.meter(index).record().io.frames;
            assert!(sent.is_empty(), "frames were sent before every listener was there: {sent:?}");
        }
    }
}

fn start_plugin(plant: &Plant, interval: &str) -> Program {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soak_listen");
    // Whatever an earlier run has left.
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("the target directory can be written");
    // A gather that has opened a connection waits for its first frame as long as for a reply, and the PLCs
    // wait ten seconds for theirs.
    let rpi = rpi().as_millis();
    let mut text = format!(
        "[[inputs.powermonitor_500]]\nstate_file = \"state.json\"\ninterval = \"{interval}\"\ntimeout = \"400ms\"\n\
         traffic_interval = \"0s\"\nconnection = \"listen_only\"\nrpi = \"{rpi}ms\"\nevidence = \"guessed\"\nraw_energy = true\n\
         tables = [\"realtime\", \"max\", \"demand\", \"alarm\"]\n\
         listen_tables = [\"realtime\", \"max\", \"demand\", \"raw\", \"alarm\", \"info\"]\n\
         intervals = {{ max = \"{interval}\", demand = \"{interval}\" }}\n"
    );
    for (number, meter) in (1..).zip(plant.meters()) {
        let address = meter.eip();
        text += &format!(
            "[[inputs.powermonitor_500.meter]]\nname = \"meter {number:03}\"\naddress = \"{address}\"\n"
        );
    }
    let path = config(&directory, &text);
    let program = env!("CARGO_BIN_EXE_telegraf-pm500");
    let mut command = if alone() { cores::on_the_measured_one(program) } else { Command::new(program) };
    command.arg("--config").arg(path);
    Program::from_command(command, Stdio::piped())
}

/// Whether the plugin has a core of its own.
fn alone() -> bool {
    std::env::var_os("SOAK_ALONE").is_some()
}

/// The first counters of each meter after this time.
fn counters(program: &mut Program, meters: u32, after: SystemTime) -> BTreeMap<String, Line> {
    let after = after.duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set").as_nanos() as i64;
    let mut counters = BTreeMap::new();
    let until = Instant::now() + DEADLINE;
    while counters.len() < meters as usize {
        assert!(Instant::now() < until, "only {} of {meters} meters have counters", counters.len());
        let line = program.wait_for("the counters of each meter", |line| {
            line.measurement == "powermonitor_500_traffic" && line.time > after
        });
        counters.entry(line.tags["meter"].clone()).or_insert(line);
    }
    counters
}

/// The frames of one meter, as it sent them and as the plugin counted them.
#[derive(Debug, Default)]
struct Sum {
    name: String,
    sent: u64,
    withheld: u64,
    repeated: u64,
    received: u64,
    lost: u64,
    dropped: u64,
}

impl Sum {
    fn of(name: String, meter: &SimulatedMeter, counters: &Line) -> Sum {
        let counter = |field| u64::try_from(counters.integer(field)).expect("a counter is not negative");
        Sum {
            name,
            sent: meter.record().io.frames.values().sum(),
            withheld: WITHHELD.into(),
            repeated: REPEATED,
            received: counter("frames_received"),
            lost: counter("frames_lost"),
            dropped: counter("frames_dropped"),
        }
    }

    fn plus(self, other: &Sum) -> Sum {
        Sum {
            name: self.name,
            sent: self.sent + other.sent,
            withheld: self.withheld + other.withheld,
            repeated: self.repeated + other.repeated,
            received: self.received + other.received,
            lost: self.lost + other.lost,
            dropped: self.dropped + other.dropped,
        }
    }

    /// Numbered by the meter less counted by the plugin; a repeated frame is the one that is dropped.
    fn difference(&self) -> i128 {
        let numbered = self.sent + self.withheld + self.repeated;
        i128::from(numbered) - i128::from(self.received + self.lost + self.dropped)
    }
}
