//! What a deserializer says of a text that is no configuration → what is wrong with it, for a person.

use super::slip::{self, Slip};
use crate::words::UnknownWord;

/// A text that is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// No option of that name.
    #[error(transparent)]
    Unknown(UnknownWord),
    /// A table of somebody else's file.
    #[error("\"{0}\" is not known here, this file holds [[inputs.powermonitor_500]] and its meters only")]
    Foreign(String),
    /// `[inputs.powermonitor_500]`.
    #[error("write the header of this table in double brackets, as in [[inputs.powermonitor_500]]")]
    SingleBrackets,
    /// An option in a place where it means nothing.
    #[error("the option \"{option}\" belongs in {home}")]
    Misplaced {
        /// The option.
        option: &'static str,
        /// Where it belongs.
        home: &'static str,
    },
    /// A line that is no TOML.
    #[error(transparent)]
    Slip(#[from] Slip),
    /// An option that its table has already.
    #[error("{option} stands twice in one table{}, keep one of them", first.map(|line| format!(", first in line {line}")).unwrap_or_default())]
    Twice {
        /// The option.
        option: String,
        /// The line where it stands first.
        first: Option<usize>,
    },
    /// The name that other programs have for an option.
    #[error("unknown option \"{0}\", here it is {1}")]
    OtherName(String, &'static str),
    /// Telegraf's own configuration.
    #[error(
        "\"{0}\" belongs in Telegraf's configuration; this is the plugin's own, which holds \
         [[inputs.powermonitor_500]] and its meters only"
    )]
    Telegrafs(String),
    /// A block without its meter, or a meter without its block.
    #[error(
        "write [[inputs.powermonitor_500]] in a line of its own above the first [[inputs.powermonitor_500.meter]]"
    )]
    NoBlock,
    /// A value that the option does not take.
    #[error("{}{message}", option.as_ref().map(|option| format!("{option}: ")).unwrap_or_default())]
    Value {
        /// The option, where the line tells it.
        option: Option<String>,
        /// What is wrong with its value.
        message: String,
    },
}

/// What stands between backticks.
pub(super) fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

/// What other programs call our options.
const OTHER_NAMES: [(&str, &str); 32] = [
    ("fieldpass", "fieldinclude"),
    ("fielddrop", "fieldexclude"),
    ("fields", "fieldinclude"),
    ("metrics", "fieldinclude"),
    ("poll_interval", "interval"),
    ("polling_interval", "interval"),
    ("scan_rate", "interval"),
    ("flush_interval", "interval"),
    ("jitter", "collection_jitter"),
    ("offset", "collection_offset"),
    ("response_timeout", "timeout"),
    ("request_timeout", "timeout"),
    ("host", "address"),
    ("hostname", "address"),
    ("ip", "address"),
    ("ip_address", "address"),
    ("url", "address"),
    ("server", "address"),
    ("servers", "address, one meter in each table"),
    ("addresses", "address, one meter in each table"),
    ("controller", "address"),
    ("endpoint", "address"),
    ("port", "part of address, as in \"192.168.1.50:502\""),
    ("slave_id", "unit_id"),
    ("device_id", "unit_id"),
    ("byte_order", "word_order"),
    ("protocol", "connection"),
    ("mode", "connection"),
    ("alias", "name"),
    ("meter_name", "name"),
    ("tz", "timezone"),
    ("time_zone", "timezone"),
];

/// Tables of Telegraf's own configuration.
const TELEGRAFS: [&str; 6] = ["agent", "global_tags", "outputs", "processors", "aggregators", "secretstores"];

/// A deserializer's message → what is wrong, for a person; `place` is the line that it is about, and its number.
pub(super) fn explain(text: &str, message: &str, place: Option<(usize, &str)>) -> ShapeError {
    let source = place.map(|(_, source)| source);
    if message.starts_with("unknown field") {
        let mut names = quoted(message);
        let name = names.next().unwrap_or_default();
        let known: Vec<_> = names.collect();
        return unknown(name, known, source);
    }
    let key = source.map(|source| source.split('=').next().unwrap_or_default().trim());
    let option = key.filter(|key| is_name(key) && source.is_some_and(|source| source.contains('=')));
    if message == "duplicate key" {
        let option = key.unwrap_or_default().to_owned();
        return match place {
            Some((number, source)) => twice(text, number, source, option),
            None => ShapeError::Twice { option, first: None },
        };
    }
    if message.starts_with("invalid type: map, expected a sequence") && option.is_none() {
        let block = text.lines().any(|line| line.trim().starts_with("[[inputs.powermonitor_500]]"));
        return match source.map(str::trim) {
            Some(header) if header.starts_with("[[inputs.powermonitor_500.") && !block => ShapeError::NoBlock,
            _ => ShapeError::SingleBrackets,
        };
    }
    // What no table at all could be read from is a slip of writing; the rest is a value of the wrong type.
    let slip = source.filter(|_| toml::from_str::<toml::Table>(text).is_err());
    if let Some(slip) = slip.and_then(|source| slip::find(text, source)) {
        return slip.into();
    }
    let message = plainly(message);
    ShapeError::Value { option: option.map(str::to_owned), message }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn unknown(name: &str, known: Vec<&str>, source: Option<&str>) -> ShapeError {
    let header = source.map(str::trim).filter(|line| line.starts_with('['));
    match known[..] {
        ["inputs"] if TELEGRAFS.contains(&name) => ShapeError::Telegrafs(format!("[{name}]")),
        ["inputs"] => ShapeError::Foreign(name.to_owned()),
        ["powermonitor_500"] => match crate::suggest::nearest(name, known.iter().copied()) {
            None => ShapeError::Telegrafs(header.unwrap_or(name).to_owned()),
            Some(_) => ShapeError::Unknown(UnknownWord::new("input", name, known, "powermonitor_500")),
        },
        _ => match OTHER_NAMES.iter().find(|(other, _)| name.eq_ignore_ascii_case(other)) {
            Some((_, ours)) => ShapeError::OtherName(name.to_owned(), ours),
            None => {
                let expected = "one of those that --sample-config prints";
                ShapeError::Unknown(UnknownWord::new("option", name, known, expected))
            }
        },
    }
}

/// An option that stands twice, and where it stood first: in the same table above, or in the same line.
fn twice(text: &str, number: usize, source: &str, option: String) -> ShapeError {
    let key = |line: &str| line.split('=').next().map(|key| key.trim().to_owned());
    let above: Vec<(usize, &str)> = text.lines().enumerate().take(number - 1).collect();
    let table = above.iter().rev().take_while(|(_, line)| !line.trim_start().starts_with('['));
    let first =
        table.filter(|(_, line)| key(line).as_ref() == Some(&option)).last().map(|(index, _)| index + 1);
    let braces = source.contains('{') && first.is_none();
    ShapeError::Twice {
        option: if braces { format!("a name in the braces of {option}") } else { option },
        first,
    }
}

/// The library's words as this program says them.
fn plainly(message: &str) -> String {
    let message = message
        .replace('`', "")
        .replace("expected a sequence", "expected a list in square brackets")
        .replace("expected a map", "expected a table in braces")
        .replace("expected a boolean", "expected true or false without quotes");
    match message.strip_prefix("invalid type: ").and_then(|message| message.split_once(", expected ")) {
        // "string "x"", "integer 10", "sequence" → "x" is a text, …
        Some((found, expected)) => {
            let found = found
                .replace("string ", "the text ")
                .replace("integer ", "the number ")
                .replace("floating point ", "the number ")
                .replace("boolean ", "")
                .replace("sequence", "a list")
                .replace("map", "a table");
            format!("expected {expected}, and not {found}")
        }
        None => message,
    }
}
