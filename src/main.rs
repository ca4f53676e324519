//! `telegraf-pm500`: parse the command line, hand over to one command, print one error.

use std::process::ExitCode;

use telegraf_pm500::cli::{Cli, answer, refuse, run_to_the_end};
use telegraf_pm500::commands;

fn main() -> ExitCode {
    run_to_the_end(|| {
        let cli = match Cli::from_arguments() {
            Ok(cli) => cli,
            Err(unparsed) => return answer(&unparsed),
        };
        match commands::dispatch(cli) {
            Ok(code) => ExitCode::from(code),
            Err(error) => refuse(&format!("{error:#}")),
        }
    })
}
