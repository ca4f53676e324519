//! What a reader counts and keeps beside the data: traffic, the slowest reply, what could not be used.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use tokio::time::Instant;

use super::FailureKind;

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

impl AddAssign for Log {
    fn add_assign(&mut self, more: Log) {
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
