//! Whether realtime values may leave: the map is judged by the physics of the first blocks after a connect.
//!
//! A reading that contradicts the map is held back and the next one is judged anew, for blocks are read
//! one after the other and a load step between them can look like a contradiction. After three in a row the
//! map stays contradicted until the next connect.

use crate::config::MapCheckPolicy;
use crate::meter::physics::{self, MapCheck};
use crate::meter::{Profile, Readings};

/// Contradicting readings in a row that make a verdict.
pub const STRIKES: u32 = 3;

/// What one reading means for the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// The values may leave.
    Pass,
    /// The values stay here; the numbers that contradict.
    Hold(String),
}

/// Judges one meter's map.
#[derive(Debug)]
pub struct Judge {
    policy: MapCheckPolicy,
    state: MapCheck,
    strikes: u32,
    reason: Option<String>,
    /// Set when the map was found contradicted, until somebody has said so.
    unsaid: bool,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(policy: MapCheckPolicy) -> Self {
        Judge { policy, state: MapCheck::NotChecked, strikes: 0, reason: None, unsaid: false }
    }

    /// Another connection: another meter may be behind it.
    pub fn reset(&mut self) {
        *self = Judge::new(self.policy);
    }

    /// The outcome so far; a contradiction counts from the first one.
    pub fn state(&self) -> MapCheck {
        if self.strikes > 0 { MapCheck::Contradicted } else { self.state }
    }

    /// Whether a reading contradicted the map and the next one will tell more.
    pub fn is_undecided(&self) -> bool {
        self.strikes > 0 && self.state == MapCheck::NotChecked
    }

    /// The contradiction, once, when the verdict falls.
    pub fn verdict(&mut self) -> Option<String> {
        std::mem::take(&mut self.unsaid).then(|| self.reason.clone()).flatten()
    }

    /// Judges a realtime reading; one that misses a block can be held back but settles nothing.
    pub fn rule(&mut self, profile: &Profile, readings: &Readings, complete: bool) -> Ruling {
        let held = |reason: &Option<String>| Ruling::Hold(reason.clone().unwrap_or_default());
        match (self.policy, self.state) {
            (MapCheckPolicy::Off, _) | (_, MapCheck::Consistent) => {
                return Ruling::Pass;
            }
            (MapCheckPolicy::Warn, MapCheck::Contradicted) => return Ruling::Pass,
            (MapCheckPolicy::Refuse, MapCheck::Contradicted) => return held(&self.reason),
            // A meter without load proves nothing; it is judged again until it does.
            (_, MapCheck::NotChecked | MapCheck::NotProvable) => {}
        }
        let (outcome, reason) = physics::conclude(&physics::check(profile, readings));
        if outcome != MapCheck::Contradicted {
            if complete {
                (self.state, self.strikes) = (outcome, 0);
            }
            return Ruling::Pass;
        }
        self.strikes += 1;
        self.reason = reason;
        if self.strikes >= STRIKES {
            self.state = MapCheck::Contradicted;
            self.unsaid = true;
        }
        if self.policy == MapCheckPolicy::Warn { Ruling::Pass } else { held(&self.reason) }
    }
}
