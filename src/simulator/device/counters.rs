//! The energy counters: true integrals, and what their display makes of them.

use super::reading::COUNTERS;
use crate::meter::names::ENERGY_COUNTERS;
use crate::simulator::installation::Load;

/// Counters of a meter that has been in service for years, in Wh and varh.
const IN_SERVICE: [f64; COUNTERS] =
    [1_234_567_890.0, 345_678_901.0, 56_789_012.0, 6_789_012.0, 4_567_890.0, 1_678_901.0, 89_012.0, 9_012.0];
/// Where the partial counters and those of export begin.
const FIRST_PARTIAL: usize = 4;
const EXPORT: [usize; 4] = [2, 3, 6, 7];

/// An older integral is added to the counters, so that the next one stays short. Nobody asks for counters that are
/// older than this.
pub(super) const MEMORY: f64 = 120.0;

/// The counters of one meter.
#[derive(Debug, Clone)]
pub(super) struct Counters {
    /// True values at `from`.
    base: [f64; COUNTERS],
    from: f64,
    /// What is taken off the true values since a reset that will be undone.
    hidden: Option<[f64; COUNTERS]>,
    /// They begin anew at this value.
    limit: Option<f64>,
    /// The next readings show this in place of the counters.
    odd: Option<(u32, i64)>,
    /// What the reading under way shows in place of the counters.
    shown: Option<i64>,
    /// Readings since a reading went back by 1, where that happens.
    noise: Option<u32>,
}

/// One reading of so many goes back by 1.
const NOISE: u32 = 3;

impl Counters {
    /// Of a meter that has been in service for years.
    pub(super) fn in_service(now: f64) -> Counters {
        Counters { base: IN_SERVICE, ..Counters::zero(now) }
    }

    /// Of a new meter.
    pub(super) fn zero(now: f64) -> Counters {
        Counters {
            base: [0.0; COUNTERS],
            from: now,
            hidden: None,
            limit: None,
            odd: None,
            shown: None,
            noise: None,
        }
    }

    /// Sets the partial counters to zero.
    pub(super) fn reset_partials(&mut self) {
        self.base[FIRST_PARTIAL..].fill(0.0);
    }

    /// Sets the counters of export to zero.
    pub(super) fn reset_export(&mut self) {
        EXPORT.iter().for_each(|counter| self.base[*counter] = 0.0);
    }

    /// Sets all counters to zero.
    pub(super) fn reset(&mut self, now: f64) {
        *self = Counters { limit: self.limit, noise: self.noise, ..Counters::zero(now) };
    }

    /// Sets one counter.
    pub(super) fn set(&mut self, load: &Load, now: f64, name: &str, value: f64) {
        self.settle(load, now, 0.0);
        if let Some(position) = ENERGY_COUNTERS.iter().position(|known| *known == name) {
            self.base[position] = value;
        }
    }

    /// Shows the counters from zero until [`Counters::bring_back`].
    pub(super) fn hide(&mut self, load: &Load, now: f64) {
        self.hidden = Some(self.truth(load, now));
    }

    /// Shows the counters as if they had never been reset.
    pub(super) fn bring_back(&mut self) {
        self.hidden = None;
    }

    /// The counters begin anew at this value.
    pub(super) fn roll_over_at(&mut self, limit: f64) {
        self.limit = Some(limit);
    }

    /// Every third reading goes back by 1.
    pub(super) fn make_noise(&mut self) {
        self.noise = Some(0);
    }

    /// The next readings show this.
    pub(super) fn show(&mut self, readings: u32, value: i64) {
        self.odd = (readings > 0).then_some((readings, value));
    }

    /// A reading begins: it is one of those that show something odd, or not.
    pub(super) fn begin_reading(&mut self) {
        self.shown = self.odd.map(|(_, value)| value);
        self.odd = self.odd.and_then(|(left, value)| (left > 1).then_some((left - 1, value)));
        self.noise = self.noise.map(|readings| readings + 1);
    }

    /// A reading is over.
    pub(super) fn end_reading(&mut self) {
        self.shown = None;
    }

    /// Keeps the integral short.
    pub(super) fn advance(&mut self, load: &Load, now: f64) {
        if now - self.from > 2.0 * MEMORY {
            self.settle(load, now, MEMORY);
        }
    }

    fn settle(&mut self, load: &Load, now: f64, kept: f64) {
        let to = (now - kept).max(self.from);
        self.base = self.truth(load, to);
        self.from = to;
    }

    fn truth(&self, load: &Load, at: f64) -> [f64; COUNTERS] {
        let energy = load.energy(self.from, at.max(self.from));
        let added =
            [energy.active_import, energy.reactive_import, energy.active_export, energy.reactive_export];
        std::array::from_fn(|n| self.base[n] + added[n % added.len()])
    }

    /// What the counters show, by a time that is not older than [`MEMORY`].
    pub(super) fn at(&self, load: &Load, at: f64) -> [i64; COUNTERS] {
        if let Some(value) = self.shown {
            return [value; COUNTERS];
        }
        let hidden = self.hidden.unwrap_or_default();
        let back = if self.noise.is_some_and(|readings| readings > 0 && readings.is_multiple_of(NOISE)) {
            1
        } else {
            0
        };
        let truth = self.truth(load, at);
        std::array::from_fn(|n| {
            let value = truth[n] - hidden[n];
            (self.limit.map_or(value, |limit| value.rem_euclid(limit)) as i64 - back).max(0)
        })
    }

    /// What one counter shows.
    pub(super) fn named(&self, load: &Load, at: f64, name: &str) -> Option<i64> {
        let position = ENERGY_COUNTERS.iter().position(|known| *known == name)?;
        self.at(load, at).get(position).copied()
    }
}
