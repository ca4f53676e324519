//! The TOML a person writes → typed, validated settings.
//!
//! ```text
//! file       text → options per block and meter, with their lines (shape)
//!   shape      what is wrong with a text that is none
//!   slip       a line that is no TOML → what was probably meant
//! options    what may be written, and what a meter inherits
//! value      one value: variables expanded, parsed, refused with its line
//!   env, duration, address, zone, choice, names
//! resolve    options and defaults → the settings of one meter (sense)
//!   meter      what a meter's settings are
//!   limits     what a meter can bear, and why
//!   listening  class 1: what is listened to, and how
//!   serial     serial ports, and how characters look on their lines
//!   logix      which tags of a controller hold what, and how they are known to be alive
//!   load_profile  energy at every boundary
//!   selection  which tables are read, which fields are emitted
//! line       meters of one serial line, and what it can carry
//! effect     options that mean nothing for a meter that is read in its way
//! sample     every option with its default, as it is shipped
//! by_hand    meters of the command line instead of a file
//! mistake    what is wrong, and where
//! warnings   what a valid configuration should still be told
//! ```
//!
//! Every error is a type whose text is one sentence that says what to change, with the line where it is known.
//! Nothing here touches the network.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod address;
mod by_hand;
mod choice;
mod controller_tags;
mod duration;
mod effect;
mod env;
mod file;
mod limits;
mod line;
mod listening;
mod load_profile;
mod logix;
mod meter;
mod mistake;
mod names;
mod options;
mod resolve;
mod sample;
mod selection;
mod serial;
mod shape;
mod slip;
mod value;
mod warnings;
mod zone;

#[cfg(test)]
mod tests;

pub use address::{Address, AddressError, Location, Scheme};
pub use by_hand::{Named, by_hand};
pub use choice::{
    Accepted, Connection, ETHERNET_IP_PORT, Emit, IdentityPolicy, Listened, MODBUS_PORT, MapCheckPolicy,
    OtherOption, Protocol, Requested, Timed,
};
pub use controller_tags::{FaultTags, Instance};
pub use duration::{DurationError, parse as parse_duration, show as show_duration};
pub use env::VariableError;
#[cfg(feature = "sparkplug")]
pub(crate) use env::expand as expand_variables;
pub use limits::{
    DEFAULT_INTERVAL, DEFAULT_TRAFFIC_INTERVAL, LimitError, MIN_INTERVAL, MIN_MODBUS_TABLES_INTERVAL,
};
pub use listening::{Listening, ListeningError};
pub use load_profile::LoadProfileError;
pub use logix::{LogixError, LogixTags};
pub use meter::{BUILT_IN_PROFILE, EthernetIp, MeterConfig, MeterError, ModbusSettings};
pub use mistake::{ConfigError, Mistake};
pub use names::{MeterName, NameError, TagValue};
pub use options::Options;
pub use selection::SelectionError;
pub use serial::SerialLineError;
pub use shape::ShapeError;
pub use slip::Slip;
pub use value::{BaudRate, FromText, Switchable, ValueError, Within, argument};
pub use zone::{Zone, ZoneError};

use crate::host::places;
use effect::Written;
use file::{Block, Placed};
use resolve::{Resolved, Surroundings};

/// Where the configuration is looked for when the command line names none.
pub const DEFAULT_PATH: &str = places::CONFIGURATION;

/// The state file used when the configuration names none and its directory exists.
pub const DEFAULT_STATE_FILE: &str = places::STATE_FILE;

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
    /// What to say at each start, as warnings.
    pub warnings: Vec<String>,
    /// How sure the map is, where the manual does not confirm it: to be said once to whoever keeps a state file.
    pub basis: Option<String>,
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
    /// The file, the line where it is known, and what to change.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Config, ConfigError> {
        let of_file = |mistake| ConfigError::at(None, mistake);
        let bytes = std::fs::read(path).map_err(|error| {
            of_file(match error.kind() {
                std::io::ErrorKind::NotFound => Mistake::NoFile(path.to_owned()),
                std::io::ErrorKind::PermissionDenied => Mistake::Forbidden(path.to_owned()),
                _ => Mistake::Unreadable { path: path.to_owned(), reason: error.to_string() },
            })
        })?;
        let text = String::from_utf8(bytes).map_err(|_| of_file(Mistake::NotText(path.to_owned())))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        file::parse(&text)
            .and_then(|blocks| build(blocks, overrides, directory, default_state_file()))
            .map_err(|error| error.in_file(path))
    }

    /// Parses the text of a configuration. Relative paths in it are taken from the working directory, and
    /// no state file is used unless one is named.
    ///
    /// # Errors
    /// The line where it is known, and what to change.
    pub fn parse(text: &str, overrides: &Overrides) -> Result<Config, ConfigError> {
        file::parse(text).and_then(|blocks| build(blocks, overrides, Path::new(""), None))
    }

    /// The sample configuration: every option with its default, no meter.
    pub fn sample() -> &'static str {
        sample::text()
    }

    /// All that a person should be told who runs a command.
    pub fn told(&self) -> impl Iterator<Item = &String> {
        self.basis.iter().chain(&self.warnings)
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
) -> Result<Config, ConfigError> {
    let mut process = Process::default();
    let mut around = Surroundings::new(directory);
    let mut resolved: Vec<Resolved> = Vec::new();
    let mut lines = Vec::new();
    for Block { plugin: Placed { line, options: mut defaults }, meters } in blocks {
        let (above, first) = (Written::of(&defaults), resolved.len());
        let mut below = Vec::new();
        defaults.interval = overrides.interval.or(defaults.interval);
        let taken = process.take(&defaults).and_then(|()| check_path("profile", defaults.profile.as_ref()));
        taken.map_err(|mistake| ConfigError::at(line, mistake))?;
        for Placed { line, options } in meters {
            let called = options.name.as_ref().map(|name| name.as_str().to_owned());
            let called =
                called.or(options.address.as_ref().map(|location| location.address.short_name().to_owned()));
            below.push(Written::of(&options));
            let meter = check_path("profile", options.profile.as_ref())
                .and_then(|()| resolve::resolve(options.or(&defaults), &mut around))
                .map_err(|mistake| ConfigError::at(line, mistake).of_meter(called))?;
            resolved.push(meter);
            lines.push(line);
        }
        let above = above.in_vain_for_all(resolved[first..].iter().map(|resolved| &resolved.meter));
        for (Resolved { meter, notes }, written) in resolved[first..].iter_mut().zip(below) {
            notes.extend(written.notes(meter, &above));
        }
    }
    check_unique(&resolved, &lines)?;
    line::check(&resolved).map_err(|(number, error)| {
        let called = resolved.get(number).map(|resolved| resolved.meter.name.clone());
        ConfigError::at(lines.get(number).copied().flatten(), error).of_meter(called)
    })?;
    for (number, note) in line::other_paths(&resolved) {
        resolved[number].notes.push(note);
    }
    let (warnings, basis) = (warnings::of(&resolved), warnings::basis(&resolved));
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
        basis,
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
    fn take(&mut self, options: &Options) -> Result<(), Mistake> {
        if !self.seen {
            self.seen = true;
            self.interval = options.interval;
            self.round_interval = options.round_interval;
            limits::check_interval("interval", self.interval.unwrap_or(DEFAULT_INTERVAL))?;
        }
        check_path("state_file", options.state_file.as_ref())?;
        agree("log_level", &mut self.log_level, options.log_level)?;
        agree("state_file", &mut self.state_file, options.state_file.clone())
    }
}

/// Refuses a path with control characters, which nobody means.
fn check_path(option: &'static str, path: Option<&String>) -> Result<(), Mistake> {
    match path {
        Some(path) if path.contains(char::is_control) => Err(Mistake::EscapedPath(option)),
        _ => Ok(()),
    }
}

/// One process has one of it, however many blocks name it.
fn agree<T: PartialEq>(option: &'static str, kept: &mut Option<T>, named: Option<T>) -> Result<(), Mistake> {
    match (&kept, named) {
        (Some(kept), Some(named)) if *kept != named => Err(Mistake::Disagree(option)),
        (None, named) => {
            *kept = named;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Refuses two meters of one name, and one meter under two names: units of one Modbus address are several.
fn check_unique(resolved: &[Resolved], lines: &[Option<usize>]) -> Result<(), ConfigError> {
    let mut names = HashMap::new();
    let mut places: HashMap<_, Vec<(&Resolved, Option<usize>)>> = HashMap::new();
    for (each @ Resolved { meter, .. }, line) in resolved.iter().zip(lines) {
        if let Some(first) = names.insert(&meter.name, *line) {
            return Err(ConfigError::at(*line, Mistake::NameTwice { name: meter.name.clone(), first }));
        }
        // Without a line it was named by hand.
        let there = places.entry(meter.place(line.is_none())).or_default();
        let apart =
            |other: &MeterConfig| other.unit().zip(meter.unit()).is_some_and(|(other, own)| other != own);
        if let Some((Resolved { meter: other, .. }, first)) =
            there.iter().find(|(other, _)| !apart(&other.meter))
        {
            let mistake = Mistake::AddressTwice {
                name: meter.name.clone(),
                address: meter.address.to_string(),
                other: other.name.clone(),
                first: *first,
                unit: other.unit().and(meter.unit()),
            };
            return Err(ConfigError::at(*line, mistake));
        }
        there.push((each, *line));
    }
    Ok(())
}
