//! The command line: declared here, given a meaning in [`commands`](crate::commands).
//!
//! Without a subcommand the program is the plugin that Telegraf starts, with the flags of Telegraf's Go
//! shim; those may have one dash or two, as Go's flag package accepts both.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::DurationError;

mod complaint;
mod discover;
mod meters;
mod refusal;
mod serial;
mod simulate;
mod spelling;
mod tag;
mod verify;

pub use discover::DiscoverArgs;
pub use meters::{ListenArgs, MeterArgs, ReadingArgs};
pub use refusal::{BAD_CONFIG, answer, refuse, run_to_the_end};
pub use simulate::{ControllerArgs, LineArgs, OwnerArgs, SimulateArgs};
#[cfg(feature = "sparkplug")]
pub(crate) use spelling::two_dashes;
pub use verify::VerifyArgs;

/// Telegraf external input plugin for Allen-Bradley PowerMonitor 500 meters (Bulletin 1420).
///
/// Reads meters over EtherNet/IP and Modbus and prints InfluxDB line protocol. Never writes to a meter.
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
    /// Log each request and each reply in words, too
    #[arg(long, global = true, display_order = 100)]
    pub debug: bool,
    /// Log what --debug does, and the bytes that are sent and received
    #[arg(long, global = true, conflicts_with = "debug", display_order = 101)]
    pub trace: bool,
    /// Log errors only
    #[arg(long, global = true, conflicts_with_all = ["debug", "trace"], display_order = 102)]
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
    /// Print the values of meters with their units
    Show(Box<ShowArgs>),
    /// Watch the values of meters live
    Watch(Box<WatchArgs>),
    /// Check a configuration, or meters named by address, and whether they answer
    Check(Box<CheckArgs>),
    /// Find EtherNet/IP devices, and the meters among them
    Discover(DiscoverArgs),
    /// Test the register map on a meter: what is proven, what is wrong
    Verify(Box<VerifyArgs>),
    /// List every element: unit, addresses, evidence
    Fields(FieldsArgs),
    /// Turn stored lines of the undecoded assembly 107 into energy counters
    Energy(EnergyArgs),
    /// Simulate meters on loopback addresses
    Simulate(Box<SimulateArgs>),
}

/// Options of `dump`.
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// Which meters.
    #[command(flatten)]
    pub meters: MeterArgs,
    /// Whether they are listened to.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Gather again at this interval, until interrupted
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub interval: Option<Duration>,
    /// Gather this many times [default: 1, or endless with --interval]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Gather once
    #[arg(long, visible_alias = "test", conflicts_with_all = ["count", "interval"])]
    pub once: bool,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Which meters.
    #[command(flatten)]
    pub meters: MeterArgs,
    /// Whether they are listened to.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Show them again at this interval, until interrupted
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub interval: Option<Duration>,
    /// Show them this many times [default: 1, or endless with --interval]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Print a JSON document for each gather
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV: a header, and a row for each gather
    #[arg(long)]
    pub csv: bool,
}

/// Options of `watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Which meters.
    #[command(flatten)]
    pub meters: MeterArgs,
    /// Whether they are listened to.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// How often meters named here are read [default: 1s]; those of a file are read as the file says
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "config")]
    pub interval: Option<Duration>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Which meters.
    #[command(flatten)]
    pub meters: MeterArgs,
    /// Open and close the class 1 connections of meters that are listened to, and say what the meter answers
    #[arg(long)]
    pub probe: bool,
    /// Print the values that were read, too
    #[arg(long)]
    pub values: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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

/// Options of `energy`.
#[derive(Debug, Args)]
pub struct EnergyArgs {
    /// What a database has stored, as line protocol with the measurement powermonitor_500_raw
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// The profile in which "verify --write-profile" has written where the counters stand
    #[arg(long, value_name = "FILE")]
    pub profile: PathBuf,
    /// Which meter of the stored lines, where they are of several
    #[arg(long, value_name = "NAME")]
    pub meter: Option<String>,
}

impl Cli {
    /// Parses the process's arguments.
    ///
    /// # Errors
    /// Clap's, for help and version, too.
    pub fn from_arguments() -> Result<Cli, clap::Error> {
        Cli::parse(std::env::args_os())
    }

    /// Parses these arguments, of which the first is the program.
    ///
    /// # Errors
    /// Clap's, for help and version, too.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
        let declaration = Cli::command();
        let commands: Vec<&str> = declaration.get_subcommands().map(clap::Command::get_name).collect();
        Cli::try_parse_from(spelling::declared(arguments, &commands))
    }
}

fn duration(text: &str) -> Result<Duration, DurationError> {
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
            let cli = Cli::parse(line.split(' ').map(OsString::from)).unwrap();
            assert_eq!(cli.plugin.config, PathBuf::from("a.toml"), "{line}");
            assert_eq!(cli.plugin.poll_interval, Some(Duration::from_secs(5)), "{line}");
            assert!(cli.plugin.poll_interval_disabled, "{line}");
        }
    }

    #[test]
    fn the_declaration_is_consistent() {
        Cli::command().debug_assert();
    }
}
