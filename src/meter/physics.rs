//! Do the numbers contradict the map?
//!
//! Laws that hold on every system, whatever the load and the wiring, are used to contradict; laws that
//! hold only on ordinary systems are used to support. A meter without voltage or load proves nothing and
//! contradicts nothing. The values come from realtime blocks that were read anyway: no traffic is added.

use std::fmt;

use super::profile::Profile;
use super::reading::Readings;
use super::table::Table;

/// What one law says about the map.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The numbers obey the law.
    Consistent,
    /// The numbers cannot tell under this load.
    NotProvable,
    /// The numbers break the law; what was found, in words.
    Contradicted(String),
}

/// One law, applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The law, in words.
    pub law: &'static str,
    /// The outcome.
    pub verdict: Verdict,
}

/// The outcome of all laws together, as `map_check_code` in `powermonitor_500_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapCheck {
    /// Not checked: `map_check = "off"`, or no realtime block was read yet.
    NotChecked,
    /// At least one law supports the map and none contradicts it.
    Consistent,
    /// No law could tell under this load.
    NotProvable,
    /// At least one law contradicts the map.
    Contradicted,
}

impl MapCheck {
    /// The code in the data: 0 not checked, 1 consistent, 2 not provable, 3 contradicted.
    pub fn code(self) -> i64 {
        match self {
            MapCheck::NotChecked => 0,
            MapCheck::Consistent => 1,
            MapCheck::NotProvable => 2,
            MapCheck::Contradicted => 3,
        }
    }
}

impl fmt::Display for MapCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MapCheck::NotChecked => "not checked",
            MapCheck::Consistent => "consistent",
            MapCheck::NotProvable => "not provable under this load",
            MapCheck::Contradicted => "contradicted",
        })
    }
}

/// Sums findings up; the text says what contradicts the map.
pub fn conclude(findings: &[Finding]) -> (MapCheck, Option<String>) {
    let broken: Vec<_> = findings
        .iter()
        .filter_map(|finding| match &finding.verdict {
            Verdict::Contradicted(found) => Some(format!("{} ({found})", finding.law)),
            _ => None,
        })
        .collect();
    if !broken.is_empty() {
        return (MapCheck::Contradicted, Some(broken.join("; ")));
    }
    let supported = findings.iter().any(|finding| finding.verdict == Verdict::Consistent);
    (if supported { MapCheck::Consistent } else { MapCheck::NotProvable }, None)
}

/// Applies every law to the realtime values of one gather.
pub fn check(profile: &Profile, readings: &Readings) -> Vec<Finding> {
    let now = Realtime { profile, readings };
    vec![
        now.plausible(),
        now.frequency(),
        now.averages(),
        now.line_to_phase(),
        now.totals(),
        now.power_triangle(),
        now.power_factor(),
        now.volt_amperes(),
    ]
}

/// The realtime values by name.
struct Realtime<'a> {
    profile: &'a Profile,
    readings: &'a Readings,
}

const PHASES: [&str; 3] = ["l1", "l2", "l3"];

impl Realtime<'_> {
    fn get(&self, name: &str) -> Option<f64> {
        self.readings.number(self.profile.index_of(Table::Realtime, name)?)
    }

    fn three(&self, names: [&str; 3]) -> Option<[f64; 3]> {
        Some([self.get(names[0])?, self.get(names[1])?, self.get(names[2])?])
    }

    fn phases(&self, quantity: &str, unit: &str) -> Option<[f64; 3]> {
        let [a, b, c] = PHASES.map(|phase| self.get(&format!("{quantity}_{phase}{unit}")));
        Some([a?, b?, c?])
    }

    /// Most values of a block that was read lie inside their plausible range. A wrong word order or a
    /// shifted block breaks this before anything else.
    fn plausible(&self) -> Finding {
        let taken = self.readings.taken(Table::Realtime).is_some();
        let rows = self.profile.elements_of(Table::Realtime).count();
        let dropped = usize::try_from(self.readings.dropped).unwrap_or(usize::MAX);
        let verdict = if taken && dropped * 4 > rows {
            Verdict::Contradicted(format!("{dropped} of {rows} are not"))
        } else {
            Verdict::NotProvable
        };
        Finding { law: "values are plausible", verdict }
    }

    /// A network has 40 to 70 Hz, or no voltage and 0 Hz.
    fn frequency(&self) -> Finding {
        let verdict = match self.get("frequency_hz") {
            Some(hz) if (40.0..=70.0).contains(&hz) => Verdict::Consistent,
            Some(hz) if hz != 0.0 => Verdict::Contradicted(format!("frequency_hz is {hz:.3e}")),
            _ => Verdict::NotProvable,
        };
        Finding { law: "frequency is 40 to 70 Hz", verdict }
    }

    /// The system voltage is the average of three live phases.
    fn averages(&self) -> Finding {
        let star = (
            self.three(["voltage_l1_n_v", "voltage_l2_n_v", "voltage_l3_n_v"]),
            self.get("voltage_ln_avg_v"),
        );
        let delta = (
            self.three(["voltage_l1_l2_v", "voltage_l2_l3_v", "voltage_l3_l1_v"]),
            self.get("voltage_ll_avg_v"),
        );
        let mut verdict = Verdict::NotProvable;
        for (name, pair) in [("voltage_ln_avg_v", star), ("voltage_ll_avg_v", delta)] {
            let (Some(parts), Some(average)) = pair else { continue };
            if !alive(&parts) {
                continue;
            }
            let mean = parts.iter().sum::<f64>() / 3.0;
            if near(average, mean, 0.03, 0.0) {
                verdict = Verdict::Consistent;
            } else {
                let found = format!("{name} is {average:.1}, the mean of its phases {mean:.1}");
                return Finding { law: AVERAGES, verdict: Verdict::Contradicted(found) };
            }
        }
        Finding { law: AVERAGES, verdict }
    }

    /// Balanced line voltages over balanced phase voltages can only be √3; and no line voltage can
    /// exceed the sum of its two phase voltages.
    fn line_to_phase(&self) -> Finding {
        let star = self.three(["voltage_l1_n_v", "voltage_l2_n_v", "voltage_l3_n_v"]);
        let delta = self.three(["voltage_l1_l2_v", "voltage_l2_l3_v", "voltage_l3_l1_v"]);
        let verdict = match (star, delta) {
            (Some(star), Some(delta)) if alive(&star) && alive(&delta) => {
                let too_long = (0..3).find(|&i| delta[i] > 1.03 * (star[i] + star[(i + 1) % 3]));
                let ratio = delta.iter().sum::<f64>() / star.iter().sum::<f64>();
                if let Some(i) = too_long {
                    let (next, line) = ((i + 1) % 3, delta[i]);
                    Verdict::Contradicted(format!(
                        "L{}-L{} is {line:.1} V over phases of {:.1} and {:.1} V",
                        i + 1,
                        next + 1,
                        star[i],
                        star[next]
                    ))
                } else if !(balanced(&star) && balanced(&delta)) {
                    Verdict::NotProvable
                } else if near(ratio, 3f64.sqrt(), 0.05, 0.0) {
                    Verdict::Consistent
                } else {
                    Verdict::Contradicted(format!("the ratio is {ratio:.3}"))
                }
            }
            _ => Verdict::NotProvable,
        };
        Finding { law: "line voltage is the square root of 3 times phase voltage", verdict }
    }

    /// Active power in total is the sum of the phases. A meter wired for a balanced load may show one
    /// phase for all three, and one without a neutral none, so neither contradicts anything.
    fn totals(&self) -> Finding {
        let verdict = match (self.phases("active_power", "_w"), self.get("active_power_total_w")) {
            (Some(parts), Some(total)) => {
                let size = parts.iter().fold(total.abs(), |size, part| size.max(part.abs()));
                let sum: f64 = parts.iter().sum();
                if size < 1.0 {
                    Verdict::NotProvable
                } else if near(total, sum, 0.0, 0.02 * size) {
                    Verdict::Consistent
                } else if parts == [0.0; 3] || near(total, 3.0 * parts[0], 0.0, 0.02 * size) {
                    Verdict::NotProvable
                } else {
                    Verdict::Contradicted(format!("total {total:.1} W, sum of the phases {sum:.1} W"))
                }
            }
            _ => Verdict::NotProvable,
        };
        Finding { law: "total power is the sum of the phases", verdict }
    }

    /// P² + Q² never exceeds S²; with little distortion it equals S².
    fn power_triangle(&self) -> Finding {
        let mut verdict = Verdict::NotProvable;
        if let (Some(p), Some(s), Some(q)) = (
            self.phases("active_power", "_w"),
            self.phases("apparent_power", "_va"),
            self.phases("reactive_power", "_var"),
        ) {
            for i in 0..3 {
                let resultant = p[i].hypot(q[i]);
                if s[i].max(resultant) < 1.0 {
                    continue;
                }
                if resultant > 1.03 * s[i] {
                    let found = format!("L{}: {:.1} W and {:.1} var in {:.1} VA", i + 1, p[i], q[i], s[i]);
                    verdict = Verdict::Contradicted(found);
                    break;
                }
                if near(resultant, s[i], 0.03, 0.0) {
                    verdict = Verdict::Consistent;
                }
            }
        }
        Finding { law: "active and reactive power fit into apparent power", verdict }
    }

    /// |PF| is |P| / S. A meter that shows cos φ differs from that under distortion, so only a large
    /// difference contradicts.
    fn power_factor(&self) -> Finding {
        let mut verdict = Verdict::NotProvable;
        if let (Some(p), Some(s), Some(pf)) = (
            self.phases("active_power", "_w"),
            self.phases("apparent_power", "_va"),
            self.phases("power_factor", ""),
        ) {
            for i in 0..3 {
                if s[i] < 10.0 {
                    continue;
                }
                let expected = (p[i] / s[i]).abs();
                if near(pf[i].abs(), expected, 0.0, 0.05) {
                    verdict = Verdict::Consistent;
                } else if !near(pf[i].abs(), expected, 0.0, 0.4) {
                    let found = format!("L{}: {:.3}, while P/S is {expected:.3}", i + 1, pf[i].abs());
                    verdict = Verdict::Contradicted(found);
                    break;
                }
            }
        }
        Finding { law: "power factor is P/S", verdict }
    }

    /// S = V·I per phase. The two blocks are read one after the other, so a load step can break it:
    /// it supports the map and never contradicts it.
    fn volt_amperes(&self) -> Finding {
        let verdict = match (
            self.three(["voltage_l1_n_v", "voltage_l2_n_v", "voltage_l3_n_v"]),
            self.phases("current", "_a"),
            self.phases("apparent_power", "_va"),
        ) {
            (Some(v), Some(i), Some(s)) if s.iter().all(|s| *s > 10.0) => {
                let fits = (0..3).all(|n| near(s[n], (v[n] * i[n]).abs(), 0.05, 0.0));
                if fits { Verdict::Consistent } else { Verdict::NotProvable }
            }
            _ => Verdict::NotProvable,
        };
        Finding { law: "apparent power is voltage times current", verdict }
    }
}

const AVERAGES: &str = "system voltage is the mean of the phases";

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::decode;

    /// A 230/400 V system with an unequal inductive load, as assembly bytes.
    fn system() -> (Vec<f32>, Vec<f32>) {
        let current = [10.0f32, 12.0, 8.0];
        let pf = [0.9f32, 0.95, 0.85];
        let s: Vec<f32> = current.iter().map(|i| 230.0 * i).collect();
        let p: Vec<f32> = (0..3).map(|i| s[i] * pf[i]).collect();
        let q: Vec<f32> = (0..3).map(|i| (s[i].powi(2) - p[i].powi(2)).sqrt()).collect();
        let sum = |parts: &[f32]| parts.iter().sum::<f32>();
        let total = sum(&p).hypot(sum(&q));
        let voltages = [[230.0; 4], [398.4; 4]].concat();
        let one = [voltages, current.to_vec(), vec![3.0]].concat();
        let two = [
            p.clone(),
            vec![sum(&p)],
            s.clone(),
            vec![total],
            q.clone(),
            vec![sum(&q)],
            pf.to_vec(),
            vec![sum(&p) / total, 50.0, 0.0],
        ];
        (one, two.concat())
    }

    fn conclude_on(one: &[f32], two: &[f32]) -> (MapCheck, Option<String>) {
        let profile = Profile::built_in();
        let mut readings = Readings::new(profile.elements.len());
        for (instance, values) in [(101, one), (102, two)] {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            decode::assembly(&profile, instance, &bytes, &mut readings).unwrap();
        }
        readings.arrived(Table::Realtime, std::time::SystemTime::now());
        conclude(&check(&profile, &readings))
    }

    #[test]
    fn an_ordinary_system_is_consistent() {
        let (one, two) = system();
        assert_eq!(conclude_on(&one, &two), (MapCheck::Consistent, None));
    }

    #[test]
    fn a_meter_without_voltage_or_load_contradicts_nothing() {
        assert_eq!(conclude_on(&[0.0; 12], &[0.0; 18]).0, MapCheck::NotProvable);
        let (one, _) = system();
        let mut idle = [0.0; 18];
        idle[16] = 50.0;
        idle[12..16].fill(1.0);
        assert_eq!(conclude_on(&one, &idle).0, MapCheck::Consistent);
    }

    #[test]
    fn real_but_unusual_wirings_contradict_nothing() {
        // One phase only; two phases of a 120/240 V system; a balanced-load wiring with one current.
        let (_, two) = system();
        let mut single = two.clone();
        for quantity in [0, 4, 8] {
            single[quantity + 1] = 0.0;
            single[quantity + 2] = 0.0;
            single[quantity + 3] = single[quantity];
        }
        let one = [230.0, 0.0, 0.0, 230.0, 0.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 10.0];
        assert_ne!(conclude_on(&one, &single).0, MapCheck::Contradicted);
        let split = [120.0, 120.0, 0.0, 120.0, 240.0, 0.0, 0.0, 240.0, 9.0, 9.0, 0.0, 0.0];
        assert_ne!(conclude_on(&split, &single).0, MapCheck::Contradicted);
        let mut balanced = single;
        for quantity in [0, 4, 8] {
            balanced[quantity + 3] = 3.0 * balanced[quantity];
        }
        assert_ne!(conclude_on(&one, &balanced).0, MapCheck::Contradicted);
    }

    #[test]
    fn a_shifted_or_swapped_map_is_contradicted_with_the_numbers() {
        let (one, two) = system();
        let (mut swapped, mut shifted) = (one.clone(), two.clone());
        swapped[0..4].fill(398.4);
        swapped[4..8].fill(230.0);
        let (verdict, found) = conclude_on(&swapped, &two);
        assert_eq!(verdict, MapCheck::Contradicted);
        assert!(found.unwrap().contains("ratio is 0.577"));
        shifted.rotate_right(1);
        assert_eq!(conclude_on(&one, &shifted).0, MapCheck::Contradicted);
        // Watts and volt-amperes exchanged.
        let mut exchanged = two.clone();
        for i in 0..4 {
            exchanged.swap(i, i + 4);
        }
        assert_eq!(conclude_on(&one, &exchanged).0, MapCheck::Contradicted);
    }
}
