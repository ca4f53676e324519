//! What a counter of this meter can do: how fast it can rise, how far it may step back, where it ends.

use crate::meter::Element;
use crate::meter::element::Convert;

/// Apparent power of the meter's own inputs at their end, without transformers, in VA.
const INPUTS_VA: f64 = 15_000.0;
/// A load may be this many times the largest that was seen, where the transformers are not known.
const TIMES_SEEN: f64 = 1000.0;
/// And it may be at least this much, in VA.
const LEAST_VA: f64 = 10e6;
/// No load is larger, whatever is known, in VA.
const MOST_VA: f64 = 10e9;
/// A counter that is shown in coarse steps shows at once what was counted in this time, in ms.
const COARSE: i64 = 60_000;
/// Elapsed time when the clock does not tell it, in ms.
const UNKNOWN: i64 = 24 * 3_600_000;
/// Steps back of up to this many of a counter's units are noise: 1 Wh, or 0.1 kWh where it counts in those. The shipped
/// queries know this number.
const NOISE: f64 = 100.0;
/// Where counters end that are narrower than their row says: ten digits of a display less one, 32 bits.
const ENDS: [f64; 2] = [1e9, 4_294_967_296.0];
/// A counter this part of its end before and after it has rolled over.
const NEAR: f64 = 0.001;
/// The same where it can have risen so much meanwhile.
const NEAR_AFTER_A_GAP: f64 = 0.05;

/// What is known of a meter's size.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Size {
    /// Ratio of the current transformers times that of the voltage transformers, where both are known.
    pub ratio: Option<f64>,
    /// Largest apparent power seen in VA; 0 when none was.
    pub seen: f64,
}

impl Size {
    /// No load of this meter is larger, in VA.
    pub fn most(self) -> f64 {
        match self.ratio {
            // A ratio that was set wrongly is no reason to doubt what is measured with it.
            Some(ratio) => (INPUTS_VA * ratio).max(2.0 * self.seen).min(MOST_VA),
            None if self.seen > 0.0 => (TIMES_SEEN * self.seen).clamp(LEAST_VA, MOST_VA),
            None => MOST_VA,
        }
    }
}

/// What one counter can do. Amounts are in its own unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Rise per hour.
    per_hour: f64,
    /// Largest step back that is noise.
    pub noise: i64,
    /// What a counter that is shown in steps may rise at once, whatever the time.
    steps: i64,
    /// Where its row ends.
    end: f64,
}

impl Limits {
    /// Of the counter of this row, which stands near `value`, in a meter of this size.
    pub fn of(element: &Element, value: i64, size: Size) -> Limits {
        let steps = if element.convert == Convert::HoursMinutes { 60.0 } else { 1.0 };
        let coarse = element.place.map_or(1.0, |place| place.form.step_at(value as f64));
        let per_hour = if element.unit == "s" { 2.0 * 3600.0 } else { size.most() };
        let noise = NOISE * steps;
        Limits { per_hour, noise: noise as i64, steps: noise.max(2.0 * coarse) as i64, end: element.range.1 }
    }

    /// The largest rise in the time from one moment to another, in ms since the epoch.
    pub fn rise(&self, from: i64, to: i64) -> i64 {
        let elapsed = if from <= 0 || to < from { UNKNOWN } else { to - from };
        let hours = (elapsed.saturating_add(COARSE)) as f64 / 3.6e6;
        ((self.per_hour * hours) as i64).saturating_add(self.steps)
    }

    /// Whether a counter that fell like this passed its end. `rise` is what it can have risen.
    pub fn rolled_over(&self, before: i64, after: i64, rise: i64) -> bool {
        let (before, after) = (before as f64, after as f64);
        ENDS.into_iter().chain([self.end]).any(|end| {
            let near = (rise as f64).clamp(end * NEAR, end * NEAR_AFTER_A_GAP);
            before <= end && end - before <= near && after <= near
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_bounded_by_the_transformers_and_else_by_what_was_seen() {
        let size = |ratio, seen| Size { ratio, seen }.most();
        assert_eq!(size(Some(40.0), 0.0), 600e3);
        assert_eq!(size(Some(1.0), 50e3), 100e3, "a meter that measures 50 kVA is not one for 15 kVA");
        assert_eq!((size(None, 50e3), size(None, 100.0)), (50e6, 10e6));
        assert_eq!(size(None, 0.0), 10e9);
    }
}
