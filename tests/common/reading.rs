//! Reading a simulated meter in a test: one gather of a source, one gather of a collector.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use telegraf_pm500::collector::Collector;
use telegraf_pm500::collector::intake::{Taken, take_in};
use telegraf_pm500::collector::schedule::Due;
use telegraf_pm500::collector::state::State;
use telegraf_pm500::config::{Config, MeterConfig, Overrides};
use telegraf_pm500::host::tcp::Protocol;
use telegraf_pm500::meter::profile::PASSWORD_REGISTER;
use telegraf_pm500::meter::{Access, Profile, Readings, Sizes, Table, TableSet, Use, WordOrder, block};
use telegraf_pm500::simulator::{Asked, Options, Record, SimulatedMeter, Simulator};
use telegraf_pm500::source::eip::Eip;
use telegraf_pm500::source::{
    Deadline, Endpoint, Explicit, Failure, Modbus, Notice, Samples, Source, Tcp, Timeouts, Traffic, modbus,
};

use super::lines::Lines;

/// Nothing that works takes this long.
pub(crate) const PATIENT: Timeouts =
    Timeouts { connect: Duration::from_secs(20), request: Duration::from_secs(20) };
/// Long enough for a reply on loopback, and the price of each proven silence.
pub(crate) const HASTY: Timeouts =
    Timeouts { connect: Duration::from_secs(20), request: Duration::from_secs(1) };

/// A simulated meter whose values stand still.
pub(crate) fn frozen() -> Options {
    Options { frozen: true, ..Options::default() }
}

/// Starts one meter.
pub(crate) async fn meter(options: Options) -> SimulatedMeter {
    let mut simulator = Simulator::start(options).await.unwrap();
    simulator.meters.remove(0)
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint { host: address.ip().to_string(), port: address.port() }
}

fn tcp(address: SocketAddr, protocol: Protocol) -> Tcp {
    Tcp { endpoint: endpoint(address), protocol }
}

/// Reads a meter explicitly, and refuses other devices.
pub(crate) fn explicit(address: SocketAddr, timeouts: Timeouts) -> Explicit {
    let profile = Profile::built_in();
    let way = tcp(address, Protocol::EtherNetIp);
    Explicit::new(Eip::new(way, timeouts, Some(profile.identity.clone())), Sizes::of(&profile))
}

/// Reads a meter over Modbus TCP.
pub(crate) fn modbus(address: SocketAddr, timeouts: Timeouts, settings: modbus::Settings) -> Modbus {
    Modbus::new(tcp(address, Protocol::ModbusTcp), timeouts, settings)
}

pub(crate) fn set(tables: &[Table]) -> TableSet {
    tables.iter().copied().collect()
}

/// A source, and what it has read.
pub(crate) struct Reading {
    pub(crate) source: Box<dyn Source>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) word_order: WordOrder,
    pub(crate) readings: Readings,
    pub(crate) traffic: Traffic,
    pub(crate) failures: Vec<(Table, Failure)>,
    /// What happened to a listener in the last gather.
    pub(crate) notices: Vec<Notice>,
    /// The new samples of the last gather.
    pub(crate) samples: Vec<Samples>,
}

impl Reading {
    pub(crate) fn new(source: impl Source + 'static, profile: Arc<Profile>) -> Reading {
        let readings = Readings::new(profile.elements.len());
        Reading {
            source: Box::new(source),
            profile,
            word_order: WordOrder::default(),
            readings,
            traffic: Traffic::default(),
            failures: Vec::new(),
            notices: Vec::new(),
            samples: Vec::new(),
        }
    }

    /// Reads these tables.
    pub(crate) async fn gather(&mut self, tables: &[Table]) {
        self.readings.begin();
        let wanted = block::spans(&self.profile, set(tables), self.source.access());
        let mut answer = self.source.read(&wanted, Deadline::within(PATIENT.request * 10)).await;
        let map = (&*self.profile, self.word_order);
        let Taken { failures, .. } = take_in(&answer, set(tables), map, &mut self.readings);
        self.failures = failures;
        self.traffic += answer.traffic;
        (self.notices, self.samples) = (std::mem::take(&mut answer.notices), answer.samples);
        for table in tables {
            let told = self.readings.taken(*table).is_some() || self.failed().contains(*table);
            assert!(told, "{table} is neither read nor failed");
        }
    }

    /// The tables that failed.
    pub(crate) fn failed(&self) -> TableSet {
        self.failures.iter().map(|(table, _)| *table).collect()
    }

    /// The names of a table's fields that are missing; every other one is what the meter has.
    #[track_caller]
    pub(crate) fn missing(&self, meter: &SimulatedMeter, table: Table) -> Vec<&str> {
        let modbus = self.source.access() == Access::Registers;
        let mut missing = Vec::new();
        for (index, element) in self.profile.elements_of(table) {
            let carried = if modbus { element.modbus.is_some() } else { element.place.is_some() };
            // The clock goes on while it is compared.
            if !carried || element.usage == Use::None || element.name == "clock_offset_s" {
                continue;
            }
            let expected = meter.expected(table, &element.name);
            match self.readings.get(index) {
                None if expected.is_some() => missing.push(element.name.as_str()),
                value => assert_eq!(value, expected.as_ref(), "{table}.{}", element.name),
            }
        }
        missing
    }

    /// Every field of these tables is what the meter has, and nothing failed.
    #[track_caller]
    pub(crate) fn assert_true(&self, meter: &SimulatedMeter, tables: &[Table]) {
        assert_eq!(self.failures, []);
        for table in tables {
            assert_eq!(self.missing(meter, *table), [""; 0], "{table}");
        }
    }
}

/// A meter's settings: `options` are lines of its table.
pub(crate) fn config(options: &str) -> MeterConfig {
    let text = format!("[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\n{options}\n");
    let mut config = Config::parse(&text, &Overrides::default()).unwrap();
    config.meters.remove(0)
}

/// A collector without a past.
pub(crate) fn collector(options: &str) -> Collector {
    Collector::new(Arc::new(config(options)), State::in_memory())
}

/// Reads these tables; the status and the counters come with them.
pub(crate) async fn gather(collector: &mut Collector, tables: &[Table]) -> Lines {
    let due = Due { tables: set(tables), status: true, traffic: true, ..Due::default() };
    Lines::of(&collector.gather(due).await)
}

/// Nothing was written, no function but the reading ones was used, and the password stayed unread.
#[track_caller]
pub(crate) fn assert_harmless(record: &Record) {
    assert_eq!(record.writes(), []);
    assert!(!record.touched(PASSWORD_REGISTER), "the password was read");
    for (asked, _) in record.asked() {
        let harmless = match asked {
            Asked::Cip { service, .. } => matches!(service, 0x01 | 0x0E),
            Asked::Modbus { function, .. } => matches!(function, 3 | 4),
        };
        assert!(harmless, "{asked:?}");
    }
}
