//! What one meter taught us about how it wants to be read, for an hour at most: how long a read may be, where
//! one must begin anew, which registers it refuses.
//!
//! Pure: time is an argument. An [`Attempt`] is what one read of everything wanted shows; at its end it is
//! taken into [`Learned`], which plans the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::plan::{Piece, Read, plan};
use crate::source::Failure;
use crate::source::refusals::Refusals;

/// What was learned is forgotten after this long.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// How long a read may be, as the meter has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fits {
    registers: u16,
    since: Instant,
    /// Seen once only, and a late reply looks the same: long reads are tried once more.
    doubted: bool,
}

/// What is remembered from read to read.
#[derive(Debug)]
pub(super) struct Learned {
    most: u16,
    fits: Option<Fits>,
    /// Addresses at which a read must begin.
    splits: BTreeMap<u16, Instant>,
    refused: Refusals<Piece>,
    /// Counts repeated refusals, so that another register is tried each time.
    turn: usize,
}

/// What one read of everything wanted has shown so far.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// Registers of the longest read that was answered.
    good: u16,
    /// Registers of the shortest read of several pieces that was not.
    bad: Option<u16>,
    /// One that was not was not even answered.
    silent: bool,
    /// The place is to blame, and not the length: a single piece failed, or what lies between two.
    place: bool,
    /// Device failures in a row, before anything was answered.
    failures: u32,
    splits: Vec<(u16, Why)>,
}

/// Why a read was split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It was refused.
    Refused,
    /// It was not answered.
    Silence,
}

impl Learned {
    pub(super) fn new(most: u16) -> Learned {
        Learned { most, fits: None, splits: BTreeMap::new(), refused: Refusals::new(), turn: 0 }
    }

    /// The reads for these pieces; what was refused and is due again comes last, in reads of its own.
    pub(super) fn plan(&mut self, wanted: &[Piece], now: Instant) -> (Vec<Read>, Vec<Read>) {
        self.splits.retain(|_, since| now.duration_since(*since) < REMEMBERED);
        self.fits = self.fits.filter(|fits| now.duration_since(fits.since) < REMEMBERED);
        let refused: BTreeSet<Piece> = self.refused.all().collect();
        let due: Vec<Piece> = self.refused.due(now).filter(|piece| wanted.contains(piece)).collect();
        let sound: Vec<Piece> = wanted.iter().copied().filter(|piece| !refused.contains(piece)).collect();
        (self.plan_around(&sound), self.plan_around(&due))
    }

    /// Whether the plan stays what it is for the same wishes.
    pub(super) fn is_settled(&self) -> bool {
        self.fits.is_none() && self.splits.is_empty() && self.refused.all().next().is_none()
    }

    /// Most registers in one read now.
    fn limit(&self) -> u16 {
        self.fits.filter(|fits| !fits.doubted).map_or(self.most, |fits| fits.registers.min(self.most))
    }

    fn plan_around(&self, pieces: &[Piece]) -> Vec<Read> {
        let splits = self.splits.keys().copied().collect();
        // A read that covers what is refused would be refused.
        plan(pieces, self.limit(), &splits, &self.refused.all().collect::<Vec<_>>())
    }

    /// Why a piece is not read with the others.
    pub(super) fn refusal(&self, piece: Piece) -> Option<&Failure> {
        self.refused.failure(piece)
    }

    /// A piece failed alone.
    pub(super) fn refuse(&mut self, piece: Piece, failure: Failure, now: Instant) {
        self.refused.refused(piece, failure, now);
    }

    /// These were answered.
    pub(super) fn grant(&mut self, pieces: &[Piece]) {
        pieces.iter().for_each(|piece| self.refused.granted(*piece));
    }

    /// One of several pieces that were refused again together, another one each time.
    pub(super) fn one_of(&mut self, read: &Read) -> Option<Read> {
        self.turn = self.turn.wrapping_add(1);
        let piece = *read.pieces.get(self.turn % read.pieces.len().max(1))?;
        (read.pieces.len() > 1).then(|| Read::of(piece))
    }

    /// The parts of a read that is split here.
    pub(super) fn split(
        &mut self,
        read: &Read,
        (at, why): (u16, Why),
        attempt: &mut Attempt,
        now: Instant,
    ) -> Vec<Read> {
        self.splits.insert(at, now);
        if read.middle() == Some(at) {
            attempt.splits.push((at, why));
        } else {
            // What lies between two pieces is refused, perhaps, and is not covered again.
            attempt.place = true;
        }
        self.plan_around(&read.pieces)
    }

    /// Takes in what a read of everything has shown. `whole` is that nothing was left untried. Returns the most
    /// registers that are answered, when that is new and certain.
    pub(super) fn conclude(&mut self, attempt: &Attempt, whole: bool, now: Instant) -> Option<u16> {
        let before = self.fits;
        if whole {
            // What is refused stands alone now, and no read covers it.
            self.forget(attempt, |why| why == Why::Refused);
        }
        let Some(bad) = attempt.bad.filter(|_| attempt.is_length() && attempt.has_answers()) else {
            // One late reply, perhaps: reads of the old length are answered.
            self.fits = before.filter(|fits| !fits.doubted || attempt.good <= fits.registers);
            return None;
        };
        if whole {
            // The length explains it; where it was split does not matter.
            self.forget(attempt, |_| true);
        }
        let registers = if whole { attempt.good } else { attempt.good.max(bad / 2) };
        let doubted = attempt.silent && before.is_none();
        self.fits = Some(Fits { registers, since: now, doubted });
        let known = before.is_some_and(|before| !before.doubted && before.registers == registers);
        (!doubted && !known).then_some(registers)
    }

    /// Forgets where this attempt has split for these reasons.
    pub(super) fn forget(&mut self, attempt: &Attempt, whys: impl Fn(Why) -> bool) {
        let forgotten = |at: &u16| attempt.splits.iter().any(|(split, why)| split == at && whys(*why));
        self.splits.retain(|at, _| !forgotten(at));
    }
}

impl Attempt {
    /// A read was answered.
    pub(super) fn answered(&mut self, read: &Read) {
        self.good = self.good.max(read.count);
        self.failures = 0;
    }

    /// Registers of the longest read that was answered.
    pub(super) fn good(&self) -> u16 {
        self.good
    }

    /// Whether anything was answered.
    pub(super) fn has_answers(&self) -> bool {
        self.good > 0
    }

    /// A read was refused, or not answered at all.
    pub(super) fn failed(&mut self, read: &Read, silent: bool) {
        if read.pieces.len() > 1 {
            self.bad = Some(self.bad.map_or(read.count, |bad| bad.min(read.count)));
            self.silent |= silent;
        } else {
            self.place = true;
        }
    }

    /// A device failure; returns how many there were in a row without any answer.
    pub(super) fn device_failed(&mut self) -> u32 {
        if !self.has_answers() {
            self.failures += 1;
        }
        self.failures
    }

    /// Whether the length of the reads explains what failed: none that was answered was as long.
    fn is_length(&self) -> bool {
        !self.place && self.bad.is_some_and(|bad| self.good < bad)
    }

    /// Whether a read is as long as one that failed, and none as long was answered.
    pub(super) fn is_too_long(&self, read: &Read) -> bool {
        self.is_length() && self.has_answers() && self.bad.is_some_and(|bad| read.count >= bad)
    }
}
