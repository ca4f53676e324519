//! Reports of a few meters → line protocol on stdout, gathered by hand.

use crate::config::Config;
use crate::lines::{Batch, Lines};

use super::{GOOD, METER_FAILED, answer, rounds};

/// Gathers from all meters side by side and prints each meter's lines as they come; exit code 2 when a meter's
/// last gather was not a success.
///
/// # Errors
/// When stdout cannot be written; a reader that has read enough is no error.
pub(super) async fn print(config: Config, count: Option<u64>) -> anyhow::Result<u8> {
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
