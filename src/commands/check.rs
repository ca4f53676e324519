//! `check`: is the configuration valid, do its meters answer, and do their numbers fit the map?

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::cli::CheckArgs;
use crate::collector::Collector;
use crate::collector::health::Outcome;
use crate::collector::judge::STRIKES;
use crate::collector::report::Report;
use crate::collector::schedule::Due;
use crate::collector::state::State;
use crate::config::{MeterConfig, Overrides, show_duration};
use crate::meter::physics::MapCheck;

use super::{GOOD, MAP_CONTRADICTED, METER_FAILED, dump, load};

/// Gathers from every meter over its own connection and prints a table. Nothing is read over Modbus
/// beside EtherNet/IP, and no class 1 connection is opened unless `--probe` says so: a check must not disturb
/// a plant.
///
/// # Errors
/// What is wrong with the configuration.
pub async fn check(args: &CheckArgs) -> anyhow::Result<u8> {
    let config = load(&args.config, &Overrides::default())?;
    config.warnings.iter().for_each(|warning| log::warn!("{warning}"));
    if log::max_level() < log::LevelFilter::Debug {
        // The table says it all.
        log::set_max_level(log::LevelFilter::Off);
    }
    let mut tasks = JoinSet::new();
    for (index, meter) in config.meters.into_iter().enumerate() {
        let intent = intent(&meter, args.probe);
        let meter = if args.probe { meter } else { meter.without_listening() };
        tasks.spawn(async move {
            let due = Due { tables: meter.tables, ..Due::default() };
            let mut collector = Collector::new(Arc::new(meter), State::in_memory());
            // One reading may have met a load step; a contradicted map needs several in a row.
            for _ in 0..STRIKES {
                collector.gather(due).await;
                if !collector.is_undecided() {
                    break;
                }
            }
            collector.close().await;
            let mut report = collector.report();
            report.notes.splice(0..0, intent);
            (index, report)
        });
    }
    let mut reports = Vec::new();
    while let Some(done) = tasks.join_next().await {
        reports.push(done?);
    }
    reports.sort_by_key(|(index, _)| *index);
    let reports: Vec<Report> = reports.into_iter().map(|(_, report)| report).collect();
    dump::print(table(&reports).as_bytes())?;
    Ok(if reports.iter().any(|report| report.map_check == MapCheck::Contradicted) {
        MAP_CONTRADICTED
    } else if reports.iter().any(|report| report.result != Outcome::Success.code().1) {
        METER_FAILED
    } else {
        GOOD
    })
}

/// What would be opened for a meter that is listened to.
fn intent(meter: &MeterConfig, probe: bool) -> Option<String> {
    let listening = meter.listening.as_ref().filter(|_| !probe)?;
    let assemblies: Vec<String> = listening.assemblies(&meter.profile).iter().map(u16::to_string).collect();
    let rpi = match listening.rpi {
        Some(rpi) => format!("at {}", show_duration(rpi)),
        None => "at the owner's packet interval".to_owned(),
    };
    Some(format!(
        "would open {} to assemblies {} {rpi}, read explicitly for this check; --probe tries it",
        meter.connection.name(),
        assemblies.join(", ")
    ))
}

/// One row per meter, what failed below it.
fn table(reports: &[Report]) -> String {
    if reports.is_empty() {
        return "The configuration is valid; no meter is configured.\n".to_owned();
    }
    let head = ["METER", "ADDRESS", "CONNECTION", "RESULT", "DEVICE", "TABLES", "MAP"];
    let mut rows: Vec<[String; 7]> = vec![head.map(str::to_owned)];
    for report in reports {
        rows.push([
            report.name.clone(),
            report.address.clone(),
            report.connection.to_owned(),
            report.result.to_owned(),
            report.device.clone().unwrap_or_else(|| "-".to_owned()),
            format!("{} of {}", report.tables_ok, report.tables),
            report.map_check.to_string(),
        ]);
    }
    let widths: Vec<usize> = (0..head.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        let Some(report) = index.checked_sub(1).and_then(|at| reports.get(at)) else { continue };
        for line in report.notes.iter().chain(&report.failures) {
            text.push_str(&format!("    {line}\n"));
        }
        for line in &report.exhibits {
            text.push_str(&format!("    received: {line}\n"));
        }
    }
    text
}
