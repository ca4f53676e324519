//! The laws that realtime values obey, each with the elements it touches.
//!
//! A law is a formula over a few elements that gives their misfit: 0 where they fit, the relative departure
//! elsewhere, nothing where they cannot tell under this load (no voltage, no current, a wiring in which the law
//! need not hold). How large a misfit supports or contradicts a map is the law's own: a law that distortion, an
//! unusual wiring or a load step between two blocks can break supports, and never contradicts.

/// The quantities of three phases: name without phase, unit; then the total or system value.
const STAR: [&str; 4] = ["voltage_l1_n_v", "voltage_l2_n_v", "voltage_l3_n_v", "voltage_ln_avg_v"];
const DELTA: [&str; 4] = ["voltage_l1_l2_v", "voltage_l2_l3_v", "voltage_l3_l1_v", "voltage_ll_avg_v"];
const CURRENT: [&str; 4] = ["current_l1_a", "current_l2_a", "current_l3_a", "current_n_a"];
const ACTIVE: [&str; 4] =
    ["active_power_l1_w", "active_power_l2_w", "active_power_l3_w", "active_power_total_w"];
const APPARENT: [&str; 4] =
    ["apparent_power_l1_va", "apparent_power_l2_va", "apparent_power_l3_va", "apparent_power_total_va"];
const REACTIVE: [&str; 4] =
    ["reactive_power_l1_var", "reactive_power_l2_var", "reactive_power_l3_var", "reactive_power_total_var"];
const FACTOR: [&str; 4] = ["power_factor_l1", "power_factor_l2", "power_factor_l3", "power_factor_total"];

/// Elements of three phases and their total, average or neutral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// In words.
    pub name: &'static str,
    /// L1, L2, L3 (or L1-L2, L2-L3, L3-L1), then the fourth.
    pub elements: [&'static str; 4],
    /// Whether the three stand between two phases.
    pub between: bool,
}

/// Every group of the realtime table.
pub const GROUPS: [Group; 7] = [
    Group { name: "phase voltages", elements: STAR, between: false },
    Group { name: "line voltages", elements: DELTA, between: true },
    Group { name: "currents", elements: CURRENT, between: false },
    Group { name: "active powers", elements: ACTIVE, between: false },
    Group { name: "apparent powers", elements: APPARENT, between: false },
    Group { name: "reactive powers", elements: REACTIVE, between: false },
    Group { name: "power factors", elements: FACTOR, between: false },
];

/// One law.
#[derive(Debug, Clone, Copy)]
pub struct Law {
    /// The law, in words.
    pub name: &'static str,
    /// The realtime elements it touches, in the order in which `misfit` takes their values.
    pub elements: &'static [&'static str],
    /// A misfit up to this supports the map.
    pub supports: f64,
    /// A misfit above this contradicts the map; never, when absent.
    pub contradicts: Option<f64>,
    /// The misfit of the values, which is negative where the law is broken to the harmless side only.
    pub misfit: fn(&[f64]) -> Option<f64>,
    /// What was found, in words, for a broken law.
    pub found: fn(&[f64]) -> String,
}

/// Every law.
pub static LAWS: &[Law] = &[
    Law {
        name: "frequency is 40 to 70 Hz",
        elements: &["frequency_hz"],
        supports: 0.0,
        contradicts: Some(0.0),
        misfit: |v| (v[0] != 0.0).then(|| if (40.0..=70.0).contains(&v[0]) { 0.0 } else { 1.0 }),
        found: |v| format!("frequency_hz is {:.3e}", v[0]),
    },
    mean(&STAR),
    mean(&DELTA),
    Law {
        name: "line voltage is the square root of 3 times phase voltage",
        elements: &[STAR[0], STAR[1], STAR[2], DELTA[0], DELTA[1], DELTA[2]],
        supports: 0.05,
        contradicts: Some(0.05),
        misfit: |v| {
            let (star, delta) = (three(v), three(&v[3..]));
            if !alive(&star) || !alive(&delta) {
                None
            } else if too_long(&star, &delta).is_some() {
                Some(1.0)
            } else {
                (balanced(&star) && balanced(&delta)).then(|| (line_ratio(v) / 3f64.sqrt() - 1.0).abs())
            }
        },
        found: |v| match too_long(&three(v), &three(&v[3..])) {
            Some(i) => {
                let next = (i + 1) % 3;
                let (line, one, other) = (v[3 + i], v[i], v[next]);
                format!("L{}-L{} is {line:.1} V over phases of {one:.1} and {other:.1} V", i + 1, next + 1)
            }
            None => format!("the ratio is {:.3}", line_ratio(v)),
        },
    },
    line(&[STAR[0], STAR[1], STAR[2], DELTA[0]]),
    line(&[STAR[1], STAR[2], STAR[0], DELTA[1]]),
    line(&[STAR[2], STAR[0], STAR[1], DELTA[2]]),
    Law {
        name: "total power is the sum of the phases",
        elements: &ACTIVE,
        supports: 0.02,
        contradicts: Some(0.02),
        misfit: |v| {
            // A meter wired for a balanced load may show one phase for all three, and one without a neutral none.
            let parts = three(v);
            let unusual = parts == [0.0; 3] || near(v[3], 3.0 * parts[0], 0.0, 0.02 * largest(v));
            let misfit = sum_misfit(v)?;
            (misfit <= 0.02 || !unusual).then_some(misfit)
        },
        found: |v| format!("total {:.1} W, sum of the phases {:.1} W", v[3], three(v).iter().sum::<f64>()),
    },
    Law {
        name: "total reactive power is the sum of the phases",
        elements: &REACTIVE,
        supports: 0.02,
        contradicts: None,
        misfit: sum_misfit,
        found: |v| {
            format!("total {:.1} var, sum of the phases {:.1} var", v[3], three(v).iter().sum::<f64>())
        },
    },
    triangle(&[ACTIVE[0], REACTIVE[0], APPARENT[0]], Some(0.03)),
    triangle(&[ACTIVE[1], REACTIVE[1], APPARENT[1]], Some(0.03)),
    triangle(&[ACTIVE[2], REACTIVE[2], APPARENT[2]], Some(0.03)),
    triangle(&[ACTIVE[3], REACTIVE[3], APPARENT[3]], None),
    factor(&[ACTIVE[0], APPARENT[0], FACTOR[0]], Some(0.4)),
    factor(&[ACTIVE[1], APPARENT[1], FACTOR[1]], Some(0.4)),
    factor(&[ACTIVE[2], APPARENT[2], FACTOR[2]], Some(0.4)),
    factor(&[ACTIVE[3], APPARENT[3], FACTOR[3]], None),
    volt_amperes(&[STAR[0], CURRENT[0], APPARENT[0]]),
    volt_amperes(&[STAR[1], CURRENT[1], APPARENT[1]]),
    volt_amperes(&[STAR[2], CURRENT[2], APPARENT[2]]),
    Law {
        name: "neutral current is the sum of the phase currents",
        elements: &[
            CURRENT[0],
            CURRENT[1],
            CURRENT[2],
            CURRENT[3],
            ACTIVE[0],
            ACTIVE[1],
            ACTIVE[2],
            REACTIVE[0],
            REACTIVE[1],
            REACTIVE[2],
        ],
        supports: 0.05,
        contradicts: None,
        misfit: |v| {
            // Each current lags its voltage by atan2(Q, P); the voltages are 120° apart, in either order.
            let turn = std::f64::consts::TAU / 3.0;
            let sum = |direction: f64| {
                let angle = |n: usize| direction * turn * n as f64 - v[7 + n].atan2(v[4 + n]);
                let re: f64 = (0..3).map(|n| v[n].abs() * angle(n).cos()).sum();
                let im: f64 = (0..3).map(|n| v[n].abs() * angle(n).sin()).sum();
                (re.hypot(im) - v[3].abs()).abs()
            };
            let most = largest(&v[..3]);
            // Without a current of its own the neutral cannot be told from a dead element.
            (most > 0.1 && v[3].abs() > 0.01 * most).then(|| sum(-1.0).min(sum(1.0)) / most)
        },
        found: |v| format!("current_n_a is {:.2} A", v[3]),
    },
];

const fn mean(elements: &'static [&'static str]) -> Law {
    Law {
        name: "system voltage is the mean of the phases",
        elements,
        supports: 0.03,
        contradicts: Some(0.03),
        misfit: |v| {
            let mean = three(v).iter().sum::<f64>() / 3.0;
            alive(&three(v)).then(|| (v[3] / mean - 1.0).abs())
        },
        found: |v| {
            let mean = three(v).iter().sum::<f64>() / 3.0;
            format!("the system voltage is {:.1}, the mean of its phases {mean:.1}", v[3])
        },
    }
}

/// Two phases and the third, and the line voltage between the two: cos 120° = -1/2.
const fn line(elements: &'static [&'static str]) -> Law {
    Law {
        name: "line voltage is the side opposite to 120° between its phase voltages",
        elements,
        supports: 0.03,
        contradicts: None,
        misfit: |v| {
            let expected = (v[0] * v[0] + v[1] * v[1] + v[0] * v[1]).sqrt();
            alive(&three(v)).then(|| (v[3] / expected - 1.0).abs())
        },
        found: |v| format!("{:.1} V over phases of {:.1} and {:.1} V", v[3], v[0], v[1]),
    }
}

/// P² + Q² never exceeds S²; with little distortion it equals S². How a system's S is summed up is the meter's own.
const fn triangle(elements: &'static [&'static str], contradicts: Option<f64>) -> Law {
    Law {
        name: "active and reactive power fit into apparent power",
        elements,
        supports: 0.03,
        contradicts,
        misfit: |v| {
            let resultant = v[0].hypot(v[1]);
            (v[2].max(resultant) >= 1.0).then(|| if v[2] > 0.0 { resultant / v[2] - 1.0 } else { 1.0 })
        },
        found: |v| format!("{:.1} W and {:.1} var in {:.1} VA", v[0], v[1], v[2]),
    }
}

/// A meter that shows cos φ differs from P/S under distortion, so only a large difference contradicts.
const fn factor(elements: &'static [&'static str], contradicts: Option<f64>) -> Law {
    Law {
        name: "power factor is P/S",
        elements,
        supports: 0.05,
        contradicts,
        misfit: |v| (v[1] >= 10.0).then(|| (v[2].abs() - (v[0] / v[1]).abs()).abs()),
        found: |v| format!("{:.3}, while P/S is {:.3}", v[2].abs(), (v[0] / v[1]).abs()),
    }
}

/// The two blocks are read one after the other, so a load step can break it.
const fn volt_amperes(elements: &'static [&'static str]) -> Law {
    Law {
        name: VOLT_AMPERES,
        elements,
        supports: 0.05,
        contradicts: None,
        misfit: |v| {
            let product = (v[0] * v[1]).abs();
            (v[2] > 10.0 || product > 10.0).then(|| (v[2] / product.max(f64::MIN_POSITIVE) - 1.0).abs())
        },
        found: |v| format!("{:.1} VA, while {:.1} V x {:.2} A = {:.1} VA", v[2], v[0], v[1], v[0] * v[1]),
    }
}

/// The law that a wrong unit of currents or powers breaks.
pub const VOLT_AMPERES: &str = "apparent power is voltage times current";

fn three(values: &[f64]) -> [f64; 3] {
    [values[0], values[1], values[2]]
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most: f64, value| most.max(value.abs()))
}

fn sum_misfit(values: &[f64]) -> Option<f64> {
    let size = largest(values);
    (size >= 1.0).then(|| (values[3] - three(values).iter().sum::<f64>()).abs() / size)
}

/// No line voltage can exceed the sum of its two phase voltages.
fn too_long(star: &[f64; 3], delta: &[f64; 3]) -> Option<usize> {
    (0..3).find(|&i| delta[i] > 1.03 * (star[i] + star[(i + 1) % 3]))
}

fn line_ratio(values: &[f64]) -> f64 {
    values[3..6].iter().sum::<f64>() / values[..3].iter().sum::<f64>()
}

/// Whether all three are clearly there; a dead phase proves nothing.
fn alive(parts: &[f64; 3]) -> bool {
    let most = parts.iter().copied().fold(0.0, f64::max);
    most > 1.0 && parts.iter().all(|part| *part > 0.1 * most)
}

fn balanced(parts: &[f64; 3]) -> bool {
    let most = parts.iter().copied().fold(f64::MIN, f64::max);
    let least = parts.iter().copied().fold(f64::MAX, f64::min);
    most - least < 0.1 * most
}

fn near(a: f64, b: f64, relative: f64, absolute: f64) -> bool {
    (a - b).abs() <= absolute + relative * b.abs()
}

impl Law {
    /// What the law says about these values.
    pub fn judge(&self, values: &[f64]) -> super::Verdict {
        match (self.misfit)(values) {
            None => super::Verdict::NotProvable,
            Some(misfit) if misfit.abs() <= self.supports => super::Verdict::Consistent,
            Some(misfit) if self.contradicts.is_some_and(|limit| misfit > limit) => {
                super::Verdict::Contradicted((self.found)(values))
            }
            Some(_) => super::Verdict::NotProvable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{Profile, Table};

    #[test]
    fn every_law_touches_realtime_elements_and_every_group_is_touched() {
        let profile = Profile::built_in();
        for law in LAWS {
            for name in law.elements {
                assert!(profile.index_of(Table::Realtime, name).is_some(), "{}: {name}", law.name);
            }
        }
        for name in GROUPS.iter().flat_map(|group| group.elements) {
            assert!(LAWS.iter().any(|law| law.elements.contains(&name)), "{name}");
        }
    }
}
