//! Does the map fit? Evidence for and against, and a verdict only by comparison.
//!
//! ```text
//! numbers ─→ as the map reads them ─→ laws ─┐
//!        └→ as each explanation does ─→ laws ─┴→ verdict
//! ```
//!
//! A law that is broken under the map makes it look for another explanation; only one that breaks nothing and lets
//! clearly more laws hold contradicts the map. Without one the map stays "not provable", however odd the numbers
//! are, unless most of them are no values at all. Voltages that obey few of their laws and break none make it look,
//! too: a network without 120° between its phases is like that, and two voltages in each other's places are.

use std::fmt;

use crate::meter::word_order::WordOrder;

use super::explanations::{self, Candidate, Explanation, Kind};
use super::laws::{Found, LAWS, Law, NOISE, Premise, Says};
use super::numbers::{APPARENT, COUNT, CURRENT, Map, Numbers, View};

/// What is known of the meter beside the reading that is judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The word order in which it was read over Modbus; nothing over EtherNet/IP.
    pub order: Option<WordOrder>,
    /// The ratio of the current transformers, if the meter's settings were read.
    pub ct_ratio: Option<f64>,
    /// What earlier readings have shown.
    pub seen: Seen,
    /// The reading before, which tells whether the load stood still.
    pub earlier: Option<&'a Numbers>,
}

/// What a meter's consistent readings have shown so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seen {
    /// The largest apparent power of a phase, in VA.
    pub apparent: f64,
}

impl Seen {
    /// With one more reading, which was found consistent.
    #[must_use]
    pub fn with(self, map: &Map, numbers: &Numbers) -> Seen {
        let phases = (4 * APPARENT..4 * APPARENT + 3).filter_map(|phase| numbers.shown(map, phase));
        Seen { apparent: phases.map(|(value, _)| value.abs()).fold(self.apparent, f64::max) }
    }
}

/// What one reading says about the map.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Laws hold, and none is broken.
    Consistent,
    /// The numbers cannot tell under this load.
    NotProvable,
    /// Another explanation fits the numbers clearly better.
    Contradicted(Contradiction),
}

/// Why a map is contradicted.
#[derive(Debug, Clone, PartialEq)]
pub struct Contradiction {
    /// The law that the map breaks.
    pub law: &'static str,
    /// The numbers that break it, in words.
    pub found: String,
    /// What fits them.
    pub explanation: Explanation,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.law, self.found)?;
        match self.explanation.kind {
            Kind::OtherMeter => write!(f, ", and {}", self.explanation.words),
            _ => write!(f, "; the numbers fit if {}", self.explanation.words),
        }
    }
}

/// The full load of a meter's current inputs, in A on the secondary side.
const SECONDARY: f64 = 5.0;
/// The share of full load below which powers are noise.
const OF_RANGE: f64 = 0.005;
/// The share of the largest power seen below which they are.
const OF_SEEN: f64 = 0.01;
/// Smaller numbers than this are no measured values.
const TINY: f64 = 1e-12;
/// REALs smaller than this are integers, or words of other numbers.
const NO_REAL: f64 = 1e-30;

/// Laws between voltages that do not hold, from which other places of the voltages are tried.
const FEW: usize = 3;
/// Those that must hold in other places, where no law is broken or odd: no healthy network's voltages fit them by
/// accident.
const MANY: isize = 5;

/// Judges one reading.
pub fn judge(map: &Map, numbers: &Numbers, known: &Known<'_>) -> Verdict {
    let still = known.earlier.is_some_and(|earlier| numbers.stood_still_since(earlier));
    let weigh = |view: &View| Weighed::of(map, view, known, still);
    let own = weigh(&numbers.view(map));
    if own.sound() && own.astray(None).count() < FEW {
        return if own.holds >= 2 { Verdict::Consistent } else { Verdict::NotProvable };
    }
    let better = explanations::candidates(map, numbers, known.order)
        .into_iter()
        .map(|candidate| (weigh(&candidate.view), candidate))
        .filter(|(other, candidate)| other.is_clearly_better_than(&own, candidate));
    // Of equals the first: the simplest.
    let best = better.reduce(|best, next| if next.0.score() > best.0.score() { next } else { best });
    if let Some((other, Candidate { explanation, .. })) = best {
        let (law, found) = own.complaint(Some(&other));
        return Verdict::Contradicted(Contradiction { law, found, explanation });
    }
    if own.out * 2 > own.read || own.no_reals * 2 > own.nonzero.max(7) || (own.broken >= 3 && own.holds == 0)
    {
        let (law, found) = own.complaint(None);
        let words =
            "no other order or place of the elements fits them: another meter, or another layout".to_owned();
        let explanation = Explanation { kind: Kind::OtherMeter, words };
        return Verdict::Contradicted(Contradiction { law, found, explanation });
    }
    let enough = if own.sound() { 2 } else { 3 };
    if own.broken == 0 && own.holds >= enough { Verdict::Consistent } else { Verdict::NotProvable }
}

/// Numbers under all laws.
#[derive(Debug)]
struct Weighed {
    found: [Option<Found>; LAWS.len()],
    /// The values by position, 0 where nothing was read.
    values: [f64; COUNT],
    /// Where something was read.
    seen: Positions,
    /// Laws whose values belong to one moment.
    together: [bool; LAWS.len()],
    holds: usize,
    odd: usize,
    /// Of the odd ones those between two moments, which tell nothing but a wrong unit.
    far: usize,
    broken: usize,
    /// Finite values outside their ranges.
    out: usize,
    /// Finite values that were read.
    read: usize,
    /// Values too small to have been measured.
    tiny: usize,
    /// Values that are no REALs.
    no_reals: usize,
    /// Values that are not 0.
    nonzero: usize,
}

/// The most elements that a law has.
const MOST: usize = 10;

/// Positions, a bit for each.
type Positions = u32;

/// The positions of each law.
static TOUCHED: [Positions; LAWS.len()] = {
    let mut touched = [0; LAWS.len()];
    let mut law = 0;
    while law < LAWS.len() {
        let positions = LAWS[law].positions;
        let mut at = 0;
        while at < positions.len() {
            touched[law] |= 1 << positions[at];
            at += 1;
        }
        law += 1;
    }
    touched
};

impl Weighed {
    fn of(map: &Map, view: &View, known: &Known<'_>, still: bool) -> Weighed {
        let least = least(view, known);
        let mut weighed = Weighed {
            found: [None; LAWS.len()],
            values: [0.0; COUNT],
            seen: 0,
            together: [still; LAWS.len()],
            holds: 0,
            odd: 0,
            far: 0,
            broken: 0,
            out: 0,
            read: 0,
            tiny: 0,
            no_reals: 0,
            nonzero: 0,
        };
        for (position, shown) in view.iter().enumerate() {
            let Some((value, _)) = *shown else { continue };
            let (low, high) = map.range(position);
            weighed.values[position] = value;
            weighed.seen |= 1 << position;
            weighed.read += 1;
            weighed.out += usize::from(value < low || value > high);
            let counts = |limit: f64| usize::from(value != 0.0 && value.abs() < limit);
            weighed.tiny += counts(TINY);
            weighed.no_reals += counts(NO_REAL);
            weighed.nonzero += counts(f64::INFINITY);
        }
        for (at, law) in LAWS.iter().enumerate() {
            weighed.together[at] |= in_one_block(law, view);
            let together = weighed.together[at];
            if weighed.misses(at) || (law.one_moment && !together) {
                continue;
            }
            let values = weighed.values_of(law);
            let found = (law.test)(&values[..law.positions.len()], &Premise { least, together });
            weighed.found[at] = found;
            match found.map(|found| found.says) {
                Some(Says::Holds) => weighed.holds += 1,
                Some(Says::Odd) => {
                    weighed.odd += 1;
                    weighed.far += usize::from(law.moves_with_load && !together);
                }
                Some(Says::Broken) => weighed.broken += 1,
                Some(Says::Nothing) | None => {}
            }
        }
        weighed.odd += weighed.out;
        if weighed.tiny >= 3 {
            weighed.broken += 1;
        }
        weighed
    }

    /// Whether an element of a law was not read.
    fn misses(&self, law: usize) -> bool {
        TOUCHED[law] & !self.seen != 0
    }

    /// The values that a law takes, and room behind them.
    fn values_of(&self, law: &Law) -> [f64; MOST] {
        let mut values = [0.0; MOST];
        for (value, position) in values.iter_mut().zip(law.positions) {
            *value = self.values[*position];
        }
        values
    }

    /// What the numbers of a law say, in words.
    fn in_words(&self, at: usize) -> (&'static str, String) {
        let law = &LAWS[at];
        (law.name, (law.found)(&self.values_of(law)[..law.positions.len()]))
    }

    /// Whether nothing asks for another explanation.
    fn sound(&self) -> bool {
        self.broken == 0 && self.odd == 0
    }

    /// Laws between voltages alone that had their premise and do not hold here, and do under the other view, if there
    /// is one.
    fn astray<'a>(&'a self, other: Option<&'a Weighed>) -> impl Iterator<Item = usize> + 'a {
        let holds = |weighed: &Weighed, at: usize| weighed.says(at) == Some(Says::Holds);
        (0..LAWS.len()).filter(move |at| {
            let voltages = LAWS[*at].positions.iter().all(|position| *position < 4 * CURRENT);
            let astray = self.found[*at].is_some() && !holds(self, *at);
            voltages && astray && other.is_none_or(|other| holds(other, *at))
        })
    }

    fn score(&self) -> isize {
        self.holds as isize - 2 * self.odd as isize - self.tiny as isize
    }

    /// How many more laws hold under this view: those that did not before, without those that did and do not any
    /// more. A law whose elements this view does not see was not lost.
    fn gain(&self, own: &Weighed, candidate: &Candidate) -> isize {
        let gain = |at: usize| match (self.says(at), own.says(at)) {
            (Some(Says::Holds), Some(Says::Holds)) => 0,
            (Some(Says::Holds), _) => 1,
            (None, Some(Says::Holds)) if self.misses(at) => 0,
            (_, Some(Says::Holds)) => -1,
            _ => 0,
        };
        let evident = |at: &usize| {
            let law = &LAWS[*at];
            // Between two moments a product fits by accident, but not one that is a thousand times off.
            let apart = law.moves_with_load && !self.together[*at];
            candidate.concerns(law.positions) && (!apart || candidate.factors.is_some())
        };
        (0..LAWS.len()).filter(evident).map(gain).sum()
    }

    fn says(&self, law: usize) -> Option<Says> {
        self.found[law].map(|found| found.says)
    }

    /// A broken law needs two more that hold, or three if other numbers get odd by it; numbers that are only odd
    /// need three, and to be less odd. What moves every number and leaves nothing odd needs one more.
    fn is_clearly_better_than(&self, own: &Weighed, candidate: &Candidate) -> bool {
        let gain = self.gain(own, candidate);
        if self.broken > 0 || self.out > own.out || self.tiny > own.tiny {
            return false;
        }
        let odd = own.odd - if candidate.factors.is_none() { own.far } else { 0 };
        let moves_all = !matches!(candidate.explanation.kind, Kind::Exchange | Kind::Factor);
        match own.broken {
            0 if own.odd == 0 => self.sound() && gain >= MANY && own.astray(Some(self)).count() >= FEW,
            0 => gain >= 3 && self.odd < odd,
            _ if moves_all && self.sound() && odd > 0 && self.holds >= 4 => gain >= 1,
            _ => gain >= if self.odd > own.odd { 3 } else { 2 },
        }
    }

    /// The law to be named, with the numbers: the worst one that the other explanation repairs.
    fn complaint(&self, other: Option<&Weighed>) -> (&'static str, String) {
        let repaired =
            |at: usize| other.is_none_or(|other| !matches!(other.says(at), Some(Says::Broken | Says::Odd)));
        let worst = |says: Says| {
            let at = (0..LAWS.len()).find(|at| self.says(*at) == Some(says) && repaired(*at))?;
            Some(self.in_words(at))
        };
        let astray = || Some(self.in_words(self.astray(other).next()?));
        let many = self.out * 2 > self.read;
        let plausible = || ("values are plausible", format!("{} of {} are not", self.out, self.read));
        match worst(Says::Broken) {
            Some(found) if !many => found,
            None if self.tiny >= 3 => {
                ("values are large enough to be measured", format!("{} are below 1e-12", self.tiny))
            }
            None if !many => worst(Says::Odd).or_else(astray).unwrap_or_else(plausible),
            _ => plausible(),
        }
    }
}

fn in_one_block(law: &Law, view: &View) -> bool {
    let block = |position: usize| view[position].map(|(_, block)| block);
    law.positions.iter().all(|position| block(*position) == block(law.positions[0]))
}

/// The apparent power per phase from which powers count, in VA.
fn least(view: &View, known: &Known<'_>) -> f64 {
    match known.ct_ratio {
        Some(ratio) if ratio >= 1.0 => {
            let voltages = (0..8).filter_map(|position| view[position]).map(|(value, _)| value.abs());
            let volts = voltages.filter(|volts| *volts < 1e6).fold(0.0, f64::max).max(100.0);
            OF_RANGE * SECONDARY * ratio * volts
        }
        _ => NOISE.max(OF_SEEN * known.seen.apparent),
    }
}
