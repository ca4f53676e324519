//! What was published and not confirmed by the broker yet: it goes out again when the connection breaks first.

use std::collections::VecDeque;

use super::store::{Slot, Waiting};

/// What is held back for lack of an answer before one is asked for, in bytes.
const MUCH: usize = 1 << 20;

/// Lines of one message.
#[derive(Debug)]
struct Sent {
    message: u64,
    slot: Slot,
    lines: Vec<Waiting>,
}

/// Messages of a session, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    sent: VecDeque<Sent>,
    bytes: usize,
}

impl Unconfirmed {
    /// A message with these lines has gone out.
    pub(super) fn push(&mut self, message: u64, slot: Slot, lines: Vec<Waiting>) {
        if !lines.is_empty() {
            self.bytes += size(&lines);
            self.sent.push_back(Sent { message, slot, lines });
        }
    }

    /// The broker has everything up to this message.
    pub(super) fn confirm(&mut self, message: u64) {
        let confirmed = self.sent.partition_point(|sent| sent.message <= message);
        self.bytes -= self.sent.drain(..confirmed).map(|sent| size(&sent.lines)).sum::<usize>();
    }

    /// The session is over: every message with its meter, newest first.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Slot, Vec<Waiting>)> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.sent).into_iter().rev().map(|sent| (sent.slot, sent.lines))
    }

    /// Whether so much is held that an answer should be asked for.
    pub(super) fn is_much(&self) -> bool {
        self.bytes > MUCH
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Lines that are held.
    pub(super) fn lines(&self) -> usize {
        self.sent.iter().map(|sent| sent.lines.len()).sum()
    }
}

fn size(lines: &[Waiting]) -> usize {
    lines.iter().map(|line| line.bytes.len()).sum()
}
