//! The layout of assembly 107, which nobody has published, solved from the Modbus counters.
//!
//! The assembly is read before and after the counters are, so each counter lies between two readings of the
//! right slots. What is tried: two REALs per counter, high × modulus + low, in units of any power of ten of Wh,
//! in either order and any arrangement; one REAL per counter at any power of ten. All eight energy counters are
//! taken to be written alike. A layout is accepted only when no other one fits: counters that are equal or
//! zero stay open until a later run.

use crate::meter::decode::joined;
use crate::meter::element::Form;

/// The counters and what assembly 107 held around them.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The REALs before the counters were read.
    pub before: Vec<f32>,
    /// The REALs after; the same as before if EtherNet/IP did not return.
    pub after: Vec<f32>,
    /// The eight energy counters in Wh or varh, as Modbus has them.
    pub counters: Vec<Option<u64>>,
    /// The hours counter as Modbus has it: hours × 100 + minutes.
    pub hours: Option<u64>,
    /// The most that a counter can have moved between the two readings, in Wh.
    pub most: f64,
}

/// Where one counter stands: slots of the high and the low half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    /// Slot of the high half.
    pub high: usize,
    /// Slot of the low half.
    pub low: usize,
    /// What a one in the high half is worth, in units of the low half.
    pub modulus: u32,
    /// What a one in the low half is worth, in units of the counter.
    pub factor: u32,
}

/// What is known of one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It stands here and nowhere else.
    At(Pair),
    /// It may stand in any of these places.
    Open(Vec<Pair>),
    /// No place fits it.
    Nowhere,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// Two REALs per counter; the hours counter comes last.
    Pairs(Vec<Found>),
    /// One REAL per counter, in units of this many Wh: the slots of each, more than one when they are equal.
    Singles(f64, Vec<Vec<usize>>),
    /// Nothing can be said, for this reason.
    Unsolved(String),
}

/// Solves the layout.
pub fn solve(evidence: &Evidence) -> Layout {
    if evidence.counters.iter().flatten().all(|counter| *counter == 0) {
        return Layout::Unsolved(
            "every energy counter is zero: run it again when the meter has counted".to_owned(),
        );
    }
    let mut layouts = Vec::new();
    for form in forms() {
        layouts.extend(regular(evidence, form));
    }
    if layouts.is_empty() {
        layouts.extend(forms().filter_map(|form| arranged(evidence, form, None)));
    }
    if let Some(first) = layouts.pop() {
        return Layout::Pairs(layouts.into_iter().fold(first, merge));
    }
    for power in -3..=9 {
        if let Some(slots) = singles(evidence, 10f64.powi(power)) {
            return Layout::Singles(10f64.powi(power), slots);
        }
    }
    Layout::Unsolved(
        "neither one REAL per counter nor two at any power of ten give the Modbus counters".to_owned(),
    )
}

/// Modulus and factor of every way to write two halves.
fn forms() -> impl Iterator<Item = (u32, u32)> {
    let moduli = (1..=9).map(|power| 10u32.pow(power)).chain([1 << 16]);
    moduli.flat_map(|modulus| [1, 10, 100, 1000, 1_000_000].map(|factor| (modulus, factor)))
}

/// Whether a counter lies between what the halves were before and after.
fn fits(evidence: &Evidence, counter: u64, pair: Pair) -> bool {
    let value = |slots: &[f32]| {
        let (high, low) = (*slots.get(pair.high)?, *slots.get(pair.low)?);
        joined(high, low, pair.modulus, pair.factor).map(|value| value as f64)
    };
    let (Some(before), Some(after)) = (value(&evidence.before), value(&evidence.after)) else { return false };
    let counter = counter as f64;
    let form = Form::Pair { low_offset: 0, modulus: pair.modulus, factor: pair.factor };
    // A REAL is rounded, and a meter may cut off what is less than a unit.
    let below = form.step().unwrap_or(1.0);
    let above = below.max(f64::from(pair.factor));
    before - below <= counter && counter <= after + above && after - before <= evidence.most + above
}

/// Layouts in which the two halves of every counter are equally far apart.
fn regular(evidence: &Evidence, form: (u32, u32)) -> Vec<Vec<Found>> {
    let slots = evidence.before.len() as isize;
    let apart = (1 - slots..slots).filter(|apart| *apart != 0);
    apart.filter_map(|apart| arranged(evidence, form, Some(apart))).collect()
}

/// The places of every counter when halves are written like this, and `apart` slots from each other if that is
/// said; `None` when a counter has none, or when none has a high half that proves the modulus.
fn arranged(evidence: &Evidence, (modulus, factor): (u32, u32), apart: Option<isize>) -> Option<Vec<Found>> {
    let slots = evidence.before.len();
    let places: Vec<Pair> = (0..slots)
        .flat_map(|high| (0..slots).map(move |low| Pair { high, low, modulus, factor }))
        .filter(|pair| pair.high != pair.low)
        .filter(|pair| apart.is_none_or(|apart| pair.low as isize - pair.high as isize == apart))
        .collect();
    let at = |counter: u64| -> Vec<Pair> {
        places.iter().copied().filter(|pair| fits(evidence, counter, *pair)).collect()
    };
    let mut candidates: Vec<Option<Vec<Pair>>> =
        evidence.counters.iter().map(|counter| counter.map(at)).collect();
    let counted = |n: usize| evidence.counters.get(n).copied().flatten().is_some_and(|counter| counter > 0);
    // Counters at zero fit every pair of zeros; they are placed when the others are.
    let strict: Vec<usize> = (0..candidates.len()).filter(|n| counted(*n)).collect();
    let proves = |pair: &Pair| evidence.before.get(pair.high).is_some_and(|high| *high > 0.0);
    let of = |candidates: &[Option<Vec<Pair>>], n: usize| candidates[n].clone().unwrap_or_default();
    if strict.iter().any(|n| of(&candidates, *n).is_empty())
        || !strict.iter().any(|n| of(&candidates, *n).iter().any(proves))
    {
        return None;
    }
    // A place is possible only if the other counters then have places, too.
    let lists: Vec<Vec<Pair>> = strict.iter().map(|n| of(&candidates, *n)).collect();
    for (at, n) in strict.iter().enumerate() {
        let possible: Vec<Pair> =
            lists[at].iter().copied().filter(|pair| placeable(&lists, at, *pair)).collect();
        if possible.is_empty() {
            return None;
        }
        candidates[*n] = Some(possible);
    }
    let taken: Vec<usize> = candidates
        .iter()
        .flatten()
        .filter(|list| list.len() == 1)
        .flat_map(|list| [list[0].high, list[0].low])
        .collect();
    let free = |pair: &Pair| !taken.contains(&pair.high) && !taken.contains(&pair.low);
    let mut found: Vec<Found> = candidates
        .into_iter()
        .enumerate()
        .map(|(n, list)| match list {
            Some(list) if counted(n) => placed(list),
            Some(list) => placed(list.into_iter().filter(free).collect()),
            None => Found::Nowhere,
        })
        .collect();
    found.push(hours(evidence, &places, free));
    Some(found)
}

/// The hours counter: written as the others are, or as hours and minutes.
fn hours(evidence: &Evidence, places: &[Pair], free: impl Fn(&Pair) -> bool) -> Found {
    let Some(counter) = evidence.hours else { return Found::Nowhere };
    let alike = |pair: &&Pair| free(pair) && fits(evidence, counter, **pair);
    let like_others: Vec<Pair> = places.iter().filter(alike).copied().collect();
    if !like_others.is_empty() {
        return placed(like_others);
    }
    let own = places.iter().map(|pair| Pair { modulus: 100, factor: 1, ..*pair });
    placed(own.filter(|pair| free(pair) && fits(evidence, counter, *pair)).collect())
}

fn placed(mut list: Vec<Pair>) -> Found {
    match list.len() {
        0 => Found::Nowhere,
        1 => Found::At(list.remove(0)),
        _ => Found::Open(list),
    }
}

/// Whether every counter can have slots of its own when the one at `fixed` stands at `place`.
fn placeable(lists: &[Vec<Pair>], fixed: usize, place: Pair) -> bool {
    fn go(lists: &[Vec<Pair>], fixed: usize, next: usize, taken: &mut Vec<usize>) -> bool {
        if next == lists.len() {
            return true;
        }
        if next == fixed {
            return go(lists, fixed, next + 1, taken);
        }
        lists[next].iter().any(|pair| {
            if taken.contains(&pair.high) || taken.contains(&pair.low) {
                return false;
            }
            taken.extend([pair.high, pair.low]);
            let done = go(lists, fixed, next + 1, taken);
            taken.truncate(taken.len() - 2);
            done
        })
    }
    go(lists, fixed, 0, &mut vec![place.high, place.low])
}

/// Two layouts that both fit: what they agree on stays.
fn merge(a: Vec<Found>, b: Vec<Found>) -> Vec<Found> {
    let list = |found: Found| match found {
        Found::At(pair) => vec![pair],
        Found::Open(list) => list,
        Found::Nowhere => Vec::new(),
    };
    let both = a.into_iter().zip(b).map(|(a, b)| {
        let mut all = list(a);
        for pair in list(b) {
            if !all.contains(&pair) {
                all.push(pair);
            }
        }
        placed(all)
    });
    both.collect()
}

/// The slots in which each counter stands whole, in these units; `None` when one stands nowhere.
fn singles(evidence: &Evidence, unit: f64) -> Option<Vec<Vec<usize>>> {
    let places = |counter: u64| -> Vec<usize> {
        let counter = counter as f64;
        let fits = |&slot: &usize| {
            let value = |slots: &[f32]| f64::from(slots[slot]) * unit;
            let (before, after) = (value(&evidence.before), value(&evidence.after));
            // 24 bits; and a meter may show tenths of its unit only.
            let rounding = (before * 2f64.powi(-23)).max(unit / 10.0).max(1.0);
            let still_zero = (counter == 0.0) == (before == 0.0);
            still_zero
                && before - rounding <= counter
                && counter <= after + rounding
                && after - before <= evidence.most + rounding
        };
        (0..evidence.before.len().min(evidence.after.len())).filter(fits).collect()
    };
    let found: Vec<Vec<usize>> =
        evidence.counters.iter().map(|counter| counter.map(places).unwrap_or_default()).collect();
    let sound = |(slots, counter): (&Vec<usize>, &Option<u64>)| {
        counter.is_none_or(|counter| counter == 0 || !slots.is_empty())
    };
    found.iter().zip(&evidence.counters).all(sound).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Total and partial counters as a meter might have them, and the hours counter.
    const COUNTERS: [u64; 8] =
        [1_234_567_890, 345_678_901, 56_789_012, 6_789_012, 4_567_890, 1_678_901, 89_012, 9_012];
    const HOURS: u64 = 1_234_541;

    fn halves(counters: &[u64], modulus: u64) -> Vec<(f32, f32)> {
        counters.iter().map(|counter| ((counter / modulus) as f32, (counter % modulus) as f32)).collect()
    }

    /// The counters 30 Wh earlier and later.
    fn around(counters: &[u64], write: impl Fn(&[u64]) -> Vec<f32>) -> Evidence {
        let at = |offset: i64| -> Vec<u64> {
            counters.iter().map(|c| if *c > 0 { c.saturating_add_signed(offset) } else { 0 }).collect()
        };
        Evidence {
            before: write(&[&at(-30)[..], &[HOURS]].concat()),
            after: write(&[&at(30)[..], &[HOURS]].concat()),
            counters: counters.iter().copied().map(Some).collect(),
            hours: Some(HOURS),
            most: 1000.0,
        }
    }

    fn places(layout: &Layout) -> Vec<Option<(usize, usize)>> {
        let Layout::Pairs(found) = layout else { panic!("{layout:?}") };
        let place = |found: &Found| match found {
            Found::At(pair) => Some((pair.high, pair.low)),
            _ => None,
        };
        found.iter().map(place).collect()
    }

    #[test]
    fn two_reals_per_counter_are_found_in_every_arrangement() {
        let interleaved = |n: &[u64]| halves(n, 1_000_000).into_iter().flat_map(|(h, l)| [h, l]).collect();
        let layout = solve(&around(&COUNTERS, interleaved));
        assert_eq!(places(&layout), (0..9).map(|n| Some((2 * n, 2 * n + 1))).collect::<Vec<_>>());

        let low_first = |n: &[u64]| halves(n, 10_000).into_iter().flat_map(|(h, l)| [l, h]).collect();
        let layout = solve(&around(&COUNTERS, low_first));
        assert_eq!(places(&layout), (0..9).map(|n| Some((2 * n + 1, 2 * n))).collect::<Vec<_>>());

        let reversed = |n: &[u64]| {
            let halves = halves(n, 10_000_000);
            halves.iter().rev().map(|h| h.0).chain(halves.iter().rev().map(|h| h.1)).collect()
        };
        let layout = solve(&around(&COUNTERS, reversed));
        assert_eq!(places(&layout), (0..9).rev().map(|n| Some((n, n + 9))).collect::<Vec<_>>());
    }

    #[test]
    fn gigawatt_hours_and_kilowatt_hours_with_decimals_are_found_with_their_factor() {
        let write = |n: &[u64]| {
            let half = |n: &u64| [(n / 1_000_000_000) as f32, (n % 1_000_000_000) as f32 / 1000.0];
            let mut slots: Vec<f32> = n[..8].iter().flat_map(half).collect();
            slots.extend([(n[8] / 100) as f32, (n[8] % 100) as f32]);
            slots
        };
        let layout = solve(&around(&COUNTERS, write));
        let Layout::Pairs(found) = &layout else { panic!("{layout:?}") };
        assert_eq!(found[0], Found::At(Pair { high: 0, low: 1, modulus: 1_000_000, factor: 1000 }));
        assert_eq!(found[8], Found::At(Pair { high: 16, low: 17, modulus: 100, factor: 1 }));
        assert!(found.iter().all(|found| matches!(found, Found::At(_))), "{found:?}");
    }

    #[test]
    fn equal_and_zero_counters_stay_open_and_the_others_are_found() {
        let write = |n: &[u64]| halves(n, 1_000_000).into_iter().flat_map(|(h, l)| [h, l]).collect();
        // Never reset: total and partial are equal. Nothing was exported.
        let counters = [1_234_567_890, 345_678_901, 0, 0, 1_234_567_890, 5_678_901, 0, 0];
        let Layout::Pairs(found) = solve(&around(&counters, write)) else { panic!() };
        assert!(matches!(&found[0], Found::Open(places) if places.len() == 2));
        assert_eq!(found[1], Found::At(Pair { high: 2, low: 3, modulus: 1_000_000, factor: 1 }));
        assert_eq!(found[5], Found::At(Pair { high: 10, low: 11, modulus: 1_000_000, factor: 1 }));
        assert!([2, 3, 6, 7].iter().all(|n| matches!(&found[*n], Found::Open(_))), "{found:?}");
        assert!(matches!(solve(&around(&[0; 8], write)), Layout::Unsolved(why) if why.contains("zero")));
    }

    #[test]
    fn one_real_per_counter_is_found_and_noise_is_not() {
        let write = |n: &[u64]| {
            let mut slots: Vec<f32> = n[..8].iter().map(|n| (*n as f64 / 1000.0) as f32).collect();
            slots.resize(18, 0.0);
            slots
        };
        let layout = solve(&around(&COUNTERS, write));
        assert_eq!(layout, Layout::Singles(1000.0, (0..8).map(|n| vec![n]).collect()));
        let noise = |n: &[u64]| (0..18).map(|slot| (n[0] % 1_000_003) as f32 * (slot + 1) as f32).collect();
        assert!(matches!(solve(&around(&COUNTERS, noise)), Layout::Unsolved(_)));
    }
}
