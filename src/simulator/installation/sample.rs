//! The values that a meter measures at one instant, by the names of the profile's fields.

use crate::meter::names;

/// What a [`Sample`] holds, by the names of the profile's fields.
pub(super) const NAMES: [&str; COUNT] = [
    names::STAR[0],
    names::STAR[1],
    names::STAR[2],
    names::STAR[3],
    names::DELTA[0],
    names::DELTA[1],
    names::DELTA[2],
    names::DELTA[3],
    names::CURRENT[0],
    names::CURRENT[1],
    names::CURRENT[2],
    names::CURRENT[3],
    names::ACTIVE[0],
    names::ACTIVE[1],
    names::ACTIVE[2],
    names::ACTIVE[3],
    names::APPARENT[0],
    names::APPARENT[1],
    names::APPARENT[2],
    names::APPARENT[3],
    names::REACTIVE[0],
    names::REACTIVE[1],
    names::REACTIVE[2],
    names::REACTIVE[3],
    names::FACTOR[0],
    names::FACTOR[1],
    names::FACTOR[2],
    names::FACTOR[3],
    names::FREQUENCY,
];
pub(super) const COUNT: usize = 29;

/// Everything the meter measures at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::simulator) struct Sample([f64; COUNT]);

impl Sample {
    /// From values in the order of the names.
    pub(super) fn new(values: [f64; COUNT]) -> Sample {
        Sample(values)
    }

    /// A value by its field name, in the field's unit.
    pub(in crate::simulator) fn get(&self, name: &str) -> Option<f64> {
        Some(self.0[NAMES.iter().position(|known| *known == name)?])
    }

    /// The larger of each pair of values.
    pub(in crate::simulator) fn max(self, other: Sample) -> Sample {
        Sample(std::array::from_fn(|i| self.0[i].max(other.0[i])))
    }

    /// The mean of each value; `None` without a sample.
    pub(in crate::simulator) fn mean(samples: impl Iterator<Item = Sample>) -> Option<Sample> {
        let (mut sum, mut count) = ([0.0; COUNT], 0u32);
        for sample in samples {
            sum.iter_mut().zip(sample.0).for_each(|(sum, value)| *sum += value);
            count += 1;
        }
        (count > 0).then(|| Sample(sum.map(|sum| sum / f64::from(count))))
    }
}
