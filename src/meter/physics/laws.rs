//! The laws that realtime values obey, each with the elements it touches and the premise under which it counts.
//!
//! A law takes the values of its elements, absent ones as 0, and says nothing where its premise is not given: no
//! voltage, no load above noise, fewer than three live phases, a wiring in which it need not hold. Otherwise it
//! gives a misfit, 0 where the values fit, and what that means: it holds; it is odd, as a healthy meter under an
//! unusual load can be; it is broken, as only a wrong map can be. Even a broken law alone contradicts nothing:
//! see [`super::judge`].

use super::numbers::{ACTIVE, APPARENT, CURRENT, DELTA, FACTOR, FREQUENCY, REACTIVE, STAR, name};

/// What a law's premise is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Premise {
    /// Apparent power per phase below which powers are noise, in VA.
    pub least: f64,
    /// Whether the values belong to one moment: they came in one block, or the load stood still.
    pub together: bool,
}

impl Premise {
    /// Values that belong together, of a meter of which nothing else is known.
    pub const IN_ONE_MOMENT: Premise = Premise { least: NOISE, together: true };
}

/// Apparent power per phase below which powers are noise, in VA, where the meter's range is not known.
pub(super) const NOISE: f64 = 20.0;

/// What a misfit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// The law holds, which is no matter of course.
    Holds,
    /// Neither for nor against the map.
    Nothing,
    /// Unusual, and known of healthy meters.
    Odd,
    /// Not known of any healthy meter.
    Broken,
}

/// What a law found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// 0 where the values fit, the relative departure elsewhere.
    pub misfit: f64,
    /// What it means.
    pub says: Says,
}

impl Found {
    fn new(misfit: f64, says: Says) -> Option<Found> {
        Some(Found { misfit, says })
    }
}

/// One law.
#[derive(Debug, Clone, Copy)]
pub struct Law {
    /// The law, in words.
    pub name: &'static str,
    /// Its elements by position, in the order in which `test` takes their values.
    pub positions: &'static [usize],
    /// A misfit up to this holds.
    pub holds: f64,
    /// Whether the values must belong to one moment; voltages hardly change between two blocks.
    pub one_moment: bool,
    /// Whether exchanged operands obey it just as well, so that it names none of them.
    pub symmetric: bool,
    /// Whether its values move with the load and may come in two blocks.
    pub moves_with_load: bool,
    /// Whether it is one of several ways in which meters show a value, so that breaking it is no misfit.
    pub one_way: bool,
    /// Whether means over time obey it, too: it adds, and does not multiply.
    pub linear: bool,
    /// What the values say; `None` without the premise.
    pub test: fn(&[f64], &Premise) -> Option<Found>,
    /// What was found, in words.
    pub found: fn(&[f64]) -> String,
}

impl Law {
    /// The names of its elements.
    pub fn elements(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.positions.iter().map(|position| name(*position))
    }
}

const fn of(group: usize, phase: usize) -> usize {
    4 * group + phase
}

const fn all(group: usize) -> [usize; 4] {
    [4 * group, 4 * group + 1, 4 * group + 2, 4 * group + 3]
}

/// Every law.
pub static LAWS: [Law; 27] = [
    Law {
        name: "the frequency is that of a supply",
        positions: &[FREQUENCY, 0, 1, 2, 4, 5, 6],
        holds: 0.0,
        one_moment: false,
        symmetric: false,
        moves_with_load: false,
        one_way: false,
        linear: false,
        test: |v, _| {
            // A dead bus has stray frequencies; a generator runs up from 20 Hz, railways have 16.7.
            if largest(&v[1..]) < LIVE || v[0] == 0.0 {
                return None;
            }
            match v[0] {
                45.0..=66.0 => Found::new(0.0, Says::Holds),
                10.0..=100.0 => Found::new(0.5, Says::Nothing),
                _ => Found::new(1.0, Says::Broken),
            }
        },
        found: |v| format!("{} is {:.3e}", name(FREQUENCY), v[0]),
    },
    mean(&all(STAR)),
    mean(&all(DELTA)),
    Law {
        name: "line voltage is the square root of 3 times phase voltage",
        positions: &[0, 1, 2, 4, 5, 6],
        holds: 0.03,
        one_moment: false,
        symmetric: false,
        moves_with_load: false,
        one_way: false,
        linear: false,
        test: |v, _| {
            let (star, delta) = (three(v), three(&v[3..]));
            if !alive(&star) || !alive(&delta) || largest(&delta) < LIVE {
                return None;
            }
            let misfit = (line_ratio(v) / 3f64.sqrt() - 1.0).abs();
            if too_long(&star, &delta).is_some() {
                Found::new(misfit.max(0.1), Says::Broken)
            } else if !balanced(&star) {
                None
            } else if !balanced(&delta) {
                Found::new(misfit.max(0.1), Says::Odd)
            } else if misfit <= 0.03 {
                Found::new(misfit, Says::Holds)
            } else {
                Found::new(misfit, if misfit > 0.06 { Says::Broken } else { Says::Nothing })
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
    side(&[0, 1, 2, 4]),
    side(&[1, 2, 0, 5]),
    side(&[2, 0, 1, 6]),
    sum("total power is the sum of the phases", &all(ACTIVE)),
    sum("total reactive power is the sum of the phases", &all(REACTIVE)),
    Law { one_way: true, ..sum("total apparent power is the sum of the phases", &all(APPARENT)) },
    triangle(&[of(ACTIVE, 0), of(REACTIVE, 0), of(APPARENT, 0)]),
    triangle(&[of(ACTIVE, 1), of(REACTIVE, 1), of(APPARENT, 1)]),
    triangle(&[of(ACTIVE, 2), of(REACTIVE, 2), of(APPARENT, 2)]),
    triangle(&[of(ACTIVE, 3), of(REACTIVE, 3), of(APPARENT, 3)]),
    factor(&[of(ACTIVE, 0), of(APPARENT, 0), of(FACTOR, 0)]),
    factor(&[of(ACTIVE, 1), of(APPARENT, 1), of(FACTOR, 1)]),
    factor(&[of(ACTIVE, 2), of(APPARENT, 2), of(FACTOR, 2)]),
    factor(&[of(ACTIVE, 3), of(APPARENT, 3), of(FACTOR, 3)]),
    cosine(&[of(ACTIVE, 0), of(REACTIVE, 0), of(FACTOR, 0)]),
    cosine(&[of(ACTIVE, 1), of(REACTIVE, 1), of(FACTOR, 1)]),
    cosine(&[of(ACTIVE, 2), of(REACTIVE, 2), of(FACTOR, 2)]),
    cosine(&[of(ACTIVE, 3), of(REACTIVE, 3), of(FACTOR, 3)]),
    volt_amperes(&[of(STAR, 0), of(CURRENT, 0), of(APPARENT, 0)]),
    volt_amperes(&[of(STAR, 1), of(CURRENT, 1), of(APPARENT, 1)]),
    volt_amperes(&[of(STAR, 2), of(CURRENT, 2), of(APPARENT, 2)]),
    Law {
        name: "apparent power is the square root of 3 times line voltage and current",
        positions: &[0, 1, 2, 4, 5, 6, 8, 9, 10, of(APPARENT, 3)],
        holds: 0.05,
        one_moment: false,
        symmetric: true,
        moves_with_load: true,
        one_way: false,
        linear: false,
        test: |v, premise| {
            // Where the phases are shown, they say it better.
            if largest(&v[..3]) > 0.0 || !alive(&three(&v[3..])) || !alive(&three(&v[6..])) {
                return None;
            }
            product(
                v[9],
                v[3..6].iter().sum::<f64>() * v[6..9].iter().sum::<f64>() / 27f64.sqrt(),
                0.05,
                premise,
            )
        },
        found: |v| format!("{:.1} VA for {:.1} V and {:.2} A", v[9], v[3], v[6]),
    },
    Law {
        name: "neutral current is the sum of the phase currents",
        positions: &[8, 9, 10, 11, 12, 13, 14, 20, 21, 22],
        holds: 0.05,
        one_moment: false,
        symmetric: false,
        moves_with_load: true,
        one_way: false,
        linear: false,
        test: |v, _| {
            // Without three live phases the angles between the currents are not known.
            let most = largest(&v[..3]);
            if most <= 0.1 || v[3].abs() <= 0.01 * most || v[4..7].contains(&0.0) {
                return None;
            }
            // Each current lags its voltage by the angle of P and Q; the voltages are 120° apart, in either order.
            let (cos, sin) = ([1.0, -0.5, -0.5], [0.0, 0.75f64.sqrt(), -0.75f64.sqrt()]);
            let sum = |direction: f64| {
                let (mut re, mut im) = (0.0, 0.0);
                for n in 0..3 {
                    let (p, q, sin) = (v[4 + n], v[7 + n], direction * sin[n]);
                    let size = v[n].abs() / p.hypot(q);
                    re += size * (cos[n] * p + sin * q);
                    im += size * (sin * p - cos[n] * q);
                }
                (re.hypot(im) - v[3].abs()).abs()
            };
            let misfit = sum(-1.0).min(sum(1.0)) / most;
            Found::new(misfit, if misfit <= 0.05 { Says::Holds } else { Says::Nothing })
        },
        found: |v| format!("{} is {:.2} A", name(of(CURRENT, 3)), v[3]),
    },
];

/// Volts from which a phase is live, whatever the ratios.
const LIVE: f64 = 10.0;

const fn mean(positions: &'static [usize]) -> Law {
    Law {
        name: "system voltage is the mean of the phases",
        positions,
        holds: 0.02,
        one_moment: false,
        symmetric: false,
        moves_with_load: false,
        one_way: false,
        linear: true,
        test: |v, _| {
            let parts = three(v);
            if !alive(&parts) || largest(&parts) < 1.0 || v[3] == 0.0 {
                return None;
            }
            let mean = parts.iter().sum::<f64>() / 3.0;
            let misfit = (v[3] / mean - 1.0).abs();
            let (low, high) = (0.9 * least(&parts), 1.1 * largest(&parts));
            // Some meters show one phase, or the voltage of the other kind, which is the square root of 3 off.
            let other =
                [3f64.sqrt(), 1.0 / 3f64.sqrt()].iter().any(|by| (v[3] / (mean * by) - 1.0).abs() < 0.05);
            let says = match misfit {
                ..=0.02 => Says::Holds,
                _ if (low..=high).contains(&v[3]) => Says::Nothing,
                _ if other || (0.5 * mean..2.0 * mean).contains(&v[3]) => Says::Odd,
                _ => Says::Broken,
            };
            Found::new(misfit, says)
        },
        found: |v| {
            let mean = three(v).iter().sum::<f64>() / 3.0;
            format!("the system voltage is {:.1}, the mean of its phases {mean:.1}", v[3])
        },
    }
}

/// Two phases and the third, and the line voltage between the two: cos 120° = -1/2. It holds in networks of
/// three phases only, and contradicts nothing.
const fn side(positions: &'static [usize]) -> Law {
    Law {
        name: "line voltage is the side opposite to 120° between its phase voltages",
        positions,
        holds: 0.02,
        one_moment: false,
        symmetric: false,
        moves_with_load: false,
        one_way: false,
        linear: false,
        test: |v, _| {
            if !alive(&three(v)) || v[3] == 0.0 {
                return None;
            }
            let expected = (v[0] * v[0] + v[1] * v[1] + v[0] * v[1]).sqrt();
            let misfit = (v[3] / expected - 1.0).abs();
            Found::new(misfit, if misfit <= 0.02 { Says::Holds } else { Says::Nothing })
        },
        found: |v| format!("{:.1} V over phases of {:.1} and {:.1} V", v[3], v[0], v[1]),
    }
}

const fn sum(name: &'static str, positions: &'static [usize]) -> Law {
    Law {
        name,
        positions,
        holds: 0.01,
        one_moment: true,
        symmetric: false,
        moves_with_load: false,
        one_way: false,
        linear: true,
        test: |v, premise| {
            let (parts, size) = (three(v), largest(v));
            let live = parts.iter().filter(|part| part.abs() > 0.02 * size).count();
            if size < premise.least || live < 2 {
                return None;
            }
            let misfit = (v[3] - parts.iter().sum::<f64>()).abs() / size;
            // A meter for a balanced load shows one phase for all; some add up amounts, or as vectors.
            let amounts = parts.iter().map(|part| part.abs()).sum::<f64>();
            let usual =
                [3.0 * parts[0], amounts].iter().any(|sum| (v[3].abs() - sum.abs()).abs() < 0.02 * size);
            let vectors = v[3].abs() < amounts;
            let says = match misfit {
                ..=0.01 => Says::Holds,
                // With two transformers L2 is missing, and the sum with it.
                _ if usual || misfit <= 0.05 || live < 3 || parts.contains(&0.0) => Says::Nothing,
                _ if vectors && v[3].abs() >= 0.5 * amounts => Says::Nothing,
                _ => Says::Odd,
            };
            Found::new(misfit, says)
        },
        found: |v| {
            format!("the total is {:.1}, the sum of the phases {:.1}", v[3], three(v).iter().sum::<f64>())
        },
    }
}

/// P² + Q² never exceeds S²; with little distortion it equals S². A meter that shows no S shows 0.
const fn triangle(positions: &'static [usize]) -> Law {
    Law {
        name: "active and reactive power fit into apparent power",
        positions,
        holds: 0.015,
        one_moment: true,
        symmetric: false,
        moves_with_load: false,
        one_way: false,
        linear: false,
        test: |v, premise| {
            let resultant = v[0].hypot(v[1]);
            if resultant.max(v[2].abs()) < premise.least {
                return None;
            }
            let misfit = if v[2] > 0.0 { resultant / v[2] - 1.0 } else { 1.0 };
            let says = match misfit {
                _ if v[2] == 0.0 => Says::Nothing,
                // Nothing but active or nothing but reactive power: S is the other number once more.
                -0.015..=0.015 if v[0].abs().min(v[1].abs()) > 0.02 * v[2] => Says::Holds,
                0.05.. => Says::Broken,
                _ => Says::Nothing,
            };
            Found::new(misfit, says)
        },
        found: |v| format!("{:.1} W and {:.1} var in {:.1} VA", v[0], v[1], v[2]),
    }
}

/// Under distortion a meter shows P/S, cos φ or anything between: never less than P/S. 0 and 1 are held at night.
const fn factor(positions: &'static [usize]) -> Law {
    Law {
        name: "power factor is P/S",
        positions,
        holds: 0.01,
        one_moment: true,
        symmetric: false,
        moves_with_load: false,
        one_way: false,
        linear: false,
        test: |v, premise| {
            let (ratio, shown) = ((v[0] / v[1]).abs(), v[2].abs());
            if v[1] < premise.least {
                return None;
            }
            let misfit = (shown - ratio).abs();
            let says = match misfit {
                // No power factor at all, or no apparent power: other laws say which.
                _ if shown > 1.02 || ratio > 1.02 => Says::Nothing,
                ..=0.01 if ratio > 0.02 => Says::Holds,
                _ if shown == 0.0 || shown == 1.0 || misfit <= 0.1 => Says::Nothing,
                _ => Says::Odd,
            };
            Found::new(misfit, says)
        },
        found: |v| format!("{:.3}, while P/S is {:.3}", v[2].abs(), (v[0] / v[1]).abs()),
    }
}

/// The other power factor; without reactive power it is 1, which says nothing.
const fn cosine(positions: &'static [usize]) -> Law {
    Law {
        name: "power factor is cos φ",
        positions,
        holds: 0.01,
        one_moment: true,
        symmetric: false,
        moves_with_load: false,
        one_way: false,
        linear: false,
        test: |v, premise| {
            let (resultant, shown) = (v[0].hypot(v[1]), v[2].abs());
            if resultant < premise.least || v[1].abs() < 0.05 * resultant || shown == 0.0 || shown >= 1.0 {
                return None;
            }
            let misfit = (shown - v[0].abs() / resultant).abs();
            Found::new(misfit, if misfit <= 0.01 && shown > 0.02 { Says::Holds } else { Says::Nothing })
        },
        found: |v| format!("{:.3}, while P and Q give {:.3}", v[2].abs(), v[0].abs() / v[0].hypot(v[1])),
    }
}

const fn volt_amperes(positions: &'static [usize]) -> Law {
    Law {
        name: VOLT_AMPERES,
        positions,
        holds: 0.03,
        one_moment: false,
        symmetric: true,
        moves_with_load: true,
        one_way: false,
        linear: false,
        test: |v, premise| product(v[2], (v[0] * v[1]).abs(), 0.03, premise),
        found: |v| format!("{:.1} VA, while {:.1} V x {:.2} A = {:.1} VA", v[2], v[0], v[1], v[0] * v[1]),
    }
}

/// The law that a wrong unit of currents or powers breaks.
pub const VOLT_AMPERES: &str = "apparent power is voltage times current";

/// A load step between two blocks breaks it by any factor that loads have; a wrong unit by more.
fn product(shown: f64, product: f64, holds: f64, premise: &Premise) -> Option<Found> {
    if shown.max(product) < premise.least || shown <= 0.0 || product <= 0.0 {
        return None;
    }
    let (misfit, times) = ((shown / product - 1.0).abs(), (shown / product).max(product / shown));
    let says = match misfit {
        _ if misfit <= holds => Says::Holds,
        _ if times > 20.0 || (premise.together && misfit > 0.1) => Says::Odd,
        _ => Says::Nothing,
    };
    Found::new(misfit, says)
}

fn three(values: &[f64]) -> [f64; 3] {
    [values[0], values[1], values[2]]
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most: f64, value| most.max(value.abs()))
}

fn least(parts: &[f64; 3]) -> f64 {
    parts.iter().copied().fold(f64::MAX, f64::min)
}

/// No line voltage can exceed the sum of its two phase voltages.
fn too_long(star: &[f64; 3], delta: &[f64; 3]) -> Option<usize> {
    (0..3).find(|&i| delta[i] > 1.05 * (star[i] + star[(i + 1) % 3]))
}

fn line_ratio(values: &[f64]) -> f64 {
    values[3..6].iter().sum::<f64>() / values[..3].iter().sum::<f64>()
}

/// Whether all three are clearly there; a dead phase proves nothing.
fn alive(parts: &[f64; 3]) -> bool {
    let most = parts.iter().copied().fold(0.0, f64::max);
    most > 0.02 && parts.iter().all(|part| *part > 0.1 * most)
}

fn balanced(parts: &[f64; 3]) -> bool {
    let most = parts.iter().copied().fold(f64::MIN, f64::max);
    most - least(parts) < 0.1 * most
}
