//! The life of a listened connection at random, on a clock of the test's own: an owner whose frames are lost, come twice, late
//! or together after a standstill, are damaged, or begin to count anew; and foreign ones among them.
//!
//! What is promised, and judged here from what was sent and delivered:
//!
//! - what is given out is the data of a frame of the owner, with the time at which that frame came, and never goes back;
//! - every frame from the first to the last is received or counted as lost, and what was delivered beyond that is counted
//!   as dropped;
//! - every new sample that was received is kept once, in order;
//! - the connection is silent when and only when nothing was received for a watchdog in which somebody was there;
//! - an owner that counts anew is heard again with its second frame.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

const METER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 6);
const API: Duration = Duration::from_millis(100);
const WATCHDOG: Duration = Duration::from_millis(1600);
/// How often somebody looks after the connection.
const LOOK: Duration = Duration::from_secs(1);

/// A frame on its way: which one the owner sent, as what, and when it comes.
#[derive(Debug, Clone, Copy)]
struct Sent {
    /// The owner's frames, counted here.
    number: u64,
    sequence: u32,
    count: u16,
    at: Duration,
    damaged: bool,
}

/// What the network and the owner may do.
#[derive(Debug, Clone, Copy)]
struct Weather {
    lost: f64,
    late: f64,
    twice: f64,
    damaged: f64,
    foreign: f64,
    /// The owner says nothing for a while.
    pauses: f64,
    anew: f64,
}

const CALM: Weather =
    Weather { lost: 0.0, late: 0.0, twice: 0.0, damaged: 0.0, foreign: 0.0, pauses: 0.0, anew: 0.0 };

struct Life {
    random: StdRng,
    stream: Stream,
    begun: (Instant, SystemTime),
    weather: Weather,
    now: Duration,
    number: u64,
    sequence: u32,
    count: u16,
    under_way: Vec<Sent>,
    /// Frames that came with our connection ID, damaged and foreign ones among them.
    delivered: u64,
    /// The frames that were received, in their order, and those whose sample was new.
    received: Vec<Sent>,
    samples: Vec<u64>,
    /// When one was received, or somebody was there again after a standstill.
    since: Duration,
    looked: Duration,
    numbered_anew: bool,
}

impl Life {
    fn new(seed: u64, weather: Weather) -> Life {
        let mut random = StdRng::seed_from_u64(seed);
        let begun = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let agreed =
            Agreed { connection: 7, source: METER, size: 8, api: API, watchdog: WATCHDOG, asked: begun.0 };
        // Near the end of the numbers as often as not.
        let sequence =
            if random.random_ratio(1, 2) { random.random() } else { u32::MAX - random.random_range(0..200) };
        Life {
            stream: Stream::new(agreed, true, begun.0),
            random,
            begun,
            weather,
            now: Duration::ZERO,
            number: 0,
            sequence,
            count: 0,
            under_way: Vec::new(),
            delivered: 0,
            received: Vec::new(),
            samples: Vec::new(),
            since: Duration::ZERO,
            looked: Duration::ZERO,
            numbered_anew: false,
        }
    }

    /// The owner sends a frame, and the network does to it what it does.
    fn send(&mut self) {
        let Weather { lost, late, twice, damaged, anew, .. } = self.weather;
        self.number += 1;
        self.sequence = self.sequence.wrapping_add(1);
        self.count = self.count.wrapping_add(u16::from(self.random.random_ratio(2, 3)));
        if self.random.random_bool(anew) {
            (self.sequence, self.numbered_anew) = (self.random.random(), true);
        }
        if self.random.random_bool(lost) {
            return;
        }
        let delay = if self.random.random_bool(late) { self.random.random_range(0..350) } else { 0 };
        let at = self.now + Duration::from_millis(delay);
        let damaged = self.random.random_bool(damaged);
        let jump = if damaged { self.random.random_range(1 << 20..u32::MAX - (1 << 20)) } else { 0 };
        let sequence = self.sequence.wrapping_add(jump);
        let sent = Sent { number: self.number, sequence, count: self.count, at, damaged };
        self.under_way.push(sent);
        if self.random.random_bool(twice) {
            self.under_way
                .push(Sent { at: at + Duration::from_millis(self.random.random_range(0..50)), ..sent });
        }
    }

    /// Takes in what has come until now, each with the time at which it came.
    fn take_in(&mut self) {
        self.under_way.sort_by_key(|sent| sent.at);
        let due = self.under_way.partition_point(|sent| sent.at <= self.now);
        for sent in self.under_way.drain(..due).collect::<Vec<_>>() {
            let frame = |data| Frame { connection: 7, sequence: sent.sequence, count: sent.count, data };
            let at = (self.begun.0 + sent.at, self.begun.1 + sent.at);
            if self.random.random_bool(self.weather.foreign) {
                self.stream.accept(&frame(&[9; 8]), OTHER, at);
                self.stream.accept(&frame(&[9; 12]), METER, at);
                self.delivered += 2;
            }
            let before = self.stream.counts().received;
            self.stream.accept(&frame(&sent.number.to_le_bytes()), METER, at);
            self.delivered += 1;
            if self.stream.counts().received > before {
                let new = self.received.last().is_none_or(|last| last.count != sent.count);
                self.samples.extend(new.then_some(sent.number));
                self.received.push(sent);
                self.since = self.since.max(sent.at);
            }
        }
    }

    fn judge(&mut self, seed: u64) {
        let now = self.begun.0 + self.now;
        // A watchdog's half beyond its time to look tells who was away.
        if self.now - self.looked > LOOK + WATCHDOG / 2 {
            self.since = self.since.max(self.now);
        }
        if self.now - self.looked >= LOOK {
            self.stream.look(now, LOOK);
            self.looked = self.now;
        }
        let patience = if self.received.is_empty() { FIRST_FRAME } else { WATCHDOG };
        let silent = self.now - self.since > patience;
        assert_eq!(self.stream.is_silent(now), silent, "seed {seed} at {:?}", self.now);
        let newest = self.stream.newest(now);
        assert_eq!(newest.is_some(), !silent && !self.received.is_empty(), "seed {seed} at {:?}", self.now);
        if let (Some(newest), Some(last)) = (newest, self.received.last()) {
            let given = (u64::from_le_bytes(newest.data[..].try_into().unwrap()), newest.at);
            assert_eq!(given, (last.number, self.begun.1 + last.at), "seed {seed} at {:?}", self.now);
        }
        let numbers: Vec<u64> = self.received.iter().map(|sent| sent.number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "seed {seed}: it goes back: {numbers:?}");
        let Counts { received, lost, dropped } = self.stream.counts();
        assert_eq!((received, dropped), (numbers.len() as u64, self.delivered - received), "seed {seed}");
        if let (Some(first), Some(last), false) = (numbers.first(), numbers.last(), self.numbered_anew) {
            assert_eq!(received + lost, last - first + 1, "seed {seed} at {:?}", self.now);
            assert!(!self.received.iter().skip(1).any(|sent| sent.damaged), "seed {seed}");
        }
    }

    fn live(&mut self, seed: u64, frames: u32) {
        for _ in 0..frames {
            // Sometimes nobody is there for seconds, and sometimes the owner is not.
            let away = if self.random.random_bool(self.weather.pauses) {
                self.random.random_range(1..60)
            } else {
                0
            };
            let owner_goes_on = self.random.random_ratio(1, 2);
            for _ in 0..away {
                self.now += API;
                if owner_goes_on {
                    self.send();
                } else if self.now - self.looked >= LOOK {
                    self.take_in();
                    self.judge(seed);
                }
            }
            self.now += API;
            self.send();
            self.take_in();
            self.judge(seed);
        }
        let kept: Vec<u64> = self.stream.take_samples().iter().map(number).collect();
        assert_eq!(kept, std::mem::take(&mut self.samples), "seed {seed}");
    }
}

fn number(sample: &Sample) -> u64 {
    u64::from_le_bytes(sample.data[..].try_into().unwrap())
}

#[test]
fn whatever_befalls_frames_each_is_received_or_counted_and_what_is_given_out_is_the_newest_one() {
    for seed in 0..150 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut odds =
            |most: f64| if random.random_ratio(1, 2) { random.random_range(0.0..most) } else { 0.0 };
        let weather = Weather {
            lost: odds(0.5),
            late: odds(0.3),
            twice: odds(0.2),
            // A first frame that is damaged is nobody's to tell.
            damaged: 0.0,
            foreign: odds(0.2),
            pauses: odds(0.05),
            anew: 0.0,
        };
        let damaged = odds(0.1);
        let mut life = Life::new(seed, CALM);
        life.live(seed, 3);
        life.weather = Weather { damaged, ..weather };
        life.live(seed, 600);
        life.weather.anew = odds(0.02);
        life.live(seed, 300);
        life.weather = CALM;
        life.live(seed, 3);
        let last = life.received.last().map(|sent| sent.number);
        assert_eq!(last, Some(life.number), "seed {seed}: not heard again");
    }
}
