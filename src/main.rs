//! `telegraf-pm500`: parse the command line, hand over to one command, print one error.

use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;

use telegraf_pm500::cli::Cli;
use telegraf_pm500::{commands, logging, plugin};

fn main() -> ExitCode {
    logging::start(log::LevelFilter::Info);
    let cli = match Cli::from_arguments() {
        Ok(cli) => cli,
        Err(asked) if !asked.use_stderr() => {
            // Help and version are answers; a reader that left early wants no more of them.
            let _ = asked.print();
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            let text = wrong.to_string();
            // What is missing or possible stands on lines of its own; tips and usage follow after an empty one.
            let said: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
            let said = said.join(" ");
            return refuse(&format!("{} (see --help)", said.strip_prefix("error: ").unwrap_or(&said)));
        }
    };
    match commands::dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => refuse(&format!("{error:#}")),
    }
}

/// Says the one error, and gives Telegraf the time to read it.
fn refuse(error: &str) -> ExitCode {
    log::error!("{}", sentence(error));
    if !stderr().is_terminal() {
        plugin::leave();
    }
    ExitCode::from(commands::BAD_CONFIG)
}

/// Begins with a capital, as Telegraf's log lines do, unless it begins with a name.
fn sentence(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    if !first.chars().all(char::is_alphabetic) {
        return text.to_owned();
    }
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
