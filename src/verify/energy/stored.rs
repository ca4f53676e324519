//! What a database has stored of a meter → a recording: `powermonitor_500_raw` and realtime lines, in line protocol.

use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};

use crate::meter::Table;

use super::track::{Power, Recording, Sample};

/// Why stored lines are no recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// A line is no line protocol.
    #[error("line {0} is no line protocol: export lines, not CSV")]
    Line(usize),
    /// No line of assembly 107.
    #[error(
        "there is no line of powermonitor_500_raw: raw_energy = true stores it; export both measurements, powermonitor_500 \
         and powermonitor_500_raw"
    )]
    NoRaw,
    /// No line with power.
    #[error(
        "there is no line of powermonitor_500 with active_power_total_w, of which the counters are the integral"
    )]
    NoPower,
    /// Several meters in one file.
    #[error("the lines are of several meters ({0}): name one with --meter")]
    Meters(String),
}

/// A stretch without readings that is so many times longer than the usual distance is a gap: power is unknown in it.
const GAP: f64 = 5.0;

/// Reads lines of one meter; `meter` names it where there are several.
///
/// # Errors
/// [`StoredError`], in words for people.
pub fn read(text: &str, meter: Option<&str>) -> Result<Recording, StoredError> {
    let mut meters: Vec<String> = Vec::new();
    let mut recording = Recording::default();
    for (n, line) in parse_lines(text).enumerate() {
        let line = line.map_err(|_| StoredError::Line(n + 1))?;
        let name = line.tag_value("meter").map(|name| name.to_string()).unwrap_or_default();
        let measurement = line.series.measurement.as_str();
        let wanted = [Table::Realtime.measurement(), Table::Raw.measurement()];
        if !wanted.contains(&measurement) || meter.is_some_and(|meter| meter != name) {
            continue;
        }
        let Some(at) = line.timestamp.map(|nanoseconds| nanoseconds as f64 / 1e9) else { continue };
        if !meters.contains(&name) {
            meters.push(name);
        }
        let number = |field: &str| number(&line, field);
        if measurement == wanted[1] {
            recording.samples.push(Sample { at, reals: reals(&line) });
        } else if let Some(active) = number("active_power_total_w") {
            let reactive = number("reactive_power_total_var").unwrap_or(0.0);
            recording.power.push(Power { at, active, reactive });
        }
    }
    if meters.len() > 1 {
        return Err(StoredError::Meters(meters.join(", ")));
    }
    recording.samples.sort_by(|a, b| a.at.total_cmp(&b.at));
    recording.power.sort_by(|a, b| a.at.total_cmp(&b.at));
    match (recording.samples.is_empty(), recording.power.is_empty()) {
        (true, _) => Err(StoredError::NoRaw),
        (_, true) => Err(StoredError::NoPower),
        _ => Ok(longest(recording)),
    }
}

/// The REALs of a line of `powermonitor_500_raw`, in the order of the assembly; NaN for one that is missing.
pub fn reals(line: &ParsedLine<'_>) -> Vec<f64> {
    (0..18).map(|n| number(line, &format!("e{n:02}")).unwrap_or(f64::NAN)).collect()
}

fn number(line: &ParsedLine<'_>, field: &str) -> Option<f64> {
    match line.field_value(field)? {
        FieldValue::F64(value) => Some(*value),
        FieldValue::I64(value) => Some(*value as f64),
        FieldValue::U64(value) => Some(*value as f64),
        FieldValue::String(_) | FieldValue::Boolean(_) => None,
    }
}

/// The longest stretch in which power was read without a gap.
fn longest(recording: Recording) -> Recording {
    let times: Vec<f64> = recording.power.iter().map(|power| power.at).collect();
    let mut apart: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    apart.sort_by(f64::total_cmp);
    let Some(usual) = apart.get(apart.len() / 2).copied() else { return recording };
    let (mut best, mut from) = ((times[0], times[0]), times[0]);
    for pair in times.windows(2) {
        if pair[1] - pair[0] > GAP * usual {
            from = pair[1];
        }
        if pair[1] - from > best.1 - best.0 {
            best = (from, pair[1]);
        }
    }
    let inside = |at: f64| best.0 <= at && at <= best.1;
    Recording {
        samples: recording.samples.into_iter().filter(|sample| inside(sample.at)).collect(),
        power: recording.power.into_iter().filter(|power| inside(power.at)).collect(),
    }
}
