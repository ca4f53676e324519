//! How much of what is asked and answered goes to the log: so much a minute, and what is left out is counted. A meter that is
//! read five times a second would fill a disk otherwise while somebody looks for a fault.

use std::time::Duration;

use tokio::time::Instant;

/// How long one ration lasts.
const LASTS: Duration = Duration::from_secs(60);
/// Exchanges in one ration: a few gathers of every table.
const EXCHANGES: u32 = 60;

/// What one meter has used of its ration.
#[derive(Debug, Default)]
pub(super) struct Ration {
    began: Option<Instant>,
    used: u32,
    left_out: u64,
}

impl Ration {
    /// Begins anew when the last ration is over; returns how many exchanges it had no room for.
    pub(super) fn renew(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_some_and(|began| now.duration_since(began) < LASTS) {
            return None;
        }
        let left_out = self.left_out;
        *self = Ration { began: Some(now), ..Ration::default() };
        (left_out > 0).then_some(left_out)
    }

    /// Whether one more exchange has room; counts it otherwise.
    pub(super) fn take(&mut self) -> bool {
        let room = self.used < EXCHANGES;
        match room {
            true => self.used += 1,
            false => self.left_out += 1,
        }
        room
    }

    /// How many had no room so far.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Counts exchanges that nobody kept.
    pub(super) fn leave_out(&mut self, more: u64) {
        self.left_out += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_room_for_so_many_exchanges_and_the_next_one_says_how_many_were_left_out() {
        let (mut ration, start) = (Ration::default(), Instant::now());
        assert_eq!(ration.renew(start), None);
        assert_eq!((0..100).filter(|_| ration.take()).count(), EXCHANGES as usize);
        ration.leave_out(5);
        assert_eq!(ration.renew(start + LASTS / 2), None);
        assert!(!ration.take());
        assert_eq!(ration.left_out(), 100 - u64::from(EXCHANGES) + 6);
        assert_eq!(ration.renew(start + LASTS), Some(100 - u64::from(EXCHANGES) + 6));
        assert!(ration.take());
        assert_eq!(ration.renew(start + 2 * LASTS), None);
    }
}
