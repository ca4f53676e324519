//! How long a meter that does not answer is left alone.
//!
//! The first failure is tried again at the next gather, then after one interval, two, four … up to a
//! minute, give or take a quarter, so that a thousand meters behind one dead switch do not come back in step.

use std::time::Duration;

use tokio::time::Instant;

const LONGEST: Duration = Duration::from_secs(60);

/// The back-off of one meter.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Whether the meter may be asked.
    pub fn ready(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
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
}
