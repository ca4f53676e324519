//! Mistakes of wiring and ratios that follow from the same numbers. They are hints: a reversed current
//! transformer and a phase that feeds look alike.

use crate::meter::names::{GROUPS, PHASE_SEQUENCE};

use crate::verify::map::scale;
use crate::verify::map::series::{Map, Series};

const CURRENT: usize = 2;
const ACTIVE: usize = 3;
const REACTIVE: usize = 5;

/// Everything worth saying about the wiring.
pub fn of(series: &Series, map: &Map, ct_ratio: Option<f64>) -> Vec<String> {
    let mut hints = Vec::new();
    hints.extend(sequence(series, map));
    match exchanged(series, map) {
        Some(hint) => hints.push(hint),
        None => hints.extend(reversed(series, map)),
    }
    hints.extend(ratio_of_one_phase(series, map));
    hints.extend(ratio_not_set(series, map, ct_ratio));
    hints
}

/// The values of a group's three phases in every reading.
fn phases(series: &Series, map: &Map, group: usize) -> Option<Vec<[f64; 3]>> {
    let [a, b, c, _] = GROUPS[group].elements.map(|name| series.position(name));
    let (a, b, c) = (a?, b?, c?);
    let value = |reading, element| series.value(reading, element, map);
    (0..series.readings.len()).map(|n| Some([value(n, a)?, value(n, b)?, value(n, c)?])).collect()
}

fn sequence(series: &Series, map: &Map) -> Option<String> {
    let element = series.position(PHASE_SEQUENCE)?;
    let reversed = (0..series.readings.len()).all(|n| series.value(n, element, map) == Some(-1.0));
    reversed.then(|| {
        "the voltages are connected in the order L1-L3-L2 (phase_sequence is -1): two phases are exchanged, or the \
         network turns the other way"
            .to_owned()
    })
}

/// The angle by which current lags voltage in each phase, in degrees; `None` without load.
fn angles(series: &Series, map: &Map) -> Option<Vec<[f64; 3]>> {
    let (active, reactive) = (phases(series, map, ACTIVE)?, phases(series, map, REACTIVE)?);
    let pairs = active.iter().zip(&reactive);
    let loaded = |(p, q): (&[f64; 3], &[f64; 3])| (0..3).all(|n| p[n].hypot(q[n]) > 10.0);
    let angle = |(p, q): (&[f64; 3], &[f64; 3])| [0, 1, 2].map(|n: usize| q[n].atan2(p[n]).to_degrees());
    pairs.clone().all(loaded).then(|| pairs.map(angle).collect())
}

/// An ordinary load lags by less than this, in degrees, and leads by less, too.
const ORDINARY: f64 = 55.0;

/// Two currents are exchanged when their angles are odd, and ordinary once each is turned to the other's voltage.
fn exchanged(series: &Series, map: &Map) -> Option<String> {
    let angles = angles(series, map)?;
    let ordinary = |angle: f64| angle.abs() < ORDINARY;
    let turned = |angle: f64, turn: f64| (angle + turn + 540.0).rem_euclid(360.0) - 180.0;
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        let turn = 120.0 * (b as f64 - a as f64);
        for direction in [1.0, -1.0] {
            let fits = |angle: &[f64; 3]| {
                let other = 3 - a - b;
                ordinary(angle[other])
                    && !ordinary(angle[a])
                    && !ordinary(angle[b])
                    // What input a measures is b's current, which lags a's voltage by the angle between the two more.
                    && ordinary(turned(angle[a], -direction * turn))
                    && ordinary(turned(angle[b], direction * turn))
            };
            if angles.iter().all(fits) {
                return Some(format!(
                    "the current transformers of L{} and L{} seem to be exchanged: their currents lag by {:.0}° and \
                     {:.0}°, and by {:.0}° and {:.0}° if each belongs to the other's voltage",
                    a + 1,
                    b + 1,
                    angles[0][a],
                    angles[0][b],
                    turned(angles[0][b], direction * turn),
                    turned(angles[0][a], -direction * turn)
                ));
            }
        }
    }
    None
}

/// A phase whose power has the other sign than both others.
fn reversed(series: &Series, map: &Map) -> Option<String> {
    let powers = phases(series, map, ACTIVE)?;
    let phase = (0..3)
        .find(|&n| powers.iter().all(|p| p[n] < -10.0 && p[(n + 1) % 3] > 10.0 && p[(n + 2) % 3] > 10.0))?;
    Some(format!(
        "the current transformer of L{} seems to be the wrong way round: its active power is {:.0} W while the others \
         are {:.0} and {:.0} W",
        phase + 1,
        powers[0][phase],
        powers[0][(phase + 1) % 3],
        powers[0][(phase + 2) % 3]
    ))
}

/// One phase whose current does not fit its power, by a factor.
fn ratio_of_one_phase(series: &Series, map: &Map) -> Option<String> {
    let ratios = scale::ratios(series, map)?;
    let odd = (0..3).find(|&n| {
        let others = [ratios[(n + 1) % 3], ratios[(n + 2) % 3]];
        (others[0] / others[1] - 1.0).abs() < 0.05 && (ratios[n] / others[0] - 1.0).abs() > 0.1
    })?;
    let times = ratios[odd] / ratios[(odd + 1) % 3];
    Some(format!("the power of L{} is {times:.2} times what its voltage and current give", odd + 1))
}

/// Transformers have a secondary side of 5 A at most.
fn ratio_not_set(series: &Series, map: &Map, ct_ratio: Option<f64>) -> Option<String> {
    let most = phases(series, map, CURRENT)?.into_iter().flatten().fold(0.0, f64::max);
    (ct_ratio == Some(1.0) && most > 0.0 && most <= 6.0).then(|| {
        format!(
            "the CT ratio is 1 and no current exceeds {most:.2} A: if there are current transformers, their ratio is \
             not set"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::map::series::numbers::{Phases, series};

    fn hints(phases: Phases) -> Vec<String> {
        let (series, map) = series(&[phases; 3]);
        of(&series, &map, None)
    }

    #[test]
    fn a_reversed_or_exchanged_transformer_is_told_from_an_ordinary_load() {
        assert_eq!(hints([(230.0, 10.0, 20.0), (230.0, 12.0, -30.0), (230.0, 8.0, 45.0)]), [""; 0]);
        let reversed = hints([(230.0, 10.0, 20.0), (230.0, 12.0, 20.0), (230.0, 8.0, 200.0)]);
        assert!(reversed[0].starts_with("the current transformer of L3"), "{reversed:?}");
        // L2's current lags L1's voltage by 120° more than its own, L3's that of L2 likewise.
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            let mut phases = [(230.0, 10.0, 20.0); 3];
            let turn = 120.0 * (b as f64 - a as f64);
            (phases[a].2, phases[b].2) = (20.0 + turn, 20.0 - turn);
            let exchanged = hints(phases);
            let says = format!("the current transformers of L{} and L{}", a + 1, b + 1);
            assert!(exchanged[0].starts_with(&says), "{exchanged:?}");
        }
    }

    #[test]
    fn one_phase_whose_power_does_not_fit_its_current_is_named_with_the_factor() {
        let (mut series, map) = series(&[[(230.0, 10.0, 20.0); 3]; 3]);
        series.readings.iter_mut().for_each(|reading| reading[9] /= 4.0);
        let found = of(&series, &map, Some(1.0));
        assert!(found.iter().any(|hint| hint.starts_with("the power of L2 is 4.00 times")), "{found:?}");
    }
}
