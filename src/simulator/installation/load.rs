//! The electrical model: an installation with a load that is never quite still.
//!
//! Active power, reactive power and voltage of each phase are waves with a closed integral; everything else
//! follows from them by physics, so that the numbers obey every law exactly: energy is the true integral of power
//! at any time, without a task that ticks. What a state or a wiring shows otherwise is put in at the end.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::sample::{NAMES, Sample};
use super::state::{self, Apparent};
use super::wave::Wave;
use super::wiring::{self, SystemVoltage};
use crate::meter::names;
use crate::simulator::Options;

/// Relative departures of voltage and frequency from their means.
const VOLTAGE_LIVELY: f64 = 0.012;
const FREQUENCY_LIVELY: f64 = 0.0008;
/// Reactive power moves less than active power, by this factor.
const REACTIVE_LIVELY: f64 = 0.25 / 0.35;

/// Where power changes its sign, energy is summed up in steps of this many seconds.
const STEP: f64 = 0.05;
/// Most steps of one sum; who was not asked for long is looked at less closely.
const MOST_STEPS: f64 = 100_000.0;

/// Power that alarm 1 watches is never below this, in W.
const LEAST_HIGH_POWER: f64 = 1000.0;

/// Active and reactive energy in both directions, in Wh and varh.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::simulator) struct Energy {
    pub(in crate::simulator) active_import: f64,
    pub(in crate::simulator) reactive_import: f64,
    pub(in crate::simulator) active_export: f64,
    pub(in crate::simulator) reactive_export: f64,
}

/// An installation: the same seed gives the same numbers at the same time.
#[derive(Debug, Clone)]
pub(in crate::simulator) struct Load {
    active: [Wave; 3],
    reactive: [Wave; 3],
    voltage: [Wave; 3],
    /// 1, and how the frequency departs from its nominal value.
    frequency: Wave,
    state: state::Numbers,
    wiring: wiring::Numbers,
    system_voltage: SystemVoltage,
}

impl Load {
    /// The installation of the meter with this number: of its own size, between 80 and 120 % of the state's, or of
    /// exactly the power that is wanted.
    pub(in crate::simulator) fn new(options: &Options, number: u32) -> Load {
        let (state, wiring) = (options.state.numbers(), options.wiring.numbers());
        let seed = options.seed.wrapping_add(u64::from(number));
        let mut random = StdRng::seed_from_u64(seed);
        let size = random.random_range(0.8..1.2);
        let there: [f64; 3] = std::array::from_fn(|n| state.active[n] * wiring.loaded[n]);
        let sum = there.iter().sum::<f64>().abs();
        let size = options.power.filter(|_| sum > 0.0).map_or(size, |power| power / sum);
        let (share, seconds) = state.steps;
        let mut power =
            |watts: f64, lively: f64| Wave::new(watts * size, lively, &mut random).stepping(share, seconds);
        let active = there.map(|watts| power(watts, state.lively));
        let reactive =
            std::array::from_fn(|n| power(there[n] * state.reactive[n], state.lively * REACTIVE_LIVELY));
        Load {
            active,
            reactive,
            voltage: wiring.volts.map(|v| Wave::new(v * state.voltage, VOLTAGE_LIVELY, &mut random)),
            frequency: Wave::new(1.0, FREQUENCY_LIVELY, &mut random),
            state,
            wiring,
            system_voltage: options.system_voltage,
        }
    }

    /// Active power of the system that is exceeded now and then, in W; alarm 1 watches it.
    pub(in crate::simulator) fn high_power(&self) -> f64 {
        (1.1 * self.active.iter().map(|wave| wave.mean).sum::<f64>()).max(LEAST_HIGH_POWER)
    }

    /// What the meter measures at a time in seconds; NaN for what there is not.
    pub(in crate::simulator) fn at(&self, seconds: f64) -> Sample {
        let (share, hertz) = self.state.supply.at(seconds);
        let inputs = self.wiring.inputs;
        let (p, q) = self.powers(seconds);
        let v = inputs.map(|input| share * self.voltage[input.voltage].at(seconds));
        let degrees = inputs.map(|input| self.wiring.degrees[input.voltage]);
        let apparent = |p: f64, q: f64| p.hypot(q).hypot(self.state.distortion * p);
        let s: [f64; 3] = std::array::from_fn(|n| apparent(p[n], q[n]));
        let current = |n: usize| if v[n] == 0.0 { 0.0 } else { s[n] / v[n] };
        let mut i = [current(0), current(1), current(2)];

        // The difference of two phasors.
        let line = |a: usize, b: usize| {
            let cos = (degrees[a] - degrees[b]).to_radians().cos();
            (v[a] * v[a] + v[b] * v[b] - 2.0 * v[a] * v[b] * cos).max(0.0).sqrt()
        };
        let lines = |lines: [f64; 3]| lines.map(|over_first| over_first * v[0]);
        let ll = self.wiring.lines.map_or([line(0, 1), line(1, 2), line(2, 0)], lines);

        // Each current lags its voltage by atan2(Q, P); the neutral, or the third line, carries their phasor sum.
        let angle = |n: usize| degrees[n].to_radians() - q[n].atan2(p[n]);
        let re: f64 = (0..3).map(|n| i[n] * angle(n).cos()).sum();
        let im: f64 = (0..3).map(|n| i[n] * angle(n).sin()).sum();
        if self.wiring.third_returns {
            i[2] = re.hypot(im);
        }
        let i = i.map(|amperes| if v[0] == 0.0 { amperes } else { amperes.max(self.state.noise) });

        let (p_total, q_total) = (p.iter().sum::<f64>(), q.iter().sum::<f64>());
        let s_total = apparent(p_total, q_total);
        let factor = |p, q, s| self.state.factor.of(p, q, s).unwrap_or(f64::NAN);
        let pf = [0, 1, 2].map(|n| factor(p[n], q[n], s[n]));
        let pf_total = factor(p_total, q_total, s_total);
        let (s, s_total) = match self.state.apparent {
            Apparent::Powers => (s, s_total),
            Apparent::Zero => ([0.0; 3], 0.0),
            Apparent::VoltAmpere => {
                let s: [f64; 3] = std::array::from_fn(|n| v[n] * i[n]);
                (s, s.iter().sum())
            }
        };
        let system = match self.system_voltage {
            SystemVoltage::Mean => {
                mean(&v, &self.wiring.nothing_of([names::STAR[0], names::STAR[1], names::STAR[2]]))
            }
            SystemVoltage::Zero => 0.0,
            SystemVoltage::LineOverRoot3 => ll.iter().sum::<f64>() / 3.0 / 3f64.sqrt(),
        };
        let between = mean(&ll, &self.wiring.nothing_of([names::DELTA[0], names::DELTA[1], names::DELTA[2]]));
        let step = |value: f64| match self.state.resolution {
            0.0 => value,
            step => (value / step).round() * step,
        };
        let groups = [
            [v[0], v[1], v[2], system],
            [ll[0], ll[1], ll[2], between],
            [i[0], i[1], i[2], re.hypot(im)],
            [p[0], p[1], p[2], p_total].map(step),
            [s[0], s[1], s[2], s_total].map(step),
            [q[0], q[1], q[2], q_total].map(step),
            [pf[0], pf[1], pf[2], pf_total],
        ];
        // The frequency is the last value, after the groups.
        let mut sample = [hertz * self.frequency.at(seconds); NAMES.len()];
        sample.iter_mut().zip(groups.into_iter().flatten()).for_each(|(slot, value)| *slot = value);
        for (slot, name) in sample.iter_mut().zip(NAMES) {
            if self.wiring.nothing.contains(&name) {
                *slot = f64::NAN;
            }
        }
        Sample::new(sample)
    }

    /// Active and reactive power of the meter's inputs.
    fn powers(&self, seconds: f64) -> ([f64; 3], [f64; 3]) {
        let at = |waves: &[Wave; 3]| [0, 1, 2].map(|n| waves[n].at(seconds));
        self.measured(at(&self.active), at(&self.reactive))
    }

    fn measured(&self, active: [f64; 3], reactive: [f64; 3]) -> ([f64; 3], [f64; 3]) {
        let powers = self.wiring.inputs.map(|input| input.power(active, reactive, self.wiring.degrees));
        (powers.map(|(p, _)| p), powers.map(|(_, q)| q))
    }

    /// Energy of the system between two times in seconds, as the meter's inputs see it.
    pub(in crate::simulator) fn energy(&self, from: f64, to: f64) -> Energy {
        if self.turns() {
            return self.sum(from, to);
        }
        let hours =
            |waves: &[Wave; 3]| [0, 1, 2].map(|n| (waves[n].integral(to) - waves[n].integral(from)) / 3600.0);
        let (active, reactive) = self.measured(hours(&self.active), hours(&self.reactive));
        Energy::of(active.iter().sum(), reactive.iter().sum())
    }

    /// Whether a total may change its sign.
    fn turns(&self) -> bool {
        let departure = |waves: &[Wave; 3]| waves.each_ref().map(Wave::departure);
        let mean = |waves: &[Wave; 3]| waves.each_ref().map(|wave| wave.mean);
        let (p, q) = self.measured(mean(&self.active), mean(&self.reactive));
        let reach = |departures: [f64; 3]| departures.iter().sum::<f64>();
        let (most_p, most_q) = (reach(departure(&self.active)), reach(departure(&self.reactive)));
        let total = |parts: [f64; 3]| parts.iter().sum::<f64>().abs();
        most_p > total(p) || most_q > total(q)
    }

    fn sum(&self, from: f64, to: f64) -> Energy {
        let steps = ((to - from) / STEP).ceil().clamp(1.0, MOST_STEPS);
        let step = (to - from) / steps;
        let parts = (0..steps as u32).map(|n| {
            let (p, q) = self.powers(from + (f64::from(n) + 0.5) * step);
            Energy::of(p.iter().sum::<f64>() * step / 3600.0, q.iter().sum::<f64>() * step / 3600.0)
        });
        parts.fold(Energy::default(), Energy::plus)
    }
}

impl Energy {
    fn of(active: f64, reactive: f64) -> Energy {
        Energy {
            active_import: active.max(0.0),
            reactive_import: reactive.max(0.0),
            active_export: (-active).max(0.0),
            reactive_export: (-reactive).max(0.0),
        }
    }

    fn plus(self, other: Energy) -> Energy {
        Energy {
            active_import: self.active_import + other.active_import,
            reactive_import: self.reactive_import + other.reactive_import,
            active_export: self.active_export + other.active_export,
            reactive_export: self.reactive_export + other.reactive_export,
        }
    }
}

/// The mean of those that there are; all of them count where there is none.
fn mean(three: &[f64; 3], absent: &[bool; 3]) -> f64 {
    let there = || three.iter().zip(absent).filter(|(_, absent)| !**absent).map(|(value, _)| *value);
    match there().count() {
        0 => three.iter().sum::<f64>() / 3.0,
        count => there().sum::<f64>() / count as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{State, Wiring};
    use clap::ValueEnum;

    fn load(seed: u64, state: State, wiring: Wiring) -> Load {
        Load::new(&Options { seed, state, wiring, ..Options::default() }, 0)
    }

    #[test]
    fn energy_is_the_integral_of_power_in_every_state_and_wiring() {
        let (from, to, steps) = (1000.0, 1200.0, 20_000);
        for (state, wiring) in [
            (State::Ordinary, Wiring::Right),
            (State::Export, Wiring::Right),
            (State::Turns, Wiring::Right),
            (State::Steps, Wiring::SplitPhase),
            (State::OnePhaseExport, Wiring::ThreeWire),
            (State::Ordinary, Wiring::ReversedCt),
        ] {
            let load = load(7, state, wiring);
            let step = (to - from) / f64::from(steps);
            let (mut import, mut export) = (0.0, 0.0);
            for n in 0..steps {
                let (p, _) = load.powers(from + (f64::from(n) + 0.5) * step);
                let wh = p.iter().sum::<f64>() * step / 3600.0;
                (import, export) = (import + wh.max(0.0), export - wh.min(0.0));
            }
            let energy = load.energy(from, to);
            let near = |a: f64, b: f64| (a - b).abs() < 0.01 + b / 1e4;
            assert!(near(energy.active_import, import), "{state:?} {wiring:?} {energy:?} {import}");
            assert!(near(energy.active_export, export), "{state:?} {wiring:?} {energy:?} {export}");
        }
    }

    #[test]
    fn the_load_is_alive_and_the_same_seed_gives_the_same_numbers() {
        let right = |seed| load(seed, State::Ordinary, Wiring::Right);
        assert_eq!(right(3).at(5.0), right(3).at(5.0));
        assert_ne!(right(3).at(5.0), right(4).at(5.0));
        let (now, later) = (right(3).at(5.0), right(3).at(6.0));
        for name in NAMES {
            assert_ne!(now.get(name), later.get(name), "{name} stands still");
        }
    }

    #[test]
    fn the_neutral_carries_what_the_phases_do_not_cancel() {
        let still = |mean| Wave { mean, swings: [(0.0, 1.0, 0.0); 3], steps: (0.0, 1.0) };
        let mut load = load(0, State::Ordinary, Wiring::Right);
        load.voltage = [still(230.0), still(230.0), still(230.0)];
        load.reactive = [still(0.0), still(0.0), still(0.0)];
        load.active = [still(2300.0), still(2300.0), still(2300.0)];
        assert!(load.at(0.0).get("current_n_a").unwrap() < 1e-9);
        load.active[0] = still(4600.0);
        assert!((load.at(0.0).get("current_n_a").unwrap() - 10.0).abs() < 1e-9);
        assert!((load.at(0.0).get("voltage_l1_l2_v").unwrap() - 230.0 * 3f64.sqrt()).abs() < 1e-9);
    }

    /// Names, wanted values, and how far off a value may be, as a share.
    fn shows(load: &Load, seconds: f64, share: f64, wanted: &[(&str, f64)]) {
        let sample = load.at(seconds);
        for (name, wanted) in wanted {
            let got = sample.get(name).unwrap();
            assert!((got - wanted).abs() <= wanted.abs() * share + 1e-9, "{name} is {got}, not {wanted}");
        }
    }

    #[test]
    fn wirings_show_the_voltages_of_their_kind_and_nothing_of_what_they_lack() {
        let at = |wiring, wanted: &[(&str, f64)]| shows(&load(1, State::Ordinary, wiring), 3.0, 0.02, wanted);
        at(
            Wiring::SplitPhase,
            &[("voltage_l1_n_v", 120.0), ("voltage_l1_l2_v", 240.0), ("voltage_ln_avg_v", 120.0)],
        );
        at(Wiring::TwoPhase, &[("voltage_l1_l2_v", 208.0), ("voltage_ll_avg_v", 208.0)]);
        at(Wiring::OnePhase, &[("voltage_l1_n_v", 230.0), ("voltage_ln_avg_v", 230.0)]);
        at(Wiring::ThreeWire, &[("voltage_l1_l2_v", 400.0), ("voltage_ll_avg_v", 400.0)]);
        at(
            Wiring::HighLeg,
            &[("voltage_l3_n_v", 208.0), ("voltage_l2_l3_v", 240.0), ("voltage_l1_l2_v", 240.0)],
        );
        at(
            Wiring::CornerGrounded,
            &[("voltage_l3_n_v", 0.0), ("voltage_l1_l2_v", 480.0), ("voltage_l3_l1_v", 480.0)],
        );
        at(
            Wiring::FuseBlown,
            &[
                ("voltage_l3_n_v", 60.0),
                ("voltage_l1_l2_v", 398.0),
                ("voltage_l2_l3_v", 250.0),
                ("current_l3_a", 0.0),
            ],
        );
        for wiring in Wiring::value_variants() {
            for state in State::value_variants() {
                let sample = load(1, *state, *wiring).at(30.0);
                for name in NAMES {
                    let value = sample.get(name).unwrap();
                    let lacks = wiring.numbers().nothing.contains(&name);
                    let loaded = name.starts_with("power_factor");
                    assert!(
                        value.is_finite() != lacks || (loaded && value.is_nan()),
                        "{state:?} {wiring:?} {name} {value}"
                    );
                }
            }
        }
    }

    #[test]
    fn states_show_what_their_descriptions_say() {
        let at = |state, wanted: &[(&str, f64)]| shows(&load(1, state, Wiring::Right), 3.0, 0.03, wanted);
        at(State::DeadBus, &[("voltage_l1_n_v", 0.0), ("current_l1_a", 0.0), ("frequency_hz", 0.0)]);
        at(State::DeadBusStray, &[("voltage_l1_n_v", 0.46), ("frequency_hz", 12.0)]);
        at(State::DeadBusHeld, &[("voltage_l1_n_v", 0.0), ("frequency_hz", 50.0)]);
        at(State::Night, &[("current_l2_a", 0.05), ("power_factor_total", 1.0)]);
        at(State::NightNoApparent, &[("apparent_power_l1_va", 0.0)]);
        at(State::NightVoltAmpere, &[("apparent_power_l1_va", 230.0 * 0.05)]);
        at(State::Distortion, &[("power_factor_l1", 0.57)]);
        at(State::DistortionCosPhi, &[("power_factor_l1", 0.97)]);
        at(State::LeadingAboveOne, &[("power_factor_l2", 1.1)]);
        at(State::Leading, &[("power_factor_l2", -0.9)]);
        at(State::FactorPercent, &[("power_factor_l2", 90.0)]);
        at(State::Hertz400, &[("frequency_hz", 400.0), ("voltage_l1_n_v", 115.0)]);
        let generator = load(1, State::Generator, Wiring::Right);
        shows(&generator, 30.0, 0.02, &[("frequency_hz", 35.0), ("current_l1_a", 0.0)]);
        shows(&generator, 90.0, 0.02, &[("frequency_hz", 50.0), ("voltage_l1_n_v", 230.0)]);
        assert!(load(1, State::Idle, Wiring::Right).at(1.0).get("power_factor_l1").unwrap().is_nan());
        let kilowatt = Load::new(
            &Options { power: Some(1000.0), system_voltage: SystemVoltage::Zero, ..Options::default() },
            0,
        );
        shows(&kilowatt, 3.0, 0.4, &[("active_power_total_w", 1000.0), ("voltage_ln_avg_v", 0.0)]);
    }
}
