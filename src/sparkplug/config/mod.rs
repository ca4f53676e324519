//! The TOML a person writes → the settings of the program.
//!
//! It has the form of a Telegraf output, `[[outputs.sparkplug_b]]`, and the habits of the plugin's own file: variables in
//! quoted strings, durations as strings, unknown options refused with the nearest known one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::connect::{Broker, Tls};
use super::message::Topics;
use super::names;
use super::node::Settings;
use crate::host::places;

mod mistake;
mod options;
#[cfg(test)]
mod tests;

pub use mistake::{ConfigError, Mistake};
use options::{File, Options, Text};

/// Where the configuration is looked for when the command line names none.
pub const DEFAULT_PATH: &str = places::SPARKPLUG_CONFIGURATION;

const STATE_FILE: &str = "telegraf-pm500-sparkplug.state.json";
const BUFFER_FILE: &str = "telegraf-pm500-sparkplug.buffer";

const SAMPLE: &str = include_str!("../../../packaging/sparkplug.toml");

/// Least and most time between two questions to the broker.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(3600));

/// Least and most bytes that may wait.
const BUFFER: (u64, u64) = (64 << 10, 4 << 30);

/// The settings of the process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the broker is.
    pub broker: Broker,
    /// Client identifier.
    pub client_id: String,
    /// Group of the edge node.
    pub group_id: String,
    /// Edge node.
    pub edge_node_id: String,
    /// The host without which nothing is published.
    pub primary_host_id: Option<String>,
    /// User and password.
    pub login: Option<Login>,
    /// How often the broker is asked for an answer.
    pub keep_alive: Duration,
    /// How long a connection may take.
    pub timeout: Duration,
    /// Whether data carries aliases in place of names.
    pub aliases: bool,
    /// Whether the birth of the node defines the meter as a type.
    pub template: bool,
    /// Bytes of lines that may wait.
    pub buffer_size: usize,
    /// Where they wait across restarts.
    pub buffer_file: Option<PathBuf>,
    /// Where `bdSeq` is kept.
    pub state_file: Option<PathBuf>,
    /// Which log lines are written.
    pub log_level: log::LevelFilter,
}

/// User and password; the password is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User.
    pub user: String,
    /// Password.
    pub password: Password,
}

/// Where a password comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// The configuration, most often by a variable.
    Given(String),
    /// The first line of a file, read for each connection.
    File(PathBuf),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and a password", self.user)
    }
}

impl Login {
    /// User and password as they are now. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> Result<(String, String), Mistake> {
        let password = match &self.password {
            Password::Given(password) => password.clone(),
            Password::File(path) => {
                let read = std::fs::read_to_string(path);
                let text = read.map_err(|error| Mistake::PasswordFile {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                text.lines().next().unwrap_or_default().to_owned()
            }
        };
        Ok((self.user.clone(), password))
    }
}

impl Config {
    /// Reads a configuration file. Relative paths in it are taken from its directory.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let unreadable = |error| ConfigError {
            file: Some(path.to_owned()),
            line: None,
            mistake: Mistake::Unreadable(error),
        };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let state = Some(Path::new(places::STATE_DIRECTORY)).filter(|directory| directory.is_dir());
        build(&text, directory, state).map_err(|error| ConfigError { file: Some(path.to_owned()), ..error })
    }

    /// Parses the text of a configuration; nothing is kept across restarts unless a file is named.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        build(text, Path::new(""), None)
    }

    /// The sample configuration: every option with its default.
    pub const fn sample() -> &'static str {
        SAMPLE
    }

    /// What the node needs of it.
    pub fn node(&self) -> Settings {
        Settings {
            topics: Topics::new(&self.group_id, &self.edge_node_id),
            primary_host: self.primary_host_id.is_some(),
            aliases: self.aliases,
            template: self.template,
            buffer_size: self.buffer_size,
        }
    }

    /// What a valid configuration should still be told.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let local =
            matches!(self.broker.host.as_str(), "localhost" | "::1") || self.broker.host.starts_with("127.");
        if self.login.is_some() && self.broker.tls.is_none() && !local {
            warnings
                .push("The password goes over the network in the clear; use a broker with ssl://".to_owned());
        }
        if self.buffer_file.is_none() {
            warnings.push(
                "No buffer_file: what waits while the broker is away is lost when the program ends"
                    .to_owned(),
            );
        }
        if self.state_file.is_none() {
            warnings.push(
                "No state_file: bdSeq begins at 0 with each start, so a late death may be believed"
                    .to_owned(),
            );
        }
        warnings
    }
}

fn build(text: &str, directory: &Path, state: Option<&Path>) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text).map_err(|error| shape(text, &error))?;
    let wrong = |mistake| ConfigError { file: None, line: None, mistake };
    let mut blocks = file.outputs.sparkplug_b;
    match blocks.pop().filter(|_| blocks.is_empty()) {
        Some(options) => settings(options, directory, state).map_err(wrong),
        None => Err(wrong(Mistake::Blocks(if blocks.is_empty() { 0 } else { blocks.len() + 1 }))),
    }
}

fn settings(options: Options, directory: &Path, state: Option<&Path>) -> Result<Config, Mistake> {
    let given = |option: Option<Text>| option.map(|text| text.0).filter(|text| !text.is_empty());
    let name = |option: &'static str, value: Option<Text>| match given(value) {
        Some(name) => {
            names::check(&name).map(|()| Some(name)).map_err(|reason| Mistake::Name(option, reason))
        }
        None => Ok(None),
    };
    let group_id = name("group_id", options.group_id)?.ok_or(Mistake::Missing("group_id"))?;
    let edge_node_id = name("edge_node_id", options.edge_node_id)?.ok_or(Mistake::Missing("edge_node_id"))?;
    let primary_host_id = name("primary_host_id", options.primary_host_id)?;
    if group_id == "STATE" {
        return Err(Mistake::StateGroup);
    }
    let file = |option: Option<Text>| given(option).map(|path| directory.join(path));
    // "" is nowhere; nothing said is Telegraf's own directory, where there is one.
    let kept = |option: Option<Text>, default: &str| match option {
        Some(Text(path)) => (!path.is_empty()).then(|| directory.join(path)),
        None => state.map(|state| state.join(default)),
    };
    let mut broker = broker(&given(options.broker).ok_or(Mistake::Missing("broker"))?)?;
    let (ca, certificate, key) = (file(options.tls_ca), file(options.tls_cert), file(options.tls_key));
    match &mut broker.tls {
        Some(tls) => {
            tls.ca = ca;
            tls.identity = match (certificate, key) {
                (Some(certificate), Some(key)) => Some((certificate, key)),
                (None, None) => None,
                _ => return Err(Mistake::HalfIdentity),
            };
        }
        None => {
            let named = [("tls_ca", ca), ("tls_cert", certificate), ("tls_key", key)];
            if let Some((option, _)) = named.iter().find(|(_, path)| path.is_some()) {
                return Err(Mistake::NoTls(option));
            }
        }
    }
    let password = match (given(options.password), file(options.password_file)) {
        (Some(_), Some(_)) => {
            return Err(Mistake::Login("password and password_file are two sources of one secret, keep one"));
        }
        (Some(password), None) => Some(Password::Given(password)),
        (None, Some(path)) => Some(Password::File(path)),
        (None, None) => None,
    };
    let login = match (given(options.username), password) {
        (Some(user), Some(password)) => Some(Login { user, password }),
        (None, None) => None,
        (Some(_), None) => return Err(Mistake::Login("username without password or password_file")),
        (None, Some(_)) => return Err(Mistake::Login("a password without username")),
    };
    let keep_alive = options.keep_alive.map_or(Duration::from_secs(15), |time| time.0);
    let timeout = options.timeout.map_or(Duration::from_secs(5), |time| time.0);
    let buffer_size = options.buffer_size.map_or(32 << 20, |size| size.0);
    if keep_alive < KEEP_ALIVE.0 || keep_alive > KEEP_ALIVE.1 {
        return Err(Mistake::Range { option: "keep_alive", low: "2s".to_owned(), high: "1h".to_owned() });
    }
    if timeout.is_zero() || timeout > KEEP_ALIVE.1 {
        return Err(Mistake::Range { option: "timeout", low: "1ms".to_owned(), high: "1h".to_owned() });
    }
    if buffer_size < BUFFER.0 || buffer_size > BUFFER.1 {
        return Err(Mistake::Range {
            option: "buffer_size",
            low: "64KiB".to_owned(),
            high: "4GiB".to_owned(),
        });
    }
    Ok(Config {
        broker,
        client_id: given(options.client_id).unwrap_or_else(|| format!("{group_id}-{edge_node_id}")),
        group_id,
        edge_node_id,
        primary_host_id,
        login,
        keep_alive,
        timeout,
        aliases: options.aliases.unwrap_or(false),
        template: options.template.unwrap_or(false),
        buffer_size: usize::try_from(buffer_size).unwrap_or(usize::MAX),
        buffer_file: kept(options.buffer_file, BUFFER_FILE),
        state_file: kept(options.state_file, STATE_FILE),
        log_level: options.log_level.map_or(log::LevelFilter::Info, |level| level.0),
    })
}

fn broker(address: &str) -> Result<Broker, Mistake> {
    let wrong = || Mistake::Broker(address.to_owned());
    let (scheme, rest) = address.split_once("://").ok_or_else(wrong)?;
    let (default_port, tls) = match scheme {
        "tcp" | "mqtt" => (1883, None),
        "ssl" | "tls" | "mqtts" => (8883, Some(Tls::default())),
        _ => return Err(wrong()),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(wrong)?)),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(default_port), |port| port.parse().map_err(|_| wrong()))?;
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || port == 0 || !host.chars().all(legal) {
        return Err(wrong());
    }
    Ok(Broker { host: host.to_owned(), port, tls })
}

/// What the deserializer says → one sentence with the line.
fn shape(text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map(|span| span.start);
    let line = start.map(|start| 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count());
    let message = error.message();
    let mut names = message.split('`').skip(1).step_by(2);
    let said = match message.starts_with("unknown field").then(|| names.next()).flatten() {
        Some(name) => match crate::suggest::nearest(name, names) {
            Some(near) => format!("unknown option \"{name}\", did you mean \"{near}\"?"),
            None => format!("unknown option \"{name}\", expected one of those that --sample-config prints"),
        },
        None => message.replace('`', "\"").replace(char::is_control, " "),
    };
    ConfigError { file: None, line, mistake: Mistake::Shape(said) }
}
