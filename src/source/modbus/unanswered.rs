//! Reads whose replies may still come, on lines where a reply has no number: it tells its unit and how many registers it
//! has, and neither which registers they are nor when they were asked for.
//!
//! A unit answers in the order in which it was asked. So a reply to a later read of another length says that all before it
//! have come, or never will. Because a gateway may hold one back all the same, a read that a late reply could be taken
//! for is not asked for a while.
//!
//! Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::plan::Piece;
use crate::meter::profile::PASSWORD_REGISTER;

/// A reply that is later than this does not come any more.
const LATEST: Duration = Duration::from_secs(30);
/// Nor one later than this after the unit has answered something else.
const OVERTAKEN: Duration = Duration::from_secs(3);
/// Registers of a read that clears the line, at most.
const SHORT: u16 = 8;
/// Unit, function, byte count before the registers; two bytes of CRC behind them.
const AROUND: usize = 5;

/// The reads, in the order in which they were asked.
#[derive(Debug, Default)]
pub(super) struct Unanswered(Vec<Asked>);

#[derive(Debug, Clone, Copy)]
struct Asked {
    unit: u8,
    read: Piece,
    at: Instant,
    /// The unit has answered something else since.
    overtaken: bool,
}

impl Unanswered {
    /// A unit is asked for registers.
    pub(super) fn asked(&mut self, unit: u8, read: Piece, now: Instant) {
        self.0.retain(|asked| now.duration_since(asked.at) < LATEST);
        self.0.push(Asked { unit, read, at: now, overtaken: false });
    }

    /// The reply to the read that was asked last has come. `sure` is that it is the reply to no other one.
    pub(super) fn answered(&mut self, sure: bool) {
        let Some(answered) = self.0.pop() else { return };
        let others = self.0.iter_mut().filter(|asked| asked.unit == answered.unit);
        others.for_each(|asked| asked.overtaken |= sure);
    }

    /// This has come instead of the reply that was waited for: perhaps the reply to a read before it.
    pub(super) fn came(&mut self, reply: &[u8]) {
        let [unit, _, bytes, ..] = *reply else { return };
        let is = |asked: &Asked| asked.unit == unit && 2 * asked.read.1 == u16::from(bytes);
        let whole = reply.len() >= AROUND + usize::from(bytes);
        if let Some(at) = self.0.iter().position(is).filter(|_| whole) {
            self.0.remove(at);
        }
    }

    /// Where the next reply may be to another read than one from this register: how many registers of it a short read
    /// asks for that clears the line, for its reply is none that is waited for, nor one with so many as are wanted.
    pub(super) fn clearing(&self, unit: u8, (start, wanted): Piece) -> Option<u16> {
        let of_unit = || self.0.iter().filter(|asked| asked.unit == unit);
        if of_unit().all(|asked| asked.overtaken) {
            return None;
        }
        let near = PASSWORD_REGISTER.checked_sub(start).unwrap_or(SHORT).min(SHORT);
        let last = |count: u16| of_unit().filter(|asked| asked.read.1 == count).map(|asked| asked.at).max();
        // None comes before any time: one that was not asked for, or not for long.
        (1..=near).filter(|count| *count != wanted).min_by_key(|count| last(*count))
    }

    /// Whether a late reply to another read could be taken for that to this one.
    pub(super) fn resembles(&self, unit: u8, (start, count): Piece, now: Instant) -> bool {
        self.0.iter().any(|asked| {
            let late = now.duration_since(asked.at) < OVERTAKEN;
            asked.unit == unit && asked.read.1 == count && asked.read.0 != start && late
        })
    }
}
