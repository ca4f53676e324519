//! One meter's settings: options and defaults → values that make sense together.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::address::Address;
use super::choice::{Connection, ETHERNET_IP_PORT, IdentityPolicy, MODBUS_PORT, MapCheckPolicy, Timed};
use super::duration::show;
use super::file::Options;
use super::limits::{self, Timeouts};
use super::listening::{self, Listening};
use super::load_profile;
use super::names;
use super::selection::{Selection, Wanted};
use super::value::Parsed;
use crate::meter::decode::WordOrder;
use crate::meter::{Evidence, Profile, Table, TableSet};

/// [`MeterConfig::profile_name`] of the profile compiled into the program.
pub const BUILT_IN_PROFILE: &str = "built-in";

/// How Modbus TCP is spoken to a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModbusSettings {
    /// TCP port.
    pub port: u16,
    /// Unit identifier.
    pub unit_id: u8,
    /// Which word of a 32- or 64-bit value comes first.
    pub word_order: WordOrder,
    /// Whether the connection is closed after each gather, which leaves the meter's only socket to others.
    pub close_after_gather: bool,
    /// Registers in one request, 4 to 125.
    pub max_registers: u16,
    /// Whether Modbus beside EtherNet/IP was allowed, although it may interrupt the PLC's I/O.
    pub may_interrupt: bool,
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
    /// Longest time for a connect.
    pub connect_timeout: Duration,
    /// Longest time for one request.
    pub timeout: Duration,
    /// Longest time for one gather in all.
    pub gather_timeout: Duration,
    /// What to do with a different device.
    pub identity: IdentityPolicy,
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
    /// Class 1 settings, if the meter is listened to.
    pub listening: Option<Listening>,
    /// Modbus settings, whatever the connection.
    pub modbus: ModbusSettings,
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

    /// The same meter, read explicitly instead of listened to.
    pub fn without_listening(self) -> MeterConfig {
        match self.connection.listens() {
            true => MeterConfig { connection: Connection::Explicit, listening: None, ..self },
            false => self,
        }
    }

    /// The TCP port of the meter's connection.
    pub fn port(&self) -> u16 {
        match self.connection {
            Connection::Modbus => self.modbus.port,
            _ => self.address.port.unwrap_or(ETHERNET_IP_PORT),
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
    fn profile(&mut self, name: Option<&str>) -> Result<(Arc<Profile>, String), String> {
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
/// One sentence about the first option that cannot be.
pub(super) fn resolve(options: Options, around: &mut Surroundings<'_>) -> Result<Resolved, String> {
    let address = options.address.as_ref().map(|address| address.get_ref().0.clone());
    let address =
        address.ok_or("address is missing, write the meter's host name or IP address".to_owned())?;
    let name = options.name.as_ref().map_or_else(|| address.host.clone(), |name| name.get_ref().0.clone());
    names::check_meter(&name)?;
    let (profile, profile_name) = around.profile(options.profile.as_ref().map(|path| path.0.as_str()))?;
    let connection = options.connection.as_ref().map_or(Connection::Explicit, |connection| connection.0);
    let listening = listening::resolve(&options, connection, &profile)?;
    let tags = names::tags(&name, &options.tags.unwrap_or_default(), &profile)?;
    let modbus = ModbusSettings {
        port: modbus_port(connection, &address, options.modbus_port.map(|port| port.0))?,
        // Number keeps it within a byte.
        unit_id: options.unit_id.and_then(|unit| u8::try_from(unit.0).ok()).unwrap_or(1),
        word_order: or(options.word_order, profile.word_order.unwrap_or_default()),
        close_after_gather: options.close_after_gather.unwrap_or(true),
        max_registers: options.max_registers.map_or(125, |registers| registers.0),
        may_interrupt: options.modbus_may_interrupt.unwrap_or(false),
    };
    let modbus_tables = options.modbus_tables.iter().flatten().map(|table| table.0).collect();
    check_modbus_tables(connection, modbus_tables, modbus.may_interrupt)?;
    let raw_energy = options.raw_energy.unwrap_or(false);
    if raw_energy && connection == Connection::Modbus {
        return Err(
            "raw_energy reads assembly 107 over EtherNet/IP, which connection = \"modbus\" does not use"
                .to_owned(),
        );
    }
    let evidence = or(options.evidence, Evidence::Inferred);
    let timezone = options.timezone.and_then(|zone| zone.0.0);
    let wanted = Wanted {
        profile: &profile,
        connection,
        tables: options.tables.map(|tables| tables.iter().map(|table| table.0).collect()),
        modbus_tables,
        raw_energy,
        evidence,
        include: options.fieldinclude.iter().flatten().map(|pattern| &pattern.0).collect(),
        exclude: options.fieldexclude.iter().flatten().map(|pattern| &pattern.0).collect(),
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
            return Err(format!("listen_tables names {table}, which is not read; name it in tables as well"));
        }
    }
    let interval = or(options.interval, super::DEFAULT_INTERVAL);
    limits::check_interval("interval", interval)?;
    let interval_energy = options.interval_energy.and_then(|named| named.0.0);
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
    let collection_jitter = or(options.collection_jitter, Duration::ZERO);
    let collection_offset = or(options.collection_offset, Duration::ZERO);
    for (option, delay) in
        [("collection_jitter", collection_jitter), ("collection_offset", collection_offset)]
    {
        if delay >= interval {
            return Err(format!("{option} must be shorter than the interval, or gathers would be missed"));
        }
    }
    let precision = or(options.precision, Duration::from_millis(1));
    limits::check_precision(precision)?;
    let timeouts = Timeouts::new(
        options.connect_timeout.map(|timeout| timeout.0),
        options.timeout.map(|timeout| timeout.0),
        options.gather_timeout.map(|timeout| timeout.0),
    )?;

    let meter = MeterConfig {
        name,
        address,
        connection,
        tables,
        modbus_tables,
        interval,
        intervals,
        interval_energy,
        round_interval: options.round_interval.unwrap_or(true),
        collection_jitter,
        collection_offset,
        precision,
        connect_timeout: timeouts.connect,
        timeout: timeouts.request,
        gather_timeout: timeouts.gather,
        identity: or(options.identity, IdentityPolicy::Require),
        map_check: or(options.map_check, MapCheckPolicy::Refuse),
        evidence,
        profile,
        profile_name,
        raw_energy,
        listening,
        modbus,
        timezone,
        tags,
        selected,
    };
    Ok(Resolved { meter, notes })
}

fn or<T>(option: Option<Parsed<T>>, default: T) -> T {
    option.map_or(default, |value| value.0)
}

fn modbus_port(connection: Connection, address: &Address, named: Option<u16>) -> Result<u16, String> {
    match (connection, address.port, named) {
        (Connection::Modbus, Some(written), Some(named)) if written != named => Err(format!(
            "address = \"{address}\" and modbus_port = {named} name two ports for Modbus, keep one of them"
        )),
        (Connection::Modbus, Some(written), _) => Ok(written),
        _ => Ok(named.unwrap_or(MODBUS_PORT)),
    }
}

fn check_modbus_tables(connection: Connection, tables: TableSet, allowed: bool) -> Result<(), String> {
    if tables.is_empty() {
        return Ok(());
    }
    if connection == Connection::Modbus {
        return Err(format!(
            "modbus_tables are read beside EtherNet/IP, and connection = \"modbus\" has none; put {tables} in tables"
        ));
    }
    if !allowed {
        return Err(format!(
            "modbus_tables ({tables}) need modbus_may_interrupt = true, because the maker is reported to say that \
             active Modbus suspends EtherNet/IP on the meter, which would also fault the PLC's own I/O connection"
        ));
    }
    Ok(())
}

/// How often each table is read: what was written, else a default that suits the table.
fn intervals(
    interval: Duration,
    named: &BTreeMap<Parsed<Timed>, Parsed<Duration>>,
    (tables, modbus_tables): (TableSet, TableSet),
    interval_energy: Option<Duration>,
) -> Result<BTreeMap<Table, Duration>, String> {
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
        let period = match (named.get(&Parsed(Timed(table))), interval_energy) {
            (Some(Parsed(period)), _) => *period,
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
