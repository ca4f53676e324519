//! How long is measured: enough for figures, or just enough to see that a benchmark still works.

use std::time::Duration;

/// Sizes and times of all benchmarks.
#[derive(Debug, Clone)]
pub(crate) struct Effort {
    /// Time after the start that is not measured.
    pub(crate) settle: Duration,
    /// Time that is measured.
    pub(crate) window: Duration,
    /// Numbers of meters for the growth with meters.
    pub(crate) meters: &'static [u32],
    /// Number of meters for the growth with tables and rate.
    pub(crate) some: u32,
    /// Numbers of meters for the comparison with Telegraf's own input.
    pub(crate) side_by_side: &'static [u32],
    /// How often each comparison is repeated.
    pub(crate) rounds: usize,
    /// Reads of a reader in one round.
    pub(crate) reads: u64,
    /// Lines that are encoded in one round.
    pub(crate) lines: u64,
    /// Starts that are timed.
    pub(crate) starts: usize,
    /// How long a meter or a link is away, in seconds.
    pub(crate) outages: &'static [u64],
    /// Meters and time of the long run.
    pub(crate) long: (u32, Duration),
}

impl Effort {
    /// Half an hour in all, most of it the long run.
    pub(crate) fn full() -> Effort {
        Effort {
            settle: Duration::from_secs(4),
            window: Duration::from_secs(10),
            meters: &[1, 10, 100, 300, 1000],
            some: 200,
            side_by_side: &[100, 1000],
            rounds: 3,
            reads: 20_000,
            lines: 200_000,
            starts: 20,
            outages: &[5, 30],
            long: (1000, Duration::from_secs(600)),
        }
    }

    /// Less than a minute in all.
    pub(crate) fn smoke() -> Effort {
        Effort {
            settle: Duration::from_millis(300),
            window: Duration::from_millis(1800),
            meters: &[1, 3],
            some: 2,
            side_by_side: &[3],
            rounds: 1,
            reads: 20,
            lines: 20,
            starts: 1,
            outages: &[1],
            long: (3, Duration::from_secs(2)),
        }
    }
}
