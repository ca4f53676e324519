//! From a map that does not fit to one that does: the smallest change first, and again from there.

use crate::verify::map::alternatives;
use crate::verify::map::series::{Map, Series};
use crate::verify::map::weigh::{Misfits, Scales};

/// Most changes in a row.
const STEPS: usize = 16;
/// The most promising changes from which a second one is tried, when no single one helps.
const LOOKAHEAD: usize = 24;
/// Costs closer than this are the same; the smaller change wins then.
const SAME: f64 = 1e-6;

/// The best map that can be reached from this one, with its misfits.
pub fn best(series: &Series, scales: &Scales<'_>, from: &Map) -> (Map, Misfits) {
    let mut map = from.clone();
    let mut misfits = scales.weigh(&map);
    for _ in 0..STEPS {
        let Some((_, _, next, weighed)) = improve(series, scales, (&map, &misfits), from) else { break };
        (map, misfits) = (next, weighed);
    }
    (map, misfits)
}

fn improve(series: &Series, scales: &Scales<'_>, now: (&Map, &Misfits), from: &Map) -> Option<Weighed> {
    let cost = scales.cost(now.1);
    let better = |weighed: &Weighed| weighed.0 < cost - SAME;
    let mut near = neighbors(series, scales, now, from);
    if near.first().is_some_and(better) {
        return near.into_iter().next();
    }
    if scales.fits(now.1) {
        return None;
    }
    near.truncate(LOOKAHEAD);
    let mut best: Option<Weighed> = None;
    for (_, _, step, weighed) in &near {
        let most = best.as_ref().map_or(cost, |best| best.0.min(cost));
        let found = nearest(series, scales, (step, weighed), from, most);
        best = match (best, found) {
            (Some(best), Some(found)) if order(&found, &best).is_lt() => Some(found),
            (None, found) => found,
            (best, _) => best,
        };
    }
    best.filter(better)
}

/// Cost, number of elements moved, map, misfits.
type Weighed = (f64, usize, Map, Misfits);

/// The alternatives to a map with their costs and the number of elements they move away from `from`, best first.
fn neighbors(series: &Series, scales: &Scales<'_>, now: (&Map, &Misfits), from: &Map) -> Vec<Weighed> {
    let (map, misfits) = now;
    let weighed = alternatives::all(series, map).into_iter().map(|alternative| {
        let other = alternative.of(map);
        let moved = other.iter().zip(from).filter(|(a, b)| a != b).count();
        let weighed = scales.weigh_again(&other, map, misfits);
        (scales.cost(&weighed), moved, other, weighed)
    });
    let mut weighed: Vec<Weighed> = weighed.collect();
    weighed.sort_by(order);
    weighed
}

/// The first of the [`neighbors`], if it costs no more than `most`.
fn nearest(
    series: &Series,
    scales: &Scales<'_>,
    now: (&Map, &Misfits),
    from: &Map,
    mut most: f64,
) -> Option<Weighed> {
    let (map, misfits) = now;
    let costs = scales.costs(misfits);
    let mut best: Option<Weighed> = None;
    for alternative in alternatives::all(series, map) {
        let other = alternative.of(map);
        let Some(weighed) = scales.weigh_within(&other, (map, misfits, &costs), most + SAME) else {
            continue;
        };
        let moved = other.iter().zip(from).filter(|(a, b)| a != b).count();
        let found = (scales.cost(&weighed), moved, other, weighed);
        if best.as_ref().is_none_or(|best| order(&found, best).is_lt()) {
            most = most.min(found.0);
            best = Some(found);
        }
    }
    best
}

fn order(a: &Weighed, b: &Weighed) -> std::cmp::Ordering {
    // In whole steps, so that this is an order.
    (a.0 / SAME).round().total_cmp(&(b.0 / SAME).round()).then(a.1.cmp(&b.1))
}
