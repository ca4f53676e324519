//! `telegraf-pm500-sparkplug`: parse the command line, run, print one error.

use std::process::ExitCode;

use telegraf_pm500::cli::{answer, refuse, run_to_the_end};
use telegraf_pm500::sparkplug::cli::{Cli, dispatch};

fn main() -> ExitCode {
    run_to_the_end(|| {
        let cli = match Cli::from_arguments() {
            Ok(cli) => cli,
            Err(unparsed) => return answer(&unparsed),
        };
        match dispatch(&cli) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => refuse(&format!("{error:#}")),
        }
    })
}
