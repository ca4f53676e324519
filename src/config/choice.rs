//! The options that are one of a few words.

use crate::meter::{Evidence, Table};
use crate::words;

/// TCP port of EtherNet/IP.
pub const ETHERNET_IP_PORT: u16 = 44818;
/// TCP port of Modbus.
pub const MODBUS_PORT: u16 = 502;

/// Where the meter's values have addresses: assemblies, or registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Assemblies.
    EtherNetIp,
    /// Registers.
    Modbus,
}

impl Protocol {
    /// The protocol's usual TCP port.
    pub fn default_port(self) -> u16 {
        match self {
            Protocol::EtherNetIp => ETHERNET_IP_PORT,
            Protocol::Modbus => MODBUS_PORT,
        }
    }
}

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
    /// Tags of a Logix controller that has the meter's assemblies.
    Logix,
}

impl Connection {
    /// Whether class 1 is used.
    pub fn listens(self) -> bool {
        matches!(self, Connection::Auto | Connection::ListenOnly | Connection::InputOnly)
    }

    /// The protocol whose addresses its blocks have.
    pub fn protocol(self) -> Protocol {
        match self {
            Connection::Modbus => Protocol::Modbus,
            Connection::Explicit
            | Connection::Auto
            | Connection::ListenOnly
            | Connection::InputOnly
            | Connection::Logix => Protocol::EtherNetIp,
        }
    }
}

// The safest first.
words!(Connection, "connection": Explicit = "explicit", Auto = "auto", ListenOnly = "listen_only",
    InputOnly = "input_only", Modbus = "modbus", Logix = "logix"; "eip" => "explicit", "enip" => "explicit",
    "ethernet/ip" => "explicit", "ethernetip" => "explicit", "cip" => "explicit", "class1" => "auto", "implicit" => "auto",
    "listen" => "auto", "tcp" => "modbus", "modbus_tcp" => "modbus", "modbus tcp" => "modbus", "rtu" => "modbus",
    "plc" => "logix", "controller" => "logix", "controllogix" => "logix");

/// What to do with a device that is not the one the profile was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityPolicy {
    /// Refuse it.
    Require,
    /// Say so and read it.
    Warn,
}

words!(IdentityPolicy, "identity policy": Require = "require", Warn = "warn");

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

words!(MapCheckPolicy, "map check policy": Refuse = "refuse", Warn = "warn", Off = "off");

/// Which frames become lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emit {
    /// The newest one at each gather.
    Newest,
    /// Every new sample, each with its own arrival time.
    EveryFrame,
}

words!(Emit, "value of emit": Newest = "newest", EveryFrame = "every_frame");

/// A table that `tables` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requested(pub Table);

/// A table that `intervals` may name: any that `tables` may, and `raw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timed(pub Table);

/// A table that `listen_tables` may name: any with an assembly, also `info` and `raw`, which `tables` does not
/// name because they are read at connect and by an option of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listened(pub Table);

impl Listened {
    /// Every such table.
    pub(super) const CHOICES: [Table; 7] =
        [Table::Realtime, Table::Max, Table::Demand, Table::Energy, Table::Alarm, Table::Info, Table::Raw];
}

/// A grade of evidence that can be accepted: any but unknown, of which nothing is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted(pub Evidence);

/// A table that the option at hand does not take, although there is one of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OtherOption {
    /// `info` among `tables`.
    #[error("the table info is always read and need not be named")]
    InfoIsRead,
    /// `info` among `intervals`.
    #[error("the table info is read at connect and hourly, its interval is fixed")]
    InfoIsHourly,
    /// `raw` among `tables`.
    #[error("assembly 107 is stored undecoded by raw_energy = true, not by a table")]
    RawIsAnOption,
    /// `settings` among `listen_tables`.
    #[error("the table settings comes over Modbus only and cannot be listened to")]
    SettingsAreNotHeard,
    /// `unknown` as `evidence`.
    #[error("nothing of unknown layout is decoded, see raw_energy for assembly 107")]
    UnknownIsNotDecoded,
}
