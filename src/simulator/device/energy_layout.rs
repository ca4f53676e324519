//! Where assembly 107 hides the energy counters: 18 REALs whose layout nobody has published. What the simulator
//! has there is its own invention, in many ways, so that no solver is built for one of them.

use std::time::Duration;

use clap::ValueEnum;

use super::reading::{COUNTERS, Reading};

/// How a counter is told by REALs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum EnergyForm {
    /// Two REALs, the high part first
    #[default]
    Pair,
    /// Two REALs, the low part first
    PairLowFirst,
    /// One REAL
    Single,
}

/// What a counter is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum EnergyUnit {
    /// Wh and varh; the hours as 100 times the hours plus the minutes
    #[default]
    Wh,
    /// kWh and kvarh, hours
    Kwh,
    /// MWh and Mvarh, hours
    Mwh,
}

/// In which order the counters come; each is followed by, or precedes, the hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum EnergyOrder {
    /// As the documented Modbus table has them: totals, partials, hours
    #[default]
    Documented,
    /// Partials, totals, hours
    PartialsFirst,
    /// Reactive before active
    ReactiveFirst,
    /// Export before import
    ExportFirst,
    /// Each partial counter behind its total
    Interleaved,
    /// Hours first
    HoursFirst,
}

/// A layout of assembly 107.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnergyLayout {
    /// REALs per counter.
    pub form: EnergyForm,
    /// Unit of the counters.
    pub unit: EnergyUnit,
    /// Order of the counters.
    pub order: EnergyOrder,
    /// What the high part of a pair counts in.
    pub base: u32,
    /// How often the assembly is brought up to date, up to 120 s; zero is always.
    pub update: Duration,
}

const MILLION: u32 = 1_000_000;

impl Default for EnergyLayout {
    fn default() -> Self {
        EnergyLayout {
            form: EnergyForm::default(),
            unit: EnergyUnit::default(),
            order: EnergyOrder::default(),
            base: MILLION,
            update: Duration::ZERO,
        }
    }
}

/// Place of the hours in [`EnergyOrder::places`].
const HOURS: usize = COUNTERS;

impl EnergyOrder {
    /// Which counter stands at each place: total active import, reactive import, active export, reactive export,
    /// the same four as partial counters, the hours.
    fn places(self) -> [usize; COUNTERS + 1] {
        match self {
            EnergyOrder::Documented => [0, 1, 2, 3, 4, 5, 6, 7, HOURS],
            EnergyOrder::PartialsFirst => [4, 5, 6, 7, 0, 1, 2, 3, HOURS],
            EnergyOrder::ReactiveFirst => [1, 0, 3, 2, 5, 4, 7, 6, HOURS],
            EnergyOrder::ExportFirst => [2, 3, 0, 1, 6, 7, 4, 5, HOURS],
            EnergyOrder::Interleaved => [0, 4, 1, 5, 2, 6, 3, 7, HOURS],
            EnergyOrder::HoursFirst => [HOURS, 0, 1, 2, 3, 4, 5, 6, 7],
        }
    }
}

impl EnergyLayout {
    /// The REAL at a place of assembly 107, from the counters.
    pub(super) fn real(&self, element: usize, reading: &Reading) -> Option<f64> {
        let single = self.form == EnergyForm::Single;
        let place = if single { element } else { element / 2 };
        let Some(counter) = self.order.places().get(place).copied() else {
            // Behind the last single REAL there is nothing.
            return single.then_some(0.0);
        };
        let value = match (counter, self.unit) {
            (HOURS, EnergyUnit::Wh) if !single => {
                (reading.run_minutes / 60 * 100 + reading.run_minutes % 60) as f64
            }
            (HOURS, _) => reading.run_minutes as f64 / 60.0,
            (counter, unit) => {
                let whole = reading.counters.get(counter).copied()? as f64;
                match unit {
                    EnergyUnit::Wh => whole,
                    EnergyUnit::Kwh => whole / 1e3,
                    EnergyUnit::Mwh => whole / 1e6,
                }
            }
        };
        let base = f64::from(self.base);
        let high = (value / base).floor();
        Some(match (self.form, element.is_multiple_of(2)) {
            (EnergyForm::Single, _) => value,
            (EnergyForm::Pair, true) | (EnergyForm::PairLowFirst, false) => high,
            (EnergyForm::Pair, false) | (EnergyForm::PairLowFirst, true) => value - high * base,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_hide_the_same_counters_in_different_places() {
        let reading = Reading { counters: [1_234_567_890, 1, 2, 3, 4_000_500, 5, 6, 7], run_minutes: 61 };
        let real = |layout: EnergyLayout, element| layout.real(element, &reading).unwrap();
        let pairs = EnergyLayout::default();
        assert_eq!([0, 1, 8, 16, 17].map(|n| real(pairs, n)), [1234.0, 567_890.0, 4.0, 0.0, 101.0]);
        let low_first =
            EnergyLayout { form: EnergyForm::PairLowFirst, base: 1000, unit: EnergyUnit::Kwh, ..pairs };
        assert_eq!([0, 1].map(|n| real(low_first, n).round()), [568.0, 1234.0]);
        let singles = EnergyLayout {
            form: EnergyForm::Single,
            unit: EnergyUnit::Mwh,
            order: EnergyOrder::Interleaved,
            ..pairs
        };
        assert_eq!([0, 1, 8, 9].map(|n| real(singles, n)), [1234.56789, 4.0005, 61.0 / 60.0, 0.0]);
    }
}
