//! How long a round of a line takes: what its meters took, measured, against how often they are to be read.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::collector::report::Report;
use crate::config::show_duration;

/// A sentence for each line that was used, if several meters share it or it is a serial port's.
pub(super) fn in_words<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Vec<String> {
    let mut lines: BTreeMap<&str, Vec<(&Report, Duration)>> = BTreeMap::new();
    for report in reports {
        if let Some(took) = report.health.line_time {
            lines.entry(&report.device.address).or_default().push((report, took));
        }
    }
    let shared = |on_it: &[(&Report, Duration)]| {
        on_it.len() > 1 || on_it.iter().any(|(report, _)| report.config.modbus.serial.is_some())
    };
    lines
        .into_iter()
        .filter(|(_, on_it)| shared(on_it))
        .filter_map(|(line, on_it)| of(line, &on_it))
        .collect()
}

fn of(line: &str, on_it: &[(&Report, Duration)]) -> Option<String> {
    let interval = on_it.iter().map(|(report, _)| report.config.interval).min()?;
    let round: Duration = on_it.iter().map(|(_, took)| *took).sum();
    let round = Duration::from_millis(u64::try_from(round.as_millis()).ok()?);
    let of_whom = match on_it.len() {
        1 => "its meter".to_owned(),
        count => format!("its {count} meters"),
    };
    let (took, every) = (show_duration(round), show_duration(interval));
    Some(if round > interval {
        format!(
            "{line}: a round of {of_whom} with all tables takes {took}, longer than the interval of {every}; make the \
             interval longer, read fewer tables, or use a higher baud rate"
        )
    } else {
        format!("{line}: a round of {of_whom} with all tables takes {took} of the interval of {every}")
    })
}
