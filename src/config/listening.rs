//! How a meter is listened to by class 1: options → settings, held against the meter's tested limits.

use std::time::Duration;

use super::choice::{Connection, Emit};
use super::duration::show;
use super::file::Options;
use crate::meter::{Profile, Table, TableSet};

/// Class 1 connections that the maker tested on one meter, the PLC's own included (1420-UM001D p78).
const MOST_CONNECTIONS: usize = 9;
/// Packet interval at which the maker tested them; what we impose is never shorter.
const SHORTEST_RPI: Duration = Duration::from_millis(100);
/// A listener's heartbeat: shorter disturbs, longer keeps a dead listener's slot for minutes.
const HEARTBEAT: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(10);

/// Settings of class 1 listening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// The owner's packet interval, if it was written; ours for input-only.
    pub rpi: Option<Duration>,
    /// Interval of our heartbeats.
    pub heartbeat: Duration,
    /// Configuration instance of the connection path.
    pub configuration: u8,
    /// Tables to listen to.
    pub tables: TableSet,
    /// Which frames become lines.
    pub emit: Emit,
}

impl Listening {
    /// The assemblies to listen to.
    pub fn assemblies(&self, profile: &Profile) -> Vec<u16> {
        let instances = |table| profile.assemblies_of(table).map(|assembly| assembly.instance);
        self.tables.iter().flat_map(instances).collect()
    }
}

/// The listening settings of a meter that is read in this way; none for explicit and Modbus.
///
/// # Errors
/// One sentence about an option that cannot be.
pub(super) fn resolve(
    options: &Options,
    connection: Connection,
    profile: &Profile,
) -> Result<Option<Listening>, String> {
    let rpi = options.rpi.as_ref().and_then(|rpi| rpi.0.0);
    if !connection.listens() {
        return Ok(None);
    }
    match (connection, rpi) {
        (Connection::InputOnly, None) => {
            return Err(
                "connection = \"input_only\" needs rpi written out, because the first connection to an \
                        assembly fixes its packet interval for the PLC as well"
                    .to_owned(),
            );
        }
        (Connection::InputOnly, Some(rpi)) if rpi < SHORTEST_RPI => {
            return Err(format!(
                "rpi = \"{}\" is shorter than {}, the shortest packet interval at which the meter was tested \
                 (1420-UM001D p78)",
                show(rpi),
                show(SHORTEST_RPI)
            ));
        }
        (_, Some(rpi)) if !(Duration::from_millis(1)..=Duration::from_secs(60)).contains(&rpi) => {
            return Err(format!("rpi = \"{}\" is not between 1ms and 1m", show(rpi)));
        }
        _ => {}
    }
    let heartbeat = options.heartbeat_interval.as_ref().map_or(Duration::from_secs(1), |every| every.0);
    if !HEARTBEAT.contains(&heartbeat) {
        return Err(format!(
            "heartbeat_interval = \"{}\" is not between {} and {}",
            show(heartbeat),
            show(*HEARTBEAT.start()),
            show(*HEARTBEAT.end())
        ));
    }
    let tables = match &options.listen_tables {
        Some(tables) => tables.iter().map(|table| table.0.0).collect(),
        None => TableSet::from_iter([Table::Realtime]),
    };
    if tables.contains(Table::Raw) && !options.raw_energy.unwrap_or(false) {
        return Err("listen_tables names raw, which is read only with raw_energy = true".to_owned());
    }
    let listening = Listening {
        rpi,
        heartbeat,
        // Number keeps it within a byte.
        configuration: options
            .config_instance
            .and_then(|instance| u8::try_from(instance.0).ok())
            .unwrap_or(1),
        tables,
        emit: options.emit.as_ref().map_or(Emit::Newest, |emit| emit.0),
    };
    let assemblies = listening.assemblies(profile);
    if assemblies.is_empty() {
        return Err("listen_tables names no table that has an assembly".to_owned());
    }
    if assemblies.len() > MOST_CONNECTIONS {
        return Err(format!(
            "listen_tables would take {} class 1 connections, the meter was tested with {MOST_CONNECTIONS} in \
             all, the PLC's own included",
            assemblies.len()
        ));
    }
    if let Some(instance) = assemblies.iter().find(|instance| **instance > u16::from(u8::MAX)) {
        return Err(format!("assembly {instance} of the profile does not fit a connection path"));
    }
    Ok(Some(listening))
}
