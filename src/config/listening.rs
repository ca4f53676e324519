//! How a meter is listened to by class 1: options → settings, held against the meter's tested limits.

use std::time::Duration;

use super::choice::{Connection, Emit};
use super::duration::show;
use super::options::Options;
use crate::meter::{Profile, Table, TableSet};

/// Class 1 connections that the maker tested on one meter, the PLC's own included (1420-UM001D p78).
const MOST_CONNECTIONS: usize = 9;
/// Packet interval at which the maker tested them; what we impose is never shorter.
const SHORTEST_RPI: Duration = Duration::from_millis(100);
/// A listener's heartbeat: shorter disturbs, longer keeps a dead listener's slot for minutes.
const HEARTBEAT: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(10);

/// Listening that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListeningError {
    /// An input-only connection whose packet interval is not written out.
    #[error(
        "connection = \"input_only\" needs rpi written out, because the first connection to an assembly fixes its \
         packet interval for the PLC as well"
    )]
    RpiMissing,
    /// An input-only connection faster than the meter was tested.
    #[error(
        "rpi = \"{}\" is shorter than {}, the shortest packet interval at which the meter was tested (1420-UM001D p78)",
        show(*.0),
        show(SHORTEST_RPI)
    )]
    RpiShort(Duration),
    /// A packet interval that no owner has.
    #[error("rpi = \"{}\" is not between 1ms and 1m", show(*.0))]
    Rpi(Duration),
    /// A heartbeat that disturbs, or keeps a dead listener's slot.
    #[error(
        "heartbeat_interval = \"{}\" is not between {} and {}",
        show(*.0),
        show(*HEARTBEAT.start()),
        show(*HEARTBEAT.end())
    )]
    Heartbeat(Duration),
    /// Assembly 107 that is not read.
    #[error("listen_tables names raw, which is read only with raw_energy = true")]
    RawIsOff,
    /// A table that is not read.
    #[error("listen_tables names {0}, which is not read; name it in tables as well")]
    NotRead(Table),
    /// Nothing to listen to.
    #[error("listen_tables names no table that has an assembly")]
    Nothing,
    /// More connections than the meter was tested with.
    #[error(
        "listen_tables would take {0} class 1 connections, the meter was tested with {MOST_CONNECTIONS} in all, the \
         PLC's own included"
    )]
    Connections(usize),
    /// An assembly that a path cannot name.
    #[error("assembly {0} of the profile does not fit a connection path")]
    Instance(u16),
}

/// Settings of class 1 listening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// The owner's packet interval, if it was written; ours for input-only.
    pub rpi: Option<Duration>,
    /// Interval of our heartbeats.
    pub heartbeat: Duration,
    /// Configuration instance of the connection path.
    pub configuration: u8,
    /// Heartbeat instance of the connection path, if it was written.
    pub heartbeat_instance: Option<u8>,
    /// Try other paths when the meter refuses this one, as only `check --probe` does.
    pub probe: bool,
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
/// The option that cannot be.
pub(super) fn resolve(
    options: &Options,
    connection: Connection,
    profile: &Profile,
) -> Result<Option<Listening>, ListeningError> {
    let rpi = options.rpi.and_then(|rpi| rpi.0);
    if !connection.listens() {
        return Ok(None);
    }
    match (connection, rpi) {
        (Connection::InputOnly, None) => return Err(ListeningError::RpiMissing),
        (Connection::InputOnly, Some(rpi)) if rpi < SHORTEST_RPI => {
            return Err(ListeningError::RpiShort(rpi));
        }
        (_, Some(rpi)) if !(Duration::from_millis(1)..=Duration::from_secs(60)).contains(&rpi) => {
            return Err(ListeningError::Rpi(rpi));
        }
        _ => {}
    }
    let heartbeat = options.heartbeat_interval.unwrap_or(Duration::from_secs(1));
    if !HEARTBEAT.contains(&heartbeat) {
        return Err(ListeningError::Heartbeat(heartbeat));
    }
    let tables = match &options.listen_tables {
        Some(tables) => tables.iter().map(|table| table.0).collect(),
        None => TableSet::from_iter([Table::Realtime]),
    };
    if tables.contains(Table::Raw) && !options.raw_energy.unwrap_or(false) {
        return Err(ListeningError::RawIsOff);
    }
    let listening = Listening {
        rpi,
        heartbeat,
        configuration: options.config_instance.unwrap_or(1),
        heartbeat_instance: options.heartbeat_instance,
        probe: false,
        tables,
        emit: options.emit.unwrap_or(Emit::Newest),
    };
    let assemblies = listening.assemblies(profile);
    if assemblies.is_empty() {
        return Err(ListeningError::Nothing);
    }
    if assemblies.len() > MOST_CONNECTIONS {
        return Err(ListeningError::Connections(assemblies.len()));
    }
    if let Some(instance) = assemblies.iter().find(|instance| **instance > u16::from(u8::MAX)) {
        return Err(ListeningError::Instance(*instance));
    }
    Ok(Some(listening))
}
