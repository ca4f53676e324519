//! The electrical model: a 230/400 V, 50 Hz installation with an unbalanced load that is never quite still.
//!
//! Active power, reactive power and voltage of each phase are sums of sine waves; everything else follows
//! from them by physics, so that the numbers obey every law exactly. Sine waves have a closed integral:
//! energy is the true integral of power at any time, without a task that ticks. Two phases are inductive,
//! the third is a little capacitive (power factor: + lag, - lead, as the sibling signs it).

use std::f64::consts::TAU;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::wiring::Wiring;

/// What a [`Sample`] holds, by the names of the profile's fields.
const NAMES: [&str; COUNT] = [
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
const COUNT: usize = 29;

/// Mean active power of the phases, in W.
const ACTIVE: [f64; 3] = [18_000.0, 14_500.0, 11_000.0];
/// Mean reactive over mean active power of the phases; the third leads.
const REACTIVE: [f64; 3] = [0.45, 0.38, -0.12];
/// Mean voltage of the phases against neutral, in V.
const VOLTAGE: [f64; 3] = [230.6, 229.8, 231.3];

/// Everything the meter measures at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample([f64; COUNT]);

impl Sample {
    /// A value by its field name, in the field's unit.
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        Some(self.0[NAMES.iter().position(|known| *known == name)?])
    }

    /// The larger of each pair of values.
    pub(super) fn max(self, other: Sample) -> Sample {
        Sample(std::array::from_fn(|i| self.0[i].max(other.0[i])))
    }

    /// The mean of each value; `None` without a sample.
    pub(super) fn mean(samples: impl Iterator<Item = Sample>) -> Option<Sample> {
        let (mut sum, mut count) = ([0.0; COUNT], 0u32);
        for sample in samples {
            sum.iter_mut().zip(sample.0).for_each(|(sum, value)| *sum += value);
            count += 1;
        }
        (count > 0).then(|| Sample(sum.map(|sum| sum / f64::from(count))))
    }
}

/// A mean value with a slow swing, a medium one and a ripple.
#[derive(Debug, Clone)]
struct Wave {
    mean: f64,
    /// Amplitude, angular frequency in rad/s, phase in rad.
    swings: [(f64, f64, f64); 3],
}

impl Wave {
    /// `lively` is the largest relative departure from the mean.
    fn new(mean: f64, lively: f64, random: &mut StdRng) -> Wave {
        let mut swing = |share: f64, seconds: std::ops::Range<f64>| {
            let period = random.random_range(seconds);
            (mean * lively * share, TAU / period, random.random_range(0.0..TAU))
        };
        let swings = [swing(0.6, 1200.0..2400.0), swing(0.3, 90.0..240.0), swing(0.1, 7.0..17.0)];
        Wave { mean, swings }
    }

    fn at(&self, seconds: f64) -> f64 {
        self.mean + self.swings.iter().map(|(a, w, phase)| a * (w * seconds + phase).sin()).sum::<f64>()
    }

    /// An antiderivative of [`Wave::at`].
    fn integral(&self, seconds: f64) -> f64 {
        let swings = self.swings.iter().map(|(a, w, phase)| a / w * (w * seconds + phase).cos());
        self.mean * seconds - swings.sum::<f64>()
    }
}

/// An installation: the same seed gives the same numbers at the same time.
#[derive(Debug, Clone)]
pub(super) struct Load {
    active: [Wave; 3],
    reactive: [Wave; 3],
    voltage: [Wave; 3],
    frequency: Wave,
    wiring: Wiring,
}

impl Load {
    /// An installation of its own size, between 80 and 120 % of the mean one.
    pub(super) fn new(seed: u64, wiring: Wiring) -> Load {
        let mut random = StdRng::seed_from_u64(seed);
        let size = random.random_range(0.8..1.2);
        Load {
            active: ACTIVE.map(|watts| Wave::new(watts * size, 0.35, &mut random)),
            reactive: std::array::from_fn(|i| Wave::new(ACTIVE[i] * REACTIVE[i] * size, 0.25, &mut random)),
            voltage: VOLTAGE.map(|volts| Wave::new(volts, 0.012, &mut random)),
            frequency: Wave::new(50.0, 0.0008, &mut random),
            wiring,
        }
    }

    /// Active power of the system that is exceeded now and then, in W; alarm 1 watches it.
    pub(super) fn high_power(&self) -> f64 {
        1.1 * self.active.iter().map(|wave| wave.mean).sum::<f64>()
    }

    /// What the meter measures at a time in seconds.
    pub(super) fn at(&self, seconds: f64) -> Sample {
        let at = |waves: &[Wave; 3]| [0, 1, 2].map(|i| waves[i].at(seconds));
        let (voltage, active, reactive) = (at(&self.voltage), at(&self.active), at(&self.reactive));
        let inputs = self.wiring.inputs();
        let v = inputs.map(|input| voltage[input.voltage]);
        let powers = inputs.map(|input| input.power(active, reactive));
        let (p, q) = (powers.map(|(p, _)| p), powers.map(|(_, q)| q));
        let s = [0, 1, 2].map(|i| p[i].hypot(q[i]));
        let i = [0, 1, 2].map(|n| s[n] / v[n]);
        // Phase voltages are 120° apart, so cos 120° = -1/2 gives the line voltages.
        let line = |a: f64, b: f64| (a * a + b * b + a * b).sqrt();
        let ll = [line(v[0], v[1]), line(v[1], v[2]), line(v[2], v[0])];
        // Each current lags its voltage by atan2(Q, P); the neutral carries their phasor sum.
        let angle = |n: usize| -TAU / 3.0 * inputs[n].voltage as f64 - q[n].atan2(p[n]);
        let re: f64 = (0..3).map(|n| i[n] * angle(n).cos()).sum();
        let im: f64 = (0..3).map(|n| i[n] * angle(n).sin()).sum();
        let factor = |p: f64, q: f64| (p / p.hypot(q)).copysign(q);
        let pf = [0, 1, 2].map(|n| factor(p[n], q[n]));
        let (p_total, q_total) = (p.iter().sum::<f64>(), q.iter().sum::<f64>());
        let mean = |three: [f64; 3]| three.iter().sum::<f64>() / 3.0;
        let groups = [
            [v[0], v[1], v[2], mean(v)],
            [ll[0], ll[1], ll[2], mean(ll)],
            [i[0], i[1], i[2], re.hypot(im)],
            [p[0], p[1], p[2], p_total],
            [s[0], s[1], s[2], p_total.hypot(q_total)],
            [q[0], q[1], q[2], q_total],
            [pf[0], pf[1], pf[2], factor(p_total, q_total)],
        ];
        // The frequency is the last value, after the groups.
        let mut sample = [self.frequency.at(seconds); COUNT];
        sample.iter_mut().zip(groups.into_iter().flatten()).for_each(|(slot, value)| *slot = value);
        Sample(sample)
    }

    /// Active and reactive energy of the system between two times in seconds, in Wh and varh, as the meter's
    /// inputs see it.
    pub(super) fn energy(&self, from: f64, to: f64) -> (f64, f64) {
        let hours =
            |waves: &[Wave; 3]| [0, 1, 2].map(|i| (waves[i].integral(to) - waves[i].integral(from)) / 3600.0);
        let (active, reactive) = (hours(&self.active), hours(&self.reactive));
        let parts = self.wiring.inputs().map(|input| input.power(active, reactive));
        parts.iter().fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_the_integral_of_power() {
        let load = Load::new(7, Wiring::Right);
        let (from, to, steps) = (1000.0, 4600.0, 360_000);
        let step = (to - from) / f64::from(steps);
        let (mut active, mut reactive) = (0.0, 0.0);
        for n in 0..steps {
            let middle = load.at(from + (f64::from(n) + 0.5) * step);
            active += middle.get("active_power_total_w").unwrap() * step / 3600.0;
            reactive += middle.get("reactive_power_total_var").unwrap() * step / 3600.0;
        }
        let (wh, varh) = load.energy(from, to);
        assert!((wh - active).abs() < 0.001 && (varh - reactive).abs() < 0.001, "{wh} {active} {varh}");
        assert!(wh > 20_000.0 && varh > 1_000.0);
    }

    #[test]
    fn the_load_is_alive_and_the_same_seed_gives_the_same_numbers() {
        let load = Load::new(3, Wiring::Right);
        assert_eq!(load.at(5.0), Load::new(3, Wiring::Right).at(5.0));
        assert_ne!(load.at(5.0), Load::new(4, Wiring::Right).at(5.0));
        let (now, later) = (load.at(5.0), load.at(6.0));
        for name in NAMES {
            assert_ne!(now.get(name), later.get(name), "{name} stands still");
        }
    }

    #[test]
    fn the_neutral_carries_what_the_phases_do_not_cancel() {
        let still = |mean| Wave { mean, swings: [(0.0, 1.0, 0.0); 3] };
        let mut load = Load::new(0, Wiring::Right);
        load.voltage = [still(230.0), still(230.0), still(230.0)];
        load.reactive = [still(0.0), still(0.0), still(0.0)];
        load.active = [still(2300.0), still(2300.0), still(2300.0)];
        assert!(load.at(0.0).get("current_n_a").unwrap() < 1e-9);
        load.active[0] = still(4600.0);
        assert!((load.at(0.0).get("current_n_a").unwrap() - 10.0).abs() < 1e-9);
        assert!((load.at(0.0).get("voltage_l1_l2_v").unwrap() - 230.0 * 3f64.sqrt()).abs() < 1e-9);
    }
}
