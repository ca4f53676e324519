//! What a database has stored of a meter → a recording: `powermonitor_500_raw` and realtime lines, in line protocol.

use std::collections::BTreeMap;

use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};

use crate::meter::Table;
use crate::meter::names::{ACTIVE, REACTIVE};

use super::quantity::Power;
use super::track::{Recording, Sample};

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
        "there is no line of powermonitor_500 with {}, of which the counters are the integral",
        ACTIVE[3]
    )]
    NoPower,
    /// Several meters in one file.
    #[error("the lines are of several meters ({0}): name one with --meter")]
    Meters(String),
}

/// A stretch without readings that is so many times longer than the usual distance is a gap: power is unknown in it.
const GAP: f64 = 5.0;

/// What a database has stored of one meter, by time in nanoseconds since the epoch. Exports write a line for each field:
/// what has one time belongs together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stored {
    /// Assembly 107, undecoded.
    pub raw: BTreeMap<i64, Raw>,
    /// Total active and reactive power, in W and var.
    pub power: BTreeMap<i64, (Option<f64>, Option<f64>)>,
}

/// Assembly 107 at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    /// The tags of its line.
    pub tags: Vec<(String, String)>,
    /// Its REALs; NaN for one that is missing.
    pub reals: [f64; REALS],
}

/// REALs of assembly 107.
pub const REALS: usize = 18;

/// Reads lines; `meter` names one where they are of several.
///
/// # Errors
/// [`StoredError`], in words for people.
pub fn parse(text: &str, meter: Option<&str>) -> Result<Stored, StoredError> {
    let mut meters: Vec<String> = Vec::new();
    let mut stored = Stored::default();
    for (n, line) in parse_lines(text).enumerate() {
        let line = line.map_err(|_| StoredError::Line(n + 1))?;
        let name = line.tag_value("meter").map(|name| name.to_string()).unwrap_or_default();
        let measurement = line.series.measurement.as_str();
        let wanted = [Table::Realtime.measurement(), Table::Raw.measurement()];
        if !wanted.contains(&measurement) || meter.is_some_and(|meter| meter != name) {
            continue;
        }
        let Some(at) = line.timestamp else { continue };
        if !meters.contains(&name) {
            meters.push(name);
        }
        if measurement == wanted[1] {
            let raw =
                stored.raw.entry(at).or_insert_with(|| Raw { tags: tags(&line), reals: [f64::NAN; REALS] });
            for (n, real) in raw.reals.iter_mut().enumerate() {
                *real = number(&line, &format!("e{n:02}")).unwrap_or(*real);
            }
        } else {
            let (active, reactive) = stored.power.entry(at).or_default();
            *active = number(&line, ACTIVE[3]).or(*active);
            *reactive = number(&line, REACTIVE[3]).or(*reactive);
        }
    }
    if meters.len() > 1 {
        return Err(StoredError::Meters(meters.join(", ")));
    }
    match stored.raw.is_empty() {
        true => Err(StoredError::NoRaw),
        false => Ok(stored),
    }
}

/// Reads lines of one meter as a recording; `meter` names it where there are several.
///
/// # Errors
/// [`StoredError`], in words for people.
pub fn read(text: &str, meter: Option<&str>) -> Result<Recording, StoredError> {
    let Stored { raw, power } = parse(text, meter)?;
    let seconds = |at: i64| at as f64 / 1e9;
    let samples =
        raw.into_iter().map(|(at, raw)| Sample { at: seconds(at), reals: raw.reals.to_vec() }).collect();
    let power: Vec<Power> = power
        .into_iter()
        .filter_map(|(at, (active, reactive))| {
            Some(Power { at: seconds(at), active: active?, reactive: reactive.unwrap_or(0.0) })
        })
        .collect();
    match power.is_empty() {
        true => Err(StoredError::NoPower),
        false => Ok(longest(Recording { samples, power })),
    }
}

fn tags(line: &ParsedLine<'_>) -> Vec<(String, String)> {
    let tags = line.series.tag_set.iter().flatten();
    tags.map(|(key, value)| (key.to_string(), value.to_string())).collect()
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
