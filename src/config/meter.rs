//! One meter's settings: options and defaults → values that make sense together.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::address::{Address, Location, Scheme};
use super::choice::{
    Connection, ETHERNET_IP_PORT, IdentityPolicy, MODBUS_PORT, MapCheckPolicy, Protocol, Timed,
};
use super::duration::show;
use super::limits::{self, LimitError};
use super::listening::{self, Listening, ListeningError};
use super::load_profile;
use super::logix::{self, LogixTags};
use super::mistake::Mistake;
use super::names;
use super::options::Options;
use super::selection::{Selection, Wanted};
use super::serial as lines;
use crate::host::serial;
use crate::meter::{Evidence, Profile, ProfileError, Table, TableSet, WordOrder};
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

/// What meters share while they are resolved.
pub(super) struct Surroundings<'a> {
    directory: &'a Path,
    profiles: HashMap<PathBuf, Arc<Profile>>,
}

impl<'a> Surroundings<'a> {
    /// Relative paths are taken from `directory`.
    pub(super) fn new(directory: &'a Path) -> Self {
        Surroundings { directory, profiles: HashMap::new() }
    }

    /// Each profile file is read once, however many meters name it.
    fn profile(&mut self, name: Option<&str>) -> Result<(Arc<Profile>, String), ProfileError> {
        let Some(name) = name.filter(|name| !name.is_empty() && *name != BUILT_IN_PROFILE) else {
            return Ok((Profile::built_in(), BUILT_IN_PROFILE.to_owned()));
        };
        let path = self.directory.join(name);
        let profile = match self.profiles.get(&path) {
            Some(profile) => profile.clone(),
            None => {
                let profile = Profile::load(&path)?;
                self.profiles.insert(path, profile.clone());
                profile
            }
        };
        Ok((profile, name.to_owned()))
    }
}

/// A meter's settings, and what a person should be told about them once.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) meter: MeterConfig,
    pub(super) notes: Vec<String>,
}

/// Turns a meter's completed options into settings.
///
/// # Errors
/// The first option that cannot be.
pub(super) fn resolve(options: Options, around: &mut Surroundings<'_>) -> Result<Resolved, Mistake> {
    let location = options.address.clone().ok_or(MeterError::NoAddress)?;
    let connection = connection(&location, options.connection)?;
    let (mode, serial) = lines::resolve(&options, &location)?;
    let address = location.address;
    let name = match &options.name {
        Some(name) => name.as_str().to_owned(),
        None => address.short_name().to_owned(),
    };
    let (profile, profile_name) = around.profile(options.profile.as_deref())?;
    let listening = listening::resolve(&options, connection, &profile)?;
    let logix = logix::resolve(&options, connection, &profile)?;
    let tags = names::tags(&name, options.tags.unwrap_or_default(), &profile)?;
    let ethernet_ip = EthernetIp {
        port: address.port.unwrap_or(ETHERNET_IP_PORT),
        identity: options.identity.unwrap_or(IdentityPolicy::Require),
    };
    let pause = options.pause_between_requests.unwrap_or(Duration::ZERO);
    let modbus = ModbusSettings {
        port: modbus_port(connection, &address, options.modbus_port.map(u16::from))?,
        mode,
        serial,
        device: serial.map(|_| serial::device(Path::new(&address.host))),
        settings: modbus::Settings {
            unit_id: options.unit_id.unwrap_or(1),
            close_after_gather: options.close_after_gather.unwrap_or(serial.is_none()),
            max_registers: options.max_registers.map_or(125, |registers| registers.0),
            patience: options.interval.unwrap_or(super::DEFAULT_INTERVAL),
            pause: pause.max(serial.map_or(Duration::ZERO, serial::Settings::silence)),
        },
    };
    let modbus_tables = options.modbus_tables.iter().flatten().map(|table| table.0).collect();
    check_modbus_tables(connection, modbus_tables, options.modbus_may_interrupt.unwrap_or(false))?;
    let raw_energy = options.raw_energy.unwrap_or(false);
    if raw_energy && connection.protocol() == Protocol::Modbus {
        return Err(MeterError::RawOverModbus.into());
    }
    let evidence = options.evidence.map_or(Evidence::Inferred, |accepted| accepted.0);
    let timezone = options.timezone.and_then(|zone| zone.0);
    let wanted = Wanted {
        profile: &profile,
        connection,
        held: logix.as_ref().map(|logix| &logix.held),
        tables: options.tables.map(|tables| tables.iter().map(|table| table.0).collect()),
        modbus_tables,
        raw_energy,
        evidence,
        include: options.fieldinclude.iter().flatten().collect(),
        exclude: options.fieldexclude.iter().flatten().collect(),
        has_timezone: timezone.is_some(),
    };
    let Selection { tables, selected, mut notes } = wanted.select()?;

    if let (Connection::InputOnly, Some(rpi)) = (connection, listening.as_ref().and_then(|l| l.rpi)) {
        notes.push(format!(
            "connection = \"input_only\" fixes the packet interval of its assemblies at {} for a PLC that connects \
             later, which is refused if its own differs, also while a crashed listener is still remembered",
            show(rpi)
        ));
    }
    if let Some(listening) = &listening {
        let unread = listening.tables.difference(tables);
        if let Some(table) = unread.iter().find(|table| *table != Table::Info) {
            return Err(ListeningError::NotRead(table).into());
        }
    }
    let interval = options.interval.unwrap_or(super::DEFAULT_INTERVAL);
    limits::check_interval("interval", interval)?;
    let traffic_interval = options.traffic_interval.unwrap_or(super::DEFAULT_TRAFFIC_INTERVAL);
    let interval_energy = options.interval_energy.and_then(|named| named.0);
    let named = options.intervals.unwrap_or_default();
    let intervals = intervals(interval, &named, (tables, modbus_tables), interval_energy)?;
    if let Some(period) = interval_energy {
        load_profile::check(period, &profile, &selected, (tables, modbus_tables), &intervals)?;
    }
    if let Some(period) = modbus_tables.iter().filter_map(|table| intervals.get(&table)).min() {
        notes.push(format!(
            "Modbus ({modbus_tables}, every {}) may suspend EtherNet/IP while it is read, the PLC's own I/O included",
            show(*period)
        ));
    }
    let collection_jitter = options.collection_jitter.unwrap_or(Duration::ZERO);
    let collection_offset = options.collection_offset.unwrap_or(Duration::ZERO);
    for (option, delay) in
        [("collection_jitter", collection_jitter), ("collection_offset", collection_offset)]
    {
        if delay >= interval {
            return Err(LimitError::Delay(option).into());
        }
    }
    let precision = options.precision.unwrap_or(Duration::from_millis(1));
    limits::check_precision(precision)?;
    let gather_timeout = options.gather_timeout.unwrap_or(Duration::from_secs(5));
    let timeouts = limits::timeouts(options.connect_timeout, options.timeout, gather_timeout)?;
    let word_order = options.word_order.or(profile.word_order).unwrap_or_default();

    let meter = MeterConfig {
        name,
        address,
        connection,
        tables,
        modbus_tables,
        interval,
        traffic_interval,
        intervals,
        interval_energy,
        round_interval: options.round_interval.unwrap_or(true),
        collection_jitter,
        collection_offset,
        precision,
        timeouts,
        gather_timeout,
        map_check: options.map_check.unwrap_or(MapCheckPolicy::Refuse),
        evidence,
        profile,
        profile_name,
        raw_energy,
        ethernet_ip,
        listening,
        logix,
        modbus,
        word_order,
        timezone,
        tags,
        selected,
    };
    Ok(Resolved { meter, notes })
}

/// How the meter is read: as written, else as the protocol before the address says.
fn connection(location: &Location, named: Option<Connection>) -> Result<Connection, MeterError> {
    let spoken = location.scheme.map(|scheme| match scheme {
        Scheme::EtherNetIp => Connection::Explicit,
        Scheme::Modbus | Scheme::Serial => Connection::Modbus,
        Scheme::Logix => Connection::Logix,
    });
    match (named, spoken) {
        (Some(connection), Some(spoken))
            if connection.protocol() != spoken.protocol()
                || (connection == Connection::Logix) != (spoken == Connection::Logix) =>
        {
            Err(MeterError::TwoProtocols { address: location.clone(), connection })
        }
        (named, spoken) => Ok(named.or(spoken).unwrap_or(Connection::Explicit)),
    }
}

fn modbus_port(connection: Connection, address: &Address, named: Option<u16>) -> Result<u16, MeterError> {
    match (connection.protocol(), address.port, named) {
        (Protocol::Modbus, Some(written), Some(port)) if written != port => {
            Err(MeterError::TwoPorts { address: address.clone(), port })
        }
        (Protocol::Modbus, Some(written), _) => Ok(written),
        _ => Ok(named.unwrap_or(MODBUS_PORT)),
    }
}

fn check_modbus_tables(connection: Connection, tables: TableSet, allowed: bool) -> Result<(), MeterError> {
    if tables.is_empty() {
        return Ok(());
    }
    match (connection.protocol(), allowed) {
        (Protocol::Modbus, _) => Err(MeterError::BesideModbus(tables)),
        _ if connection == Connection::Logix => Err(MeterError::BesideLogix),
        (_, false) => Err(MeterError::MayInterrupt(tables)),
        (_, true) => Ok(()),
    }
}

/// How often each table is read: what was written, else a default that suits the table.
fn intervals(
    interval: Duration,
    named: &BTreeMap<Timed, Duration>,
    (tables, modbus_tables): (TableSet, TableSet),
    interval_energy: Option<Duration>,
) -> Result<BTreeMap<Table, Duration>, Mistake> {
    let mut intervals = BTreeMap::new();
    if let Some(period) = interval_energy {
        load_profile::check_period(period)?;
        if modbus_tables.contains(Table::Energy) {
            load_profile::check_beside(period)?;
        }
    }
    for table in tables.union(modbus_tables).iter() {
        let beside = modbus_tables.contains(table);
        let usual = || limits::default_interval(table, interval, beside);
        let period = match (named.get(&Timed(table)), interval_energy) {
            (Some(period), _) => *period,
            (None, Some(length)) if table == Table::Energy => load_profile::default_interval(usual(), length),
            (None, _) => usual(),
        };
        limits::check_interval(&format!("intervals.{table}"), period)?;
        if beside {
            limits::check_modbus_tables_interval(table, period)?;
        }
        intervals.insert(table, period);
    }
    Ok(intervals)
}
