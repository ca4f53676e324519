//! What a meter refused, and when it is asked again: after a minute, then twice as long each time, up to an
//! hour. Nothing that a device once said stops us from asking it again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Failure;

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3600);

/// What was refused, by what was asked.
#[derive(Debug)]
pub(super) struct Refusals<K>(BTreeMap<K, Refusal>);

#[derive(Debug)]
struct Refusal {
    failure: Failure,
    wait: Duration,
    again: Instant,
}

impl<K: Ord + Copy> Refusals<K> {
    pub(super) fn new() -> Self {
        Refusals(BTreeMap::new())
    }

    /// What the meter said, if it is too early to ask again.
    pub(super) fn held(&self, asked: K, now: Instant) -> Option<&Failure> {
        self.0.get(&asked).filter(|refusal| now < refusal.again).map(|refusal| &refusal.failure)
    }

    /// What the meter said, whether or not it is due.
    pub(super) fn failure(&self, asked: K) -> Option<&Failure> {
        self.0.get(&asked).map(|refusal| &refusal.failure)
    }

    /// Everything that was refused and not granted since, whether or not it is due.
    pub(super) fn all(&self) -> impl Iterator<Item = K> {
        self.0.keys().copied()
    }

    /// What was refused and may be asked again.
    pub(super) fn due(&self, now: Instant) -> impl Iterator<Item = K> {
        self.0.iter().filter(move |(_, refusal)| now >= refusal.again).map(|(asked, _)| *asked)
    }

    /// It was refused, perhaps again.
    pub(super) fn refused(&mut self, asked: K, failure: Failure, now: Instant) {
        let before = self.0.get(&asked).map(|refusal| refusal.wait);
        let wait = before.map_or(SHORTEST, |before| (before * 2).min(LONGEST));
        self.0.insert(asked, Refusal { failure, wait, again: now + wait });
    }

    /// It was answered.
    pub(super) fn granted(&mut self, asked: K) {
        self.0.remove(&asked);
    }

    /// Everything may be asked now: another device may have come, or the same one may have restarted.
    pub(super) fn expire(&mut self, now: Instant) {
        self.0.values_mut().for_each(|refusal| refusal.again = now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FailureKind;

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_again_after_a_minute_then_twice_as_long_up_to_an_hour_and_a_grant_begins_anew() {
        let mut refusals = Refusals::new();
        let mut waits = Vec::new();
        for _ in 0..9 {
            refusals.refused(7, FailureKind::Refused.because("no"), Instant::now());
            let since = Instant::now();
            while refusals.held(7, Instant::now()).is_some() {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            waits.push(since.elapsed().as_secs());
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
        refusals.granted(7);
        refusals.refused(7, FailureKind::Refused.because("no"), Instant::now());
        assert!(
            refusals.due(Instant::now() + SHORTEST).eq([7]) && refusals.due(Instant::now()).next().is_none()
        );
        refusals.expire(Instant::now());
        assert!(refusals.due(Instant::now()).eq([7]) && refusals.all().eq([7]));
    }
}
