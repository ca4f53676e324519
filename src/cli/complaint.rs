//! What is wrong with a command line → one sentence for a person.

use std::error::Error as _;
use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Error};

use super::Cli;
use super::spelling::command_at;
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
    let meant = meant.or_else(|| instead_of_option(error, command));
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

/// What was meant by an option that other programs have, or that another command has.
fn instead_of_option(error: &Error, command: Option<&str>) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let option = one(error, ContextKind::InvalidArg)?;
    let write = match (option.as_str(), command) {
        ("--verbose" | "-v" | "-d", _) => "--debug",
        ("--silent" | "-q", _) => "--quiet",
        ("--json" | "--csv", Some("dump")) => "the command show",
        _ => return None,
    };
    Some(format!("there is no {option} here, use {write} instead"))
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
        ErrorKind::UnknownArgument => match one(ContextKind::SuggestedArg) {
            Some(near) => format!("there is no {argument}, did you mean {near}?"),
            None if argument.starts_with('-') => format!("there is no {argument} here"),
            None => format!("\"{argument}\" is one argument too many"),
        },
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
            let missing = match error.get(ContextKind::InvalidArg) {
                Some(ContextValue::Strings(missing)) => missing.join(", "),
                _ => argument,
            };
            let group = missing.strip_prefix("<--").and_then(|group| group.strip_suffix('>'));
            let missing = group.map(|group| format!("--{}", group.replace('|', " or "))).unwrap_or(missing);
            format!("{missing} is missing")
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
