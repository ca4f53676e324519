//! The options that are one of a few words.

use crate::meter::Table;

/// TCP port of EtherNet/IP.
pub const ETHERNET_IP_PORT: u16 = 44818;
/// TCP port of Modbus.
pub const MODBUS_PORT: u16 = 502;

/// How a meter is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Connection {
    /// EtherNet/IP, one unconnected request per assembly; takes no connection from the PLC.
    Explicit,
    /// EtherNet/IP class 1 beside an owner where that is possible, explicit where it is not.
    Auto,
    /// EtherNet/IP class 1 beside an owner, and nothing where there is none.
    ListenOnly,
    /// EtherNet/IP class 1 with a connection of our own, which fixes its packet interval for everybody.
    InputOnly,
    /// Modbus TCP.
    Modbus,
}

impl Connection {
    /// Every way, the safest first.
    pub const ALL: [Connection; 5] = [
        Connection::Explicit,
        Connection::Auto,
        Connection::ListenOnly,
        Connection::InputOnly,
        Connection::Modbus,
    ];

    /// Whether class 1 is used.
    pub fn listens(self) -> bool {
        matches!(self, Connection::Auto | Connection::ListenOnly | Connection::InputOnly)
    }

    /// The word used in configuration and status.
    pub fn name(self) -> &'static str {
        match self {
            Connection::Explicit => "explicit",
            Connection::Auto => "auto",
            Connection::ListenOnly => "listen_only",
            Connection::InputOnly => "input_only",
            Connection::Modbus => "modbus",
        }
    }

    /// The protocol's usual TCP port.
    pub fn default_port(self) -> u16 {
        match self {
            Connection::Modbus => MODBUS_PORT,
            _ => ETHERNET_IP_PORT,
        }
    }
}

/// What to do with a device that is not the one the profile was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityPolicy {
    /// Refuse it.
    Require,
    /// Say so and read it.
    Warn,
}

impl IdentityPolicy {
    /// The word used in configuration.
    pub fn name(self) -> &'static str {
        match self {
            IdentityPolicy::Require => "require",
            IdentityPolicy::Warn => "warn",
        }
    }
}

/// What to do with a map that the meter's numbers contradict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapCheckPolicy {
    /// Emit nothing that depends on it.
    Refuse,
    /// Say so and emit it.
    Warn,
    /// Do not check.
    Off,
}

impl MapCheckPolicy {
    /// The word used in configuration.
    pub fn name(self) -> &'static str {
        match self {
            MapCheckPolicy::Refuse => "refuse",
            MapCheckPolicy::Warn => "warn",
            MapCheckPolicy::Off => "off",
        }
    }
}

/// Which frames become lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emit {
    /// The newest one at each gather.
    Newest,
    /// Every new sample, each with its own arrival time.
    EveryFrame,
}

impl Emit {
    /// The word used in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Emit::Newest => "newest",
            Emit::EveryFrame => "every_frame",
        }
    }
}

/// A table that `intervals` may name: any that `tables` may, and `raw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timed(pub(super) Table);

/// A table that `listen_tables` may name: any with an assembly, also `info` and `raw`, which `tables` does not
/// name because they are read at connect and by an option of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listened(pub(super) Table);

impl Listened {
    /// Every such table.
    pub(super) const CHOICES: [Listened; 7] = [
        Listened(Table::Realtime),
        Listened(Table::Max),
        Listened(Table::Demand),
        Listened(Table::Energy),
        Listened(Table::Alarm),
        Listened(Table::Info),
        Listened(Table::Raw),
    ];
}
