//! The values that a meter measures at one instant, by the names of the profile's fields.

/// What a [`Sample`] holds, by the names of the profile's fields.
pub(super) const NAMES: [&str; COUNT] = [
    "voltage_l1_n_v",
    "voltage_l2_n_v",
    "voltage_l3_n_v",
    "voltage_ln_avg_v",
    "voltage_l1_l2_v",
    "voltage_l2_l3_v",
    "voltage_l3_l1_v",
    "voltage_ll_avg_v",
    "current_l1_a",
    "current_l2_a",
    "current_l3_a",
    "current_n_a",
    "active_power_l1_w",
    "active_power_l2_w",
    "active_power_l3_w",
    "active_power_total_w",
    "apparent_power_l1_va",
    "apparent_power_l2_va",
    "apparent_power_l3_va",
    "apparent_power_total_va",
    "reactive_power_l1_var",
    "reactive_power_l2_var",
    "reactive_power_l3_var",
    "reactive_power_total_var",
    "power_factor_l1",
    "power_factor_l2",
    "power_factor_l3",
    "power_factor_total",
    "frequency_hz",
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
