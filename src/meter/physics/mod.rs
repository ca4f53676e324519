//! Do the numbers contradict the map?
//!
//! Laws that hold on every system, whatever the load and the wiring, are used to contradict; laws that
//! hold only on ordinary systems are used to support. A meter without voltage or load proves nothing and
//! contradicts nothing. The values come from realtime blocks that were read anyway: no traffic is added.

use std::fmt;

use super::profile::Profile;
use super::reading::Readings;
use super::table::Table;

mod laws;

pub use laws::{GROUPS, Group, LAWS, Law, VOLT_AMPERES};

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
    /// The realtime elements it touches; none when it is about all of them.
    pub elements: &'static [&'static str],
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
    let value = |name: &&str| readings.number(profile.index_of(Table::Realtime, name)?);
    let findings = LAWS.iter().map(|law| {
        let values: Option<Vec<f64>> = law.elements.iter().map(value).collect();
        let verdict = values.map_or(Verdict::NotProvable, |values| law.judge(&values));
        Finding { law: law.name, elements: law.elements, verdict }
    });
    std::iter::once(plausible(profile, readings)).chain(findings).collect()
}

/// Most values of a block that was read lie inside their plausible range. A wrong word order or a
/// shifted block breaks this before anything else.
fn plausible(profile: &Profile, readings: &Readings) -> Finding {
    let taken = readings.taken(Table::Realtime).is_some();
    let rows = profile.elements_of(Table::Realtime).count();
    let dropped = usize::try_from(readings.dropped).unwrap_or(usize::MAX);
    let verdict = if taken && dropped * 4 > rows {
        Verdict::Contradicted(format!("{dropped} of {rows} are not"))
    } else {
        Verdict::NotProvable
    };
    Finding { law: "values are plausible", elements: &[], verdict }
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
