//! `show`: the values a person wants, with their units; JSON and CSV for programs.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::bail;

use crate::cli::ShowArgs;
use crate::display::export::{self, Columns};
use crate::display::{Latest, Page, show};

use super::meters::Meters;
use super::{GOOD, METER_FAILED, answer, rounds};

/// Reads meters and prints their values; exit code 2 when a meter's last gather was not a success.
///
/// # Errors
/// What is wrong with the arguments or the configuration.
pub async fn show(args: &ShowArgs) -> anyhow::Result<u8> {
    if args.meters.names_none() {
        bail!("name a meter (show 192.168.1.50), a configuration (--config FILE), or try --simulated");
    }
    let count = args.count.or(args.interval.is_none().then_some(1));
    let meters = Meters::named(&args.meters, &args.listen, args.interval).await?;
    meters.config.told().for_each(|warning| log::warn!("{warning}"));
    if !args.csv && !args.json && log::max_level() < log::LevelFilter::Debug {
        // What fails stands below each meter's values.
        log::set_max_level(log::LevelFilter::Off);
    }
    let configs = &meters.config.meters;
    let columns = Columns::of(configs);
    if args.csv && !answer::print(columns.header())? {
        return Ok(GOOD);
    }
    let mut latest: Vec<Latest> =
        configs.iter().map(|config| Latest::new(Arc::new(config.clone()))).collect();
    let page = Page::of_stdout();
    // A person reads one meter after the other, in the order in which they were named.
    let mut round: Vec<bool> = vec![false; configs.len()];
    let mut printed = false;
    let good = rounds::run(configs, count, |index, report| {
        if args.csv {
            return answer::print(columns.row(&report));
        }
        let Some(meter) = latest.get_mut(index) else { return Ok(true) };
        meter.take(&report);
        if args.json {
            return answer::print(format!("{}\n", export::json(meter, SystemTime::now())));
        }
        if !report.status_due {
            return Ok(true);
        }
        if let Some(shown) = round.get_mut(index) {
            *shown = true;
        }
        if !round.iter().all(|shown| *shown) {
            return Ok(true);
        }
        round.fill(false);
        let now = SystemTime::now();
        let texts: Vec<String> = latest.iter().map(|meter| show::text(meter, now, page)).collect();
        let before = if printed { "\n" } else { "" };
        printed = true;
        answer::print(format!("{before}{}", texts.join("\n")))
    })
    .await?;
    meters.end().await;
    Ok(if good { GOOD } else { METER_FAILED })
}
