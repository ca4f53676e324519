//! Whether the values in a controller's tag are still the meter's: a controller keeps the last values of a module whose
//! connection has faulted, and nothing in the tag tells.
//!
//! Either another tag says so (`fault_tag`, a BOOL or an integer that is not 0 while the module is faulted), or the
//! values have to move: the last digits of a live meter's voltages and frequency never stand still for long. Values that
//! have not moved since we look may be of any age, so they count from their first movement on. Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::enip::tag::{TagData, TagName, TagType};

/// How a tag's values are known to be alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alive {
    /// This tag is 0.
    FaultTag(TagName),
    /// A bit has moved within this time.
    Moves(Duration),
}

/// Why values must not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Dead {
    /// The fault tag says so.
    #[error("{0} is {1}: the controller's connection to the meter is faulted, and its tag keeps old values")]
    Faulted(TagName, i64),
    /// The fault tag says nothing that can be understood.
    #[error("{0} is {1}, and a fault tag is a BOOL or an integer")]
    NoFaultTag(TagName, TagType),
    /// No bit has moved for this long.
    #[error(
        "no bit has moved for {} (frozen_after): the controller may hold old values of a faulted module",
        humantime::format_duration(Duration::from_secs(.0.as_secs()))
    )]
    Frozen(Duration),
    /// No bit has moved yet.
    #[error("no bit has moved since the first look: the values may be of any age")]
    NotMovedYet,
}

/// What was seen of one tag.
#[derive(Debug)]
pub(super) struct Pulse {
    alive: Alive,
    /// The values of the last look.
    last: Option<Vec<u8>>,
    /// When they differed from those before.
    moved: Option<Instant>,
}

impl Pulse {
    /// Nothing has been seen.
    pub(super) fn new(alive: Alive) -> Self {
        Pulse { alive, last: None, moved: None }
    }

    /// How it is judged.
    pub(super) fn rule(&self) -> &Alive {
        &self.alive
    }

    /// Time since the values last moved, if they have.
    pub(super) fn unmoved_for(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.moved?))
    }

    /// Judges the values of one look; `fault` is what the fault tag holds, where there is one.
    ///
    /// # Errors
    /// [`Dead`]: the values must not leave.
    pub(super) fn judge(&mut self, bytes: &[u8], fault: Option<&TagData>, now: Instant) -> Result<(), Dead> {
        let before = self.last.replace(bytes.to_vec());
        if before.is_some_and(|before| before != bytes) {
            self.moved = Some(now);
        }
        match (&self.alive, fault) {
            (Alive::FaultTag(tag), Some(data)) => match integer(data) {
                Some(0) => Ok(()),
                Some(code) => Err(Dead::Faulted(tag.clone(), code)),
                None => Err(Dead::NoFaultTag(tag.clone(), data.kind)),
            },
            // The read of the fault tag has failed, and says so itself.
            (Alive::FaultTag(_), None) => Ok(()),
            (Alive::Moves(within), _) => match self.unmoved_for(now) {
                None => Err(Dead::NotMovedYet),
                Some(unmoved) if unmoved > *within => Err(Dead::Frozen(unmoved)),
                Some(_) => Ok(()),
            },
        }
    }
}

/// The integer or truth value that a tag holds, sign included.
fn integer(data: &TagData) -> Option<i64> {
    let TagType::Integer(_, size) = data.kind else { return None };
    let bytes = data.bytes.get(..size)?;
    let mut whole = [if bytes.last()? & 0x80 == 0 { 0 } else { 0xFF }; 8];
    whole[..size].copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(value: u8) -> TagData {
        TagData { kind: TagType::Integer("BOOL", 1), bytes: vec![value], partial: false }
    }

    #[test]
    fn frozen_values_are_held_back_until_they_move_again() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut pulse = Pulse::new(Alive::Moves(10 * second));
        assert_eq!(pulse.judge(&[1], None, start), Err(Dead::NotMovedYet));
        assert_eq!(pulse.judge(&[1], None, start + 5 * second), Err(Dead::NotMovedYet));
        assert_eq!(pulse.judge(&[2], None, start + 6 * second), Ok(()));
        assert_eq!(pulse.judge(&[2], None, start + 16 * second), Ok(()));
        assert_eq!(pulse.judge(&[2], None, start + 17 * second), Err(Dead::Frozen(11 * second)));
        assert_eq!(pulse.judge(&[3], None, start + 60 * second), Ok(()));
    }

    #[test]
    fn a_fault_tag_that_is_not_zero_says_that_the_values_are_old() {
        let now = Instant::now();
        let name: TagName = "PM_Fault".parse().unwrap();
        let mut pulse = Pulse::new(Alive::FaultTag(name.clone()));
        assert_eq!(pulse.judge(&[1], Some(&tag(0)), now), Ok(()), "a dead bus does not move, and is alive");
        assert_eq!(pulse.judge(&[1], Some(&tag(1)), now), Err(Dead::Faulted(name.clone(), 1)));
        let word = TagData { kind: TagType::Integer("INT", 2), bytes: vec![0, 1], partial: false };
        assert_eq!(pulse.judge(&[1], Some(&word), now), Err(Dead::Faulted(name.clone(), 256)));
        let real = TagData { kind: TagType::Real, bytes: vec![0; 4], partial: false };
        assert_eq!(pulse.judge(&[1], Some(&real), now), Err(Dead::NoFaultTag(name, TagType::Real)));
    }
}
