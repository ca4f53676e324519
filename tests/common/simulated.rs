//! Simulated meters inside the test's own process, so that a test can break, heal and question them.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use telegraf_pm500::simulator::{Asked, Defects, Options, Record, SimulatedMeter, Simulator};
use tokio::runtime::Runtime;

/// Longest wait for anything; only a broken program reaches it. A lost owner is looked for after one minute.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// Running simulated meters.
pub(crate) struct Simulated {
    simulator: Simulator,
    runtime: Runtime,
}

impl Simulated {
    /// Starts this many meters whose values stand still.
    pub(crate) fn start(count: u32) -> Simulated {
        Simulated::with(Options { count, frozen: true, ..Options::default() })
    }

    /// Starts meters on free ports of addresses that no other test uses: a meter that is stopped finds its ports
    /// free when it returns.
    pub(crate) fn with(options: Options) -> Simulated {
        Simulated::at(Options { bind: own_network(), ..options })
    }

    /// Starts meters at the addresses that the options name.
    pub(crate) fn at(options: Options) -> Simulated {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("the host gives a thread");
        let simulator = runtime.block_on(Simulator::start(options));
        Simulated { simulator: simulator.expect("loopback has free ports"), runtime }
    }

    pub(crate) fn meter(&self, index: usize) -> &SimulatedMeter {
        &self.simulator.meters[index]
    }

    /// Every meter.
    pub(crate) fn meters(&self) -> &[SimulatedMeter] {
        &self.simulator.meters
    }

    /// Runs something beside the meters, such as their PLCs.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Where a meter answers EtherNet/IP.
    pub(crate) fn eip(&self, index: usize) -> String {
        self.meter(index).eip().to_string()
    }

    /// Where a meter answers Modbus TCP.
    pub(crate) fn modbus(&self, index: usize) -> String {
        self.meter(index).modbus().to_string()
    }

    /// Replaces the faults of a meter.
    pub(crate) fn break_it(&self, index: usize, faults: Defects) {
        self.meter(index).set_defects(faults);
    }

    /// A meter dies: its connections break and its ports close.
    pub(crate) fn stop(&mut self, index: usize) {
        self.runtime.block_on(self.simulator.meters[index].stop());
    }

    /// A meter returns where it was.
    pub(crate) fn restart(&mut self, index: usize) {
        let returned = self.runtime.block_on(self.simulator.meters[index].restart());
        returned.expect("the meter's ports are still free");
    }

    /// Waits until a meter was asked what is wanted.
    #[track_caller]
    pub(crate) fn wait_until(&self, index: usize, what: &str, wanted: impl Fn(&Record) -> bool) {
        let until = Instant::now() + DEADLINE;
        while !wanted(&self.meter(index).record()) {
            assert!(Instant::now() < until, "never {what}: {:?}", self.meter(index).record());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// How often the data of an assembly was read.
    pub(crate) fn reads(&self, index: usize, assembly: u16) -> u64 {
        reads(&self.meter(index).record(), assembly)
    }
}

/// The first of 250 loopback addresses that no other test uses, in this program or in another one, until it ends.
pub(crate) fn own_network() -> Ipv4Addr {
    /// Whoever has this port at a network's last address has the network.
    const MARK: u16 = 2221;
    static TAKEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    loop {
        let [b, c] = [rand::random_range(16..=254), rand::random_range(1..=254)];
        if let Ok(mark) = UdpSocket::bind((Ipv4Addr::new(127, b, c, 254), MARK)) {
            TAKEN.lock().unwrap_or_else(PoisonError::into_inner).push(mark);
            return Ipv4Addr::new(127, b, c, 1);
        }
    }
}

/// How often the data of an assembly was read.
pub(crate) fn reads(record: &Record, assembly: u16) -> u64 {
    record.count(Asked::Cip { service: 0x0E, class: 4, instance: assembly, attribute: Some(3) })
}
