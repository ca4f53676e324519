//! Twenty-four meters as a plant has them: some read explicitly, some listened to beside their PLCs, some over Modbus, some
//! out of a controller, some behind a relay that does what networks do. Each has its books, its past, and at most one trouble at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use telegraf_pm500::enip::forward_open::Application;
use telegraf_pm500::meter::Table;
use telegraf_pm500::simulator::{
    Controller, ControllerDefects, ControllerOptions, Defects, Options, Owner, OwnerOptions,
};

use super::controlled::{self, ControllerFault};
use super::ledger::{Ledger, Sums};
use super::line::Line;
use super::relay::{Framing, Relay};
use super::simulated::Simulated;
use super::trouble::Trouble;
use super::truth::Truth;

/// How often the plugin gathers. A gather ends within a fifth of it, so that every line belongs to one gather.
pub(crate) const INTERVAL: Duration = Duration::from_secs(2);
const ENERGY: Duration = Duration::from_secs(10);
/// Short, and with it the watchdog of 16 intervals: the newest frame of a silent owner is still a reading that long,
/// and no line may be older than a fifth of the interval.
const RPI: Duration = Duration::from_millis(20);
/// Meters, of all kinds.
pub(crate) const METERS: u8 = 24;
const EIP_PORT: u16 = 44818;
const MODBUS_PORT: u16 = 1502;
/// Fields of a complete line.
const REALTIME_FIELDS: usize = 30;
const ALARM_FIELDS: usize = 6;
const ENERGY_FIELDS: usize = 10;
/// A value was held at most this long before its line's time: a request's timeout, or a packet interval and a sample.
const BEFORE: Duration = Duration::from_millis(500);
/// Or at most this long after it: a line has the time of its oldest block, and another one may be newer by a gather,
/// or by the watchdog of a connection.
const AFTER: Duration = Duration::from_millis(500);
/// How long the past is kept.
const PAST: Duration = Duration::from_secs(10);

/// How a meter is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Explicit,
    Listened,
    Modbus,
    Controller,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Explicit, Kind::Listened, Kind::Modbus, Kind::Controller];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Explicit => "8 explicit",
            Kind::Listened => "6 listened",
            Kind::Modbus => "6 Modbus",
            Kind::Controller => "4 controllers",
        }
    }

    /// What its status line says when all is well.
    fn connection(self) -> &'static str {
        match self {
            Kind::Explicit => "explicit",
            Kind::Listened => "listen_only",
            Kind::Modbus => "modbus",
            Kind::Controller => "logix",
        }
    }
}

struct Post {
    kind: Kind,
    option: &'static str,
    name: String,
    address: SocketAddr,
    relay: Option<Relay>,
    controller: Option<Controller>,
    /// Address, assembly and, while it runs, the PLC.
    owners: Vec<(Ipv4Addr, u8, Option<Owner>)>,
    ledger: Ledger,
    truth: Truth,
    trouble: Option<(Trouble, Instant)>,
}

impl Post {
    fn is_well(&self) -> bool {
        let status = self.ledger.status();
        self.trouble.is_none()
            && status.is_some_and(|status| {
                status.text("result") == "success" && status.text("connection") == self.kind.connection()
            })
    }
}

/// The meters, their PLCs and relays.
pub(crate) struct Plant {
    simulated: Simulated,
    posts: Vec<Post>,
    strikes: BTreeMap<String, u64>,
    /// Whether there is time for what takes minutes.
    pub(crate) long: bool,
}

impl Plant {
    pub(crate) fn start(long: bool) -> Plant {
        let simulated = Simulated::at(Options {
            bind: Ipv4Addr::new(127, 0, 0, 2),
            count: u32::from(METERS),
            eip_port: EIP_PORT,
            io_port: 2222,
            modbus_port: MODBUS_PORT,
            ..Options::default()
        });
        let mut plant = Plant { simulated, posts: Vec::new(), strikes: BTreeMap::new(), long };
        for number in 0..METERS {
            let (kind, option, relay) = match number {
                0..4 => (Kind::Explicit, "explicit", true),
                4..8 => (Kind::Explicit, "explicit", false),
                8..12 => (Kind::Listened, "auto", false),
                12..14 => (Kind::Listened, "listen_only", false),
                14..17 => (Kind::Modbus, "modbus", true),
                17..20 => (Kind::Modbus, "modbus", false),
                20..22 => (Kind::Controller, "logix", true),
                _ => (Kind::Controller, "logix", false),
            };
            let post = plant.post(number, kind, option, relay);
            plant.posts.push(post);
            plant.start_owners(usize::from(number));
        }
        plant
    }

    fn post(&self, number: u8, kind: Kind, option: &'static str, relay: bool) -> Post {
        let meter = self.simulated.meter(usize::from(number));
        let controller = (kind == Kind::Controller).then(|| {
            let bind = Ipv4Addr::new(127, 0, 3, number);
            let options = ControllerOptions { bind, port: EIP_PORT, ..ControllerOptions::default() };
            controlled::controller(&self.simulated, meter.eip(), RPI, options)
        });
        let (at, framing) = match (kind, &controller) {
            (Kind::Modbus, _) => (meter.modbus(), Framing::Modbus),
            (_, Some(controller)) => (controller.address(), Framing::EtherNetIp),
            _ => (meter.eip(), Framing::EtherNetIp),
        };
        let relay = relay.then(|| {
            let before = SocketAddr::from(([127, 0, 2, 2 + number], at.port()));
            self.simulated.block_on(Relay::at(before, at, framing))
        });
        let owner = |assembly: u8| {
            let host = 10 + (number - 8) * 2 + (assembly - 101);
            (Ipv4Addr::new(127, 0, 1, host), assembly, None)
        };
        let owners = if kind == Kind::Listened { vec![owner(101), owner(102)] } else { Vec::new() };
        let mut tables =
            vec![(Table::Realtime, INTERVAL, REALTIME_FIELDS), (Table::Alarm, INTERVAL, ALARM_FIELDS)];
        if kind == Kind::Modbus {
            tables.push((Table::Energy, ENERGY, ENERGY_FIELDS));
        }
        let held: Vec<Table> = tables.iter().map(|(table, ..)| *table).collect();
        // The past begins before the plugin does.
        let mut truth = Truth::of(&held, PAST);
        truth.look(|table, name| meter.expected(table, name));
        Post {
            kind,
            option,
            name: format!("{option}-{number:02}"),
            address: relay.as_ref().map_or(at, |relay| relay.address),
            relay,
            controller,
            owners,
            ledger: Ledger::new(INTERVAL, &tables),
            truth,
            trouble: None,
        }
    }

    /// The configuration of the plugin that reads it.
    pub(crate) fn config(&self) -> String {
        let mut text = format!(
            "[[inputs.powermonitor_500]]\nstate_file = \"state.json\"\ninterval = \"{}s\"\n\
             traffic_interval = \"0s\"\nconnect_timeout = \"150ms\"\ntimeout = \"150ms\"\ngather_timeout = \"400ms\"\n",
            INTERVAL.as_secs()
        );
        for Post { kind, option, name, address, .. } in &self.posts {
            text +=
                &format!("[[inputs.powermonitor_500.meter]]\nname = \"{name}\"\naddress = \"{address}\"\n");
            if *kind != Kind::Controller {
                text += &format!("connection = \"{option}\"\n");
            }
            text += &match kind {
                Kind::Controller => controlled::OPTIONS.to_owned(),
                Kind::Explicit => String::new(),
                Kind::Listened => format!("rpi = \"{}ms\"\n", RPI.as_millis()),
                Kind::Modbus => format!("intervals = {{ energy = \"{}s\" }}\n", ENERGY.as_secs()),
            };
        }
        text
    }

    /// Enters a line into the books of its meter. Returns which one it is when the line has values to judge.
    pub(crate) fn enter(&mut self, line: &Line) -> Option<usize> {
        let meter = line.tags.get("meter")?;
        let at = self.posts.iter().position(|post| post.name == *meter).expect("the meter is configured");
        self.posts[at].ledger.enter(line);
        let suffix = line.measurement.strip_prefix("powermonitor_500")?;
        ["", "_alarm", "_energy"].contains(&suffix).then_some(at)
    }

    pub(crate) fn look(&mut self) {
        for (post, meter) in self.posts.iter_mut().zip(self.simulated.meters()) {
            post.truth.look(|table, name| meter.expected(table, name));
        }
    }

    /// How many values a line has, all of them true, or what is wrong.
    pub(crate) fn judge(&self, at: usize, line: &Line) -> Result<usize, String> {
        let post = &self.posts[at];
        let trouble = post.trouble.map(|(trouble, _)| trouble);
        post.truth.judge(line, BEFORE, AFTER).map_err(|wrong| format!("{}: {wrong}, {trouble:?}", post.name))
    }

    pub(crate) fn is_well(&self) -> bool {
        self.posts.iter().all(Post::is_well)
    }

    pub(crate) fn ill(&self) -> Vec<&str> {
        self.posts.iter().filter(|post| !post.is_well()).map(|post| post.name.as_str()).collect()
    }

    /// From now on everything counts.
    pub(crate) fn open_the_books(&mut self) {
        self.posts.iter_mut().for_each(|post| post.ledger.open());
    }

    /// A random trouble befalls a random meter that is well.
    pub(crate) fn strike(&mut self, random: &mut StdRng, lasts: Duration) {
        let well: Vec<usize> = (0..self.posts.len()).filter(|at| self.posts[*at].is_well()).collect();
        if well.is_empty() {
            return;
        }
        let at = well[random.random_range(0..well.len())];
        let post = &mut self.posts[at];
        let trouble = Trouble::random(random, post.kind, post.relay.is_some(), self.long);
        *self.strikes.entry(trouble.name()).or_default() += 1;
        post.trouble = Some((trouble, Instant::now() + lasts));
        match trouble {
            Trouble::Reboot => self.simulated.stop(at),
            Trouble::OwnersStop | Trouble::OwnersCrash => {
                for (.., owner) in &mut post.owners {
                    let Some(owner) = owner.take() else { continue };
                    self.simulated.block_on(async move {
                        match trouble {
                            Trouble::OwnersStop => owner.stop().await,
                            _ => owner.crash().await,
                        }
                    });
                }
            }
            Trouble::CounterReset => {
                // A counter has risen since the last look, and what it had reached is about to be gone.
                post.truth.look(|table, name| self.simulated.meter(at).expected(table, name));
                self.simulated.meter(at).reset_counters();
            }
            Trouble::Controller(fault) => {
                let controller = post.controller.as_mut().expect("it is read out of one");
                match fault {
                    ControllerFault::Restart => self.simulated.block_on(controller.stop()),
                    fault => controller.set_defects(fault.defects()),
                }
            }
            Trouble::Relay(spoil) => spoil.start(post.relay.as_ref().expect("it is behind a relay")),
            trouble => self.simulated.break_it(at, trouble.defects().expect("it is the meter's own")),
        }
    }

    pub(crate) fn heal_what_is_over(&mut self) {
        self.heal(|until| Instant::now() >= until);
    }

    pub(crate) fn heal_all(&mut self) {
        self.heal(|_| true);
    }

    fn heal(&mut self, is_over: impl Fn(Instant) -> bool) {
        for at in 0..self.posts.len() {
            let post = &mut self.posts[at];
            let Some((trouble, until)) = post.trouble else { continue };
            if !is_over(until) {
                continue;
            }
            post.trouble = None;
            match trouble {
                Trouble::Reboot => self.simulated.restart(at),
                Trouble::OwnersStop | Trouble::OwnersCrash => self.start_owners(at),
                Trouble::CounterReset => {}
                Trouble::Controller(fault) => {
                    let controller = post.controller.as_mut().expect("it is read out of one");
                    match fault {
                        ControllerFault::Restart => {
                            let returned = self.simulated.block_on(controller.restart());
                            returned.expect("its port is still free");
                        }
                        _ => controller.set_defects(ControllerDefects::default()),
                    }
                }
                Trouble::Relay(_) => post.relay.as_ref().expect("it is behind a relay").heal(),
                _ => self.simulated.break_it(at, Defects::default()),
            }
        }
    }

    fn start_owners(&mut self, at: usize) {
        let meter = self.simulated.meter(at).eip();
        for (local, assembly, owner) in &mut self.posts[at].owners {
            let serial = u32::from(*local);
            let options = OwnerOptions { assembly: *assembly, rpi: RPI, serial, ..OwnerOptions::default() };
            let start = async { Owner::start(meter, *local, options) };
            *owner = Some(self.simulated.block_on(start).expect("the address is free"));
        }
    }

    pub(crate) fn strikes(&self) -> u64 {
        self.strikes.values().sum()
    }

    pub(crate) fn sums(&self) -> Sums {
        Kind::ALL.iter().fold(Sums::default(), |sums, kind| sums.plus(&self.sums_of(*kind)))
    }

    pub(crate) fn sums_of(&self, kind: Kind) -> Sums {
        let posts = self.posts.iter().filter(|post| post.kind == kind);
        posts.fold(Sums::default(), |sums, post| sums.plus(&post.ledger.sums()))
    }

    /// Each meter whose own books do not agree, and what contradicts itself in them.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for Post { name, ledger, .. } in &self.posts {
            let sums = ledger.sums();
            if sums.difference() != 0 {
                problems.push(format!("{name}: {sums:?}"));
            }
            problems.extend(ledger.problems.iter().map(|problem| format!("{name}: {problem}")));
        }
        problems
    }

    pub(crate) fn print_strikes(&self) {
        for (trouble, count) in &self.strikes {
            println!("{count:>6} x {trouble}");
        }
    }

    /// What the status lines and the events said, and how often.
    pub(crate) fn print_results(&self) {
        let sum = |of: fn(&Ledger) -> &BTreeMap<String, u64>| {
            let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
            for (word, count) in self.posts.iter().flat_map(|post| of(&post.ledger)) {
                *sums.entry(word).or_default() += count;
            }
            let said: Vec<String> = sums.iter().map(|(word, count)| format!("{count} {word}")).collect();
            said.join(", ")
        };
        println!("\nStatus lines: {}", sum(|ledger| &ledger.results));
        println!("Events: {}", sum(|ledger| &ledger.events));
    }

    /// What the meters know before the plugin ends.
    pub(crate) fn expect_goodbye(&self) -> Goodbye {
        Goodbye { unregistered: self.simulated.meters().iter().map(|m| m.record().unregistered).collect() }
    }
}

/// How many sessions each meter had seen closed.
pub(crate) struct Goodbye {
    unregistered: Vec<u64>,
}

impl Goodbye {
    /// What the plugin has not closed, or should never have asked.
    pub(crate) fn check(&self, plant: &Plant) -> BTreeSet<String> {
        let mut problems = BTreeSet::new();
        for ((post, meter), before) in
            plant.posts.iter().zip(plant.simulated.meters()).zip(&self.unregistered)
        {
            let record = meter.record();
            let asked = matches!(post.kind, Kind::Explicit | Kind::Listened);
            if asked && record.unregistered <= *before {
                problems.insert(format!("{}: the session was not closed", post.name));
            }
            if record.io.open.iter().any(|open| open.application == Application::ListenOnly) {
                problems.insert(format!("{}: a connection was not closed", post.name));
            }
            if !record.writes().is_empty() {
                problems.insert(format!("{}: {:?}", post.name, record.writes()));
            }
            let Some(record) = post.controller.as_ref().map(Controller::record) else { continue };
            if record.open_sessions > 0 || !record.writes().is_empty() {
                let (open, writes) = (record.open_sessions, record.writes());
                problems.insert(format!("{}: {open} sessions left, writes {writes:?}", post.name));
            }
        }
        problems
    }
}
