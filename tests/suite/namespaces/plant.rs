//! A meter, its PLC and two collectors on one network.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Signal;

use crate::common::line::Line;
use crate::common::network::{Host, Network};
use crate::common::peer::scratch;
use crate::common::process::Process;
use crate::common::program::{Program, config};

pub(crate) const METER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 2);
/// The PLC has one address for each assembly.
pub(crate) const PLC: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 1, 1, 3), Ipv4Addr::new(10, 1, 1, 4)];
pub(crate) const A: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 11);
pub(crate) const B: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 12);

/// The hosts, and a running meter.
pub(crate) struct Plant {
    pub(crate) plc: Host,
    pub(crate) a: Host,
    pub(crate) b: Host,
    pub(crate) scratch: PathBuf,
    _network: Network,
    _meter: Process,
}

impl Plant {
    /// Starts the network and the meter; `name` is the test's.
    pub(crate) fn start(name: &str) -> Plant {
        Plant::on(Network::start(), name, &[])
    }

    /// Starts a meter with these habits on this network.
    pub(crate) fn on(network: Network, name: &str, habits: &[&str]) -> Plant {
        let meter = network.host("meter", &[METER]);
        let (plc, a, b) = (network.host("plc", &PLC), network.host("a", &[A]), network.host("b", &[B]));
        let mut simulated = meter.telegraf_pm500(&["simulate", "--bind", &METER.to_string()]);
        simulated.args(habits);
        let mut simulated = Process::start(&mut simulated);
        simulated.wait_for("simulated PowerMonitor 500");
        Plant { plc, a, b, scratch: scratch(name), _network: network, _meter: simulated }
    }

    /// Starts a PLC that owns these assemblies, and waits until each is open, whatever is refused before.
    pub(crate) fn own(&self, assemblies: &[&str], rpi: &str) -> Plc {
        self.own_as(assemblies, rpi, &[])
    }

    /// The same for a PLC with these options.
    pub(crate) fn own_as(&self, assemblies: &[&str], rpi: &str, options: &[&str]) -> Plc {
        let (meter, first) = (METER.to_string(), PLC[0].to_string());
        let mut command = self.plc.telegraf_pm500(&["simulate", "--owner-of", &meter]);
        command.args(["--owner-address", &first, "--owner-rpi", rpi]).args(options);
        for assembly in assemblies {
            command.args(["--owner-assembly", assembly]);
        }
        let mut process = Process::start(&mut command);
        let open = |printed: &str| printed.lines().filter(|line| line.ends_with(": open")).count();
        process.wait_until(|printed| open(printed) == assemblies.len());
        Plc(process)
    }

    /// The configuration file of a collector; `options` are lines of the meter's table.
    pub(crate) fn config(&self, collector: &str, options: &str) -> PathBuf {
        let directory = self.scratch.join(collector);
        std::fs::create_dir_all(&directory).unwrap();
        let state = directory.join("state.json");
        let text = format!(
            "[[inputs.powermonitor_500]]\ninterval = \"1s\"\ntraffic_interval = \"0s\"\nstate_file = {state:?}\n\
             [[inputs.powermonitor_500.meter]]\nname = \"m\"\naddress = \"{METER}\"\ntables = [\"realtime\"]\n\
             heartbeat_interval = \"100ms\"\n{options}\n"
        );
        config(&directory, &text)
    }
}

/// A running PLC; dropping it is a crash.
pub(crate) struct Plc(Process);

impl Plc {
    /// It closes its connections; then how often it opened one, and the frames it received and missed, for each
    /// address.
    pub(crate) fn stop(self) -> Vec<[u64; 3]> {
        self.end().0
    }

    /// The same, and whether the meter ever refused it.
    pub(crate) fn end(self) -> (Vec<[u64; 3]>, bool) {
        self.0.signal(Signal::TERM);
        let printed = self.0.end("", 0);
        let counts = |line: &str| -> Option<[u64; 3]> {
            let numbers = line.split_once(": opened ")?.1.split(|c: char| !c.is_ascii_digit());
            numbers.filter_map(|word| word.parse().ok()).collect::<Vec<_>>().try_into().ok()
        };
        let counts: Vec<_> = printed.lines().filter_map(counts).collect();
        assert!(!counts.is_empty(), "no counts: {printed}");
        (counts, printed.contains("refused"))
    }
}

/// Starts a collector on a host, as Telegraf would.
pub(crate) fn collect(host: Host, config: &Path) -> Program {
    Program::from_command(host.telegraf_pm500(&["--config", config.to_str().unwrap()]), Stdio::piped())
}

/// Whether the line is a status of a collector that is connected like this.
pub(crate) fn is_connected(line: &Line, how: &str) -> bool {
    line.is("m", "_status") && line.text("connection") == how
}

/// Waits until a collector that listens has received this many more frames.
pub(crate) fn hear(listener: &mut Program, frames: i64) {
    let from = listener.wait_for("the counters", |line| line.is("m", "_traffic")).integer("frames_received");
    listener.wait_for("more frames", |line| {
        line.is("m", "_traffic") && line.integer("frames_received") >= from + frames
    });
}
