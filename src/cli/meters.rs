//! The arguments of every command that reads meters: which ones, and how.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use crate::config::{
    Accepted, Connection, Emit, FaultTags, IdentityPolicy, Instance, MapCheckPolicy, Named, Options,
    Requested, Switchable, argument,
};
use crate::enip::tag::{Route, TagName};
use crate::meter::{Table, WordOrder};

use super::duration;
use super::serial::SerialArgs;
use super::tag::AssemblyTag;

/// Which meters.
#[derive(Debug, Clone, Args)]
pub struct MeterArgs {
    /// Meters: HOST or eip://HOST for EtherNet/IP, modbus://HOST for Modbus TCP, logix://HOST for a controller that has
    /// the meter in its tags, each with :PORT if need be; file:///dev/ttyUSB0 for one at a serial port; and with NAME=
    /// before it to name it
    #[arg(value_name = "METER")]
    pub meters: Vec<Named>,
    /// Read the meters of this configuration file instead
    #[arg(
        long,
        short,
        value_name = "FILE",
        conflicts_with_all = ["meters", "transmission_mode", "baud_rate", "parity", "stop_bits"]
    )]
    pub config: Option<PathBuf>,
    /// Read a simulated meter, over EtherNet/IP and over Modbus TCP
    #[arg(long, conflicts_with_all = ["meters", "config"])]
    pub simulated: bool,
    /// How they are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// How meters that are named on the command line are read.
#[derive(Debug, Clone, Default, Args)]
pub struct ReadingArgs {
    /// Tables to read, separated by commas: realtime, max, demand, energy, alarm, settings
    #[arg(long, value_name = "TABLES", conflicts_with = "config", value_delimiter = ',', value_parser = argument::<Requested>)]
    pub tables: Option<Vec<Requested>>,
    /// Lowest evidence accepted: guessed, inferred, documented or verified
    #[arg(long, value_name = "GRADE", conflicts_with = "config", value_parser = argument::<Accepted>)]
    pub evidence: Option<Accepted>,
    /// Profile file with other offsets
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub profile: Option<String>,
    /// What to do with a device that is not a PowerMonitor 500: require or warn
    #[arg(long, value_name = "POLICY", conflicts_with = "config")]
    pub identity: Option<IdentityPolicy>,
    /// What to do with numbers that contradict the register map: refuse, warn or off
    #[arg(long = "map-check", value_name = "POLICY", conflicts_with = "config")]
    pub map_check: Option<MapCheckPolicy>,
    /// Word order of Modbus numbers: low_first or high_first
    #[arg(long, value_name = "ORDER", conflicts_with = "config")]
    pub word_order: Option<WordOrder>,
    /// Modbus unit id
    #[arg(long, value_name = "ID", conflicts_with = "config")]
    pub unit_id: Option<u8>,
    /// How they are on a serial line.
    #[command(flatten)]
    pub serial: SerialArgs,
    /// With logix://: the controller's tag of an assembly, as in 101=PM_Line4:I.Data; may be repeated
    #[arg(long = "tag", value_name = "ASSEMBLY=TAG", conflicts_with = "config")]
    pub logix_tags: Vec<AssemblyTag>,
    /// With logix://: the way from the address to the controller: 1,0 is the backplane and slot 0; "" is the address itself
    #[arg(long, value_name = "ROUTE", conflicts_with = "config", requires = "logix_tags", value_parser = argument::<Route>)]
    pub route: Option<Route>,
    /// With logix://: a tag that is not 0 while the values are old; one for all assemblies
    #[arg(long, value_name = "TAG", conflicts_with = "config", requires = "logix_tags")]
    pub fault_tag: Option<TagName>,
}

/// How meters that are named on the command line are listened to.
#[derive(Debug, Clone, Default, Args)]
pub struct ListenArgs {
    /// Listen beside the PLC that owns the meter, instead of asking the meter
    #[arg(long, conflicts_with = "config")]
    pub listen: bool,
    /// With --listen: packet interval of the owner, if it cannot be found
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "listen")]
    pub rpi: Option<std::time::Duration>,
    /// With --listen: configuration instance of the connection path
    #[arg(long, value_name = "INSTANCE", requires = "listen")]
    pub config_instance: Option<u8>,
    /// With --listen: heartbeat instance of the connection path
    #[arg(long, value_name = "INSTANCE", requires = "listen")]
    pub heartbeat_instance: Option<u8>,
    /// With --listen: print every new sample, not only the newest at each gather
    #[arg(long, requires = "listen")]
    pub every_frame: bool,
}

impl MeterArgs {
    /// Whether nothing says which meters are meant.
    pub fn names_none(&self) -> bool {
        self.meters.is_empty() && self.config.is_none() && !self.simulated
    }
}

impl ReadingArgs {
    /// The same as options of a configuration.
    pub fn options(&self) -> Options {
        self.serial.options(Options {
            tables: self.tables.clone(),
            evidence: self.evidence,
            profile: self.profile.clone(),
            identity: self.identity,
            map_check: self.map_check,
            word_order: self.word_order,
            unit_id: self.unit_id,
            logix_tags: self.logix_tags(),
            route: self.route.clone(),
            fault_tag: self.fault_tag.clone().map(FaultTags::All),
            ..Options::default()
        })
    }

    fn logix_tags(&self) -> Option<BTreeMap<Instance, TagName>> {
        let tags: BTreeMap<_, _> =
            self.logix_tags.iter().map(|AssemblyTag(instance, tag)| (*instance, tag.clone())).collect();
        (!tags.is_empty()).then_some(tags)
    }
}

impl ListenArgs {
    /// The same as options of a configuration, added to `options`.
    pub fn options(&self, options: Options) -> Options {
        if !self.listen {
            return options;
        }
        Options {
            connection: Some(Connection::ListenOnly),
            // Whoever asks to listen wants to see what is heard, and nothing that was asked for.
            tables: options.tables.or(Some(vec![Requested(Table::Realtime)])),
            rpi: self.rpi.map(|rpi| Switchable(Some(rpi))),
            config_instance: self.config_instance,
            heartbeat_instance: self.heartbeat_instance,
            emit: self.every_frame.then_some(Emit::EveryFrame),
            ..options
        }
    }
}
