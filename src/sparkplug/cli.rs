//! The command line of telegraf-pm500-sparkplug, and what it asks for.

use std::path::PathBuf;

use clap::Parser;
use log::LevelFilter;

use super::config::{self, Config};
use super::{connect, program};
use crate::logging;

/// Publishes the lines of telegraf-pm500 as Sparkplug B.
///
/// An edge node of Sparkplug 3.0 over MQTT 3.1.1, whose devices are the meters. Telegraf starts it through
/// outputs.execd and writes line protocol to its stdin; it runs until that ends.
#[derive(Debug, Parser)]
#[command(name = "telegraf-pm500-sparkplug", version)]
pub struct Cli {
    /// Configuration file
    #[arg(long, short, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,
    /// Check the configuration and the files it names without contacting the broker, and exit
    #[arg(long = "check-config")]
    pub check_config: bool,
    /// Print a commented sample configuration, and exit
    #[arg(long = "sample-config")]
    pub sample_config: bool,
    /// Say what is sent and received, too
    #[arg(long)]
    pub debug: bool,
    /// Log errors only
    #[arg(long, conflicts_with = "debug")]
    pub quiet: bool,
}

impl Cli {
    /// Parses the process's arguments; long names may come with one dash, as in the plugin.
    ///
    /// # Errors
    /// Clap's, for help and version, too.
    pub fn from_arguments() -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::env::args_os().map(crate::cli::two_dashes))
    }
}

/// The declaration of the command line, for the man page and completions.
pub fn declaration() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Does what the command line asks for.
///
/// # Errors
/// What was wrong with the configuration or the start, in one sentence.
pub fn dispatch(cli: &Cli) -> anyhow::Result<()> {
    if cli.sample_config {
        print(Config::sample());
        return Ok(());
    }
    let config = Config::load(&cli.config)?;
    let level = match (cli.quiet, cli.debug) {
        (true, _) => LevelFilter::Error,
        (_, true) => LevelFilter::Debug,
        _ => config.log_level,
    };
    logging::start(level);
    if cli.check_config {
        config.login.as_ref().map(|login| login.read()).transpose()?;
        config.broker.tls.as_ref().map(connect::client_config).transpose()?;
        config.warnings().iter().for_each(|warning| log::warn!("{warning}"));
        let Config { group_id, edge_node_id, .. } = &config;
        print(&format!("{}: valid, edge node {group_id}/{edge_node_id}\n", cli.config.display()));
        return Ok(());
    }
    logging::inform_on_stdout();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(program::run(config));
    // A name lookup that hangs must not keep the process from ending.
    runtime.shutdown_background();
    done
}

/// A reader that has left wants no more.
fn print(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
}
