//! What a meter held, and when: the simulator's own record, against which every emitted value is judged.
//!
//! Values move all the time, so a line is true when each of its values lies between the smallest and the largest
//! that the meter held while the line can have been read. A stale value, one of another element and one of
//! another meter lie outside, if not in every line, then in most.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use telegraf_pm500::meter::{Profile, Table, Use, Value as Held};
use telegraf_pm500::schema::COUNTING_SINCE;

use super::line::{Line, Value};

/// Between two looks at the meter a value may go this share of its way in the window beyond what was seen.
const BETWEEN_LOOKS: f64 = 0.2;
/// And this share of itself: the shortest decimal of an f32, and the top of a slow wave.
const ROUNDING: f64 = 2e-4;

/// The past of one meter.
pub(crate) struct Truth {
    elements: Vec<(Table, String)>,
    looks: VecDeque<(SystemTime, Vec<Option<f64>>)>,
    keep: Duration,
}

impl Truth {
    /// Remembers these tables for this long.
    pub(crate) fn of(tables: &[Table], keep: Duration) -> Truth {
        let profile = Profile::built_in();
        let wanted = |table: &Table| {
            let elements = profile.elements_of(*table).filter(|(_, element)| element.usage == Use::Field);
            elements.map(|(_, element)| (element.table, element.name.clone())).collect::<Vec<_>>()
        };
        let elements = tables.iter().flat_map(wanted).collect();
        Truth { elements, looks: VecDeque::new(), keep }
    }

    /// Looks at what the meter holds now, element by element.
    pub(crate) fn look(&mut self, expected: impl Fn(Table, &str) -> Option<Held>) {
        let number = |value: Option<Held>| match value? {
            Held::Real(value) => Some(f64::from(value)),
            Held::Integer(value) => Some(value as f64),
            Held::Text(_) => None,
        };
        let now = SystemTime::now();
        let held = self.elements.iter().map(|(table, name)| number(expected(*table, name))).collect();
        self.looks.push_back((now, held));
        let old = now - self.keep;
        while self.looks.front().is_some_and(|(at, _)| *at < old) {
            self.looks.pop_front();
        }
    }

    /// Judges a data line that was read at most `before` before and `after` after its time. Returns how many
    /// values it has, or what is wrong.
    ///
    /// # Errors
    /// The first wrong value, in a sentence.
    pub(crate) fn judge(&self, line: &Line, before: Duration, after: Duration) -> Result<usize, String> {
        let suffix = line.measurement.strip_prefix("powermonitor_500").unwrap_or_default();
        let table = if suffix.is_empty() { "realtime" } else { suffix.trim_start_matches('_') };
        let at = UNIX_EPOCH + Duration::from_nanos(line.time.max(0) as u64);
        let (from, to) = (at - before, at + after);
        // The looks around the window count too: what was held in it lies between them.
        let first = self.looks.iter().rposition(|(look, _)| *look <= from).unwrap_or(0);
        let last = self.looks.iter().position(|(look, _)| *look >= to).unwrap_or(self.looks.len() - 1);
        // What the plugin adds is not the meter's.
        for (name, value) in line.fields.iter().filter(|(name, _)| *name != COUNTING_SINCE) {
            let (value, moves) = match value {
                // A counter goes one way, so that the looks around the window bound it exactly.
                Value::Integer(value) => (*value as f64, false),
                Value::Float(value) => (*value, true),
                other => return Err(format!("{name} is {other:?}, which no meter holds")),
            };
            let element = self.elements.iter().position(|(of, known)| of.name() == table && known == name);
            let Some(element) = element else { return Err(format!("{table} has no {name}")) };
            let held = self.looks.range(first..=last).filter_map(|(_, held)| held[element]);
            let (low, high) =
                held.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
            let slack = (high - low) * BETWEEN_LOOKS + high.abs().max(low.abs()) * ROUNDING;
            let slack = if moves { slack } else { 0.0 };
            if !(low - slack..=high + slack).contains(&value) {
                return Err(format!("{table}.{name} is {value}, and the meter held {low} to {high}"));
            }
        }
        Ok(line.fields.len())
    }
}
