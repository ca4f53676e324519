//! One listened connection: which frames count, what the newest one holds, and when it has gone silent.
//!
//! Pure but for the mutex: time is an argument. The [`hub`](super::hub) puts frames in, the source takes
//! readings out.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

use super::class1::Frame;

/// Samples kept for a consumer that takes every one; a gather a minute at 100 ms needs 600.
const MOST_SAMPLES: usize = 2048;
/// A frame so far behind is late; one so far ahead is within what a network does.
const LATE: u32 = 16;
/// The first frame has at least this long.
const FIRST_FRAME: Duration = Duration::from_secs(10);

/// The assembly's data as one frame brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When the frame arrived.
    pub at: SystemTime,
    /// The assembly's data.
    pub data: Vec<u8>,
}

/// Frames of one connection since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames used.
    pub received: u64,
    /// Frames missing from the sequence.
    pub lost: u64,
    /// Frames that were late, duplicate, foreign or of the wrong length.
    pub dropped: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.received += other.received;
        self.lost += other.lost;
        self.dropped += other.dropped;
    }
}

impl std::ops::Sub for Counts {
    type Output = Counts;

    fn sub(self, earlier: Counts) -> Counts {
        Counts {
            received: self.received - earlier.received,
            lost: self.lost - earlier.lost,
            dropped: self.dropped - earlier.dropped,
        }
    }
}

/// What a connection is to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// Connection ID of its frames.
    pub connection: u32,
    /// The address they come from.
    pub source: Ipv4Addr,
    /// Bytes of data in each.
    pub size: usize,
    /// The packet interval.
    pub api: Duration,
    /// At least one frame comes in this time.
    pub watchdog: Duration,
    /// When it was asked for.
    pub asked: Instant,
}

#[derive(Debug)]
struct State {
    opened: Instant,
    /// When the first frame that counts came, and its number.
    first: Option<(Instant, u32)>,
    /// Frames came before the connection was asked for.
    ran_before: bool,
    last: Option<(Instant, u32, u16)>,
    /// A frame that is further ahead than time allows, or behind, until the next one confirms it.
    doubtful: Option<u32>,
    newest: Option<Sample>,
    /// The newest datagram that could not be used, until it is taken.
    odd: Option<Vec<u8>>,
    /// What was wrong with the newest one: its bytes of data, if it was a frame at all.
    odd_size: Option<Option<usize>>,
    queue: VecDeque<Sample>,
    counts: Counts,
    /// When somebody last looked, and since when nobody was away.
    looked: Instant,
    awake: Instant,
}

/// The receiving end of one connection.
#[derive(Debug)]
pub struct Stream {
    agreed: Agreed,
    every_sample: bool,
    state: Mutex<State>,
    arrived: Notify,
}

impl Stream {
    /// A connection that was just opened.
    pub fn new(agreed: Agreed, every_sample: bool, now: Instant) -> Stream {
        Stream {
            agreed,
            every_sample,
            state: Mutex::new(State {
                opened: now,
                first: None,
                ran_before: false,
                last: None,
                doubtful: None,
                newest: None,
                odd: None,
                odd_size: None,
                queue: VecDeque::new(),
                counts: Counts::default(),
                looked: now,
                awake: now,
            }),
            arrived: Notify::new(),
        }
    }

    /// What was agreed.
    pub fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    /// Notes a frame of this connection that came before anybody was there to take it in.
    pub fn missed(&self, sequence: u32, source: Ipv4Addr, at: Instant) {
        if source != self.agreed.source {
            return;
        }
        let mut state = self.lock();
        if at < self.agreed.asked {
            state.ran_before = true;
        } else {
            state.first.get_or_insert((at, sequence));
        }
    }

    /// Takes a frame in that carries our connection ID.
    pub fn accept(&self, frame: &Frame<'_>, source: Ipv4Addr, at: (Instant, SystemTime)) {
        let mut state = self.lock();
        if source != self.agreed.source || frame.data.len() != self.agreed.size {
            state.counts.dropped += 1;
            if source == self.agreed.source {
                let mut datagram = Vec::new();
                frame.encode(&mut datagram);
                state.odd = Some(datagram);
                state.odd_size = Some(Some(frame.data.len()));
            }
            return;
        }
        let mut repeated = false;
        if let Some((last, sequence, count)) = state.last {
            // Modulo 2^32: ahead by less than half the range is later.
            let (ahead, behind) =
                (frame.sequence.wrapping_sub(sequence), sequence.wrapping_sub(frame.sequence));
            if behind <= LATE {
                state.counts.dropped += 1;
                return;
            }
            if u128::from(ahead) > possible(at.0.saturating_duration_since(last), self.agreed.api) {
                let confirms = |doubtful: u32| (1..=LATE).contains(&frame.sequence.wrapping_sub(doubtful));
                if !state.doubtful.is_some_and(confirms) {
                    state.doubtful = Some(frame.sequence);
                    state.counts.dropped += 1;
                    return;
                }
                // The meter counts anew; how many it has left out nobody knows.
            } else {
                state.counts.lost += u64::from(ahead - 1);
            }
            repeated = frame.count == count;
        }
        state.doubtful = None;
        state.counts.received += 1;
        state.first.get_or_insert((at.0, frame.sequence));
        state.last = Some((at.0, frame.sequence, frame.count));
        match &mut state.newest {
            Some(newest) => {
                newest.at = at.1;
                newest.data.clear();
                newest.data.extend_from_slice(frame.data);
            }
            None => state.newest = Some(Sample { at: at.1, data: frame.data.to_vec() }),
        }
        if self.every_sample && !repeated {
            if state.queue.len() == MOST_SAMPLES {
                state.queue.pop_front();
            }
            state.queue.push_back(Sample { at: at.1, data: frame.data.to_vec() });
        }
        drop(state);
        self.arrived.notify_waiters();
    }

    /// Notes a datagram from our meter that is no class 1 frame; `false` when it is not from our meter.
    pub fn refuse(&self, datagram: &[u8], source: Ipv4Addr) -> bool {
        if source != self.agreed.source {
            return false;
        }
        let mut state = self.lock();
        state.counts.dropped += 1;
        state.odd = Some(datagram.to_vec());
        state.odd_size = Some(None);
        true
    }

    /// The newest datagram that could not be used since the last call: another length, or no frame.
    pub fn take_odd(&self) -> Option<Vec<u8>> {
        self.lock().odd.take()
    }

    /// What was wrong with the newest datagram that could not be used: its bytes of data, if it was a frame.
    pub fn odd_size(&self) -> Option<Option<usize>> {
        self.lock().odd_size
    }

    /// Somebody looks after the connection, as happens once in `every`. Whoever looks much later was away, not
    /// the meter: a process that stood still may have missed what came meanwhile.
    pub fn look(&self, now: Instant, every: Duration) {
        let mut state = self.lock();
        if now.saturating_duration_since(state.looked) > every + self.agreed.watchdog / 2 {
            state.awake = now;
        }
        state.looked = now;
    }

    /// Whether the connection has timed out: nothing arrived for a whole watchdog. What waits in the socket must
    /// have been taken in before.
    pub fn is_silent(&self, now: Instant) -> bool {
        let state = self.lock();
        let (since, patience) = match state.last {
            Some((last, ..)) => (last, self.agreed.watchdog),
            None => (state.opened, self.agreed.watchdog.max(FIRST_FRAME)),
        };
        now.saturating_duration_since(since.max(state.awake)) > patience
    }

    /// How long ago the newest frame came.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.lock().last.map(|(last, ..)| now.saturating_duration_since(last))
    }

    /// The newest frame's data; never one older than the watchdog.
    pub fn newest(&self, now: Instant) -> Option<Sample> {
        if self.is_silent(now) {
            return None;
        }
        self.lock().newest.clone()
    }

    /// Every new sample since the last call; empty unless the connection was made to keep them.
    pub fn take_samples(&self) -> Vec<Sample> {
        self.lock().queue.drain(..).collect()
    }

    /// Whether the stream began with our connection: its first frame has no higher number than the time since we
    /// asked explains. The first ones may be lost while a switch learns the group.
    pub fn started_for_us(&self) -> bool {
        let state = self.lock();
        state.first.is_some_and(|(at, sequence)| {
            let since = at.saturating_duration_since(self.agreed.asked).as_micros();
            let most = since / self.agreed.api.as_micros().max(1) + 2;
            !state.ran_before && u128::from(sequence) <= most
        })
    }

    /// Frames since the connection was opened.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Waits until a first frame has arrived.
    pub async fn first(&self) {
        loop {
            let arrived = self.arrived.notified();
            if self.lock().last.is_some() {
                return;
            }
            arrived.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing between taking and leaving the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far ahead a frame can be after this time: twice as many as are due, for some come together.
fn possible(elapsed: Duration, api: Duration) -> u128 {
    2 * elapsed.as_micros() / api.as_micros().max(1) + u128::from(LATE)
}

#[cfg(test)]
mod life;

#[cfg(test)]
mod tests {
    use super::*;

    const METER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
    const API: Duration = Duration::from_millis(100);
    const WATCHDOG: Duration = Duration::from_millis(1600);

    fn stream(now: Instant) -> Stream {
        let agreed =
            Agreed { connection: 7, source: METER, size: 4, api: API, watchdog: WATCHDOG, asked: now };
        Stream::new(agreed, true, now)
    }

    fn put(stream: &Stream, sequence: u32, count: u16, now: Instant) {
        let frame = Frame { connection: 7, sequence, count, data: &[1, 2, 3, 4] };
        stream.accept(&frame, METER, (now, SystemTime::now()));
    }

    fn counts(stream: &Stream) -> (u64, u64, u64) {
        let counts = stream.counts();
        (counts.received, counts.lost, counts.dropped)
    }

    #[test]
    fn gaps_are_counted_and_late_or_repeated_frames_dropped_across_the_wrap() {
        let now = Instant::now();
        let stream = stream(now);
        for sequence in [u32::MAX - 1, u32::MAX, 2, 2, 1] {
            put(&stream, sequence, sequence as u16, now);
        }
        assert_eq!(counts(&stream), (3, 2, 2));
    }

    #[test]
    fn a_frame_far_ahead_or_behind_waits_for_the_next_one_to_confirm_it() {
        let now = Instant::now();
        for jump in [1 << 31, 1 << 20, u32::MAX - 1000] {
            let damaged = stream(now);
            put(&damaged, 5, 5, now);
            put(&damaged, 5u32.wrapping_add(jump), 6, now + API);
            put(&damaged, 7, 7, now + 2 * API);
            assert_eq!(counts(&damaged), (2, 1, 1), "{jump}: one frame was damaged");

            let restarted = stream(now);
            put(&restarted, 5, 5, now);
            for n in 0..3 {
                put(&restarted, 5u32.wrapping_add(jump) + n, 6, now + n * API);
            }
            assert_eq!(counts(&restarted), (3, 0, 1), "{jump}: the meter counts anew");
        }
        let paused = stream(now);
        put(&paused, 5, 5, now);
        put(&paused, 20_005, 6, now + API * 20_000);
        assert_eq!(counts(&paused), (2, 19_999, 0), "after so long a time so many are lost");
    }

    #[test]
    fn foreign_and_wrong_length_frames_never_become_data() {
        let now = Instant::now();
        let stream = stream(now);
        let frame = Frame { connection: 7, sequence: 9, count: 1, data: &[1, 2, 3, 4] };
        stream.accept(&frame, Ipv4Addr::new(10, 0, 0, 6), (now, SystemTime::now()));
        let long = Frame { data: &[0; 8], ..frame };
        stream.accept(&long, METER, (now, SystemTime::now()));
        assert_eq!((counts(&stream), stream.newest(now)), ((0, 0, 2), None));
        assert_eq!(stream.take_odd().map(|datagram| datagram.len()), Some(28), "evidence");
        assert_eq!(stream.odd_size(), Some(Some(8)));
        assert!(stream.refuse(&[9], METER) && !stream.refuse(&[8], Ipv4Addr::LOCALHOST));
        assert_eq!((stream.take_odd(), counts(&stream)), (Some(vec![9]), (0, 0, 3)));
    }

    #[test]
    fn a_repeated_count_feeds_the_watchdog_and_is_no_new_sample() {
        let now = Instant::now();
        let stream = stream(now);
        for (sequence, count) in [(5, 1), (6, 1), (7, 2)] {
            put(&stream, sequence, count, now);
        }
        assert_eq!(stream.take_samples().len(), 2);
        assert_eq!(counts(&stream).0, 3);
    }

    #[test]
    fn a_frame_older_than_the_watchdog_is_never_given_out() {
        let now = Instant::now();
        let stream = stream(now);
        assert!(!stream.is_silent(now + Duration::from_secs(9)), "the first frame has ten seconds");
        assert!(stream.is_silent(now + Duration::from_secs(11)));
        put(&stream, 5, 1, now);
        assert!(stream.newest(now + WATCHDOG).is_some());
        assert_eq!(stream.newest(now + WATCHDOG + Duration::from_millis(1)), None);
    }

    #[test]
    fn whoever_was_away_gives_the_meter_another_watchdog() {
        let (now, every) = (Instant::now(), Duration::from_secs(1));
        let stream = stream(now);
        put(&stream, 5, 1, now);
        stream.look(now + every, every);
        assert!(stream.is_silent(now + WATCHDOG * 2), "the meter was");
        let back = now + Duration::from_secs(60);
        stream.look(back, every);
        assert!(!stream.is_silent(back + WATCHDOG), "we were");
        assert!(stream.is_silent(back + WATCHDOG + every));
    }

    #[test]
    fn a_stream_that_began_with_us_is_recognized_even_if_its_first_frames_were_lost() {
        let asked = Instant::now();
        let cases = [
            // The first frame comes with the reply, the next ones after a packet interval each.
            (1, Duration::from_millis(6), true),
            (2, API, true),
            // A switch that learns for half a second.
            (6, API * 5, true),
            // An owner that was there before; one that came a second before us.
            (4711, API, false),
            (11, Duration::from_millis(50), false),
            (u32::MAX, API, false),
        ];
        for (sequence, after, for_us) in cases {
            let stream = stream(asked);
            assert!(!stream.started_for_us());
            put(&stream, sequence, 1, asked + after);
            put(&stream, sequence.wrapping_add(1), 2, asked + after + API);
            assert_eq!(stream.started_for_us(), for_us, "{sequence} after {after:?}");
        }
        // A group that was joined already delivers frame 1 before the reply is read.
        let early = stream(asked);
        early.missed(1, METER, asked + Duration::from_millis(1));
        put(&early, 30, 1, asked + API);
        assert!(early.started_for_us());
        let running = stream(asked + API);
        running.missed(2, METER, asked);
        put(&running, 3, 1, asked + API * 2);
        assert!(!running.started_for_us());
    }
}
