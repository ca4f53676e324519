//! From a map that does not fit to one that does: the smallest change first, and again from there.

use super::alternatives;
use super::series::{Map, Series};
use super::weigh::{Misfits, Scales};

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
        let cost = scales.cost(&misfits);
        let Some(next) = improve(series, scales, &map, from, cost) else { break };
        misfits = scales.weigh(&next);
        map = next;
    }
    (map, misfits)
}

fn improve(series: &Series, scales: &Scales<'_>, map: &Map, from: &Map, cost: f64) -> Option<Map> {
    let mut near = neighbors(series, scales, map, from);
    if let Some((better, _, next)) = near.first()
        && *better < cost - SAME
    {
        return Some(next.clone());
    }
    near.truncate(LOOKAHEAD);
    let second =
        near.iter().filter_map(|(_, _, step)| neighbors(series, scales, step, from).into_iter().next());
    second.min_by(order).filter(|(better, ..)| *better < cost - SAME).map(|(_, _, next)| next)
}

type Weighed = (f64, usize, Map);

/// The alternatives to a map with their costs and the number of elements they move away from `from`, best first.
fn neighbors(series: &Series, scales: &Scales<'_>, map: &Map, from: &Map) -> Vec<Weighed> {
    let weighed = alternatives::all(series, map).into_iter().map(|alternative| {
        let other = alternative.of(map);
        let moved = other.iter().zip(from).filter(|(a, b)| a != b).count();
        (scales.cost(&scales.weigh(&other)), moved, other)
    });
    let mut weighed: Vec<Weighed> = weighed.collect();
    weighed.sort_by(order);
    weighed
}

fn order(a: &Weighed, b: &Weighed) -> std::cmp::Ordering {
    // In whole steps, so that this is an order.
    (a.0 / SAME).round().total_cmp(&(b.0 / SAME).round()).then(a.1.cmp(&b.1))
}
