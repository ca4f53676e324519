//! One meter's options, completed by its block's → settings that make sense together.

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
use super::listening::{self, ListeningError};
use super::load_profile;
use super::logix;
use super::meter::{BUILT_IN_PROFILE, EthernetIp, MeterConfig, MeterError, ModbusSettings};
use super::mistake::Mistake;
use super::names;
use super::options::Options;
use super::selection::{Selection, Wanted};
use super::serial as lines;
use crate::host::serial;
use crate::meter::{Evidence, Profile, ProfileError, Table, TableSet};
use crate::source::modbus;

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
            patience: options.interval.unwrap_or(limits::DEFAULT_INTERVAL),
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
    let interval = options.interval.unwrap_or(limits::DEFAULT_INTERVAL);
    limits::check_interval("interval", interval)?;
    let traffic_interval = options.traffic_interval.unwrap_or(limits::DEFAULT_TRAFFIC_INTERVAL);
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
