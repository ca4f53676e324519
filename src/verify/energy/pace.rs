//! The energy counters beside the integral of power: a counter that runs at another pace has another ratio.

use crate::meter::{Profile, Readings, Table, names};

/// What counters and power say of the same time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// What the counters moved by, export taken off, in Wh.
    pub counted: f64,
    /// The integral of active power, in Wh.
    pub expected: f64,
    /// The time, in seconds.
    pub seconds: f64,
    /// What the counters can be wrong by, in Wh.
    pub grain: f64,
}

impl Pace {
    /// From readings that hold energy and power of the same moments, in order.
    pub fn of(profile: &Profile, readings: &[Readings]) -> Option<Pace> {
        let energy = |name: &str| profile.index_of(Table::Energy, name);
        let (import, export) = (energy(names::ACTIVE_IMPORT)?, energy(names::ACTIVE_EXPORT));
        let power = profile.index_of(Table::Realtime, names::ACTIVE[3])?;
        let place = profile.elements[import].place?;
        let net = |one: &Readings| {
            let export = export.and_then(|export| one.number(export)).unwrap_or(0.0);
            Some(one.number(import)? - export)
        };
        let samples: Vec<(f64, f64, f64)> = readings
            .iter()
            .filter_map(|one| {
                let at = one.taken(Table::Realtime)?.duration_since(std::time::UNIX_EPOCH).ok()?;
                Some((at.as_secs_f64(), net(one)?, one.number(power)?))
            })
            .collect();
        let (first, last) = (samples.first()?, samples.last()?);
        let area =
            |pair: &[(f64, f64, f64)]| (pair[1].0 - pair[0].0) * (pair[0].2 + pair[1].2) / 2.0 / 3600.0;
        Some(Pace {
            counted: last.1 - first.1,
            expected: samples.windows(2).map(area).sum(),
            seconds: last.0 - first.0,
            // Two counters, each cut off at both ends.
            grain: 2.0 * place.form.step().unwrap_or(1.0).max(1.0),
        })
    }

    /// Whether enough has passed to tell.
    fn tells(&self) -> bool {
        self.expected.abs() >= 10.0 * self.grain
    }

    /// What was seen, in a sentence.
    pub fn said(&self) -> Option<String> {
        let Pace { counted, expected, seconds, .. } = self;
        self.tells().then(|| {
            format!("the counters moved by {counted:.0} Wh in {seconds:.0} s, and the integral of power is {expected:.0} Wh")
        })
    }

    /// What is odd about it, in a sentence.
    pub fn hint(&self) -> Option<String> {
        let times = self.counted / self.expected;
        (self.tells() && (times - 1.0).abs() > 0.2).then(|| {
            format!(
                "the energy counters run {times:.2} times as fast as power says: a ratio or a unit differs between the two"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_at_another_pace_are_hinted_at_and_a_short_time_tells_nothing() {
        let pace = |counted, expected| Pace { counted, expected, seconds: 10.0, grain: 2.0 };
        assert_eq!(pace(130.0, 133.0).hint(), None);
        assert!(pace(130.0, 133.0).said().is_some_and(|said| said.contains("130 Wh in 10 s")));
        assert!(pace(6.6, 133.0).hint().is_some_and(|hint| hint.contains("0.05 times")));
        assert_eq!((pace(0.0, 5.0).said(), pace(0.0, 5.0).hint()), (None, None));
    }
}
