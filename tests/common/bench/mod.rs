//! One fault on seven meters at once, one for each way to read, all behind relays, read by one plugin. The fifth is read
//! out of a controller: a relay stands between the plugin and the controller, another one between it and the meter. The
//! last two are units of lines, one behind a gateway that passes frames on, one at a serial port.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use telegraf_pm500::meter::Table;
use telegraf_pm500::simulator::{ControllerDefects, Defects, LineDefects, Options, Owner, OwnerOptions};

use super::controlled::{self, ControllerFault};
use super::line::Line;
use super::program::{Program, config};
use super::relay::frames::FrameSpoil;
use super::relay::spoil::Spoil;
use super::simulated::Simulated;
use super::usage::{Usage, open_files, usual_descriptors};
use post::{Post, UNIT};

mod post;

/// How a meter may be read.
pub(crate) const TRANSPORTS: [&str; 7] =
    ["explicit", "listen_only", "input_only", "modbus", "logix", "gateway", "serial"];
/// So many of them have addresses of their own; the others are units of lines.
const ADDRESSED: usize = 5;
/// What a status line calls it.
const CONNECTIONS: [&str; TRANSPORTS.len()] =
    ["explicit", "listen_only", "input_only", "modbus", "logix", "modbus", "modbus"];
const LISTEN_ONLY: usize = 1;
const LOGIX: usize = 4;
/// What is read over Modbus.
const ENERGY_TOO: &str = "connection = \"modbus\"\nintervals = { energy = \"1s\" }\n";
const RPI: Duration = Duration::from_millis(100);
const EIP_PORT: u16 = 44818;
const REALTIME_FIELDS: usize = 30;
/// A value was held at most this long before its line's time: a request's timeout, or the relay's delay of frames.
const BEFORE: Duration = Duration::from_millis(600);
/// A controller knows for as long as the watchdog of its module connections only that their values are old.
const BEFORE_IN_CONTROLLER: Duration = Duration::from_millis(600 + 1600);
/// Or at most this long after it: another block of the line may be newer by the watchdog of a connection.
const AFTER: Duration = Duration::from_secs(2);
const JUDGE_AFTER: Duration = Duration::from_millis(2500);
const LOOK: Duration = Duration::from_millis(100);
const PAST: Duration = Duration::from_secs(10);
/// Longest wait for a meter to be read as configured; an owner is looked for after one minute, then after two more.
const DEADLINE: Duration = Duration::from_secs(300);

/// Every fault lasts this long.
const AT_LEAST: Duration = Duration::from_secs(5);
/// And longer where it takes time to be noticed, such as an owner that vanishes; only a broken program reaches this.
const SAID_WITHIN: Duration = Duration::from_secs(60);

/// What the status lines must say while a fault lasts, by transport. Only "success" means that nothing is lost.
pub(crate) type Expected = [&'static [&'static str]; TRANSPORTS.len()];

/// What goes wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// On TCP, made by the relay.
    Tcp(Spoil),
    /// On UDP, made by the relay.
    Udp(FrameSpoil),
    /// The meter dies and returns, made by the simulator.
    Reboot,
    /// The meter accepts connections and says nothing more, made by the simulator.
    Silent,
    /// The meter's PLCs close their connections and return, made by the simulator.
    OwnersStop,
    /// The meter's PLCs vanish and return, made by the simulator.
    OwnersCrash,
    /// What befalls a controller, made by the simulator; the meters are well.
    Controller(ControllerFault),
}

/// What became of one meter.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// Results that its status lines said while the fault lasted.
    pub(crate) results: BTreeSet<String>,
    /// Complete realtime lines while the fault lasted.
    pub(crate) good: usize,
    /// Events that were written from then on.
    pub(crate) events: BTreeMap<String, usize>,
    /// From the end of the fault to the first complete realtime line, and to reading as configured.
    pub(crate) first_good_ms: i64,
    pub(crate) well_ms: i64,
    /// Values judged, and what was wrong with them.
    pub(crate) values: usize,
    pub(crate) wrong: Vec<String>,
}

/// What became of all of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Seconds that the fault lasted.
    pub(crate) lasted: u64,
    pub(crate) cells: Vec<Cell>,
    pub(crate) rss_before_kib: u64,
    pub(crate) rss_after_kib: u64,
    pub(crate) descriptors: (usize, usize),
}

/// The meters, and the plugin that reads them.
pub(crate) struct Bench {
    simulated: Simulated,
    posts: Vec<Post>,
    owners: Vec<Owner>,
    program: Program,
    looked: Instant,
    waiting: VecDeque<(Instant, usize, Line)>,
    striking: bool,
    ended: Option<SystemTime>,
}

impl Bench {
    pub(crate) fn start(directory: &Path) -> Bench {
        let simulated = Simulated::at(Options {
            bind: Ipv4Addr::new(127, 0, 0, 2),
            count: ADDRESSED as u32,
            eip_port: EIP_PORT,
            io_port: 2222,
            modbus_port: 1502,
            ..Options::default()
        });
        // Whatever an earlier run has left.
        let _ = std::fs::remove_dir_all(directory);
        std::fs::create_dir_all(directory).expect("the target directory can be written");
        let start = |number| Post::start(&simulated, number, directory);
        let posts = (0..TRANSPORTS.len()).map(start).collect::<Vec<_>>();
        let owners = owners(&simulated);
        let mut text = "[[inputs.powermonitor_500]]\nstate_file = \"state.json\"\ninterval = \"1s\"\n\
             connect_timeout = \"300ms\"\ntimeout = \"300ms\"\ngather_timeout = \"600ms\"\n"
            .to_owned();
        for (name, post) in TRANSPORTS.iter().zip(&posts) {
            let address = &post.address;
            text +=
                &format!("[[inputs.powermonitor_500.meter]]\nname = \"{name}\"\naddress = \"{address}\"\n");
            text += &match *name {
                "modbus" => ENERGY_TOO.to_owned(),
                "gateway" => format!("{ENERGY_TOO}transmission_mode = \"RTUoverTCP\"\n"),
                "serial" => format!("{ENERGY_TOO}transmission_mode = \"RTU\"\nbaud_rate = 115200\n"),
                "explicit" => "connection = \"explicit\"\n".to_owned(),
                "logix" => controlled::OPTIONS.to_owned(),
                listening => format!("connection = \"{listening}\"\nrpi = \"100ms\"\n"),
            };
        }
        let path = config(directory, &text);
        let program = Program::start(&["--config", path.to_str().expect("the target directory is UTF-8")]);
        let (looked, waiting) = (Instant::now(), VecDeque::new());
        Bench { simulated, posts, owners, program, looked, waiting, striking: false, ended: None }
    }

    /// Lets a fault happen until each meter has said what it must, but for a while at least; heals it, and waits until
    /// everything is well again.
    pub(crate) fn endure(mut self, fault: Fault, expected: &Expected) -> Row {
        self.wait_until_well("at the start");
        // As long as after the fault: what is opened once, and late on a busy machine, is open by then.
        self.turn_for(JUDGE_AFTER * 2);
        let before = self.usage_at_rest();
        self.posts.iter_mut().for_each(|post| post.cell = Cell::default());
        self.striking = true;
        self.strike(fault);
        let struck = Instant::now();
        self.turn_for(AT_LEAST);
        let said = |posts: &[Post]| {
            let cells = posts.iter().map(|post| &post.cell.results);
            cells.zip(expected).all(|(said, must)| must.iter().all(|result| said.contains(*result)))
        };
        while !said(&self.posts) && struck.elapsed() < SAID_WITHIN {
            self.turn();
        }
        let lasted = struck.elapsed().as_secs();
        self.striking = false;
        self.heal(fault);
        self.ended = Some(SystemTime::now());
        self.wait_until_well("after the fault");
        self.turn_for(JUDGE_AFTER * 2);
        let mut after = self.usage_at_rest();
        // On a busy machine a session may be away, or one more here, for a while.
        let until = Instant::now() + DEADLINE;
        while after.descriptors > before.descriptors && Instant::now() < until {
            after = self.usage_at_rest();
        }
        if after.descriptors > before.descriptors {
            println!("open at the end: {:#?}", open_files(self.program.id()));
        }
        let cells = self.posts.iter().map(|post| post.cell.clone()).collect();
        let ended = self.program.finish();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
        Row {
            lasted,
            cells,
            rss_before_kib: before.rss_kib,
            rss_after_kib: after.rss_kib,
            descriptors: (before.descriptors, after.descriptors),
        }
    }

    /// Usage, with the usual number of descriptors: what stays open shows.
    fn usage_at_rest(&mut self) -> Usage {
        let until = Instant::now() + Duration::from_secs(2);
        let mut seen = Vec::new();
        while Instant::now() < until {
            self.turn();
            seen.push(Usage::of(self.program.id()).descriptors);
        }
        Usage { descriptors: usual_descriptors(&seen), ..Usage::of(self.program.id()) }
    }

    fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::Tcp(spoil) => self.posts.iter().for_each(|post| spoil.start(&post.relay)),
            Fault::Udp(spoil) => {
                self.posts.iter().flat_map(|post| &post.frames).for_each(|frames| frames.spoil(Some(spoil)));
            }
            Fault::Reboot => {
                (0..ADDRESSED).for_each(|at| self.simulated.stop(at));
                self.silence_lines(true);
            }
            Fault::Silent => self.silence(true),
            Fault::OwnersStop | Fault::OwnersCrash => {
                for owner in self.owners.drain(..) {
                    self.simulated.block_on(async {
                        match fault {
                            Fault::OwnersStop => owner.stop().await,
                            _ => owner.crash().await,
                        }
                    });
                }
            }
            Fault::Controller(ControllerFault::Restart) => {
                for (controller, _) in self.posts.iter_mut().filter_map(|post| post.controller.as_mut()) {
                    self.simulated.block_on(controller.stop());
                }
            }
            Fault::Controller(fault) => self.set_controllers(&fault.defects()),
        }
    }

    fn heal(&mut self, fault: Fault) {
        match fault {
            Fault::Tcp(_) => self.posts.iter().for_each(|post| post.relay.heal()),
            Fault::Udp(_) => {
                self.posts.iter().flat_map(|post| &post.frames).for_each(|frames| frames.spoil(None));
            }
            Fault::Reboot => {
                (0..ADDRESSED).for_each(|at| self.simulated.restart(at));
                self.silence_lines(false);
            }
            Fault::Silent => self.silence(false),
            Fault::OwnersStop | Fault::OwnersCrash => self.owners = owners(&self.simulated),
            Fault::Controller(ControllerFault::Restart) => {
                for (controller, _) in self.posts.iter_mut().filter_map(|post| post.controller.as_mut()) {
                    self.simulated.block_on(controller.restart()).expect("its port is still free");
                }
            }
            Fault::Controller(_) => self.set_controllers(&ControllerDefects::default()),
        }
    }

    fn silence(&self, silent: bool) {
        for meter in self.simulated.meters() {
            meter.set_defects(Defects { silent, ..Defects::default() });
        }
        self.silence_lines(silent);
    }

    /// A unit that is off and one that does not answer are the same to a line.
    fn silence_lines(&self, silent: bool) {
        let units = if silent { BTreeSet::from([UNIT]) } else { BTreeSet::new() };
        for line in self.posts.iter().filter_map(|post| post.line.as_ref()) {
            line.set_defects(LineDefects { silent: units.clone(), ..LineDefects::default() });
        }
    }

    fn set_controllers(&self, defects: &ControllerDefects) {
        for (controller, _) in self.posts.iter().filter_map(|post| post.controller.as_ref()) {
            controller.set_defects(defects.clone());
        }
    }

    fn turn_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn();
        }
    }

    #[track_caller]
    fn wait_until_well(&mut self, when: &str) {
        let until = Instant::now() + DEADLINE;
        while !(self.posts.iter().all(|post| post.cell.well_ms > 0)) {
            let statuses = || self.posts.iter().map(|post| post.status.as_ref()).collect::<Vec<_>>();
            assert!(Instant::now() < until, "never well {when}: {:#?}", statuses());
            self.turn();
        }
    }

    /// Takes what the plugin has written, looks at the meters, and judges the lines that are old enough.
    fn turn(&mut self) {
        for line in self.program.take(Duration::from_millis(20)) {
            let meter = line.tags.get("meter");
            if let Some(at) = TRANSPORTS.iter().position(|name| meter.is_some_and(|meter| meter == name)) {
                self.note(at, line);
            }
        }
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            for (at, post) in self.posts.iter_mut().enumerate() {
                post.look(&self.simulated, at);
            }
        }
        while self.waiting.front().is_some_and(|(at, ..)| at.elapsed() > JUDGE_AFTER) {
            let Some((_, at, line)) = self.waiting.pop_front() else { return };
            let Post { truth, cell, .. } = &mut self.posts[at];
            let before = if at == LOGIX { BEFORE_IN_CONTROLLER } else { BEFORE };
            match truth.judge(&line, before, AFTER) {
                Ok(values) => cell.values += values,
                Err(wrong) => cell.wrong.push(wrong),
            }
        }
    }

    fn note(&mut self, at: usize, line: Line) {
        let Post { cell, status, .. } = &mut self.posts[at];
        let since_end = self.ended.map(|ended| {
            let ended = ended.duration_since(UNIX_EPOCH).expect("the clock is set").as_nanos() as i64;
            (line.time - ended) / 1_000_000
        });
        match line.measurement.as_str() {
            "powermonitor_500_status" => {
                if self.striking {
                    cell.results.insert(line.text("result").to_owned());
                }
                let well = line.text("result") == "success" && line.text("connection") == CONNECTIONS[at];
                match since_end {
                    Some(since) if well && since > 0 && cell.well_ms == 0 => cell.well_ms = since,
                    // At the start it only matters that it is.
                    None if well && !self.striking => cell.well_ms = 1,
                    _ => {}
                }
                *status = Some(line);
            }
            "powermonitor_500_event" => *cell.events.entry(line.tags["event"].clone()).or_default() += 1,
            "powermonitor_500_info" | "powermonitor_500_traffic" => {}
            measurement => {
                if measurement == Table::Realtime.measurement() && line.fields.len() == REALTIME_FIELDS {
                    cell.good += usize::from(self.striking);
                    if let Some(since) = since_end.filter(|since| *since > 0 && cell.first_good_ms == 0) {
                        cell.first_good_ms = since;
                    }
                }
                self.waiting.push_back((Instant::now(), at, line));
            }
        }
    }
}

/// The PLCs of the meter that is only listened to.
fn owners(simulated: &Simulated) -> Vec<Owner> {
    let meter = simulated.meter(LISTEN_ONLY).eip();
    let start = |assembly: u8| {
        let local = Ipv4Addr::new(127, 0, 1, assembly);
        let options = OwnerOptions { assembly, rpi: RPI, serial: local.into(), ..OwnerOptions::default() };
        Owner::start(meter, local, options).expect("the address is free")
    };
    simulated.block_on(async { vec![start(101), start(102)] })
}
