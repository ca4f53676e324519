//! The realtime elements, judged by physics: whether the map fits, whether another one would, and which.

use crate::meter::Profile;
use crate::meter::element::{Form, Place};

use crate::verify::map::alternatives::{self, Change};
use crate::verify::map::scale::{self, Scale};
use crate::verify::map::search;
use crate::verify::map::series::{Map, Series};
use crate::verify::map::weigh::{Misfits, Scales, Unexpected};
use crate::verify::verdict::{Gap, Judged, Verdict};

/// Readings below this prove nothing.
pub const FEWEST: usize = 3;

/// Why phases cannot be told apart by their numbers.
const NAMES: &str = "its phase belongs together, which phase is called L1 no number can tell";

/// Where an element truly stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// At this place of an assembly, or at none.
    Place(Option<Place>),
    /// At this register, or at none.
    Register(Option<u16>),
}

/// What came of it.
#[derive(Debug)]
pub struct Realtime {
    /// The elements.
    pub judged: Vec<Judged>,
    /// The readings, with factors corrected.
    pub series: Series,
    /// The map that fits, or the profile's if none does.
    pub map: Map,
    /// What is wrong, in sentences.
    pub wrong: Vec<String>,
    /// Values from elsewhere that a load which moves may explain, in sentences.
    pub open: Vec<String>,
    /// Laws that do not hold, which nothing explains: an odd load or wiring, as far as can be told.
    pub odd: Vec<String>,
    /// Elements that stand elsewhere or hold another unit than the profile says.
    pub corrections: Vec<(usize, Correction)>,
}

/// Judges the readings. `starts` are the maps to begin with, the profile's first; there are more when an assembly
/// has another size than the profile says.
pub fn judge(
    profile: &Profile,
    series: Series,
    starts: &[Map],
    expected: &[(String, f64)],
    ct_ratio: Option<f64>,
) -> Realtime {
    let own = &starts[0];
    let scales = Scales::new(&series, expected);
    let current = scales.weigh(own);
    let cost = |map: &Map| scales.cost(&scales.weigh(map));
    let incomplete = own.contains(&None) || starts.len() > 1;
    let trouble = scales.trouble(own);
    let unexpected = scales.unexpected(own);
    // A map is given up only when something is wrong with it, and for one that laws with their premises name.
    let doubtful = incomplete || !trouble.is_empty() || !unexpected.is_empty();
    let named = |map: &Map, misfits: &Misfits| {
        (0..map.len())
            .filter(|n| map[*n] != own[*n] && map[*n].is_some())
            .all(|n| scales.is_named(n, misfits))
    };
    let searched = doubtful.then(|| {
        let nearest = starts.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(own);
        search::best(&series, &scales, nearest)
    });
    if let Some((best_map, best)) = searched
        && best_map != *own
        && scales.fits(&best)
        && scales.trouble(&best_map).is_empty()
        && named(&best_map, &best)
        && (own.contains(&None) || scales.excludes(&best, &current))
    {
        return moved(profile, &series, &scales, own, best_map, &best);
    }
    if !scales.fits(&current)
        && !trouble.is_empty()
        && let Some(scale) = scale::missing(&series, own, ct_ratio)
        && let Some(scaled) = rescaled(&series, own, &scale, expected)
    {
        return at_another_scale(profile, scaled, own, scale, expected);
    }
    let mut judged = judge_each(&series, &scales, own, &current);
    for (elements, found) in &trouble {
        for &element in elements {
            if judged[element].verdict != Verdict::Consistent {
                judged[element].reason = format!("{found}; no other map explains it: an odd load or wiring");
            }
        }
    }
    let (open, contradicted): (Vec<_>, Vec<_>) = unexpected.into_iter().partition(|value| value.moves);
    for Unexpected { element, found, .. } in &contradicted {
        judged[*element].verdict = Verdict::Contradicted;
        judged[*element].reason.clone_from(found);
    }
    let open = open.into_iter().map(|value| value.found).collect();
    let mut wrong: Vec<String> = contradicted.into_iter().map(|value| value.found).collect();
    if !wrong.is_empty() {
        wrong.push(
            "no exchange of elements, missing factor or shift was found that fits the numbers".to_owned(),
        );
    }
    let odd = trouble.into_iter().map(|(_, found)| found).collect();
    Realtime { judged, map: own.clone(), series: series.clone(), wrong, open, odd, corrections: Vec::new() }
}

/// Another map fits.
fn moved(
    profile: &Profile,
    series: &Series,
    scales: &Scales<'_>,
    own: &Map,
    map: Map,
    misfits: &Misfits,
) -> Realtime {
    let mut judged = judge_each(series, scales, &map, misfits);
    let (mut wrong, mut corrections) = (Vec::new(), Vec::new());
    for element in 0..series.elements.len() {
        if map[element] == own[element] {
            continue;
        }
        let index = series.elements[element];
        let form = profile.elements[index].place.map_or(Form::Own, |place| place.form);
        let slot = |map: &Map| map[element].map(|slot| series.slots[slot]);
        let says = slot(own).map_or("nowhere".to_owned(), shown);
        let sentence = match slot(&map) {
            Some(place) => {
                format!("{} is at {}, the profile says {says}", series.names[element], shown(place))
            }
            None => format!("{} is not in the assembly", series.names[element]),
        };
        let correction = if series.is_of_registers() {
            Correction::Register(slot(&map).map(|(_, address)| address))
        } else {
            Correction::Place(slot(&map).map(|(instance, offset)| Place { instance, offset, form }))
        };
        judged[element].verdict = Verdict::Contradicted;
        judged[element].reason = format!("{sentence}; there {}", judged[element].reason);
        corrections.push((index, correction));
        wrong.push(sentence);
    }
    Realtime { judged, map, series: series.clone(), wrong, open: Vec::new(), odd: Vec::new(), corrections }
}

/// A slot as the profile writes it.
fn shown((instance, offset): (u16, u16)) -> String {
    if instance == 0 { format!("register 0x{offset:04X}") } else { format!("{instance}+{offset}") }
}

/// The series with the missing factor, if everything fits then.
fn rescaled(series: &Series, map: &Map, scale: &Scale, expected: &[(String, f64)]) -> Option<Series> {
    let mut scaled = series.clone();
    for (name, factor) in scaled.names.iter().zip(&mut scaled.factors) {
        if scale.elements.contains(&name.as_str()) {
            *factor *= f64::from(scale.factor);
        }
    }
    let scales = Scales::new(&scaled, expected);
    scales.fits(&scales.weigh(map)).then_some(scaled)
}

fn at_another_scale(
    profile: &Profile,
    series: Series,
    map: &Map,
    scale: Scale,
    expected: &[(String, f64)],
) -> Realtime {
    let scales = Scales::new(&series, expected);
    let mut judged = judge_each(&series, &scales, map, &scales.weigh(map));
    let mut corrections = Vec::new();
    for (element, name) in series.names.iter().enumerate() {
        if !scale.elements.contains(&name.as_str()) {
            continue;
        }
        let index = series.elements[element];
        judged[element].verdict = Verdict::Contradicted;
        judged[element].reason = format!("it needs the factor {}: {}", scale.factor, scale.found);
        // Factors are whole and below 2^32: they were read as such, or found as such.
        let form = Form::Scaled(series.factors[element] as u32);
        // Over Modbus a profile has no factors.
        if !series.is_of_registers() {
            let place = profile.elements[index].place.map(|place| Place { form, ..place });
            corrections.push((index, Correction::Place(place)));
        }
    }
    let wrong = vec![format!("{}: they need the factor {}", scale.found, scale.factor)];
    Realtime { judged, map: map.clone(), series, wrong, open: Vec::new(), odd: Vec::new(), corrections }
}

/// Judges each element under a map that fits, or that nothing better was found for.
fn judge_each(series: &Series, scales: &Scales<'_>, map: &Map, misfits: &Misfits) -> Vec<Judged> {
    let alternatives = alternatives::all(series, map);
    let open: Vec<_> = alternatives
        .iter()
        .filter(|alternative| {
            let other = scales.weigh_again(&alternative.of(map), map, misfits);
            !scales.excludes(misfits, &other)
        })
        .collect();
    let judge = |element: usize| {
        let index = series.elements[element];
        let support = scales.support(element, misfits);
        if support.is_empty() {
            let still = (0..series.readings.len()).all(|n| series.value(n, element, map) == Some(0.0));
            let why =
                if still { "it reads 0, and no law touches it" } else { "no law can tell under this load" };
            return Judged::new(index, Verdict::NotProvable, why);
        }
        let worst = support.iter().map(|(_, misfit)| *misfit).fold(0.0, f64::max);
        let laws: Vec<&str> = support.iter().map(|(law, _)| *law).collect();
        let laws = format!("{} (within {:.2} %)", laws.join(", "), worst * 100.0);
        if series.readings.len() < FEWEST || !series.moved(element, map) {
            let why = "the value did not change between readings, which proves nothing";
            return Judged::new(index, Verdict::Consistent, format!("{laws}; {why}")).because(Gap::Still);
        }
        let mine: Vec<&Change> =
            open.iter().filter(|other| other.moves(element)).map(|other| &other.change).collect();
        if mine.is_empty() {
            return Judged::new(index, Verdict::Proven, format!("{laws}; no other map fits"));
        }
        if mine.iter().all(|change| **change == Change::Names) {
            return Judged::new(index, Verdict::Consistent, format!("{laws}; {NAMES}"))
                .because(Gap::PhaseNames);
        }
        let others = mine.iter().find_map(|change| match change {
            Change::Exchange(a, b) => Some(if *a == element { *b } else { *a }),
            _ => None,
        });
        let why = match others {
            Some(other) => format!("{} in its place would fit as well", series.names[other]),
            None => "another order of the phases or quantities would fit as well".to_owned(),
        };
        Judged::new(index, Verdict::Consistent, format!("{laws}; {why}"))
    };
    (0..series.elements.len()).map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::map::series::numbers::{Phases, series};

    const UNEQUAL: Phases = [(230.0, 10.0, 20.0), (231.5, 12.0, 10.0), (229.0, 8.0, -5.0)];

    /// Readings of a load that grows.
    fn growing(phases: Phases) -> Vec<Phases> {
        [1.0, 1.01, 1.03].map(|more| phases.map(|(v, i, angle)| (v + more, i * more, angle + more))).to_vec()
    }

    fn verdicts(readings: &[Phases], change: impl FnOnce(&mut Series)) -> Realtime {
        let (mut series, map) = series(readings);
        change(&mut series);
        judge(&Profile::built_in(), series, &[map], &[], None)
    }

    fn names(found: &Realtime, verdict: Verdict) -> Vec<&str> {
        let judged = found.judged.iter().zip(&found.series.names);
        judged.filter(|(judged, _)| judged.verdict == verdict).map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn a_balanced_load_tells_no_element_from_another_of_its_kind() {
        let found = verdicts(&growing([(230.0, 10.0, 20.0); 3]), |_| {});
        // Means are equal to their phases, the neutral is empty: totals alone stand out.
        for name in
            ["voltage_ln_avg_v", "voltage_l1_n_v", "current_n_a", "current_l2_a", "power_factor_total"]
        {
            assert!(!names(&found, Verdict::Proven).contains(&name), "{name}: {found:#?}");
        }
        assert!(names(&found, Verdict::Proven).contains(&"active_power_total_w"));
        assert!(found.wrong.is_empty() && names(&found, Verdict::Contradicted).is_empty());
    }

    #[test]
    fn noise_as_large_as_a_difference_hides_it() {
        let noisy = |series: &mut Series| {
            // Half a volt of noise on each voltage, as much as the phases differ.
            let noise = [[0.5, -0.4, 0.3, -0.5], [-0.5, 0.5, 0.4, 0.3], [0.4, 0.5, -0.5, 0.5]];
            for (reading, noise) in series.readings.iter_mut().zip(noise) {
                reading[..4].iter_mut().zip(noise).for_each(|(value, noise)| *value += noise);
            }
        };
        let near = [(230.2, 10.0, 20.0), (231.0, 12.0, 10.0), (228.9, 8.0, -5.0)];
        let found = verdicts(&growing(near), noisy);
        assert!(!names(&found, Verdict::Proven).contains(&"voltage_ln_avg_v"));
        assert!(found.wrong.is_empty(), "and contradicts nothing: {:?}", found.wrong);
        assert!(names(&verdicts(&growing(near), |_| {}), Verdict::Proven).contains(&"voltage_ln_avg_v"));
    }

    #[test]
    fn numbers_that_no_map_fits_prove_nothing_and_are_said_to_be_odd() {
        let found = verdicts(&growing(UNEQUAL), |series| {
            for (n, reading) in series.readings.iter_mut().enumerate() {
                reading[12..28].iter_mut().for_each(|value| *value = 100.0 + 37.0 * n as f64);
            }
        });
        assert!(found.corrections.is_empty() && found.wrong.is_empty(), "{:?}", found.wrong);
        assert!(
            found.odd.iter().any(|odd| odd.starts_with("active and reactive power fit")),
            "{:?}",
            found.odd
        );
        assert!(!names(&found, Verdict::Proven).contains(&"active_power_l1_w"));
        assert!(names(&found, Verdict::Contradicted).is_empty());
    }

    #[test]
    fn a_value_from_the_display_contradicts_the_map_under_a_steady_load_and_not_under_one_that_moves() {
        let (profile, shown) = (Profile::built_in(), [("current_l1_a".to_owned(), 10.8)]);
        let judge = |readings: &[Phases]| {
            let (series, map) = series(readings);
            judge(&profile, series, &[map], &shown, None)
        };
        let steady = judge(&[UNEQUAL; 3]);
        assert_eq!(names(&steady, Verdict::Contradicted), ["current_l1_a"]);
        assert!(steady.open.is_empty() && steady.wrong[0].starts_with("current_l1_a reads 10.0000"));
        let moving = judge(&growing(UNEQUAL));
        assert_eq!(names(&moving, Verdict::Contradicted), [""; 0]);
        assert_eq!(moving.wrong, [""; 0]);
        assert!(moving.open[0].starts_with("current_l1_a reads 10.0000 to 10.3000"), "{:?}", moving.open);
        // Ten times as much is no drift.
        let (series, map) = series(&growing(UNEQUAL));
        let shown = [("current_l1_a".to_owned(), 100.0)];
        let far = super::judge(&profile, series, &[map], &shown, None);
        assert_eq!(names(&far, Verdict::Contradicted), ["current_l1_a"]);
    }

    #[test]
    fn two_readings_or_none_that_differ_prove_nothing() {
        let two = &growing(UNEQUAL)[..2];
        assert_eq!(names(&verdicts(two, |_| {}), Verdict::Proven), [""; 0]);
        assert_eq!(names(&verdicts(&[UNEQUAL; 5], |_| {}), Verdict::Proven), [""; 0]);
        assert_eq!(
            names(&verdicts(&growing(UNEQUAL), |_| {}), Verdict::Proven).len(),
            7,
            "and a still frequency"
        );
    }
}
