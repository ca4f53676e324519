//! What a reader counts and keeps beside the data: traffic, the slowest reply, what could not be used.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use tokio::time::Instant;

use super::FailureKind;
use super::tap::{Bytes, Seen, is_traced};

/// How much was asked and heard; all of it appears in the status line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests sent.
    pub requests: u64,
    /// Replies received, refusals included.
    pub responses: u64,
    /// Requests and connects that were not answered in time.
    pub timeouts: u64,
    /// Other failures.
    pub errors: u64,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Class 1 frames received.
    pub frames_received: u64,
    /// Class 1 frames missing from the sequence.
    pub frames_lost: u64,
    /// Class 1 frames that were not used.
    pub frames_dropped: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Traffic) {
        self.requests += more.requests;
        self.responses += more.responses;
        self.timeouts += more.timeouts;
        self.errors += more.errors;
        self.reconnects += more.reconnects;
        self.frames_received += more.frames_received;
        self.frames_lost += more.frames_lost;
        self.frames_dropped += more.frames_dropped;
    }
}

/// Something a meter sent that was refused or could not be decoded, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhibit {
    /// What is wrong with it, in words that are the same when it comes again.
    pub what: String,
    /// The bytes, as whole as they were seen.
    pub bytes: Vec<u8>,
}

/// One exchange with a meter in words, for those who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Session, CIP, class 1 or Modbus.
    pub layer: &'static str,
    /// What was asked, and what came of it.
    pub words: String,
    /// What was on the wire, for those who asked for bytes.
    pub bytes: Bytes,
}

/// The exchanges of one read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchanges {
    /// The first of them.
    pub kept: Vec<Exchange>,
    /// How many more there were.
    pub more: u64,
}

/// Exchanges of one read that are kept: a listener makes none, the widest gather of a healthy meter a dozen.
const MOST_EXCHANGES: usize = 24;

impl Exchanges {
    fn push(&mut self, exchange: Exchange) {
        match self.kept.len() < MOST_EXCHANGES {
            true => self.kept.push(exchange),
            false => self.more += 1,
        }
    }
}

impl AddAssign for Exchanges {
    fn add_assign(&mut self, more: Exchanges) {
        more.kept.into_iter().for_each(|exchange| self.push(exchange));
        self.more += more.more;
    }
}

impl AddAssign for Log {
    fn add_assign(&mut self, more: Log) {
        self.exchanges += more.exchanges;
        self.traffic += more.traffic;
        self.slowest = self.slowest.max(more.slowest);
        self.exhibits.extend(more.exhibits);
    }
}

/// What a reader has counted and kept since it was last taken.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) traffic: Traffic,
    pub(super) slowest: Option<Duration>,
    pub(super) exhibits: Vec<Exhibit>,
    pub(super) exchanges: Exchanges,
}

impl Log {
    /// Takes it out and begins anew.
    pub(super) fn take(&mut self) -> Log {
        std::mem::take(self)
    }

    /// Notes a reply to a request sent at `sent`.
    pub(super) fn replied(&mut self, sent: Instant) {
        self.traffic.responses += 1;
        let took = sent.elapsed();
        self.slowest = Some(self.slowest.map_or(took, |slowest| slowest.max(took)));
    }

    /// Keeps an exchange in words, if anybody wants to read them.
    pub(super) fn exchange(&mut self, layer: &'static str, words: impl FnOnce() -> String, seen: &Seen) {
        if log::max_level() >= log::LevelFilter::Debug {
            let bytes = if is_traced() { seen.bytes() } else { Bytes::default() };
            self.exchanges.push(Exchange { layer, words: words(), bytes });
        }
    }

    /// Counts a failure.
    pub(super) fn failed(&mut self, kind: FailureKind) {
        match kind {
            FailureKind::Timeout => self.traffic.timeouts += 1,
            _ => self.traffic.errors += 1,
        }
    }

    /// Keeps the bytes of something that could not be used, if there are any.
    pub(super) fn exhibit(&mut self, what: &dyn fmt::Display, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.exhibits.push(Exhibit { what: what.to_string(), bytes: bytes.to_vec() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_of_many_exchanges_keeps_some_and_counts_the_rest() {
        let exchange = |n: usize| Exchange { layer: "CIP", words: n.to_string(), bytes: Bytes::default() };
        let mut exchanges = Exchanges::default();
        (0..100).for_each(|n| exchanges.push(exchange(n)));
        let mut all = exchanges.clone();
        all += exchanges;
        assert_eq!((all.kept.len(), all.more), (MOST_EXCHANGES, 200 - MOST_EXCHANGES as u64));
        assert_eq!(all.kept.last().unwrap().words, (MOST_EXCHANGES - 1).to_string());
    }
}
