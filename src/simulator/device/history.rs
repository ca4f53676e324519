//! What happens to the counters of meters in the field, again and again.

use std::time::Duration;

use clap::ValueEnum;

/// What happens to a meter's energy counters, once in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CounterHistory {
    /// Nothing: they count
    #[default]
    Smooth,
    /// One reading shows 0
    Glitch,
    /// Two readings in a row show 0
    DoubleGlitch,
    /// One reading shows all ones
    AllOnes,
    /// They begin anew from 0
    Reset,
    /// They begin anew from 0, and a period later go on as if they never had
    Return,
    /// They roll over at 2^32, the first time after a few Wh
    RollOver,
    /// They roll over at 10^9, the first time after a few Wh
    RollOverDecimal,
    /// Every third reading is lower by 1
    Noise,
    /// Another meter with another serial number takes this one's place, its counters at 0
    Exchange,
    /// The same, its counters higher than the old meter's
    ExchangeHigher,
}

/// A history and how often it happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Happening {
    pub(super) what: CounterHistory,
    /// In seconds.
    period: f64,
    /// Times it has happened.
    times: u64,
}

impl Happening {
    pub(super) fn new(what: CounterHistory, period: Duration) -> Happening {
        Happening { what, period: period.as_secs_f64().max(f64::MIN_POSITIVE), times: 0 }
    }

    /// The number of the latest time that is due after so many seconds, if it has not happened.
    pub(super) fn take(&mut self, passed: f64) -> Option<u64> {
        let due = (passed / self.period) as u64;
        let happens = due > self.times;
        self.times = due;
        happens.then_some(due)
    }
}
