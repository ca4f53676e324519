//! How a simulated meter is wired to its installation: rightly, or with one of an installer's mistakes.

use std::f64::consts::TAU;

use clap::ValueEnum;

/// A wiring; all but the first are mistakes that a commissioning must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Wiring {
    /// As the manual draws it
    #[default]
    Right,
    /// The current transformer of L2 is the wrong way round
    ReversedCt,
    /// The current transformers of L1 and L2 are exchanged
    ExchangedCts,
    /// L2 and L3 are exchanged, voltages and currents alike: the phases turn L1-L3-L2
    ReversedSequence,
    /// The current transformer of L3 has half the ratio that is set, so that its current and powers read double
    CtRatio,
}

/// What one of the meter's three inputs measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Input {
    /// The phase of the installation whose voltage it measures, 0 to 2.
    pub(super) voltage: usize,
    /// The phase whose current it measures.
    pub(super) current: usize,
    /// The current as measured over the true current.
    ratio: f64,
}

impl Wiring {
    /// The meter's inputs L1, L2, L3.
    pub(super) fn inputs(self) -> [Input; 3] {
        let mut inputs = [0, 1, 2].map(|phase| Input { voltage: phase, current: phase, ratio: 1.0 });
        match self {
            Wiring::Right => {}
            Wiring::ReversedCt => inputs[1].ratio = -1.0,
            Wiring::ExchangedCts => (inputs[0].current, inputs[1].current) = (1, 0),
            Wiring::ReversedSequence => inputs.swap(1, 2),
            Wiring::CtRatio => inputs[2].ratio = 2.0,
        }
        inputs
    }

    /// What the meter shows as phase sequence: 0 for L1-L2-L3, -1 for L1-L3-L2.
    pub(super) fn sequence(self) -> i64 {
        if self == Wiring::ReversedSequence { -1 } else { 0 }
    }
}

impl Input {
    /// The active and reactive power it measures, from those of each phase of the installation. A current of
    /// another phase is turned by the angle between the two; the difference of their voltages is neglected, so
    /// that energy stays the exact integral of power.
    pub(super) fn power(&self, active: [f64; 3], reactive: [f64; 3]) -> (f64, f64) {
        let turn = TAU / 3.0 * (self.current as f64 - self.voltage as f64);
        let (p, q) = (active[self.current], reactive[self.current]);
        let (cos, sin) = (turn.cos(), turn.sin());
        (self.ratio * (p * cos - q * sin), self.ratio * (p * sin + q * cos))
    }
}
