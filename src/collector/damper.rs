//! What comes and goes is said a few times, then counted, and said again when it has settled.
//!
//! ```text
//! began, ended ─→ Damper ─→ Tell   say it, say that it comes and goes, or nothing
//! look        ─→        ─→ News   it has stayed as it is, or it still comes and goes
//! ```
//!
//! Each kind of fault has a life of its own here, so that nothing a person has not heard of is swallowed: the first line of
//! a new kind is always said, whatever else flaps. Pure: time is an argument.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How often a fault of one kind is said within [`WINDOW`] before it counts as one that comes and goes.
const FREE: u64 = 3;
/// Faults of one kind that are farther apart have nothing to do with each other.
const WINDOW: Duration = Duration::from_secs(600);
/// What has not changed for this long, and for [`LOOKS`] looks, has settled.
const SETTLED: Duration = Duration::from_secs(60);
/// Somebody who looks once a minute has seen little in a minute.
const LOOKS: u32 = 3;
/// How often it is said that something still comes and goes.
const REMIND: Duration = Duration::from_secs(3600);

/// What is said about a fault that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// Itself.
    Say,
    /// Itself, and that it comes and goes: from now on it is counted.
    Flaps(Flaps),
    /// Nothing.
    Nothing,
}

/// How often something has come and gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaps {
    /// How many times.
    pub times: u64,
    /// In how much time.
    pub within: Duration,
}

/// What has become of something that came and went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is gone, and has stayed away.
    Gone,
    /// It is there, and has stayed.
    Stays,
    /// It still comes and goes.
    Flaps,
}

#[derive(Debug)]
struct Track {
    /// When it began for the first time.
    first: Instant,
    times: u64,
    open: bool,
    /// When it last began or ended.
    since: Instant,
    /// Looks since then.
    looks: u32,
    /// When it was last said that it comes and goes, if it does.
    damped: Option<Instant>,
}

/// What has been said about faults of these kinds.
#[derive(Debug)]
pub struct Damper<K> {
    tracks: BTreeMap<K, Track>,
}

impl<K: Ord + Clone> Damper<K> {
    /// Nothing has been said yet.
    pub fn new() -> Self {
        Damper { tracks: BTreeMap::new() }
    }

    /// A fault of this kind has begun.
    pub fn began(&mut self, kind: K, now: Instant) -> Tell {
        let new = Track { first: now, times: 0, open: false, since: now, looks: 0, damped: None };
        let track = self.tracks.entry(kind).or_insert(new);
        if track.open {
            return Tell::Nothing;
        }
        if track.damped.is_none() && now.duration_since(track.first) > WINDOW {
            (track.first, track.times) = (now, 0);
        }
        (track.open, track.since, track.looks) = (true, now, 0);
        track.times += 1;
        if track.damped.is_some() {
            Tell::Nothing
        } else if track.times <= FREE {
            Tell::Say
        } else {
            track.damped = Some(now);
            Tell::Flaps(track.flaps(now))
        }
    }

    /// It has ended; returns whether that is said.
    pub fn ended(&mut self, kind: &K, now: Instant) -> bool {
        let Some(track) = self.tracks.get_mut(kind).filter(|track| track.open) else { return false };
        (track.open, track.since, track.looks) = (false, now, 0);
        track.damped.is_none()
    }

    /// Looks what has become of those that come and go.
    pub fn look(&mut self, now: Instant) -> Vec<(K, Fate, Flaps)> {
        let old = |track: &Track| now.duration_since(track.first) > WINDOW;
        self.tracks.retain(|_, track| track.open || track.damped.is_some() || !old(track));
        let mut news = Vec::new();
        for (kind, track) in &mut self.tracks {
            let Some(said) = track.damped else { continue };
            track.looks = track.looks.saturating_add(1);
            let settled = now.duration_since(track.since) >= SETTLED && track.looks > LOOKS;
            let fate = match (settled, track.open) {
                (true, true) => Fate::Stays,
                (true, false) => Fate::Gone,
                (false, _) if now.duration_since(said) >= REMIND => Fate::Flaps,
                (false, _) => continue,
            };
            news.push((kind.clone(), fate, track.flaps(now)));
            if fate == Fate::Flaps {
                track.damped = Some(now);
            } else {
                (track.damped, track.first, track.times) = (None, now, u64::from(track.open));
            }
        }
        news
    }
}

impl<K: Ord + Clone> Default for Damper<K> {
    fn default() -> Self {
        Damper::new()
    }
}

impl Track {
    fn flaps(&self, now: Instant) -> Flaps {
        Flaps { times: self.times, within: now.duration_since(self.first) }
    }
}

impl Flaps {
    /// "4 outages in 2s".
    pub fn of(&self, what: &str) -> String {
        let within = Duration::from_secs(self.within.as_secs().max(1));
        format!("{} {what} in {}", self.times, humantime::format_duration(within))
    }
}

impl fmt::Display for Flaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.of("times"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock of the test's own.
    struct Bench {
        now: Instant,
        damper: Damper<&'static str>,
    }

    impl Bench {
        fn new() -> Bench {
            Bench { now: Instant::now(), damper: Damper::new() }
        }

        /// The fault is there in this gather or not; what is said, in a word each.
        fn gather(&mut self, kind: &'static str, faulty: bool, every: Duration) -> Vec<String> {
            self.now += every;
            let mut said = Vec::new();
            if faulty {
                match self.damper.began(kind, self.now) {
                    Tell::Say => said.push("began".to_owned()),
                    Tell::Flaps(Flaps { times, .. }) => said.push(format!("flaps {times}")),
                    Tell::Nothing => {}
                }
            } else if self.damper.ended(&kind, self.now) {
                said.push("ended".to_owned());
            }
            let news = self.damper.look(self.now);
            said.extend(news.iter().map(|(kind, fate, flaps)| format!("{kind} {fate:?} {}", flaps.times)));
            said
        }

        fn run(
            &mut self,
            kind: &'static str,
            faulty: impl Fn(u32) -> bool,
            every: Duration,
            for_: Duration,
        ) -> Vec<String> {
            let count = u32::try_from(for_.as_millis() / every.as_millis()).unwrap();
            (0..count).flat_map(|number| self.gather(kind, faulty(number), every)).collect()
        }
    }

    const FAST: Duration = Duration::from_millis(200);
    const HOUR: Duration = Duration::from_secs(3600);
    const FIRST: [&str; 7] = ["began", "ended", "began", "ended", "began", "ended", "flaps 4"];

    fn flapping(number: u32) -> bool {
        number.is_multiple_of(2)
    }

    #[test]
    fn what_flaps_at_each_gather_is_a_handful_of_lines_and_one_an_hour() {
        let mut bench = Bench::new();
        let said = bench.run("down", flapping, FAST, HOUR / 2);
        assert_eq!(said, FIRST);
        let said = bench.run("down", flapping, FAST, 2 * HOUR);
        assert!(said.len() == 2 && said.iter().all(|said| said.starts_with("down Flaps")), "{said:?}");
    }

    #[test]
    fn that_it_has_settled_is_said_with_the_number_and_what_comes_then_is_new() {
        let mut bench = Bench::new();
        assert_eq!(bench.run("down", flapping, FAST, 20 * FAST), FIRST);
        assert_eq!(bench.run("down", |_| false, FAST, HOUR), ["down Gone 10"]);
        assert_eq!(bench.run("down", |_| true, FAST, HOUR), ["began"]);
        assert_eq!(bench.run("down", |_| false, FAST, HOUR), ["ended"]);
    }

    #[test]
    fn a_meter_that_flaps_and_then_stays_away_is_said_to_and_so_is_its_return() {
        let mut bench = Bench::new();
        assert_eq!(bench.run("down", flapping, FAST, 20 * FAST), FIRST);
        assert_eq!(bench.run("down", |_| true, FAST, HOUR), ["down Stays 11"]);
        assert_eq!(bench.gather("down", false, FAST), ["ended"]);
    }

    #[test]
    fn a_slow_gather_must_be_seen_more_than_once_before_it_counts_as_settled() {
        let mut bench = Bench::new();
        let minutes = Duration::from_secs(61);
        assert_eq!(bench.run("down", flapping, minutes, 24 * minutes), FIRST);
    }

    #[test]
    fn a_new_kind_of_fault_is_said_whatever_else_comes_and_goes() {
        let mut bench = Bench::new();
        bench.run("down", flapping, FAST, HOUR / 2);
        assert_eq!(bench.gather("refused", true, FAST), ["began"]);
        bench.run("down", flapping, FAST, HOUR / 6);
        assert_eq!(bench.gather("refused", false, FAST), ["ended"]);
    }

    #[test]
    fn faults_that_are_far_apart_are_each_said() {
        let mut bench = Bench::new();
        for _ in 0..20 {
            assert_eq!(bench.gather("down", true, FAST), ["began"]);
            assert_eq!(bench.gather("down", false, Duration::from_secs(1)), ["ended"]);
            assert!(bench.run("down", |_| false, Duration::from_secs(10), HOUR / 6).is_empty());
        }
    }
}
