//! One counter from reading to reading: what is believed, what waits for a second reading, where it was before.

use serde::{Deserialize, Serialize};

use super::limits::Limits;

/// A counter that was somewhere else for longer than this has not returned, in ms.
const DAY: i64 = 24 * 3_600_000;

/// What is remembered of a counter beside the value that is believed. Times in ms since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Track {
    /// When the believed value was read; 0 when that is not known.
    at: i64,
    /// A reading that cannot be, as long as no second one has decided about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    odd: Option<Odd>,
    /// Where the counter was before it last fell or jumped.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Left>,
    /// It was 0 when it was read for the first time, and was not read since: a meter that starts says that, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    blank: bool,
    /// It has stepped back a little before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    wavers: bool,
}

/// A reading that is not believed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Odd {
    value: i64,
    at: i64,
}

/// Where a counter was, and where it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    value: i64,
    to: i64,
    at: i64,
}

/// A counter's level moved, and no energy flowed for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Move {
    /// It began anew.
    Reset,
    /// It passed its end.
    Rollover,
    /// It is where it was before it fell or jumped.
    Returned,
    /// It rose faster than the meter can measure.
    Jumped,
}

/// What a reading is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The counter rose, or stood still.
    Rose,
    /// It stepped back by so little that it is noise; the value that is believed stays. `new` is that it never did
    /// before.
    Wavered {
        /// Said for the first time.
        new: bool,
    },
    /// It cannot be; a second reading decides.
    Held,
    /// Two readings agree that it is somewhere else.
    Moved {
        /// What that means.
        how: Move,
        /// The value that is believed from now on: the second reading's, less noise.
        level: i64,
    },
}

impl Track {
    /// Of a counter that is read for the first time.
    pub fn begin(now: i64, at: i64) -> Track {
        Track { at, blank: now == 0, ..Track::default() }
    }

    /// When the believed value was read, in ms since the epoch; 0 when that is not known.
    pub fn at(&self) -> i64 {
        self.at
    }

    /// A value was believed since, at this time.
    pub fn went_on(&mut self, at: i64) {
        (self.at, self.odd, self.blank) = (at, None, false);
    }

    /// Whether this reading cannot follow the value that is believed.
    pub fn is_odd(&self, known: i64, now: i64, at: i64, limits: &Limits) -> bool {
        let rise = now.saturating_sub(known);
        if rise < 0 {
            // A counter that has not counted much yet was reset when most of it is gone.
            return rise < -limits.noise || now < known / 2;
        }
        let most = if self.blank { 10 * limits.noise } else { limits.rise(self.at, at) };
        rise > most || self.comes_back(known, now, at, limits)
    }

    /// Whether an odd reading waits for the next one.
    pub fn waits(&self) -> bool {
        self.odd.is_some()
    }

    /// Takes a reading in; the second value is an earlier one that was a glitch, as is known now.
    pub fn take(&mut self, known: i64, now: i64, at: i64, limits: &Limits) -> (Taken, Option<i64>) {
        if self.left.is_some_and(|left| at.abs_diff(left.at) > DAY.unsigned_abs()) {
            self.left = None;
        }
        if !self.is_odd(known, now, at, limits) {
            (self.at, self.blank) = (at, false);
            // What lies between was believed late, and was no glitch.
            let glitch = self
                .odd
                .take()
                .filter(|odd| odd.value < known.saturating_sub(limits.noise) || odd.value > now);
            let taken = match now < known {
                true => Taken::Wavered { new: !std::mem::replace(&mut self.wavers, true) },
                false => Taken::Rose,
            };
            return (taken, glitch.map(|odd| odd.value));
        }
        match self.odd {
            Some(odd) if agree(odd, now, at, limits) => {
                let how = self.moved(known, now, at, limits);
                self.left = matches!(how, Move::Reset | Move::Jumped).then_some(Left {
                    value: known,
                    to: now,
                    at: self.at,
                });
                (self.at, self.odd, self.blank) = (at, None, false);
                (Taken::Moved { how, level: now.max(odd.value) }, None)
            }
            before => {
                self.odd = Some(Odd { value: now, at });
                (Taken::Held, before.map(|odd| odd.value))
            }
        }
    }

    /// The clock was set by this many ms.
    pub fn clock_stepped(&mut self, by: i64) {
        let times = [self.odd.as_mut().map(|odd| &mut odd.at), self.left.as_mut().map(|left| &mut left.at)];
        for at in times.into_iter().flatten().chain([&mut self.at]).filter(|at| **at > 0) {
            *at = at.saturating_add(by);
        }
    }

    /// Whether a rise leads in one step to where the counter was before it fell. A counter that really began anew
    /// passes there, too: as fast as it has counted since.
    fn comes_back(&self, known: i64, now: i64, at: i64, limits: &Limits) -> bool {
        let Some(left) = self.left else { return false };
        let (fell, rise) = (left.value.saturating_sub(left.to), now.saturating_sub(known));
        let back = left.value.saturating_sub(limits.noise);
        let counted = known.saturating_sub(left.to) as f64 / self.at.saturating_sub(left.at).max(1) as f64;
        let usual = counted * at.saturating_sub(self.at) as f64;
        fell > limits.noise
            && known < back
            && left.is_near(now, at, limits)
            && rise >= fell / 2
            && rise as f64 > 2.0 * usual
    }

    /// What it means that the counter is somewhere else.
    fn moved(&self, known: i64, now: i64, at: i64, limits: &Limits) -> Move {
        // Back means the other way.
        let back = self.left.filter(|left| (left.to < left.value) == (now > known));
        match back {
            Some(left) if left.is_near(now, at, limits) => Move::Returned,
            _ if now > known => Move::Jumped,
            _ if limits.rolled_over(known, now, limits.rise(self.at, at)) => Move::Rollover,
            _ => Move::Reset,
        }
    }
}

impl Left {
    /// Whether the counter can be here now if it had gone on from where it was.
    fn is_near(self, now: i64, at: i64, limits: &Limits) -> bool {
        let rise = now.saturating_sub(self.value);
        rise >= -limits.noise && rise <= limits.rise(self.at, at)
    }
}

/// Whether a reading confirms an odd one.
fn agree(odd: Odd, now: i64, at: i64, limits: &Limits) -> bool {
    let rise = now.saturating_sub(odd.value);
    rise >= -limits.noise && rise <= limits.rise(odd.at, at)
}
