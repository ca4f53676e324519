//! How long a meter that does not answer is left alone.
//!
//! The first failure is tried again at the next gather, then after one interval, two, four … up to a
//! minute, give or take a quarter, so that a thousand meters behind one dead switch do not come back in step. A meter
//! that shows life meanwhile is tried at once, but at most once a minute: one that always answers too late does, too.

use std::time::Duration;

use tokio::time::Instant;

const LONGEST: Duration = Duration::from_secs(60);

/// The back-off of one meter.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    until: Option<Instant>,
    /// When it was last tried for a sign of life.
    woken: Option<Instant>,
}

impl Backoff {
    /// Whether the meter may be asked.
    pub fn ready(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// The meter has shown life while it was left alone. Whether it may be asked therefore.
    pub fn wake(&mut self, now: Instant) -> bool {
        let early = self.woken.is_none_or(|woken| now.saturating_duration_since(woken) >= LONGEST);
        if early {
            (self.woken, self.until) = (Some(now), None);
        }
        early
    }

    /// A gather got nothing; `spread` in 0..1 is this failure's share of the jitter.
    pub fn failed(&mut self, now: Instant, interval: Duration, spread: f64) {
        let delay = match self.failures {
            0 => Duration::ZERO,
            n => interval.saturating_mul(1 << (n - 1).min(16)).min(LONGEST),
        };
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + delay.mul_f64(0.75 + 0.5 * spread.clamp(0.0, 1.0)));
    }

    /// A gather got something.
    pub fn succeeded(&mut self) {
        *self = Backoff::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_retried_at_once_and_no_wait_exceeds_75_seconds() {
        let (mut backoff, interval, mut now) = (Backoff::default(), Duration::from_secs(10), Instant::now());
        backoff.failed(now, interval, 0.5);
        assert!(backoff.ready(now));
        backoff.failed(now, interval, 0.5);
        assert!(!backoff.ready(now + Duration::from_secs(9)) && backoff.ready(now + interval));
        for _ in 0..100 {
            backoff.failed(now, interval, 1.0);
            now += Duration::from_secs(75);
            assert!(backoff.ready(now));
        }
        backoff.succeeded();
        assert!(backoff.ready(now));
    }

    #[test]
    fn a_sign_of_life_brings_the_next_try_forward_and_not_one_after_the_other() {
        let (mut backoff, interval, now) = (Backoff::default(), Duration::from_secs(10), Instant::now());
        (0..6).for_each(|_| backoff.failed(now, interval, 0.5));
        assert!(!backoff.ready(now));
        assert!(backoff.wake(now) && backoff.ready(now));
        backoff.failed(now, interval, 0.5);
        assert!(!backoff.wake(now + interval) && !backoff.ready(now + interval));
    }
}
