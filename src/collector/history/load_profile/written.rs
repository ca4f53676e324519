//! Which intervals were written: what a clock that was set must not write again, and all that it must not.

use serde::{Deserialize, Serialize};

/// No time is later, in ms since the epoch: the year 33658.
pub(super) const LATEST: i64 = 1_000_000_000_000_000;

/// Spans that are remembered; each beyond the first takes a clock that was set.
const MOST: usize = 8;

/// Intervals that were written one after the other, by their ends in ms since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    first: i64,
    last: i64,
}

/// The spans of a meter, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written(Vec<Span>);

impl Written {
    /// Only the interval that ends here is known to be.
    pub(super) fn up_to(end: i64) -> Written {
        Written(vec![Span { first: end, last: end }])
    }

    /// Notes an interval of this length.
    pub(super) fn note(&mut self, end: i64, period: i64) {
        let follows = |last: i64, first: i64| first > last && first - last <= period;
        let (mut first, mut last) = (end, end);
        // It may close the hole between two spans, and is the newest whichever it belongs to.
        self.0.retain(|span| {
            let joined = follows(span.last, end) || follows(end, span.first);
            if joined {
                (first, last) = (first.min(span.first), last.max(span.last));
            }
            !joined
        });
        self.0.push(Span { first, last });
        let old = self.0.len().saturating_sub(MOST);
        self.0.drain(..old);
    }

    /// Where an interval may begin that would begin at this boundary: there, or where the first one begins that was not
    /// written.
    pub(super) fn free(&self, from: i64, period: i64) -> i64 {
        let mut from = from;
        let covers = |from: i64| move |span: &&Span| (span.first..=span.last).contains(&(from + period));
        while let Some(span) = self.0.iter().find(covers(from)) {
            from = span.last.div_euclid(period) * period;
        }
        from
    }

    /// Whether its numbers are ones that were written here: a state file can be edited.
    pub(super) fn is_sane(&self) -> bool {
        let sane = |span: &Span| 0 <= span.first && span.first <= span.last && span.last <= LATEST;
        self.0.len() <= MOST && self.0.iter().all(sane)
    }
}
