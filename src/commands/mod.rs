//! One file per thing a person can ask for, and the way from the command line to it.

use clap::CommandFactory;

use crate::cli::{BAD_CONFIG, Cli, Command};
use crate::logging;

mod answer;
pub mod check;
pub mod discover;
pub mod dump;
pub mod energy;
pub mod fields;
mod line_protocol;
mod line_time;
mod meters;
mod output_file;
mod rounds;
pub mod run;
pub mod show;
pub mod simulate;
pub mod verify;
pub mod watch;

/// Exit code: everything went well.
pub const GOOD: u8 = 0;
/// Exit code: a meter was not read, or not completely.
pub const METER_FAILED: u8 = 2;
/// Exit code: a meter's numbers contradict the register map.
pub const MAP_CONTRADICTED: u8 = 3;
/// The exit codes in words, for the man page.
pub const EXIT_CODES: [(u8, &str); 4] = [
    (GOOD, "Good."),
    (BAD_CONFIG, "The command line or the configuration must be changed, or the program could not start."),
    (METER_FAILED, "A meter was not read, or not completely. Never from the plugin under Telegraf."),
    (MAP_CONTRADICTED, "A meter's values contradict the register map."),
];

/// Runs the command that was asked for and returns the exit code.
///
/// # Errors
/// What was wrong with the configuration or the start, in one sentence.
pub fn dispatch(cli: Cli) -> anyhow::Result<u8> {
    let level = match (cli.quiet, cli.debug, cli.trace) {
        (true, ..) => Some(log::LevelFilter::Error),
        (_, true, _) => Some(log::LevelFilter::Debug),
        (.., true) => Some(log::LevelFilter::Trace),
        _ => None,
    };
    if let Some(level) = level {
        logging::start(level);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match cli.command {
            Some(Command::Dump(args)) => dump::dump(*args).await,
            Some(Command::Show(args)) => show::show(&args).await,
            Some(Command::Watch(args)) => watch::watch(&args).await,
            Some(Command::Check(args)) => check::check(&args).await,
            Some(Command::Discover(args)) => discover::discover(&args).await,
            Some(Command::Verify(args)) => verify::verify(&args).await,
            Some(Command::Fields(args)) => fields::fields(&args),
            Some(Command::Energy(args)) => energy::energy(&args),
            Some(Command::Simulate(args)) => simulate::simulate(*args).await,
            None => run::run(cli.plugin, level).await,
        }
    });
    // A name lookup that hangs must not keep the process from ending.
    runtime.shutdown_background();
    done
}

/// The declaration of the command line, for the man page and completions.
pub fn declaration() -> clap::Command {
    Cli::command()
}
