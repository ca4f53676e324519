//! What a simulated controller was asked: counts, not a log.

use std::collections::BTreeMap;

/// Most kinds of requests that are told apart.
const KINDS: usize = 2048;

/// What a simulated controller was asked so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControllerRecord {
    /// Sessions registered.
    pub sessions: u64,
    /// Sessions that are open now.
    pub open_sessions: u64,
    /// Sessions refused because all were taken.
    pub sessions_refused: u64,
    /// Connections of class 3 that are open now.
    pub connections: u64,
    /// Messages: each is one request and one reply on the wire, whatever is in it.
    pub messages: u64,
    requests: BTreeMap<(u8, String), u64>,
    writes: BTreeMap<(u8, String), u64>,
}

impl ControllerRecord {
    /// Counts a request that reads.
    pub(super) fn note_read(&mut self, service: u8, target: String) {
        note(&mut self.requests, service, target);
    }

    /// Counts a request that could change something.
    pub(super) fn note_write(&mut self, service: u8, target: String) {
        note(&mut self.writes, service, target);
    }

    /// The requests that read, each with its service and what it went to, those in other messages included.
    pub fn requests(&self) -> impl Iterator<Item = (u8, &str, u64)> {
        self.requests.iter().map(|((service, target), count)| (*service, target.as_str(), *count))
    }

    /// How often a service was asked for.
    pub fn count(&self, service: u8) -> u64 {
        self.requests().filter(|(asked, ..)| *asked == service).map(|(.., count)| count).sum()
    }

    /// The requests that could have changed something. All were refused.
    pub fn writes(&self) -> Vec<(u8, String)> {
        self.writes.keys().cloned().collect()
    }
}

fn note(counts: &mut BTreeMap<(u8, String), u64>, service: u8, target: String) {
    let kind = (service, target);
    if let Some(count) = counts.get_mut(&kind) {
        *count += 1;
    } else if counts.len() < KINDS {
        counts.insert(kind, 1);
    }
}
