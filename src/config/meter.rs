//! One meter's settings, which make sense together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::address::{Address, Location};
use super::choice::{Connection, IdentityPolicy, MapCheckPolicy, Protocol};
use super::listening::Listening;
use super::logix::LogixTags;
use crate::host::serial;
use crate::meter::{Evidence, Profile, Table, TableSet, WordOrder};
use crate::source::modbus::{self, Place, TransmissionMode};
use crate::source::transport::Serial;
use crate::source::{Endpoint, Timeouts};

/// [`MeterConfig::profile_name`] of the profile compiled into the program.
pub const BUILT_IN_PROFILE: &str = "built-in";

/// Options of a meter that do not make sense together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeterError {
    /// No address.
    #[error("address is missing, write the meter's host name or IP address")]
    NoAddress,
    /// A protocol before the address that the connection does not speak.
    #[error("address = \"{address}\" and connection = \"{connection}\" name two protocols, keep one of them")]
    TwoProtocols {
        /// The address.
        address: Location,
        /// How the meter would be read.
        connection: Connection,
    },
    /// Two ports for Modbus.
    #[error("address = \"{address}\" and modbus_port = {port} name two ports for Modbus, keep one of them")]
    TwoPorts {
        /// The address.
        address: Address,
        /// The port.
        port: u16,
    },
    /// Assembly 107 over Modbus.
    #[error("raw_energy reads assembly 107 over EtherNet/IP, which connection = \"modbus\" does not use")]
    RawOverModbus,
    /// Modbus beside Modbus.
    #[error(
        "modbus_tables are read beside EtherNet/IP, and connection = \"modbus\" has none; put {0} in tables"
    )]
    BesideModbus(TableSet),
    /// Modbus beside a controller.
    #[error(
        "modbus_tables are read at the meter, and address is a controller's; read them as a meter of its own"
    )]
    BesideLogix,
    /// Modbus beside EtherNet/IP that nobody allowed.
    #[error(
        "modbus_tables ({0}) need modbus_may_interrupt = true, because the maker is reported to say that active \
         Modbus suspends EtherNet/IP on the meter, which would also fault the PLC's own I/O connection"
    )]
    MayInterrupt(TableSet),
}

/// How EtherNet/IP is spoken to a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EthernetIp {
    /// TCP port.
    pub port: u16,
    /// What to do with a different device.
    pub identity: IdentityPolicy,
}

/// How Modbus TCP is spoken to a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModbusSettings {
    /// TCP port.
    pub port: u16,
    /// How messages are framed there.
    pub mode: TransmissionMode,
    /// How characters look on its line, if it is at a serial port.
    pub serial: Option<serial::Settings>,
    /// What its serial port is, as far as that is known at start: another path may lead there, too.
    pub device: Option<PathBuf>,
    /// What its source is told.
    pub settings: modbus::Settings,
}

/// One meter, validated.
#[derive(Debug, Clone)]
pub struct MeterConfig {
    /// Its unique name, the tag `meter`.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// How it is read.
    pub connection: Connection,
    /// The tables read over `connection`; with `raw_energy` also [`Table::Raw`]. [`Table::Info`] is read at
    /// connect without being listed.
    pub tables: TableSet,
    /// The tables read over Modbus beside EtherNet/IP; empty unless that was allowed.
    pub modbus_tables: TableSet,
    /// How often the meter is gathered.
    pub interval: Duration,
    /// How often the counters since start are told.
    pub traffic_interval: Duration,
    /// How often each table is read, for every table in `tables` and `modbus_tables`.
    pub intervals: BTreeMap<Table, Duration>,
    /// Length of the load profile's intervals, if there is to be one; energy is read at every boundary.
    pub interval_energy: Option<Duration>,
    /// Whether gathers are aligned to the wall clock.
    pub round_interval: bool,
    /// Longest random delay before each gather.
    pub collection_jitter: Duration,
    /// Fixed delay before each gather.
    pub collection_offset: Duration,
    /// Timestamps are rounded to this power of ten, 1 ns to 1 s.
    pub precision: Duration,
    /// How long it is waited for on the wire.
    pub timeouts: Timeouts,
    /// Longest time for one gather in all.
    pub gather_timeout: Duration,
    /// What to do with a contradicted map.
    pub map_check: MapCheckPolicy,
    /// Weakest evidence accepted.
    pub evidence: Evidence,
    /// The map.
    pub profile: Arc<Profile>,
    /// Where the map came from: [`BUILT_IN_PROFILE`] or the file as written.
    pub profile_name: String,
    /// Whether assembly 107 is stored undecoded.
    pub raw_energy: bool,
    /// EtherNet/IP, whatever the connection.
    pub ethernet_ip: EthernetIp,
    /// Class 1 settings, if the meter is listened to.
    pub listening: Option<Listening>,
    /// Where a controller has its assemblies, if it is read out of one.
    pub logix: Option<LogixTags>,
    /// Modbus, whatever the connection.
    pub modbus: ModbusSettings,
    /// Which word of a 32- or 64-bit value comes first in registers.
    pub word_order: WordOrder,
    /// The meter's clock's time zone, for `clock_offset_s`.
    pub timezone: Option<jiff::tz::TimeZone>,
    /// Tags on every line of the meter, `meter` included, sorted by key.
    pub tags: Vec<(String, String)>,
    /// Per element of the profile: whether it is emitted.
    pub selected: Vec<bool>,
}

impl MeterConfig {
    /// How often a table is read.
    pub fn period(&self, table: Table) -> Duration {
        self.intervals.get(&table).copied().unwrap_or(self.interval)
    }

    /// Whether a table comes over Modbus, beside EtherNet/IP or alone.
    pub fn reads_over_modbus(&self, table: Table) -> bool {
        self.connection.protocol() == Protocol::Modbus || self.modbus_tables.contains(table)
    }

    /// The same meter, read explicitly instead of listened to.
    pub fn without_listening(self) -> MeterConfig {
        match self.connection.listens() {
            true => MeterConfig { connection: Connection::Explicit, listening: None, ..self },
            false => self,
        }
    }

    /// The same, trying other connection paths where the meter refuses its own.
    pub fn probing(self) -> MeterConfig {
        let listening = self.listening.map(|listening| Listening { probe: true, ..listening });
        MeterConfig { listening, ..self }
    }

    /// What makes it another meter than one at the same host: its port, if it is not the usual one, by hand also its
    /// protocol, and behind a controller its tags.
    pub(super) fn place(&self, by_hand: bool) -> (String, Option<u16>, Option<Protocol>) {
        let protocol = self.connection.protocol();
        // A written default port says nothing, and the same meter has both protocols' ports.
        let port = self.address.port.filter(|port| *port != protocol.default_port());
        let mut host = self.address.canonical_host();
        if let Some(logix) = &self.logix {
            host.push_str(&format!(" {}", logix.route));
            logix.held.values().for_each(|held| host.push_str(&format!(" {}", held.tag)));
        }
        (host, port, by_hand.then_some(protocol))
    }

    /// Where it speaks Modbus: at its serial port, or at this TCP port.
    pub fn modbus_place(&self, port: u16) -> Place {
        match self.modbus.serial {
            Some(settings) => {
                let path = PathBuf::from(&self.address.host);
                let device = self.modbus.device.clone().unwrap_or_else(|| path.clone());
                Place::Port(Serial { path, device, settings })
            }
            None => {
                let endpoint = Endpoint { host: self.address.host.clone(), port };
                Place::Network(endpoint, self.modbus.mode)
            }
        }
    }

    /// The unit that it is at its place, where a place can have several.
    pub(super) fn unit(&self) -> Option<u8> {
        (self.connection == Connection::Modbus).then_some(self.modbus.settings.unit_id)
    }

    /// The address as a configuration has it, with the protocol where it is not EtherNet/IP.
    pub fn written_address(&self) -> String {
        match self.connection.protocol() {
            Protocol::Modbus if self.modbus.serial.is_some() => format!("file://{}", self.address),
            Protocol::Modbus => format!("modbus://{}", self.address),
            Protocol::EtherNetIp => self.address.to_string(),
        }
    }

    /// Where it is read, for people: host and port, or the path of a serial port.
    pub fn place_read(&self) -> String {
        match self.modbus.serial {
            Some(_) => self.address.host.clone(),
            None => Endpoint { host: self.address.host.clone(), port: self.port() }.to_string(),
        }
    }

    /// The TCP port of the meter's connection.
    pub fn port(&self) -> u16 {
        match self.connection.protocol() {
            Protocol::Modbus => self.modbus.port,
            Protocol::EtherNetIp => self.ethernet_ip.port,
        }
    }
}
