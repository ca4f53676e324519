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
}

impl Default for WallClock {
    fn default() -> Self {
        WallClock::watching(Arc::new(HostClock))
    }
}

impl WallClock {
    /// Watches these clocks.
    pub fn watching(clock: Arc<dyn Clock>) -> WallClock {
        WallClock { clock, seen: None }
    }

    /// The time now.
    pub fn now(&self) -> SystemTime {
        self.clock.wall()
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
