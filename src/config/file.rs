//! The TOML text → blocks of options, each with the line it stands on.
//!
//! Only shape is checked here: known options, in their place, of the right type. What the options mean
//! together is checked in [`meter`](super::meter).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::address::Address;
use super::choice::{Connection, Emit, IdentityPolicy, Listened, MapCheckPolicy, Timed};

use super::value::{Number, Parsed, Switchable, Zone, unknown};
use crate::meter::decode::WordOrder;
use crate::meter::{Evidence, Table};

/// The options of a `[[inputs.powermonitor_500]]` block or of one of its meters.
///
/// One list for both, because nearly every option of the block is a default that a meter may override.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    // The block only.
    pub(super) log_level: Option<Spanned<Parsed<log::LevelFilter>>>,
    pub(super) state_file: Option<Spanned<Parsed<String>>>,
    meter: Option<Vec<Spanned<Options>>>,
    // A meter only.
    pub(super) name: Option<Spanned<Parsed<String>>>,
    pub(super) address: Option<Spanned<Parsed<Address>>>,
    // Both.
    pub(super) connection: Option<Parsed<Connection>>,
    pub(super) tables: Option<Vec<Parsed<Table>>>,
    pub(super) interval: Option<Parsed<Duration>>,
    pub(super) intervals: Option<BTreeMap<Parsed<Timed>, Parsed<Duration>>>,
    pub(super) interval_energy: Option<Parsed<Switchable>>,
    pub(super) round_interval: Option<bool>,
    pub(super) collection_jitter: Option<Parsed<Duration>>,
    pub(super) collection_offset: Option<Parsed<Duration>>,
    pub(super) precision: Option<Parsed<Duration>>,
    pub(super) connect_timeout: Option<Parsed<Duration>>,
    pub(super) timeout: Option<Parsed<Duration>>,
    pub(super) gather_timeout: Option<Parsed<Duration>>,
    pub(super) identity: Option<Parsed<IdentityPolicy>>,
    pub(super) evidence: Option<Parsed<Evidence>>,
    pub(super) map_check: Option<Parsed<MapCheckPolicy>>,
    pub(super) profile: Option<Parsed<String>>,
    pub(super) raw_energy: Option<bool>,
    pub(super) fieldinclude: Option<Vec<Parsed<glob::Pattern>>>,
    pub(super) fieldexclude: Option<Vec<Parsed<glob::Pattern>>>,
    pub(super) listen_tables: Option<Vec<Parsed<Listened>>>,
    pub(super) rpi: Option<Parsed<Switchable>>,
    pub(super) heartbeat_interval: Option<Parsed<Duration>>,
    pub(super) config_instance: Option<Number<0, 255>>,
    pub(super) emit: Option<Parsed<Emit>>,
    pub(super) modbus_tables: Option<Vec<Parsed<Table>>>,
    pub(super) modbus_may_interrupt: Option<bool>,
    pub(super) modbus_port: Option<Number<1, 65535>>,
    pub(super) unit_id: Option<Number<0, 255>>,
    pub(super) word_order: Option<Parsed<WordOrder>>,
    pub(super) close_after_gather: Option<bool>,
    pub(super) max_registers: Option<Number<4, 125>>,
    pub(super) timezone: Option<Parsed<Zone>>,
    pub(super) tags: Option<BTreeMap<String, Parsed<String>>>,
}

impl Options {
    /// A meter's own options, completed by its block's. `intervals` and `tags` are merged key by key.
    pub(super) fn or(mut self, block: &Options) -> Options {
        macro_rules! complete {
            ($($option:ident)*) => { $(self.$option = self.$option.or_else(|| block.$option.clone());)* };
        }
        if let (Some(own), Some(defaults)) = (&mut self.intervals, &block.intervals) {
            defaults.iter().for_each(|(table, period)| {
                own.entry(table.clone()).or_insert_with(|| period.clone());
            });
        }
        if let (Some(own), Some(defaults)) = (&mut self.tags, &block.tags) {
            defaults.iter().for_each(|(key, value)| {
                own.entry(key.clone()).or_insert_with(|| value.clone());
            });
        }
        complete!(
            connection tables interval intervals interval_energy round_interval collection_jitter collection_offset precision
            connect_timeout timeout gather_timeout identity evidence map_check profile raw_energy fieldinclude
            fieldexclude listen_tables rpi heartbeat_interval config_instance emit modbus_tables modbus_may_interrupt modbus_port unit_id word_order close_after_gather
            max_registers timezone tags
        );
        self
    }
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
/// One sentence that begins with the line.
pub(super) fn parse(text: &str) -> Result<Vec<Block>, String> {
    let line = |start: usize| 1 + text.as_bytes().iter().take(start).filter(|byte| **byte == b'\n').count();
    let file: File = toml::from_str(text).map_err(|error| match error.span() {
        Some(span) => {
            let number = line(span.start);
            format!("line {number}: {}", sentence(error.message(), text.lines().nth(number - 1)))
        }
        None => sentence(error.message(), None),
    })?;
    let placed = |options: Spanned<Options>| Placed {
        line: Some(line(options.span().start)),
        options: options.into_inner(),
    };
    let mut blocks = Vec::new();
    for mut plugin in file.inputs.powermonitor_500.into_iter().map(placed) {
        let meters: Vec<_> =
            plugin.options.meter.take().unwrap_or_default().into_iter().map(placed).collect();
        let misplaced = |spot: &str, key: &str, home: &str| {
            Err(format!("{spot}: the option \"{key}\" belongs in {home}"))
        };
        let spot = |span: std::ops::Range<usize>| format!("line {}", line(span.start));
        let own = &plugin.options;
        if let Some(name) = &own.name {
            return misplaced(&spot(name.span()), "name", "an [[inputs.powermonitor_500.meter]] table");
        }
        if let Some(address) = &own.address {
            return misplaced(&spot(address.span()), "address", "an [[inputs.powermonitor_500.meter]] table");
        }
        for Placed { options, .. } in &meters {
            const ABOVE: &str = "[[inputs.powermonitor_500]], above its first meter";
            if let Some(log_level) = &options.log_level {
                return misplaced(&spot(log_level.span()), "log_level", ABOVE);
            }
            if let Some(state_file) = &options.state_file {
                return misplaced(&spot(state_file.span()), "state_file", ABOVE);
            }
            if let Some(meter) = options.meter.iter().flatten().next() {
                return misplaced(
                    &spot(meter.span()),
                    "meter",
                    "[[inputs.powermonitor_500]], not in a meter",
                );
            }
        }
        blocks.push(Block { plugin, meters });
    }
    Ok(blocks)
}

/// What stands between backticks.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

/// A deserializer's message → one sentence for a person; `source` is the line it is about.
fn sentence(message: &str, source: Option<&str>) -> String {
    if message.starts_with("unknown field") {
        let mut names = quoted(message);
        let name = names.next().unwrap_or_default();
        let known: Vec<_> = names.collect();
        return match known[..] {
            ["inputs"] => format!(
                "\"{name}\" is not known here, this file holds [[inputs.powermonitor_500]] and its meters only"
            ),
            ["powermonitor_500"] => unknown("input", name, known, "powermonitor_500"),
            _ => unknown("option", name, known, "one of those that --sample-config prints"),
        };
    }
    let assignment = source.and_then(|source| source.split_once('='));
    if message.starts_with("invalid type: map, expected a sequence") && assignment.is_none() {
        return "write the header of this table in double brackets, as in [[inputs.powermonitor_500]]"
            .to_owned();
    }
    let message = message
        .replace('`', "")
        .replace("expected a sequence", "expected a list in square brackets")
        .replace("expected a map", "expected a table in braces")
        .replace("expected a boolean", "expected true or false without quotes");
    let Some((option, value)) = assignment else { return message };
    let (option, value) = (option.trim(), value.trim());
    if !option.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return message;
    }
    if value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && toml::from_str::<toml::Table>(source.unwrap_or_default()).is_err()
    {
        return format!("{option}: put the value in quotes, unless it is a number, true or false");
    }
    format!("{option}: {message}")
}

/// The name of every option, as the deserializer knows them.
#[cfg(test)]
pub(super) fn option_names() -> Vec<String> {
    // The struct is the only list of options, and serde tells its names in this error.
    let error = toml::from_str::<Options>("no_option = 0").expect_err("no such option");
    quoted(error.message()).skip(1).map(str::to_owned).collect()
}
