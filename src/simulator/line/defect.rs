//! What can be wrong with a line, as data that is set while it runs.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::ValueEnum;

/// One thing that happens to answers on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LineFault {
    /// Stray bytes before the answer
    Noise,
    /// The answer ends in the middle
    Cut,
    /// The master hears its own request before the answer, as two-wire adapters have it
    Echo,
    /// The answer comes a second later
    Late,
    /// The answer carries another unit's number, with a right CRC
    WrongUnit,
    /// A bit of the answer is turned over, and its CRC is not
    Crc,
    /// Another master's request and its answer are heard before the answer
    SecondMaster,
}

/// The defects in force; the default is a healthy line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineDefects {
    /// What happens to answers.
    pub defects: BTreeSet<LineFault>,
    /// It happens to every so many answers; 0 and 1 are all.
    pub every: u32,
    /// Units that do not answer.
    pub silent: BTreeSet<u8>,
    /// How late a late answer is; zero is a second.
    pub late_by: Duration,
}

impl LineDefects {
    /// How late a late answer comes.
    pub(super) fn lateness(&self) -> Duration {
        if self.late_by.is_zero() { Duration::from_secs(1) } else { self.late_by }
    }
}
