//! Whether realtime and energy values may leave: every reading is judged by physics, and held back alone.
//!
//! A reading that contradicts the map is held back; three in a row make a verdict, which holds the table back until
//! three sound readings in a row, another connection or another meter lift it. A map that was proven stays so
//! under a load that proves nothing.

use crate::config::MapCheckPolicy;
use crate::meter::physics::{self, Contradiction, Kind, MapCheck, Seen, Verdict};
use crate::meter::{Profile, Readings, Table, WordOrder};

use super::standing::{Change, Standing};

/// What one reading means for the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruling {
    /// Why the values stay here, if they do.
    pub hold: Option<String>,
    /// Whether that is so for the order of words, which spoils every number that is longer than a word.
    pub by_word_order: bool,
    /// What is to be said about it.
    pub change: Change,
    /// What contradicts the map.
    pub reason: String,
}

/// Judges one meter's map.
#[derive(Debug)]
pub struct MapJudge {
    policy: MapCheckPolicy,
    /// The order of words in use, where registers are read.
    order: Option<WordOrder>,
    places: physics::Map,
    check: MapCheck,
    realtime: Standing,
    energy: Standing,
    reason: String,
    by_word_order: bool,
    /// What the last whole reading said.
    last: MapCheck,
    seen: Seen,
    earlier: Option<physics::Numbers>,
}

impl MapJudge {
    /// A judge that has seen nothing; `proven` is that this map was found consistent with this meter before.
    pub fn new(
        policy: MapCheckPolicy,
        order: Option<WordOrder>,
        profile: &Profile,
        proven: bool,
    ) -> MapJudge {
        let check = match (policy, proven) {
            (MapCheckPolicy::Off, _) | (_, false) => MapCheck::NotChecked,
            (_, true) => MapCheck::Consistent,
        };
        MapJudge {
            policy,
            order,
            places: physics::Map::new(profile),
            check,
            realtime: Standing::default(),
            energy: Standing::default(),
            reason: String::new(),
            by_word_order: false,
            last: MapCheck::NotChecked,
            seen: Seen::default(),
            earlier: None,
        }
    }

    /// Another connection: another meter may be behind it, or the same one.
    pub fn reset(&mut self) {
        self.realtime.reset();
        self.energy.reset();
        self.earlier = None;
    }

    /// Another meter: nothing that was found holds for it, apart from the reading that was judged last.
    pub fn exchanged(&mut self) {
        self.reset();
        (self.check, self.seen) = (self.last, Seen::default());
    }

    /// The outcome so far; a contradiction counts from the first one.
    pub fn state(&self) -> MapCheck {
        if self.realtime.is_suspected() || self.realtime.is_contradicted() {
            MapCheck::Contradicted
        } else {
            self.check
        }
    }

    /// Whether the map is found right by a reading, now or in an earlier run.
    pub fn is_proven(&self) -> bool {
        self.state() == MapCheck::Consistent
    }

    /// Whether a reading contradicted the map and the next one will tell more.
    pub fn is_undecided(&self) -> bool {
        let open = |standing: Standing| standing.is_suspected() && !standing.is_contradicted();
        open(self.realtime) || open(self.energy)
    }

    /// Judges a realtime reading; one that misses a block can be held back but settles nothing.
    pub fn rule(&mut self, readings: &Readings, complete: bool, ct_ratio: Option<f64>) -> Ruling {
        let mut change = Change::None;
        if self.policy != MapCheckPolicy::Off {
            let numbers = physics::Numbers::of(&self.places, readings);
            let verdict = self.verdict(&numbers, ct_ratio);
            change = match &verdict {
                Verdict::Contradicted(why) => {
                    (self.reason, self.by_word_order) = (told(why), is_word_order(why));
                    self.realtime.contradict()
                }
                _ if complete => self.realtime.accept(),
                _ => Change::None,
            };
            if complete {
                self.last = MapCheck::from(&verdict);
            }
            match verdict {
                Verdict::Consistent if complete => {
                    self.seen = self.seen.with(&self.places, &numbers);
                    self.check = MapCheck::Consistent;
                }
                // One odd night does not unprove a map.
                Verdict::NotProvable if complete && self.check != MapCheck::Consistent => {
                    self.check = MapCheck::NotProvable;
                }
                _ => {}
            }
            self.earlier = Some(numbers);
        }
        let standing = self.realtime;
        let held =
            self.policy == MapCheckPolicy::Refuse && (standing.is_contradicted() || standing.is_suspected());
        Ruling {
            hold: held.then(|| self.reason.clone()),
            by_word_order: self.by_word_order,
            change,
            reason: self.reason.clone(),
        }
    }

    /// Judges the energy counters of a reading: over Modbus they may come in another order of words than the rest.
    pub fn rule_energy(&mut self, profile: &Profile, readings: &Readings) -> Ruling {
        let verdict = match (self.policy, self.order) {
            (MapCheckPolicy::Off, _) | (_, None) => Verdict::NotProvable,
            (_, Some(order)) => physics::judge_counters(profile, readings, order),
        };
        let (change, reason) = match &verdict {
            Verdict::Contradicted(why) => (self.energy.contradict(), told(why)),
            _ => (self.energy.accept(), String::new()),
        };
        let held = self.policy == MapCheckPolicy::Refuse && matches!(verdict, Verdict::Contradicted(_));
        Ruling { hold: held.then(|| reason.clone()), by_word_order: true, change, reason }
    }

    /// Whether a sample between two gathers may leave.
    pub fn passes(&self, sample: &Readings) -> bool {
        if self.policy != MapCheckPolicy::Refuse || sample.taken(Table::Realtime).is_none() {
            return true;
        }
        let numbers = physics::Numbers::of(&self.places, sample);
        !matches!(self.verdict(&numbers, None), Verdict::Contradicted(_))
    }

    fn verdict(&self, numbers: &physics::Numbers, ct_ratio: Option<f64>) -> Verdict {
        let known =
            physics::Known { order: self.order, ct_ratio, seen: self.seen, earlier: self.earlier.as_ref() };
        physics::judge(&self.places, numbers, &known)
    }
}

fn is_word_order(why: &Contradiction) -> bool {
    matches!(why.explanation.kind, Kind::WordOrder(_))
}

/// What contradicts the map, what fits, and what to do where that is one setting.
fn told(why: &Contradiction) -> String {
    match why.explanation.kind {
        Kind::WordOrder(order) => format!("{why}; write word_order = \"{order}\""),
        _ => why.to_string(),
    }
}
