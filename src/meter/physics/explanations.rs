//! The other explanations of the same numbers: what a wrong map looks like. Each gives the numbers as they would
//! be read if it were true; the simplest come first, and are named when several fit alike.

use std::sync::OnceLock;

use crate::meter::names::GROUPS;
use crate::meter::word_order::WordOrder;

use super::numbers::{
    ACTIVE, APPARENT, COUNT, CURRENT, DELTA, FACTOR, FREQUENCY, Map, Numbers, REACTIVE, STAR, View, name,
};

/// What is different from what the map says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The words of each number come in this order.
    WordOrder(WordOrder),
    /// The two words of each REAL are exchanged where no setting says so.
    Words,
    /// Each value stands this many elements later (or earlier).
    Shift(i8),
    /// Each value stands one register later (or earlier).
    Registers(i8),
    /// Elements stand in each other's places.
    Exchange,
    /// Values are in another unit.
    Factor,
    /// Nothing on the list fits, and the numbers are not those of a meter read rightly.
    OtherMeter,
}

/// One explanation, in words that complete "the numbers fit if …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What is different.
    pub kind: Kind,
    /// In words.
    pub words: String,
}

/// An explanation and the numbers as it reads them.
pub(super) struct Candidate {
    pub(super) explanation: Explanation,
    pub(super) view: View,
    /// What positions were multiplied with.
    pub(super) factors: Option<&'static [f32; COUNT]>,
}

impl Candidate {
    fn new(kind: Kind, words: String, view: View) -> Candidate {
        Candidate { explanation: Explanation { kind, words }, view, factors: None }
    }

    /// Whether a law between these positions can be evidence for it: not when all were multiplied alike.
    pub(super) fn concerns(&self, positions: &[usize]) -> bool {
        self.factors.is_none_or(|factors| positions.iter().any(|at| factors[*at] != factors[positions[0]]))
    }
}

/// Every explanation of some numbers that were read with this word order (over Modbus) or without one.
pub(super) fn candidates(map: &Map, numbers: &Numbers, order: Option<WordOrder>) -> Vec<Candidate> {
    let mut candidates = vec![words(map, numbers, order)];
    candidates.extend([1, -1, 2, -2].into_iter().flat_map(|by| shifts(map, numbers, order.is_some(), by)));
    if let Some(order) = order {
        candidates.extend([1, -1].map(|by| {
            let view = numbers.next_register(map, by > 0, order == WordOrder::LowFirst);
            Candidate::new(Kind::Registers(by), shifted(by, "register"), view)
        }));
    }
    let read = |takes: &Takes, factors: Option<&[f32; COUNT]>| -> View {
        std::array::from_fn(|position| {
            let factor = factors.map_or(1.0, |factors| factors[position]);
            numbers.value(map, position, takes[position], |raw| raw.real() * factor)
        })
    };
    let exchanged = exchanges().iter();
    candidates.extend(
        exchanged.map(|(words, takes)| Candidate::new(Kind::Exchange, words.clone(), read(takes, None))),
    );
    let own = usual();
    candidates.extend(factors().iter().map(|(words, factors)| Candidate {
        factors: Some(factors),
        ..Candidate::new(Kind::Factor, words.clone(), read(&own, Some(factors)))
    }));
    candidates
}

fn words(map: &Map, numbers: &Numbers, order: Option<WordOrder>) -> Candidate {
    let (kind, words) = match order.map(WordOrder::other) {
        Some(other) => (Kind::WordOrder(other), format!("the word order is {other}")),
        None => (Kind::Words, "the two words of each REAL are exchanged".to_owned()),
    };
    Candidate::new(kind, words, numbers.other_order(map))
}

fn shifted(by: i8, what: &str) -> String {
    let many = if by.abs() == 1 { format!("one {what}") } else { format!("{} {what}s", by.abs()) };
    format!("every value stands {many} {} than the map says", if by > 0 { "later" } else { "earlier" })
}

/// Everything shifted; and over EtherNet/IP, one of the two assemblies alone.
fn shifts(map: &Map, numbers: &Numbers, over_modbus: bool, by: i8) -> impl Iterator<Item = Candidate> {
    let whole = 0..COUNT;
    let (first, second) = (0..4 * ACTIVE, 4 * ACTIVE..COUNT);
    let parts = [
        (whole, String::new()),
        (first, "of voltages and currents ".to_owned()),
        (second, "of powers, power factors and frequency ".to_owned()),
    ];
    parts.into_iter().map(move |(part, of)| {
        let words = shifted(by, "element").replacen("value ", &format!("value {of}"), 1);
        let view = std::array::from_fn(|position| {
            if !part.contains(&position) {
                return numbers.value(map, position, position, |raw| raw.real());
            }
            let from = map.beside(position, 4 * i32::from(by), over_modbus)?;
            // What stands beyond is not known to belong to the same mistake.
            if !part.contains(&from) {
                return None;
            }
            numbers.value(map, position, from, |raw| raw.real())
        });
        Candidate::new(Kind::Shift(by), words, view)
    })
}

/// For each position, the position that has its value.
type Takes = [usize; COUNT];

fn usual() -> Takes {
    std::array::from_fn(|position| position)
}

/// Every exchange of elements.
fn exchanges() -> &'static [(String, Takes)] {
    static EXCHANGES: OnceLock<Vec<(String, Takes)>> = OnceLock::new();
    EXCHANGES.get_or_init(|| {
        let pairs = [
            (STAR, DELTA),
            (STAR, CURRENT),
            (DELTA, CURRENT),
            (ACTIVE, APPARENT),
            (APPARENT, REACTIVE),
            (ACTIVE, REACTIVE),
            (REACTIVE, FACTOR),
            (APPARENT, FACTOR),
            (ACTIVE, FACTOR),
        ];
        let mut all: Vec<(String, Takes)> = pairs.into_iter().map(|(one, other)| pair(one, other)).collect();
        all.extend(frequency());
        all.extend(totals());
        all.extend(orders(&[STAR, DELTA, CURRENT]));
        all.extend(orders(&[ACTIVE, APPARENT, REACTIVE, FACTOR]));
        all.extend(interleaved());
        all.extend(singles());
        all
    })
}

fn pair(one: usize, other: usize) -> (String, Takes) {
    let mut takes = usual();
    (0..4).for_each(|n| (takes[4 * one + n], takes[4 * other + n]) = (4 * other + n, 4 * one + n));
    (format!("{} and {} are exchanged", GROUPS[one].name, GROUPS[other].name), takes)
}

/// Frequency and power factor in each other's places: one for one, or the frequency before all four.
fn frequency() -> Vec<(String, Takes)> {
    let last = 4 * FACTOR + 3;
    let mut all: Vec<(String, Takes)> = (4 * FACTOR..=last)
        .rev()
        .map(|factor| {
            let mut takes = usual();
            (takes[FREQUENCY], takes[factor]) = (factor, FREQUENCY);
            ("power factor and frequency are exchanged".to_owned(), takes)
        })
        .collect();
    let mut before = usual();
    before[FREQUENCY] = 4 * FACTOR;
    (4 * FACTOR..=last).for_each(|factor| before[factor] = factor + 1);
    all.push(("the frequency stands before the power factors".to_owned(), before));
    all
}

/// The total before its phases, or in the place of one, in every quantity, in the powers, or in one quantity.
fn totals() -> Vec<(String, Takes)> {
    // Where L1, L2, L3 and the total are found.
    let orders = [
        ([1, 2, 3, 0], "the total stands before its phases"),
        ([3, 1, 2, 0], "the total and L1 are exchanged"),
        ([0, 3, 2, 1], "the total and L2 are exchanged"),
        ([0, 1, 3, 2], "the total and L3 are exchanged"),
        ([0, 2, 3, 1], "the total stands after L1"),
    ];
    let sets: [(&[usize], &str); 12] = [
        (&[STAR, DELTA, CURRENT, ACTIVE, APPARENT, REACTIVE, FACTOR], "in every quantity"),
        (&[ACTIVE, APPARENT, REACTIVE, FACTOR], "in powers and power factors"),
        (&[ACTIVE, APPARENT, REACTIVE], "in the powers"),
        (&[STAR, DELTA], "in the voltages"),
        (&[STAR, DELTA, CURRENT], "in voltages and currents"),
        (&[ACTIVE], "in the active powers"),
        (&[APPARENT], "in the apparent powers"),
        (&[REACTIVE], "in the reactive powers"),
        (&[FACTOR], "in the power factors"),
        (&[CURRENT], "in the currents"),
        (&[STAR], "in the phase voltages"),
        (&[DELTA], "in the line voltages"),
    ];
    let each = sets.iter().flat_map(|(groups, where_)| {
        orders.iter().map(move |(order, what)| {
            let mut takes = usual();
            for group in *groups {
                (0..4).for_each(|n| takes[4 * group + n] = 4 * group + order[n]);
            }
            (format!("{what} {where_}"), takes)
        })
    });
    each.collect()
}

/// Every other order of some quantities that stand one after the other.
fn orders(groups: &[usize]) -> Vec<(String, Takes)> {
    let mut all = Vec::new();
    let mut order = groups.to_vec();
    permute(&mut order, 0, &mut |order| {
        if order.iter().zip(groups).filter(|(a, b)| a != b).count() > 2 {
            let mut takes = usual();
            for (there, here) in order.iter().zip(groups) {
                (0..4).for_each(|n| takes[4 * there + n] = 4 * here + n);
            }
            let names: Vec<&str> = order.iter().map(|group| GROUPS[*group].name).collect();
            all.push((format!("the order is {}", names.join(", ")), takes));
        }
    });
    all
}

fn permute(items: &mut [usize], from: usize, with: &mut impl FnMut(&[usize])) {
    if from == items.len() {
        return with(items);
    }
    for at in from..items.len() {
        items.swap(from, at);
        permute(items, from + 1, with);
        items.swap(from, at);
    }
}

/// Phase by phase instead of quantity by quantity.
fn interleaved() -> Vec<(String, Takes)> {
    let mut takes = usual();
    (0..16).for_each(|n| takes[4 * ACTIVE + n] = 4 * ACTIVE + n % 4 * 4 + n / 4);
    vec![("powers stand phase by phase, not quantity by quantity".to_owned(), takes)]
}

/// Two voltages or two currents in each other's places. Not two powers: under a distorted load some pair of them always
/// fits by accident.
fn singles() -> Vec<(String, Takes)> {
    let units: [&[usize]; 2] = [&[STAR, DELTA], &[CURRENT]];
    let mut all = Vec::new();
    for unit in units {
        let positions: Vec<usize> = unit.iter().flat_map(|group| 4 * group..4 * group + 4).collect();
        for (at, one) in positions.iter().enumerate() {
            for other in &positions[at + 1..] {
                let mut takes = usual();
                (takes[*one], takes[*other]) = (*other, *one);
                all.push((format!("{} and {} are exchanged", name(*one), name(*other)), takes));
            }
        }
    }
    all
}

/// Values in another unit: what each position is to be multiplied with.
fn factors() -> &'static [(String, [f32; COUNT])] {
    static FACTORS: OnceLock<Vec<(String, [f32; COUNT])>> = OnceLock::new();
    FACTORS.get_or_init(|| {
        let sets: [(&[usize], f32, &str); 12] = [
            (&[ACTIVE, APPARENT, REACTIVE], 1e3, "powers are in kW, kVA and kvar"),
            (&[ACTIVE], 1e3, "active powers are in kW"),
            (&[APPARENT], 1e3, "apparent powers are in kVA"),
            (&[REACTIVE], 1e3, "reactive powers are in kvar"),
            (&[ACTIVE, APPARENT, REACTIVE], 1e6, "powers are in MW, MVA and Mvar"),
            (&[STAR, DELTA], 1e3, "voltages are in kV"),
            (&[STAR, DELTA], 1e-3, "voltages are in mV"),
            (&[CURRENT], 1e-3, "currents are in mA"),
            (&[CURRENT], 1e3, "currents are in kA"),
            (&[ACTIVE, APPARENT, REACTIVE], 10.0, "powers are in units of 10 W"),
            (&[STAR, DELTA], 0.1, "voltages are in units of 0.1 V"),
            (&[CURRENT], 0.1, "currents are in units of 0.1 A"),
        ];
        let each = sets.iter().map(|(groups, factor, words)| {
            let mut factors = [1.0; COUNT];
            for group in *groups {
                factors[4 * group..4 * group + 4].fill(*factor);
            }
            ((*words).to_owned(), factors)
        });
        each.collect()
    })
}
