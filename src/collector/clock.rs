//! What time it is, and whether somebody set the host's clock: the wall clock against one that nobody sets.
//!
//! Timestamps come from the wall clock. When it is set, everything that was remembered by it was at another
//! time than was thought: gaps would be negative, intervals too long. The boot clock goes on while the host
//! is suspended, so that a suspended host, where time really passed, is not taken for a clock that was set.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::host::clock;

/// Less is how clocks drift and are disciplined between two looks, in ms.
const SMALLEST_STEP: i64 = 2000;
/// No stamp is further ahead of the clock.
const MOST_AHEAD: Duration = Duration::from_secs(2);

/// The two clocks of a host.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock, which somebody may set.
    fn wall(&self) -> SystemTime;

    /// The time since the host started, which nobody can set and which goes on while it is suspended.
    fn since_boot(&self) -> Duration;
}

/// The clocks of this host.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostClock;

impl Clock for HostClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn since_boot(&self) -> Duration {
        clock::since_boot()
    }
}

/// Watches the wall clock.
#[derive(Debug)]
pub struct WallClock {
    clock: Arc<dyn Clock>,
    seen: Option<(SystemTime, Duration)>,
    stamped: Option<SystemTime>,
}

impl Default for WallClock {
    fn default() -> Self {
        WallClock::watching(Arc::new(HostClock))
    }
}

impl WallClock {
    /// Watches these clocks.
    pub fn watching(clock: Arc<dyn Clock>) -> WallClock {
        WallClock { clock, seen: None, stamped: None }
    }

    /// The time now.
    pub fn now(&self) -> SystemTime {
        self.clock.wall()
    }

    /// The time of what is told now and was not read at any time of its own. Two such times differ at this precision,
    /// also after a standstill, when what is due follows at once: a database has room for one line of a time. Only a clock
    /// that is set back shows times again, and a precision coarser than the `interval` wants that.
    pub fn stamp(&mut self, precision: Duration, interval: Duration) -> SystemTime {
        let (now, most) = (self.now(), interval.min(MOST_AHEAD));
        let next = self.stamped.and_then(|before| before.checked_add(precision));
        let next = next.filter(|next| next.duration_since(now).is_ok_and(|ahead| ahead <= most));
        *self.stamped.insert(next.unwrap_or(now))
    }

    /// By how many ms the wall clock was set since the last look, forward or (negative) back.
    pub fn step(&mut self) -> Option<i64> {
        let (wall, boot) = (self.clock.wall(), self.clock.since_boot());
        self.observe(wall, boot)
    }

    fn observe(&mut self, wall: SystemTime, boot: Duration) -> Option<i64> {
        let (wall_before, boot_before) = self.seen.replace((wall, boot))?;
        let passed = ms(boot.saturating_sub(boot_before));
        let shown = match wall.duration_since(wall_before) {
            Ok(ahead) => ms(ahead),
            Err(behind) => -ms(behind.duration()),
        };
        Some(shown - passed).filter(|step| step.abs() >= SMALLEST_STEP)
    }
}

/// A step in words.
pub fn in_words(by: i64) -> String {
    let seconds = (by.unsigned_abs() + 500) / 1000;
    let way = if by < 0 { "back" } else { "forward" };
    format!("{way} by {}", humantime::format_duration(Duration::from_secs(seconds)))
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    /// A clock that shows what it is told.
    #[derive(Debug, Default)]
    struct Shows(std::sync::Mutex<Duration>);

    impl Clock for Shows {
        fn wall(&self) -> SystemTime {
            UNIX_EPOCH + *self.0.lock().unwrap()
        }

        fn since_boot(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn what_is_told_at_once_after_a_standstill_has_a_time_of_its_own_at_the_precision_of_its_lines() {
        let (shows, second) = (Arc::new(Shows::default()), Duration::from_secs(1));
        let mut clock = WallClock::watching(shows.clone());
        let mut stamp = |micros: u64, precision| {
            *shows.0.lock().unwrap() = Duration::from_micros(micros);
            crate::lines::timestamp(clock.stamp(precision, second), precision)
        };
        for precision in [Duration::from_millis(1), Duration::from_micros(1)] {
            let mut last = 0;
            // 10 s, then three within 20 µs, then one that is nearly in time, and a small step back.
            for micros in [10_000_000, 20_000_100, 20_000_110, 20_000_120, 21_000_000, 20_900_000] {
                let at = stamp(micros, precision);
                assert!(at > last, "{micros}: {at} after {last} at {precision:?}");
                last = at;
            }
        }
        assert_ne!(stamp(30_000_100, second), stamp(30_000_110, second));
        assert_eq!(stamp(5_000_000, second), 5_000_000_000, "a clock that was set back is followed");
    }

    #[test]
    fn a_clock_that_was_set_is_told_from_time_that_passed() {
        let mut clock = WallClock::default();
        let at = |wall, boot| (UNIX_EPOCH + Duration::from_secs(wall), Duration::from_secs(boot));
        let mut look = |(wall, boot)| clock.observe(wall, boot);
        assert_eq!(look(at(1_000_000, 10)), None);
        assert_eq!(look(at(1_003_600, 3610)), None, "an hour of suspension");
        assert_eq!(look(at(1_003_611, 3620)), None, "a second of drift");
        assert_eq!(look(at(1_007_221, 3630)), Some(3_600_000));
        assert_eq!(look(at(1_000_000, 3640)), Some(-7_231_000));
        assert_eq!(look(at(1_000_010, 3650)), None);
    }
}
