//! The load profile: how much energy each interval of the wall clock took, from boundary to boundary.
//!
//! ```text
//! Reading (time, four counters) ─→ LoadProfile ─→ Interval, when the boundary that ends it has passed
//!                                   │ Running: what must survive a restart
//! ```
//!
//! Pure: time is an argument, in milliseconds since the epoch. Boundaries are multiples of the period in
//! UTC; daylight saving moves none of them. A local time whose offset is a multiple of the period has its
//! own boundaries on them: "15m" fits every zone in use, "30m" those with half hours, "60m" those with
//! whole hours (in India an hourly interval ends at half past).
//!
//! **Each boundary has one reading: the one nearest to it**, the earlier of two at the same distance. An
//! interval's energy is what the counters rose from the reading of its first boundary to the reading of
//! its second. Every reading that ends an interval begins the next, so the intervals' energies add up to
//! what the counters rose, exactly: nothing is counted twice, nothing is lost, nothing is estimated. A
//! gap inside an interval costs nothing, for counters go on counting.
//!
//! After a gap over several boundaries, the intervals that no reading belongs to have no energy, and one of
//! them, in whose middle the nearest reading changes, has all that was counted meanwhile: it is labeled, its
//! offsets say how far beyond its boundaries its readings are, and its mean power is that of the time
//! between them.
//!
//! The state file is written once a minute. After a kill an interval that was written since may be written
//! again, at the same time and therefore in place of the first: what follows continues from the second.
//!
//! A clock that was set may show times again for which intervals were written: those are not written a second time, and
//! what was counted meanwhile is in the first interval after them. Times for which nothing was written are none of these,
//! whatever the clock had shown before: a clock that was hours ahead silences nothing.
//!
//! Quality, the first that is true:
//!
//! - `none`: both boundaries have the same reading; nothing is known.
//! - `reset`: a counter's level moved (it was reset, rolled over, jumped or returned), or another meter came. The
//!   rises before and after are added; what was counted between the two readings around it is not known and left
//!   out.
//! - `partial`: a reading is farther from its boundary than 1 % of the interval and than a second; or a
//!   counter was missing at a boundary; or the clock was set back while nobody watched; or the energy is too little for
//!   the steps in which its counter comes ([`resolution`]).
//! - `complete`: everything else.
//!
//! Coverage: the time that the interval and the span between its readings have in common, without what a
//! reset made unknown, over the time from the first to the last of all four ends. It is 100 only for
//! readings exactly on the boundaries, and falls both when a part is missing and when other time is mixed in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::meter::names::ENERGIES;
use crate::meter::reading::milliseconds;
use crate::meter::{Profile, Readings, Table};

pub mod resolution;
#[cfg(test)]
mod tests;
mod written;

use written::{LATEST, Written};

/// A reading this near to its boundary, or nearer than 1 % of the interval, is on it, in ms.
const ON_BOUNDARY: i64 = 1000;
/// Mean power over less time than this says nothing, in ms.
const SHORTEST_MEAN: i64 = 1000;
/// Most intervals without a reading that one reading makes: a month of quarter hours.
const MOST_EMPTY: usize = 3000;

/// One reading of the energy counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When, in ms since the epoch.
    pub at: i64,
    /// The values of [`ENERGIES`], as far as they were read and are believed.
    pub counters: [Option<i64>; 4],
    /// Which of them are somewhere else than before, without energy that flowed for it.
    pub moved: [bool; 4],
}

impl Reading {
    /// The counters of a gather, if energy was read; `selected` says per element whether it may leave, and `believed`
    /// what is taken for the value of a counter: a step back that is noise is none.
    pub fn of(
        profile: &Profile,
        selected: &[bool],
        readings: &Readings,
        believed: impl Fn(&str) -> Option<i64>,
    ) -> Option<Reading> {
        let at = milliseconds(readings.taken(Table::Energy)?);
        let counters = ENERGIES.map(|name| {
            let index = profile.index_of(Table::Energy, name)?;
            readings.get(index)?;
            believed(name).filter(|_| selected.get(index) == Some(&true))
        });
        let moved = [false; 4];
        counters.iter().any(Option::is_some).then_some(Reading { at, counters, moved })
    }
}

/// How good an interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// Measured from boundary to boundary.
    Complete,
    /// Measured over another time than the interval.
    Partial,
    /// Counters began anew inside.
    Reset,
    /// No reading belongs to it.
    None,
}

impl Quality {
    /// The value of `quality_code`.
    pub fn code(self) -> i64 {
        match self {
            Quality::Complete => 0,
            Quality::Partial => 1,
            Quality::Reset => 2,
            Quality::None => 3,
        }
    }
}

/// One interval that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The boundary that ends it, in ms since the epoch.
    pub end: i64,
    /// Its length in ms.
    pub length: i64,
    /// What each of [`ENERGIES`] rose; absent without a reading, or when the meter does not give it.
    pub energy: [Option<i64>; 4],
    /// First reading minus first boundary, in ms.
    pub start_offset: i64,
    /// Last reading minus second boundary, in ms.
    pub end_offset: i64,
    /// How good it is.
    pub quality: Quality,
    /// Mean active power (import minus export) between the readings, in W.
    pub mean_power: Option<f64>,
    /// See the module.
    pub coverage: f64,
}

/// The interval under way, as the state file keeps it. Times in ms since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Running {
    /// The boundary at which it begins.
    from: i64,
    /// The reading of that boundary.
    start: i64,
    /// The newest reading.
    last: i64,
    /// Newest value of each counter.
    counters: [Option<i64>; 4],
    /// What each rose since the first reading.
    sums: [Option<i64>; 4],
    /// A reading has come after the first one.
    moved: bool,
    /// A counter's level moved, or another meter came.
    reset: bool,
    /// Time since the first reading over which resets make the rise unknown.
    unknown: i64,
    /// The next reading's counters are another meter's.
    anew: bool,
    /// A counter was missing at the first reading, or appeared since.
    ragged: bool,
    /// A counter was missing in the newest reading.
    behind: bool,
    /// The last reading in which none was, if so.
    behind_since: Option<i64>,
    /// How long it has lasted is not known.
    timeless: bool,
    /// The intervals before it, as far as they were written; a file of the first version does not say.
    written: Option<Written>,
}

/// Makes intervals of readings.
#[derive(Debug)]
pub struct LoadProfile {
    period: i64,
    running: Option<Running>,
}

impl LoadProfile {
    /// A profile with this period, which continues what was under way, perhaps with another period.
    pub fn new(period: Duration, running: Option<Running>) -> LoadProfile {
        let period = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1);
        let mut profile = LoadProfile { period, running: running.filter(Running::is_sane) };
        profile.align();
        profile
    }

    /// The interval under way.
    pub fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// Another meter answers: its counters have nothing to do with those before.
    pub fn began_anew(&mut self) {
        self.running.iter_mut().for_each(Running::began_anew);
    }

    /// The clock was set, forward by this many ms: what was read was read at other times than was thought. No
    /// interval is written for time that was skipped, and none twice.
    pub fn clock_stepped(&mut self, by: i64) {
        if let Some(running) = &mut self.running {
            running.start += by;
            running.last += by;
            running.behind_since.iter_mut().for_each(|since| *since += by);
        }
        self.align();
    }

    /// Takes a reading in. Returns the intervals whose end it decides, in order.
    pub fn read(&mut self, reading: Reading) -> Vec<Interval> {
        let Some(last) = self.running.as_ref().map(|running| running.last) else {
            self.running = Some(Running::begin(&reading, self.floor(reading.at)));
            return Vec::new();
        };
        if reading.at < last {
            // Set back while nobody watched. What was counted since is kept, how long it took is not known.
            self.clock_stepped(reading.at - last);
            let far = last - reading.at > self.near();
            self.running.iter_mut().for_each(|running| running.timeless |= far);
        }
        let (period, near) = (self.period, self.near());
        let Some(running) = &mut self.running else { return Vec::new() };
        let (mut ended, mut empty, mut taken) = (Vec::new(), 0, false);
        while running.from + period <= reading.at {
            let end = running.from + period;
            if !taken && (reading.at - end).abs() < (running.last - end).abs() {
                running.take(&reading);
                taken = true;
            }
            let interval = running.end(period, near);
            empty += usize::from(interval.quality == Quality::None);
            if interval.quality != Quality::None || empty <= MOST_EMPTY {
                running.written.get_or_insert_default().note(end, period);
                ended.push(interval);
            }
            running.next(end, period);
        }
        if !taken {
            running.take(&reading);
        }
        ended
    }

    /// How far from its boundary a reading is still on it, in ms.
    fn near(&self) -> i64 {
        ON_BOUNDARY.max(self.period / 100)
    }

    /// The last boundary that is not after `at`.
    fn floor(&self, at: i64) -> i64 {
        at.div_euclid(self.period) * self.period
    }

    /// Lets the interval under way begin at the boundary before its first reading, or after what was written.
    fn align(&mut self) {
        let Some(running) = &mut self.running else { return };
        let from = running.start.div_euclid(self.period) * self.period;
        // What the first version's file says is where its last interval ended.
        let written = running.written.get_or_insert_with(|| Written::up_to(running.from));
        running.from = written.free(from, self.period);
    }
}

impl Running {
    /// The next reading's counters are not at the level of those before.
    pub fn began_anew(&mut self) {
        self.anew = true;
    }

    /// Whether its numbers are ones that were written here: a state file can be edited.
    fn is_sane(&self) -> bool {
        let times = [self.from, self.start, self.last, self.unknown, self.behind_since.unwrap_or(0)];
        let counts = self.counters.iter().chain(&self.sums).flatten();
        let written = self.written.as_ref().is_none_or(Written::is_sane);
        let in_time = times.iter().all(|time| (0..=LATEST).contains(time));
        written && in_time && counts.copied().all(|count| count >= 0)
    }

    /// Begins with the first reading ever.
    fn begin(reading: &Reading, from: i64) -> Running {
        let sums = reading.counters.map(|counter| counter.map(|_| 0));
        let (start, last, counters) = (reading.at, reading.at, reading.counters);
        let written = Some(Written::default());
        Running { from, start, last, counters, sums, written, ..Running::default() }
    }

    /// Adds what the counters rose to this reading.
    fn take(&mut self, reading: &Reading) {
        let anew = std::mem::take(&mut self.anew);
        let mut fell = anew;
        self.behind = false;
        let counters = self.counters.iter_mut().zip(&mut self.sums);
        for ((before, sum), (now, moved)) in counters.zip(reading.counters.into_iter().zip(reading.moved)) {
            match (*before, now) {
                _ if anew => {}
                (Some(before), Some(now)) if now >= before && !moved => {
                    *sum = Some(sum.unwrap_or(0).saturating_add(now - before));
                }
                (Some(_), Some(_)) => fell = true,
                (Some(_), None) => self.behind = true,
                (None, Some(_)) => self.ragged = true,
                (None, None) => {}
            }
            *before = if anew { now } else { now.or(*before) };
        }
        // A level that moved was not known since it was doubted.
        let since = self.behind_since.unwrap_or(self.last).max(self.start);
        if fell {
            self.reset = true;
            self.unknown += reading.at - since;
        }
        self.behind_since = self.behind.then_some(if fell { reading.at } else { since });
        (self.last, self.moved) = (reading.at, true);
    }

    /// The interval as it is when its newest reading is its last.
    fn end(&self, period: i64, near: i64) -> Interval {
        let end = self.from + period;
        let (start_offset, end_offset) = (self.start - self.from, self.last - end);
        let on_boundaries = start_offset.abs() <= near && end_offset.abs() <= near;
        let quality = match () {
            () if !self.moved => Quality::None,
            () if self.reset => Quality::Reset,
            () if on_boundaries && !self.ragged && !self.behind && !self.timeless => Quality::Complete,
            () => Quality::Partial,
        };
        let known = self.last - self.start - self.unknown;
        let net = self.sums[0].map(|import| import - self.sums[1].unwrap_or(0));
        let mean = net.filter(|_| self.moved && !self.timeless && known >= SHORTEST_MEAN);
        let common = (end.min(self.last) - self.from.max(self.start) - self.unknown).max(0);
        let all = end.max(self.last) - self.from.min(self.start);
        Interval {
            end,
            length: period,
            energy: if self.moved { self.sums } else { [None; 4] },
            start_offset,
            end_offset,
            quality,
            mean_power: mean.map(|wh| rounded(wh as f64 * 3.6e6 / known as f64)),
            coverage: if self.moved { rounded(100.0 * common as f64 / all as f64) } else { 0.0 },
        }
    }

    /// Begins the interval that follows this boundary with the newest reading.
    fn next(&mut self, boundary: i64, period: i64) {
        let written = self.written.take().unwrap_or_default();
        *self = Running {
            from: written.free(boundary, period),
            written: Some(written),
            start: self.last,
            last: self.last,
            counters: self.counters,
            sums: self.counters.map(|counter| counter.map(|_| 0)),
            anew: self.anew,
            ragged: self.behind,
            behind: self.behind,
            behind_since: self.behind_since,
            ..Running::default()
        };
    }
}

/// Three digits behind the point.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
