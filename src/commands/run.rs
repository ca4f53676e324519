//! The plugin as Telegraf starts it, and the flags that answer at once.

use log::LevelFilter;

use crate::cli::PluginArgs;
use crate::config::{Config, Overrides};
use crate::{logging, plugin};

use super::{GOOD, answer, line_protocol};

/// Runs the plugin, or answers `--sample-config`, `--check-config` or `--once`. `level` was given on the
/// command line and wins over the configuration's.
///
/// # Errors
/// What is wrong with the configuration, or what could not be started.
pub async fn run(args: PluginArgs, level: Option<LevelFilter>) -> anyhow::Result<u8> {
    if args.sample_config {
        return answer::print(Config::sample().as_bytes()).map(|_| GOOD);
    }
    let config = Config::load(&args.config, &Overrides { interval: args.poll_interval })?;
    logging::start(level.unwrap_or(config.log_level));
    if args.check_config {
        let meters = match config.meters.len() {
            1 => "1 meter".to_owned(),
            count => format!("{count} meters"),
        };
        let text = format!("{}: valid, {meters}\n", args.config.display());
        config.told().for_each(|warning| log::warn!("{warning}"));
        return answer::print(text.as_bytes()).map(|_| GOOD);
    }
    if args.once {
        return line_protocol::print(config, Some(1)).await;
    }
    plugin::run(config, args.poll_interval_disabled).await?;
    Ok(GOOD)
}
