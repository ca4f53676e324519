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

#[derive(Debug)]
struct State {
    opened: Instant,
    last: Option<(Instant, u32, u16)>,
    first_sequence: Option<u32>,
    newest: Option<Sample>,
    /// The newest datagram that could not be used, until it is taken.
    odd: Option<Vec<u8>>,
    queue: VecDeque<Sample>,
    counts: Counts,
}

/// The receiving end of one connection.
#[derive(Debug)]
pub struct Stream {
    connection: u32,
    source: Ipv4Addr,
    size: usize,
    watchdog: Duration,
    every_sample: bool,
    state: Mutex<State>,
    arrived: Notify,
}

impl Stream {
    /// A connection that was just opened: frames with this connection ID from this address, carrying
    /// `size` bytes of data, at least one in every `watchdog`.
    pub fn new(
        (connection, source): (u32, Ipv4Addr),
        size: usize,
        watchdog: Duration,
        every_sample: bool,
        now: Instant,
    ) -> Stream {
        Stream {
            connection,
            source,
            size,
            watchdog,
            every_sample,
            state: Mutex::new(State {
                opened: now,
                last: None,
                first_sequence: None,
                newest: None,
                odd: None,
                queue: VecDeque::new(),
                counts: Counts::default(),
            }),
            arrived: Notify::new(),
        }
    }

    /// Whether frames with this connection ID are meant for this connection.
    pub fn is(&self, connection: u32) -> bool {
        self.connection == connection
    }

    /// Takes a frame in that carries our connection ID.
    pub fn accept(&self, frame: &Frame<'_>, source: Ipv4Addr, at: (Instant, SystemTime)) {
        let mut state = self.lock();
        if source != self.source || frame.data.len() != self.size {
            state.counts.dropped += 1;
            if source == self.source {
                let mut datagram = Vec::new();
                frame.encode(&mut datagram);
                state.odd = Some(datagram);
            }
            return;
        }
        let mut repeated = false;
        if let Some((_, sequence, count)) = state.last {
            // Modulo 2^32: ahead by less than half the range is later.
            let ahead = frame.sequence.wrapping_sub(sequence);
            if ahead == 0 || ahead > u32::MAX / 2 {
                state.counts.dropped += 1;
                return;
            }
            state.counts.lost += u64::from(ahead - 1);
            repeated = frame.count == count;
        }
        state.counts.received += 1;
        state.first_sequence.get_or_insert(frame.sequence);
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
        if source != self.source {
            return false;
        }
        self.lock().odd = Some(datagram.to_vec());
        true
    }

    /// The newest datagram that could not be used since the last call: another length, or no frame.
    pub fn take_odd(&self) -> Option<Vec<u8>> {
        self.lock().odd.take()
    }

    /// Whether the connection has timed out: nothing arrived for a whole watchdog.
    pub fn is_silent(&self, now: Instant) -> bool {
        let state = self.lock();
        match state.last {
            Some((last, ..)) => now.saturating_duration_since(last) > self.watchdog,
            None => now.saturating_duration_since(state.opened) > self.watchdog.max(FIRST_FRAME),
        }
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

    /// Whether the first frame was the first of its stream: then the meter started it for us alone,
    /// because its owner's stream is unicast.
    pub fn started_for_us(&self) -> bool {
        self.lock().first_sequence == Some(1)
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

#[cfg(test)]
mod tests {
    use super::*;

    const METER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
    const WATCHDOG: Duration = Duration::from_millis(1600);

    fn stream(now: Instant) -> Stream {
        Stream::new((7, METER), 4, WATCHDOG, true, now)
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
    fn foreign_and_wrong_length_frames_never_become_data() {
        let now = Instant::now();
        let stream = stream(now);
        let frame = Frame { connection: 7, sequence: 9, count: 1, data: &[1, 2, 3, 4] };
        stream.accept(&frame, Ipv4Addr::new(10, 0, 0, 6), (now, SystemTime::now()));
        let long = Frame { data: &[0; 8], ..frame };
        stream.accept(&long, METER, (now, SystemTime::now()));
        assert_eq!((counts(&stream), stream.newest(now)), ((0, 0, 2), None));
        assert_eq!(stream.take_odd().map(|datagram| datagram.len()), Some(28), "evidence");
        assert!(stream.refuse(&[9], METER) && !stream.refuse(&[8], Ipv4Addr::LOCALHOST));
        assert_eq!(stream.take_odd(), Some(vec![9]));
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
    fn a_stream_that_began_with_us_is_recognized() {
        let now = Instant::now();
        let (ours, joined) = (stream(now), stream(now));
        put(&ours, 1, 1, now);
        put(&joined, 4711, 1, now);
        assert!(ours.started_for_us() && !joined.started_for_us());
    }
}
