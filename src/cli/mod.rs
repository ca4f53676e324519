//! The command line: declared here, given a meaning in [`commands`](crate::commands).
//!
//! Without a subcommand the program is the plugin that Telegraf starts, with the flags of Telegraf's Go
//! shim; those may have one dash or two, as Go's flag package accepts both.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

mod discover;
mod simulate;
mod verify;

pub use discover::DiscoverArgs;
pub use simulate::{OwnerArgs, SimulateArgs};
pub use verify::VerifyArgs;

/// Telegraf external input plugin for Allen-Bradley PowerMonitor 500 meters (Bulletin 1420).
///
/// Reads meters over EtherNet/IP and Modbus TCP and prints InfluxDB line protocol. Never writes to a meter.
/// Without a command it runs as Telegraf's inputs.execd starts it: until stdin ends.
#[derive(Debug, Parser)]
#[command(name = "telegraf-pm500", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// How the plugin runs.
    #[command(flatten)]
    pub plugin: PluginArgs,
    /// What to do instead of running as the plugin.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Say what is sent and received, too
    #[arg(long, global = true, display_order = 100)]
    pub debug: bool,
    /// Say errors only
    #[arg(long, global = true, conflicts_with = "debug", display_order = 101)]
    pub quiet: bool,
}

/// Options of the plugin itself.
#[derive(Debug, Args)]
pub struct PluginArgs {
    /// Configuration file
    #[arg(long, short, value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    pub config: PathBuf,
    /// Gather at this interval instead of the one above the meters in the configuration
    #[arg(long = "poll_interval", value_name = "DURATION", value_parser = duration)]
    pub poll_interval: Option<Duration>,
    /// Gather only when told to: by a newline on stdin, SIGHUP, SIGUSR1 or SIGUSR2
    #[arg(long = "poll_interval_disabled")]
    pub poll_interval_disabled: bool,
    /// Gather once, print the lines and exit
    #[arg(long, visible_alias = "test")]
    pub once: bool,
    /// Check the configuration without contacting a meter, and exit
    #[arg(long = "check-config")]
    pub check_config: bool,
    /// Print a commented sample configuration, and exit
    #[arg(long = "sample-config")]
    pub sample_config: bool,
}

/// What a person can ask for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the line protocol of meters, or of a simulated one
    Dump(Box<DumpArgs>),
    /// Check a configuration and whether its meters answer
    Check(CheckArgs),
    /// Find EtherNet/IP devices, and the meters among them
    Discover(DiscoverArgs),
    /// Prove the register map on a meter
    Verify(Box<VerifyArgs>),
    /// List every element: unit, addresses, evidence
    Fields(FieldsArgs),
    /// Simulate meters on loopback addresses
    Simulate(SimulateArgs),
}

/// Options of `dump`.
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// Meters: `HOST` or `eip://HOST` for EtherNet/IP, `modbus://HOST` for Modbus TCP, each with `:PORT` if need be
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    /// Read the meters of this configuration file instead
    #[arg(long, short, value_name = "FILE", conflicts_with = "addresses")]
    pub config: Option<PathBuf>,
    /// Read a simulated meter, over EtherNet/IP and over Modbus TCP
    #[arg(long, conflicts_with_all = ["addresses", "config"])]
    pub simulated: bool,
    /// Listen beside the PLC that owns the meter, instead of asking the meter
    #[arg(long, conflicts_with = "config")]
    pub listen: bool,
    /// With --listen: packet interval of the owner, if it cannot be found
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "listen")]
    pub rpi: Option<Duration>,
    /// With --listen: configuration instance of the connection path
    #[arg(long, value_name = "INSTANCE", requires = "listen")]
    pub config_instance: Option<u8>,
    /// With --listen: print every new sample, not only the newest at each gather
    #[arg(long, requires = "listen")]
    pub every_frame: bool,
    /// Gather again at this interval, until interrupted
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub interval: Option<Duration>,
    /// Gather this many times [default: 1, or endless with --interval]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Gather once
    #[arg(long, visible_alias = "test", conflicts_with_all = ["count", "interval"])]
    pub once: bool,
    /// Tables to read, separated by commas: realtime, max, demand, energy, alarm, settings
    #[arg(long, value_name = "TABLES", conflicts_with = "config")]
    pub tables: Option<String>,
    /// Lowest evidence accepted: guessed, inferred, documented or verified
    #[arg(long, value_name = "GRADE", conflicts_with = "config")]
    pub evidence: Option<String>,
    /// Profile file with other offsets
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub profile: Option<String>,
    /// What to do with a device that is not a PowerMonitor 500: require or warn
    #[arg(long, value_name = "POLICY", conflicts_with = "config")]
    pub identity: Option<String>,
    /// What to do with numbers that contradict the register map: refuse, warn or off
    #[arg(long = "map-check", value_name = "POLICY", conflicts_with = "config")]
    pub map_check: Option<String>,
    /// Word order of Modbus numbers: low_first or high_first
    #[arg(long, value_name = "ORDER", conflicts_with = "config")]
    pub word_order: Option<String>,
    /// Modbus unit id
    #[arg(long, value_name = "ID", conflicts_with = "config")]
    pub unit_id: Option<u8>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Configuration file
    #[arg(long, short, value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    pub config: PathBuf,
    /// Open and close the class 1 connections of meters that are listened to, and say what the meter answers
    #[arg(long)]
    pub probe: bool,
}

/// Options of `fields`.
#[derive(Debug, Args)]
pub struct FieldsArgs {
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print the Metrics section of the README
    #[arg(long)]
    pub markdown: bool,
    /// Describe this profile file instead of the built-in profile
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
}

impl Cli {
    /// Parses the process's arguments.
    ///
    /// # Errors
    /// Clap's, for help and version, too.
    pub fn from_arguments() -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::env::args_os().map(two_dashes))
    }
}

/// `-config` → `--config`: long names may come with one dash.
fn two_dashes(argument: OsString) -> OsString {
    const LONG: [&str; 9] = [
        "config",
        "poll_interval",
        "poll_interval_disabled",
        "once",
        "test",
        "check-config",
        "sample-config",
        "version",
        "help",
    ];
    let long = argument.to_str().and_then(|text| text.strip_prefix('-')).is_some_and(|name| {
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        LONG.contains(&name)
    });
    if !long {
        return argument;
    }
    let mut dashed = OsString::from("-");
    dashed.push(argument);
    dashed
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::config::parse_duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_telegrafs_shim_work_with_one_dash_and_two() {
        for line in [
            "x -config a.toml -poll_interval 5s -poll_interval_disabled",
            "x --config=a.toml --poll_interval=5s --poll_interval_disabled",
            "x -config=a.toml -poll_interval=5s -poll_interval_disabled",
        ] {
            let arguments = line.split(' ').map(|word| two_dashes(word.into()));
            let cli = Cli::try_parse_from(arguments).unwrap();
            assert_eq!(cli.plugin.config, PathBuf::from("a.toml"), "{line}");
            assert_eq!(cli.plugin.poll_interval, Some(Duration::from_secs(5)), "{line}");
            assert!(cli.plugin.poll_interval_disabled, "{line}");
        }
    }

    #[test]
    fn the_declaration_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
