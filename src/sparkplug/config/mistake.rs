//! What can be wrong with the configuration, in sentences that say what to change.

use std::fmt;
use std::path::PathBuf;

use crate::sparkplug::names::NameError;

/// A configuration that cannot be used; its text is one line that says what to change.
#[derive(Debug)]
pub struct ConfigError {
    pub(super) file: Option<PathBuf>,
    pub(super) line: Option<usize>,
    pub(super) mistake: Mistake,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        self.mistake.fmt(f)
    }
}

impl std::error::Error for ConfigError {}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Mistake {
    /// The file cannot be read.
    #[error(
        "the configuration cannot be read ({0}); write one from what --sample-config prints, or name another with --config"
    )]
    Unreadable(std::io::Error),
    /// It is no TOML, or has an unknown option.
    #[error("{0}")]
    Shape(String),
    /// Not exactly one block.
    #[error(
        "{0} [[outputs.sparkplug_b]] blocks; a process is one edge node, so give each its own file and its own process"
    )]
    Blocks(usize),
    /// A required option is missing.
    #[error("{0} is missing; --sample-config shows it")]
    Missing(&'static str),
    /// A name that cannot be a level of a topic.
    #[error("{0} {1}")]
    Name(&'static str, NameError),
    /// A group whose topics would be those of hosts.
    #[error("group_id must not be \"STATE\", whose topics are those of host applications")]
    StateGroup,
    /// No address of a broker.
    #[error("broker = \"{0}\" is no address; write tcp://HOST:PORT, or ssl://HOST:PORT for TLS")]
    Broker(String),
    /// TLS options without TLS.
    #[error("{0} is for TLS, and broker begins with tcp://; write ssl://")]
    NoTls(&'static str),
    /// Half of an identity.
    #[error("tls_cert and tls_key belong together, one is missing")]
    HalfIdentity,
    /// A password without a user, and the like.
    #[error("{0}")]
    Login(&'static str),
    /// The password's file cannot be read.
    #[error("password_file {} cannot be read: {reason}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// A value beyond its limits.
    #[error("{option} must be from {low} to {high}")]
    Range {
        /// The option.
        option: &'static str,
        /// Least.
        low: String,
        /// Most.
        high: String,
    },
}
