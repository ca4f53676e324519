//! How a program ends: with its last lines written, with an answer, or with the one error.

use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;
use std::time::Duration;

use super::complaint;
use crate::{logging, plugin};

/// Exit code: the command line or the configuration must be changed, or the program could not start.
pub const BAD_CONFIG: u8 = 1;
/// How long the last lines on stderr may take to be written.
const TO_SAY: Duration = Duration::from_millis(500);
/// What Rust itself ends with after a panic.
const PANICKED: u8 = 101;

/// Starts logging, and lets what was logged leave before the process does, a panic's line, too.
pub fn run_to_the_end(run: fn() -> ExitCode) -> ExitCode {
    logging::start(log::LevelFilter::Info);
    let code = std::panic::catch_unwind(run).unwrap_or(ExitCode::from(PANICKED));
    logging::flush(TO_SAY);
    code
}

/// Prints help or version, which are answers, or says what is wrong with the command line.
pub fn answer(unparsed: &clap::Error) -> ExitCode {
    if !unparsed.use_stderr() {
        // A reader that left early wants no more of it.
        let _ = unparsed.print();
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<_> = std::env::args_os().collect();
    refuse(&complaint::sentence(unparsed, &arguments))
}

/// Says the one error, and gives Telegraf the time to read it.
pub fn refuse(error: &str) -> ExitCode {
    // Whatever is not to be said: why nothing was done is.
    log::set_max_level(log::max_level().max(log::LevelFilter::Error));
    log::error!("{}", sentence(error));
    if !stderr().is_terminal() {
        plugin::leave();
    }
    ExitCode::from(BAD_CONFIG)
}

/// Begins with a capital, as Telegraf's log lines do, unless it begins with a name.
fn sentence(text: &str) -> String {
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    // An option is written small.
    let option = words.next() == Some("=");
    if option || !first.chars().all(char::is_alphabetic) {
        return text.to_owned();
    }
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
