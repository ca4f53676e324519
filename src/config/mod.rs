//! The TOML a person writes → typed, validated settings.
//!
//! ```text
//! file       text → options per block and meter, with their lines (shape)
//! value      one value: variables expanded, parsed, refused with its line
//!   env, duration, address, choice
//! meter      options and defaults → one meter's settings (sense)
//!   limits     what a meter can bear, and why
//!   listening  class 1: what is listened to, and how
//!   load_profile  energy at every boundary
//!   names      what meters and tags may be called
//!   selection  which tables are read, which fields are emitted
//! by_hand    meters and options of the command line instead of a file
//! warnings   what a valid configuration should still be told
//! ```
//!
//! Every error is one sentence that says what to change, with the line where it is known. Nothing here
//! touches the network.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod address;
mod by_hand;
mod choice;
mod duration;
mod env;
mod file;
mod limits;
mod listening;
mod load_profile;
mod meter;
mod names;
mod selection;
mod value;
mod warnings;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use by_hand::ByHand;
pub use choice::{Connection, ETHERNET_IP_PORT, Emit, IdentityPolicy, MODBUS_PORT, MapCheckPolicy};
pub use duration::{parse as parse_duration, show as show_duration};
pub use limits::{MIN_INTERVAL, MIN_MODBUS_TABLES_INTERVAL};
pub use listening::Listening;
pub use meter::{BUILT_IN_PROFILE, MeterConfig, ModbusSettings};

use file::{Block, Placed};
use meter::{Resolved, Surroundings};
use value::Parsed;

/// Where the configuration is looked for when the command line names none.
pub const DEFAULT_PATH: &str = "/etc/telegraf-pm500/config.toml";

/// How often a meter is gathered when nothing is said, as in Telegraf's agent.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);

/// The state file used when the configuration names none and its directory exists.
pub const DEFAULT_STATE_FILE: &str = "/var/lib/telegraf/telegraf-pm500.state.json";

/// The settings of the whole process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Interval of the first plugin block, for the plugin's own measurement.
    pub interval: Duration,
    /// Whether that interval is aligned to the wall clock.
    pub round_interval: bool,
    /// Which log lines are written.
    pub log_level: log::LevelFilter,
    /// Where state is kept across restarts; none for nowhere.
    pub state_file: Option<PathBuf>,
    /// The meters, in the order of the file.
    pub meters: Vec<MeterConfig>,
    /// What to say once, at start, as warnings.
    pub warnings: Vec<String>,
}

/// What the command line puts above the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--poll_interval`: replaces the interval of every plugin block. A meter's own `interval` and
    /// `intervals` stay.
    pub interval: Option<Duration>,
}

impl Config {
    /// Reads a configuration file. Relative paths in it are taken from its directory, and the state file
    /// defaults to [`default_state_file`].
    ///
    /// # Errors
    /// One sentence that names the file, the line where it is known, and what to change.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Config, String> {
        let shown = path.display();
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!(
                "there is no configuration file {shown}, write one from what \"telegraf-pm500 --sample-config\" \
                 prints, or name another with --config"
            ),
            std::io::ErrorKind::PermissionDenied => format!(
                "the configuration file {shown} must not be read by this user, give the user Telegraf runs as \
                 permission to read it"
            ),
            _ => format!("the configuration file {shown} cannot be read: {error}"),
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| format!("the configuration file {shown} is not UTF-8 text, save it as UTF-8"))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        file::parse(&text)
            .and_then(|blocks| build(blocks, overrides, directory, default_state_file()))
            .map_err(|reason| one_line(format!("{shown}: {reason}")))
    }

    /// Parses the text of a configuration. Relative paths in it are taken from the working directory, and
    /// no state file is used unless one is named.
    ///
    /// # Errors
    /// One sentence that names the line where it is known, and what to change.
    pub fn parse(text: &str, overrides: &Overrides) -> Result<Config, String> {
        file::parse(text).and_then(|blocks| build(blocks, overrides, Path::new(""), None)).map_err(one_line)
    }

    /// The sample configuration: every option with its default, no meter.
    pub fn sample() -> &'static str {
        include_str!("../../packaging/config.toml")
    }
}

/// The state file used when the configuration names none: [`DEFAULT_STATE_FILE`] where Telegraf's package
/// has made its directory, else none.
pub fn default_state_file() -> Option<PathBuf> {
    let path = Path::new(DEFAULT_STATE_FILE);
    path.parent().is_some_and(Path::is_dir).then(|| path.to_owned())
}

fn build(
    blocks: Vec<Block>,
    overrides: &Overrides,
    directory: &Path,
    default_state: Option<PathBuf>,
) -> Result<Config, String> {
    let mut process = Process::default();
    let mut around = Surroundings::new(directory);
    let mut resolved: Vec<Resolved> = Vec::new();
    let mut lines = Vec::new();
    for Block { plugin: Placed { line, options: mut defaults }, meters } in blocks {
        if let Some(interval) = overrides.interval {
            defaults.interval = Some(Parsed(interval));
        }
        process.take(&defaults).map_err(|reason| at(line, &reason))?;
        for Placed { line, options } in meters {
            let called = options.name.as_ref().map(|name| name.get_ref().0.clone());
            let called = called.or(options.address.as_ref().map(|address| address.get_ref().0.host.clone()));
            let meter =
                meter::resolve(options.or(&defaults), &mut around).map_err(|reason| match &called {
                    Some(called) => at(line, &format!("meter \"{called}\": {reason}")),
                    None => at(line, &reason),
                })?;
            resolved.push(meter);
            lines.push(line);
        }
    }
    check_unique(&resolved, &lines)?;
    let warnings = warnings::of(&resolved);
    Ok(Config {
        interval: process.interval.or(overrides.interval).unwrap_or(DEFAULT_INTERVAL),
        round_interval: process.round_interval.unwrap_or(true),
        log_level: process.log_level.unwrap_or(log::LevelFilter::Info),
        state_file: match process.state_file {
            Some(path) if path.is_empty() => None,
            Some(path) => Some(directory.join(path)),
            None => default_state,
        },
        meters: resolved.into_iter().map(|resolved| resolved.meter).collect(),
        warnings,
    })
}

/// The options that belong to the process, from all blocks.
#[derive(Default)]
struct Process {
    seen: bool,
    interval: Option<Duration>,
    round_interval: Option<bool>,
    log_level: Option<log::LevelFilter>,
    state_file: Option<String>,
}

impl Process {
    fn take(&mut self, options: &file::Options) -> Result<(), String> {
        if !self.seen {
            self.seen = true;
            self.interval = options.interval.as_ref().map(|interval| interval.0);
            self.round_interval = options.round_interval;
            limits::check_interval("interval", self.interval.unwrap_or(DEFAULT_INTERVAL))?;
        }
        agree("log_level", &mut self.log_level, options.log_level.as_ref().map(|level| level.get_ref().0))?;
        let state_file = options.state_file.as_ref().map(|path| path.get_ref().0.clone());
        agree("state_file", &mut self.state_file, state_file)
    }
}

/// One process has one of it, however many blocks name it.
fn agree<T: PartialEq>(option: &str, kept: &mut Option<T>, named: Option<T>) -> Result<(), String> {
    match (&kept, named) {
        (Some(kept), Some(named)) if *kept != named => Err(format!(
            "{option} is one for the whole process and another block names a different one, keep one of them"
        )),
        (None, named) => {
            *kept = named;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Refuses two meters of one name, and one meter under two names.
fn check_unique(resolved: &[Resolved], lines: &[Option<usize>]) -> Result<(), String> {
    let mut names = HashMap::new();
    let mut addresses = HashMap::new();
    for (Resolved { meter, .. }, line) in resolved.iter().zip(lines) {
        let other = |other: Option<usize>| other.map(|line| format!(" (line {line})")).unwrap_or_default();
        if let Some(first) = names.insert(&meter.name, *line) {
            return Err(at(
                *line,
                &format!("two meters are named \"{}\"{}, give each its own name", meter.name, other(first)),
            ));
        }
        // A written default port says nothing, and the same meter has both protocols' ports.
        let port = meter.address.port.filter(|port| *port != meter.connection.default_port());
        let key = (meter.address.canonical_host(), port);
        if let Some((first, first_line)) = addresses.insert(key, (&meter.name, *line)) {
            return Err(at(
                *line,
                &format!(
                    "the meters \"{first}\"{} and \"{}\" have the same address {}, read one meter as one, for two \
                     sessions would exceed what it can bear",
                    other(first_line),
                    meter.name,
                    meter.address
                ),
            ));
        }
    }
    Ok(())
}

/// What a person wrote may stand in an error and hold a line break; the error stays one line.
fn one_line(reason: String) -> String {
    if reason.contains(char::is_control) { reason.replace(char::is_control, " ") } else { reason }
}

fn at(line: Option<usize>, reason: &str) -> String {
    match line {
        Some(line) => format!("line {line}: {reason}"),
        None => reason.to_owned(),
    }
}
