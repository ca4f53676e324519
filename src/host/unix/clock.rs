//! The clock that nobody sets.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The time since the host started, which nobody can set and which goes on while it is suspended.
pub fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}
