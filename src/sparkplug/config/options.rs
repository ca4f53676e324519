//! The form of the file: `[[outputs.sparkplug_b]]` and its options, with variables, durations and sizes in quoted strings.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};

use crate::config::{expand_variables, parse_duration};

/// A quoted string with its variables expanded.
#[derive(Debug, Clone)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        let text = String::deserialize(deserializer)?;
        expand_variables(&text, |name| std::env::var(name).ok()).map(Text).map_err(D::Error::custom)
    }
}

#[derive(Debug)]
pub(super) struct Time(pub(super) Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        parse_duration(&text).map(Time).map_err(D::Error::custom)
    }
}

/// A number of bytes with its unit.
#[derive(Debug)]
pub(super) struct Size(pub(super) u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        const UNITS: [(&str, u64); 6] = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("KB", 1000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
        ];
        let Text(text) = Text::deserialize(deserializer)?;
        let unit = UNITS.into_iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
        let number = unit.and_then(|(number, bytes)| number.trim().parse::<u64>().ok()?.checked_mul(bytes));
        number
            .map(Size)
            .ok_or_else(|| D::Error::custom(format!("\"{text}\" is no size, write one such as \"32MiB\"")))
    }
}

#[derive(Debug)]
pub(super) struct LogLevel(pub(super) log::LevelFilter);

impl<'de> Deserialize<'de> for LogLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LogLevel, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        let known = text.parse().ok().filter(|level| *level != log::LevelFilter::Off);
        let wrong = || D::Error::custom(format!("\"{text}\" is none of error, warn, info, debug, trace"));
        known.map(LogLevel).ok_or_else(wrong)
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    pub(super) broker: Option<Text>,
    pub(super) group_id: Option<Text>,
    pub(super) edge_node_id: Option<Text>,
    pub(super) client_id: Option<Text>,
    pub(super) primary_host_id: Option<Text>,
    pub(super) username: Option<Text>,
    pub(super) password: Option<Text>,
    pub(super) password_file: Option<Text>,
    pub(super) tls_ca: Option<Text>,
    pub(super) tls_cert: Option<Text>,
    pub(super) tls_key: Option<Text>,
    pub(super) keep_alive: Option<Time>,
    pub(super) timeout: Option<Time>,
    pub(super) aliases: Option<bool>,
    pub(super) template: Option<bool>,
    pub(super) buffer_size: Option<Size>,
    pub(super) buffer_file: Option<Text>,
    pub(super) state_file: Option<Text>,
    pub(super) log_level: Option<LogLevel>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) outputs: Outputs,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outputs {
    pub(super) sparkplug_b: Vec<Options>,
}
