//! The TOML text → blocks of options, each with the line it stands on.
//!
//! Only shape is checked here: known options, in their place, of the right type. What the options mean
//! together is checked in [`resolve`](super::resolve).

use serde::Deserialize;
use toml::Spanned;

use super::mistake::{ConfigError, Mistake};
use super::options::Options;
use super::shape::{self, ShapeError};

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
        ConfigError::at(number, shape::explain(text, error.message(), number.zip(source)))
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

/// The name of every option, as the deserializer knows them.
#[cfg(test)]
pub(super) fn option_names() -> Vec<String> {
    // The struct is the only list of options, and serde tells its names in this error.
    let error = toml::from_str::<Options>("no_option = 0").expect_err("no such option");
    shape::quoted(error.message()).skip(1).map(str::to_owned).collect()
}
