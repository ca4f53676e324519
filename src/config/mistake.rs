//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use super::limits::LimitError;
use super::listening::ListeningError;
use super::load_profile::LoadProfileError;
use super::logix::LogixError;
use super::meter::MeterError;
use super::names::NameError;
use super::selection::SelectionError;
use super::serial::SerialLineError;
use super::shape::ShapeError;
use crate::meter::ProfileError;

/// A configuration that cannot be used; its text is one line that says what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, if the settings came from one.
    pub file: Option<PathBuf>,
    /// The line, where it is known.
    pub line: Option<usize>,
    /// The meter whose table it is about.
    pub meter: Option<String>,
    /// What is wrong.
    pub mistake: Box<Mistake>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// There is no such file.
    #[error(
        "there is no configuration file {}, write one from what \"telegraf-pm500 --sample-config\" prints, or name \
         another with --config",
        .0.display()
    )]
    NoFile(PathBuf),
    /// The file may not be read.
    #[error(
        "the configuration file {} must not be read by this user, give the user Telegraf runs as permission to read it",
        .0.display()
    )]
    Forbidden(PathBuf),
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The file is no text.
    #[error("the configuration file {} is not UTF-8 text, save it as UTF-8", .0.display())]
    NotText(PathBuf),
    /// The text is no configuration.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A meter's options do not make sense together.
    #[error(transparent)]
    Meter(#[from] MeterError),
    /// A serial line.
    #[error(transparent)]
    SerialLine(#[from] SerialLineError),
    /// Something that the meter does not bear.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Listening that cannot be.
    #[error(transparent)]
    Listening(#[from] ListeningError),
    /// A controller's tags that cannot be read, or not be trusted.
    #[error(transparent)]
    Logix(#[from] LogixError),
    /// A load profile that cannot be.
    #[error(transparent)]
    LoadProfile(#[from] LoadProfileError),
    /// A name that cannot be.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Data that cannot be had as asked.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// A profile that cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A path out of which an escape has made another one: `\t` in "C:\telegraf" is a tab.
    #[error(
        "{0}: a backslash and a letter in \" are a control character, write the path in single quotes ' or with /"
    )]
    EscapedPath(&'static str),
    /// Two blocks that disagree about the process.
    #[error("{0} is one for the whole process and another block names a different one, keep one of them")]
    Disagree(&'static str),
    /// Two meters of one name.
    #[error("two meters are named \"{name}\"{}, give each its own name", in_line(*first))]
    NameTwice {
        /// The name.
        name: String,
        /// Where it stands first.
        first: Option<usize>,
    },
    /// One meter under two names.
    #[error(
        "the meters \"{other}\"{} and \"{name}\" have the same address {address}{}, read one meter as one, for two \
         sessions would exceed what it can bear{}",
        in_line(*first),
        unit.map(|unit| format!(" and unit_id = {unit}")).unwrap_or_default(),
        if unit.is_some() { "; meters behind a gateway have a unit_id each" } else { "" }
    )]
    AddressTwice {
        /// The second meter.
        name: String,
        /// Its address.
        address: String,
        /// The first meter.
        other: String,
        /// Where the first meter stands.
        first: Option<usize>,
        /// The unit that both are, over Modbus.
        unit: Option<u8>,
    },
}

fn in_line(line: Option<usize>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}

impl ConfigError {
    /// A mistake on a line.
    pub(super) fn at(line: Option<usize>, mistake: impl Into<Mistake>) -> ConfigError {
        ConfigError { file: None, line, meter: None, mistake: Box::new(mistake.into()) }
    }

    /// The same, in this file; what is said about the file itself names it already.
    pub(super) fn in_file(self, path: &Path) -> ConfigError {
        ConfigError { file: Some(path.to_owned()), ..self }
    }

    /// The same, about this meter.
    pub(super) fn of_meter(self, name: Option<String>) -> ConfigError {
        ConfigError { meter: name, ..self }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if let Some(file) = &self.file {
            text += &format!("{}: ", file.display());
        }
        if let Some(line) = self.line {
            text += &format!("line {line}: ");
        }
        if let Some(meter) = &self.meter {
            text += &format!("meter \"{meter}\": ");
        }
        text += &self.mistake.to_string();
        // What a person wrote may hold a line break; the error stays one line.
        f.write_str(&text.replace(char::is_control, " "))
    }
}
