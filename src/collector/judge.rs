//! Whether realtime values may leave: the map is judged by the physics of the first blocks after a connect.
//!
//! A reading that contradicts the map is held back and the next one is judged anew, for blocks are read
//! one after the other and a load step between them can look like a contradiction. After three in a row the
//! map stays contradicted until the next connect, and it is said once until a reading obeys physics again: a
//! meter may close its session after every gather.

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
    /// The contradiction was handed out and nothing has refuted it since.
    said: bool,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(policy: MapCheckPolicy) -> Self {
        Judge { policy, state: MapCheck::NotChecked, strikes: 0, reason: None, unsaid: false, said: false }
    }

    /// Another connection: another meter may be behind it, or the same one.
    pub fn reset(&mut self) {
        self.state = MapCheck::NotChecked;
    }

    /// The outcome so far; a contradiction counts from the first one.
    pub fn state(&self) -> MapCheck {
        if self.strikes > 0 { MapCheck::Contradicted } else { self.state }
    }

    /// Whether a reading contradicted the map and the next one will tell more.
    pub fn is_undecided(&self) -> bool {
        self.strikes > 0 && self.state != MapCheck::Contradicted
    }

    /// The contradiction, once, when the verdict falls.
    pub fn verdict(&mut self) -> Option<String> {
        let reason = std::mem::take(&mut self.unsaid).then(|| self.reason.clone()).flatten();
        self.said |= reason.is_some();
        reason
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
                (self.state, self.strikes, self.said) = (outcome, 0, false);
            }
            return Ruling::Pass;
        }
        self.strikes += 1;
        self.reason = reason;
        if self.strikes >= STRIKES {
            self.state = MapCheck::Contradicted;
            self.unsaid = !self.said;
        }
        if self.policy == MapCheckPolicy::Warn { Ruling::Pass } else { held(&self.reason) }
    }
}
