//! Steps of counters → may an interval be called complete?
//!
//! A counter that comes in REALs tells a large number in steps of many Wh. An interval of fewer than a few of them has an
//! energy that is mostly rounding, however exactly its boundaries were met.

use crate::meter::names::ENERGIES;
use crate::meter::{Profile, Readings, Table, Value};

use super::{Interval, Quality};

/// An energy of fewer steps than this is told badly.
const FEW: f64 = 4.0;

/// The steps in which [`ENERGIES`] come over EtherNet/IP, in their unit; 1 for one that tells every unit, or that was not
/// read.
pub fn steps(profile: &Profile, readings: &Readings) -> [f64; 4] {
    ENERGIES.map(|name| {
        let step = || {
            let index = profile.index_of(Table::Energy, name)?;
            let Some(Value::Integer(value)) = readings.get(index) else { return None };
            Some(profile.elements.get(index)?.place?.form.step_at(*value as f64))
        };
        step().unwrap_or(1.0)
    })
}

/// Takes the name "complete" from an interval that its counters tell badly. Import and export are two sides of one
/// thing: one may stand still when the other moves.
pub fn judge(interval: &mut Interval, steps: [f64; 4]) {
    let told = |n: usize| interval.energy[n].map(|energy| energy as f64 >= FEW * steps[n]);
    let still = |n: usize| interval.energy[n].is_none_or(|energy| energy == 0);
    let badly = |(one, other): (usize, usize)| {
        let coarse = steps[one] > 1.0 || steps[other] > 1.0;
        let neither = told(one) != Some(true) && told(other) != Some(true);
        let little = |n: usize| !still(n) && told(n) == Some(false);
        let known = interval.energy[one].is_some() || interval.energy[other].is_some();
        coarse && known && (neither || little(one) || little(other))
    };
    if interval.quality == Quality::Complete && [(0, 1), (2, 3)].into_iter().any(badly) {
        interval.quality = Quality::Partial;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_a_few_steps_is_not_complete() {
        let quality = |energy: [Option<i64>; 4], step: f64| {
            let mut interval = Interval {
                end: 0,
                length: 900_000,
                energy,
                start_offset: 0,
                end_offset: 0,
                quality: Quality::Complete,
                mean_power: None,
                coverage: 100.0,
            };
            judge(&mut interval, [step; 4]);
            interval.quality
        };
        let (complete, partial) = (Quality::Complete, Quality::Partial);
        assert_eq!(quality([Some(1), Some(0), Some(1), Some(0)], 1.0), complete, "every Wh is told");
        assert_eq!(quality([Some(512), Some(0), Some(4096), Some(0)], 64.0), complete);
        assert_eq!(quality([Some(128), Some(0), Some(4096), Some(0)], 64.0), partial, "two steps");
        assert_eq!(
            quality([Some(0), Some(0), Some(4096), Some(0)], 64.0),
            partial,
            "less than a step, or nothing"
        );
        assert_eq!(quality([Some(0), Some(512), Some(0), Some(512)], 64.0), complete, "export only");
        assert_eq!(quality([Some(512), Some(64), None, None], 64.0), partial, "import well, export badly");
        assert_eq!(quality([Some(512), None, None, None], 64.0), complete, "nothing but import is read");
    }
}
