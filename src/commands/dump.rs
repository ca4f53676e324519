//! `dump`: the line protocol of a few meters on stdout, by hand.

use anyhow::bail;

use crate::cli::DumpArgs;
use crate::config::Config;
use crate::lines::{Batch, Lines};

use super::meters::Meters;
use super::{GOOD, METER_FAILED, answer, rounds};

/// Prints line protocol; exit code 2 when a meter's last gather was not a success.
///
/// # Errors
/// What is wrong with the addresses or options.
pub async fn dump(args: DumpArgs) -> anyhow::Result<u8> {
    let count = args.count.or(args.interval.is_none().then_some(1));
    if args.meters.names_none() {
        bail!("name a meter (dump 192.168.1.50), a configuration (--config FILE), or try --simulated");
    }
    let meters = Meters::named(&args.meters, &args.listen, args.interval).await?;
    let done = gather(meters.config.clone(), count).await;
    meters.end().await;
    done
}

/// Gathers from all meters side by side and prints each meter's lines as they come.
///
/// # Errors
/// When stdout cannot be written; a reader that has read enough is no error.
pub(super) async fn gather(config: Config, count: Option<u64>) -> anyhow::Result<u8> {
    config.told().for_each(|warning| log::warn!("{warning}"));
    if config.meters.is_empty() {
        log::info!("No meter is configured; add an [[inputs.powermonitor_500.meter]] table");
    }
    let mut lines: Vec<Lines> = config.meters.iter().map(|_| Lines::default()).collect();
    let mut batch = Batch::default();
    let good = rounds::run(&config.meters, count, |index, report| {
        let Some(lines) = lines.get_mut(index) else { return Ok(true) };
        batch = lines.render(&report, std::mem::take(&mut batch));
        answer::print(batch.bytes())
    });
    Ok(if good.await? { GOOD } else { METER_FAILED })
}
