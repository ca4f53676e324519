//! The other maps that a map is compared with: what a wrong guess can look like.
//!
//! Every exchange of two elements; every order of the three phases, in every selection of the quantities, all
//! of them included; every exchange of two quantities; the total before its phases; phase by phase instead of
//! quantity by quantity. An element is proven when none of those that move it fits.

use crate::meter::names::GROUPS;

use crate::verify::map::series::{Map, Series};

/// What an alternative changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Two elements, by position.
    Exchange(usize, usize),
    /// The phases in some quantities.
    Phases,
    /// The phases in every quantity alike: a matter of names, which no law of physics can tell.
    Names,
    /// Whole quantities, or the order within them.
    Quantities,
}

/// One other map: the element at each position takes the slot that the map gave to another.
#[derive(Debug, Clone)]
pub struct Alternative {
    /// What it changes.
    pub change: Change,
    /// For each position, the position whose slot it takes.
    takes: Vec<usize>,
}

impl Alternative {
    /// The map with the change made.
    pub fn of(&self, map: &Map) -> Map {
        self.takes.iter().map(|from| map[*from]).collect()
    }

    /// Whether an element is moved.
    pub fn moves(&self, element: usize) -> bool {
        self.takes[element] != element
    }
}

/// Every order of three but the usual one: where phase n takes its values from.
const ORDERS: [[usize; 3]; 5] = [[1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1]];

/// Every alternative to a map of a series.
pub fn all(series: &Series, map: &Map) -> Vec<Alternative> {
    let count = series.elements.len();
    let usual: Vec<usize> = (0..count).collect();
    let region = |element: usize| map[element].map(|slot| series.slots[slot].0);
    let mut all = Vec::new();
    for a in 0..count {
        for b in (0..a).filter(|b| region(*b) == region(a)) {
            let mut takes = usual.clone();
            takes.swap(a, b);
            all.push(Alternative { change: Change::Exchange(b, a), takes });
        }
    }
    let groups: Vec<([usize; 4], bool)> = GROUPS
        .iter()
        .filter_map(|group| {
            let [a, b, c, d] = group.elements.map(|name| series.position(name));
            Some(([a?, b?, c?, d?], group.between))
        })
        .collect();
    for order in ORDERS {
        // A line voltage stands between two phases: it goes where its two phases go.
        let lines = [0, 1, 2].map(|line: usize| {
            let ends = [order[line], order[(line + 1) % 3]];
            (0..3).find(|n| ends.contains(n) && ends.contains(&((n + 1) % 3))).unwrap_or(line)
        });
        for chosen in 1..1usize << groups.len() {
            let mut takes = usual.clone();
            for (at, (group, between)) in groups.iter().enumerate() {
                if chosen >> at & 1 == 1 {
                    let order = if *between { lines } else { order };
                    (0..3).for_each(|phase| takes[group[phase]] = group[order[phase]]);
                }
            }
            let whole = chosen + 1 == 1 << groups.len();
            all.push(Alternative { change: if whole { Change::Names } else { Change::Phases }, takes });
        }
    }
    for (a, (one, _)) in groups.iter().enumerate() {
        for (other, _) in groups[..a].iter().filter(|(other, _)| region(other[0]) == region(one[0])) {
            let mut takes = usual.clone();
            (0..4).for_each(|n| (takes[one[n]], takes[other[n]]) = (other[n], one[n]));
            all.push(Alternative { change: Change::Quantities, takes });
        }
        for shift in [1, 3] {
            let mut takes = usual.clone();
            (0..4).for_each(|n| takes[one[n]] = one[(n + shift) % 4]);
            all.push(Alternative { change: Change::Quantities, takes });
        }
    }
    // Four quantities of four elements each: phase by phase.
    let last: Vec<&[usize; 4]> = groups.iter().rev().take(4).rev().map(|(group, _)| group).collect();
    if last.len() == 4 && last.iter().all(|group| region(group[0]) == region(last[0][0])) {
        let mut takes = usual;
        (0..16).for_each(|n| takes[last[n / 4][n % 4]] = last[n % 4][n / 4]);
        all.push(Alternative { change: Change::Quantities, takes });
    }
    all
}
