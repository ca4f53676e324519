//! The TOML text → blocks of options, each with the line it stands on.
//!
//! Only shape is checked here: known options, in their place, of the right type. What the options mean
//! together is checked in [`meter`](super::meter).

use serde::Deserialize;
use toml::Spanned;

use super::mistake::{ConfigError, Mistake};
use super::options::Options;
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

/// Options and the line on which their table begins; none when they did not come from a file.
#[derive(Debug, Default)]
pub(super) struct Placed {
    pub(super) line: Option<usize>,
    pub(super) options: Options,
}

/// One `[[inputs.powermonitor_500]]` block.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) plugin: Placed,
    pub(super) meters: Vec<Placed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    inputs: Inputs,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs {
    #[serde(default)]
    powermonitor_500: Vec<Spanned<Options>>,
}

/// Parses the text of a configuration file.
///
/// # Errors
/// What is wrong, with its line where that is known.
pub(super) fn parse(text: &str) -> Result<Vec<Block>, ConfigError> {
    let line = |start: usize| 1 + text.as_bytes().iter().take(start).filter(|byte| **byte == b'\n').count();
    let file: File = toml::from_str(text).map_err(|error| {
        let number = error.span().map(|span| line(span.start));
        let source = number.and_then(|number| text.lines().nth(number - 1));
        ConfigError::at(number, explain(text, error.message(), number.zip(source)))
    })?;
    let placed = |options: Spanned<Options>| Placed {
        line: Some(line(options.span().start)),
        options: options.into_inner(),
    };
    let mut blocks = Vec::new();
    for mut plugin in file.inputs.powermonitor_500.into_iter().map(placed) {
        let meters: Vec<_> =
            plugin.options.meter.take().unwrap_or_default().into_iter().map(placed).collect();
        let block = misplaced_in_block(&plugin.options).map(|misplaced| (&plugin, misplaced));
        let mut below = meters.iter().map(|meter| (meter, misplaced_in_meter(&meter.options)));
        let found = block.or_else(|| below.find_map(|(meter, found)| Some((meter, found?))));
        if let Some((table, (option, home))) = found {
            let number = table.line.and_then(|from| line_of(text, from, option));
            return Err(ConfigError::at(number, Mistake::Shape(ShapeError::Misplaced { option, home })));
        }
        blocks.push(Block { plugin, meters });
    }
    Ok(blocks)
}

fn misplaced_in_block(options: &Options) -> Option<(&'static str, &'static str)> {
    const METER: &str = "an [[inputs.powermonitor_500.meter]] table";
    let name = options.name.as_ref().map(|_| ("name", METER));
    name.or(options.address.as_ref().map(|_| ("address", METER)))
}

fn misplaced_in_meter(options: &Options) -> Option<(&'static str, &'static str)> {
    const ABOVE: &str = "[[inputs.powermonitor_500]], above its first meter";
    let level = options.log_level.map(|_| ("log_level", ABOVE));
    let state = options.state_file.as_ref().map(|_| ("state_file", ABOVE));
    let meter = options.meter.as_ref().map(|_| ("meter", "[[inputs.powermonitor_500]], not in a meter"));
    level.or(state).or(meter)
}

/// The line of an option in the table that begins at line `from`.
fn line_of(text: &str, from: usize, option: &str) -> Option<usize> {
    let is_option = |line: &str| {
        let line = line.trim_start().trim_start_matches(['[', '"', '\'']);
        let after = line.strip_prefix("inputs.powermonitor_500.meter.").unwrap_or(line).strip_prefix(option);
        after.is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let below = text.lines().enumerate().skip(from.saturating_sub(1));
    below.map(|(index, line)| (index + 1, line)).find(|(_, line)| is_option(line)).map(|(number, _)| number)
}

/// What stands between backticks.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
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
fn explain(text: &str, message: &str, place: Option<(usize, &str)>) -> ShapeError {
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

/// The name of every option, as the deserializer knows them.
#[cfg(test)]
pub(super) fn option_names() -> Vec<String> {
    // The struct is the only list of options, and serde tells its names in this error.
    let error = toml::from_str::<Options>("no_option = 0").expect_err("no such option");
    quoted(error.message()).skip(1).map(str::to_owned).collect()
}
