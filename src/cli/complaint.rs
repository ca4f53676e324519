//! What is wrong with a command line → one sentence for a person.

use std::error::Error as _;
use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Error, Parser as _};

use super::Cli;
use super::spelling::{command_at, declared};
use crate::config::Named;
use crate::suggest::nearest;

/// One sentence that names what was written, what was probably meant, and where help is. `arguments` are all of
/// the process, the program first.
pub(super) fn sentence(error: &Error, arguments: &[OsString]) -> String {
    let program =
        arguments.first().map(Path::new).and_then(Path::file_stem).map(|stem| stem.to_string_lossy());
    let program = program.unwrap_or("telegraf-pm500".into());
    let declaration = Cli::command();
    let commands: Vec<&str> = declaration.get_subcommands().map(clap::Command::get_name).collect();
    let command = command_at(arguments, &commands).and_then(|at| arguments.get(at)?.to_str());
    let help = match command {
        Some(command) => format!("(see {program} {command} --help)"),
        None => format!("(see {program} --help)"),
    };
    let meant =
        one(error, ContextKind::InvalidSubcommand).and_then(|word| instead_of_command(&word, arguments));
    let meant = meant.or_else(|| instead_of_option(error, command, &declaration, arguments));
    let meant = meant.or_else(|| missing(error, arguments, &commands));
    format!("{} {help}", meant.unwrap_or_else(|| reason(error, &commands)))
}

/// What was meant by a word that stands where a command does.
fn instead_of_command(word: &str, arguments: &[OsString]) -> Option<String> {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if word.ends_with(".toml") || word.ends_with(".conf") || Path::new(word).is_file() {
        let before = if has("--check-config") || has("-check-config") { " --check-config" } else { "" };
        return Some(format!("a file is named with --config, write --config {word}{before}"));
    }
    let address = word.parse::<Named>().is_ok() && word.contains(['.', ':', '=']);
    address.then(|| format!("\"{word}\" is no command, write \"show {word}\" or \"dump {word}\""))
}

/// What was meant by an option that other programs have, that another command has, or that is not written as one.
fn instead_of_option(
    error: &Error,
    command: Option<&str>,
    declaration: &clap::Command,
    arguments: &[OsString],
) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let option = one(error, ContextKind::InvalidArg)?;
    let write = match (option.as_str(), command) {
        ("--verbose" | "-v" | "-d", _) => Some("--debug"),
        ("--silent" | "-q", _) => Some("--quiet"),
        ("--json" | "--csv", Some("dump")) => Some("the command show"),
        _ => None,
    };
    if let Some(write) = write {
        return Some(format!("there is no {option} here, use {write} instead"));
    }
    let here = command.and_then(|command| declaration.find_subcommand(command)).unwrap_or(declaration);
    let has = |of: &clap::Command, name: &str| of.get_arguments().any(|known| known.get_long() == Some(name));
    if let Some(name) = option.strip_prefix("--") {
        let everywhere = declaration.get_arguments().filter(|known| known.is_global_set());
        let near = here.get_arguments().chain(everywhere).filter_map(clap::Arg::get_long);
        if let Some(near) = nearest(name, near) {
            return Some(format!("there is no {option}, did you mean --{near}?"));
        }
        let others = declaration.get_subcommands().filter(|other| has(other, name));
        let others: Vec<&str> = others.map(clap::Command::get_name).collect();
        return match (&others[..], one(error, ContextKind::SuggestedArg)) {
            ([], _) if has(declaration, name) => {
                Some(format!("there is no {option} here, the plugin itself has it: leave the command out"))
            }
            ([], suggested) => suggested.map(|near| format!("there is no {option}, did you mean {near}?")),
            ([other], _) => Some(format!("there is no {option} here, the command {other} has it")),
            (others, _) => {
                Some(format!("there is no {option} here, the commands {} have it", listed(others)))
            }
        };
    }
    // One letter is complained about where one dash stands before a word.
    let typed = arguments.iter().filter_map(|argument| argument.to_str());
    let mut words = typed.filter_map(|argument| argument.strip_prefix('-')).filter(|word| word.len() > 1);
    let word = words.find(|word| option.strip_prefix('-').is_some_and(|letter| word.starts_with(letter)))?;
    match word.starts_with(|c: char| c.is_ascii_digit()) {
        true => Some(format!("\"-{word}\" is no value here, for none is negative")),
        false => has(here, word).then(|| format!("write two dashes: --{word} instead of -{word}")),
    }
}

/// What goes with an option that was given without it: the option is the one without which nothing is missing.
fn missing(error: &Error, arguments: &[OsString], commands: &[&str]) -> Option<String> {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let is_why = |&(at, option): &(usize, &str)| {
        let takes = |values: usize| {
            let (before, after) = arguments.split_at(at);
            let rest = after.iter().skip(if option.contains('=') { 1 } else { 1 + values });
            let without = declared(before.iter().chain(rest).cloned(), commands);
            // A value that is left behind is no argument.
            let still = [ErrorKind::MissingRequiredArgument, ErrorKind::UnknownArgument];
            Cli::try_parse_from(without).err().is_none_or(|error| !still.contains(&error.kind()))
        };
        takes(0) || takes(1)
    };
    let typed = arguments.iter().enumerate().filter_map(|(at, argument)| Some((at, argument.to_str()?)));
    let (_, option) = typed.filter(|(_, argument)| argument.starts_with("--")).find(is_why)?;
    let option = option.split('=').next().unwrap_or(option);
    Some(format!("{option} goes with {}: write both, or leave {option} out", needed(error)))
}

/// What is missing, as it is written.
fn needed(error: &Error) -> String {
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing)) => missing.clone(),
        _ => one(error, ContextKind::InvalidArg).into_iter().collect(),
    };
    let written: Vec<String> = missing
        .iter()
        .map(|missing| {
            let group = missing.strip_prefix("<--").and_then(|group| group.strip_suffix('>'));
            group.map_or_else(|| missing.clone(), |group| format!("--{}", group.replace('|', " or ")))
        })
        .collect();
    listed(&written.iter().map(String::as_str).collect::<Vec<_>>())
}

/// `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => words.concat(),
    }
}

fn one(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    }
}

fn reason(error: &Error, commands: &[&str]) -> String {
    let one = |kind| one(error, kind);
    let argument = one(ContextKind::InvalidArg).unwrap_or_default();
    let named = flag(&argument);
    let value = one(ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => format!("there is no {argument} here"),
        ErrorKind::UnknownArgument => format!("\"{argument}\" is one argument too many"),
        ErrorKind::InvalidSubcommand => {
            let wrong = one(ContextKind::InvalidSubcommand).unwrap_or_default();
            let near = one(ContextKind::SuggestedSubcommand);
            let near = near.or_else(|| nearest(&wrong, commands.iter().copied()).map(str::to_owned));
            match near {
                Some(near) => format!("there is no command \"{wrong}\", did you mean \"{near}\"?"),
                None => format!("there is no command \"{wrong}\""),
            }
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("{named} needs a value"),
        ErrorKind::InvalidValue => {
            let near = one(ContextKind::SuggestedValue).map(|near| format!(", did you mean \"{near}\"?"));
            let possible = || match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(values)) => format!(", expected one of {}", values.join(", ")),
                _ => String::new(),
            };
            format!("{named}: unknown value \"{value}\"{}", near.unwrap_or_else(possible))
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(|why| in_words(&why.to_string(), &value)).unwrap_or_default();
            match argument.starts_with('-') {
                true => format!("{named}: {why}"),
                false => why,
            }
        }
        ErrorKind::ArgumentConflict => {
            let other = match error.get(ContextKind::PriorArg) {
                Some(ContextValue::String(other)) => flag(other),
                Some(ContextValue::Strings(others)) => {
                    others.iter().map(|other| flag(other)).collect::<Vec<_>>().join(", ")
                }
                _ => "the others".to_owned(),
            };
            match named == other {
                true => format!("{named} is given twice"),
                false => format!("{named} and {other} cannot be used together"),
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = needed(error);
            format!("{missing} {} missing", if missing.contains(" and ") { "are" } else { "is" })
        }
        ErrorKind::TooManyValues | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => {
            format!("{named} has not as many values as it takes")
        }
        ErrorKind::NoEquals => format!("{named} needs a value"),
        ErrorKind::InvalidUtf8 => "an argument is no UTF-8 text".to_owned(),
        _ => {
            // What is left has its reason in the first line.
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    }
}

/// The library's words about a number, as this program says them.
fn in_words(why: &str, value: &str) -> String {
    let whole = |range: &str| match range.split_once("..") {
        Some((low, high)) if high.is_empty() || high.ends_with("18446744073709551615") => {
            format!("from {low} up")
        }
        Some((low, high)) => format!("from {low} to {}", high.trim_start_matches('=')),
        None => range.to_owned(),
    };
    match why.split_once(" is not in ") {
        Some((number, range)) => format!("{number} is not a whole number {}", whole(range)),
        None if why.starts_with("invalid digit") || why.contains("too large to fit") => {
            format!("\"{value}\" is not a whole number, or too large")
        }
        None if why == "invalid IPv4 address syntax" => {
            format!("\"{value}\" is no IPv4 address, which is four numbers from 0 to 255")
        }
        None => why.to_owned(),
    }
}

/// `--count <N>` → `--count`, `[METER]...` → `METER`.
fn flag(argument: &str) -> String {
    let name = argument.split(' ').next().unwrap_or_default();
    name.trim_matches(['[', ']', '<', '>', '.']).to_owned()
}
