//! How a simulated meter is wired to its installation, as data: the four wires of the manual's first drawing, one of
//! an installer's mistakes, or an installation of another kind.

use clap::ValueEnum;

use crate::meter::names;

/// A wiring. Those called mistakes must be found by a commissioning; all others are healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Wiring {
    /// Three phases and neutral, 230/400 V, as the manual draws it
    #[default]
    Right,
    /// A mistake: the current transformer of L2 is the wrong way round
    ReversedCt,
    /// A mistake: the current transformers of L1 and L2 are exchanged
    ExchangedCts,
    /// A mistake: L2 and L3 are exchanged, voltages and currents alike; the phases turn L1-L3-L2
    ReversedSequence,
    /// A mistake: the current transformer of L3 has half the ratio that is set; its current and powers read double
    CtRatio,
    /// One phase and neutral, 230 V; L2, L3 and line voltages are absent
    OnePhase,
    /// Two phases 180° apart, 120/240 V; what belongs to L3 is absent
    SplitPhase,
    /// Two phases of three, 120/208 V; what belongs to L3 is absent
    TwoPhase,
    /// Three wires without neutral, 400 V; star voltages and values of single phases other than current are absent
    ThreeWire,
    /// The same with two current transformers: current of L2 is absent, too
    Aron,
    /// Four wires, two current transformers: current and powers of L2 are absent, totals are of all three
    TwoTransformers,
    /// High-leg delta, 120/120/208 V against neutral, 240 V between lines
    HighLeg,
    /// Corner-grounded delta: L3 is ground, 480/480/0 V, 480 V between lines
    CornerGrounded,
    /// The fuse of L3 has blown and its load feeds back: 230/230/60 V, 398/250/250 V, no current in L3
    FuseBlown,
}

/// What a meter shows as the system's voltage against neutral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SystemVoltage {
    /// The mean of the phases
    #[default]
    Mean,
    /// 0
    Zero,
    /// The mean of the line voltages over √3
    LineOverRoot3,
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

/// A wiring in numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    /// The meter's inputs L1, L2, L3.
    pub(super) inputs: [Input; 3],
    /// Voltage of the installation's phases against neutral or ground, in V.
    pub(super) volts: [f64; 3],
    /// Angle of these voltages, in degrees.
    pub(super) degrees: [f64; 3],
    /// Share of each phase's load that there is.
    pub(super) loaded: [f64; 3],
    /// Line voltages L1-L2, L2-L3, L3-L1 over the first phase's voltage, where they do not follow from the angles.
    pub(super) lines: Option<[f64; 3]>,
    /// L3 carries back what L1 and L2 bring.
    pub(super) third_returns: bool,
    /// Fields that there are not.
    pub(super) nothing: &'static [&'static str],
    /// What the meter shows as phase sequence: 0 for L1-L2-L3, -1 for L1-L3-L2.
    pub(super) sequence: i64,
}

const STRAIGHT: [Input; 3] = [
    Input { voltage: 0, current: 0, ratio: 1.0 },
    Input { voltage: 1, current: 1, ratio: 1.0 },
    Input { voltage: 2, current: 2, ratio: 1.0 },
];

const FOUR_WIRES: Numbers = Numbers {
    inputs: STRAIGHT,
    volts: [230.6, 229.8, 231.3],
    degrees: [0.0, -120.0, -240.0],
    loaded: [1.0; 3],
    lines: None,
    third_returns: false,
    nothing: &[],
    sequence: 0,
};
const SPLIT: Numbers = Numbers {
    volts: [120.3, 119.8, 0.0],
    degrees: [0.0, -180.0, -240.0],
    loaded: [0.25, 0.25, 0.0],
    nothing: &[
        names::STAR[2],
        names::DELTA[1],
        names::DELTA[2],
        names::CURRENT[2],
        names::ACTIVE[2],
        names::APPARENT[2],
        names::REACTIVE[2],
        names::FACTOR[2],
    ],
    ..FOUR_WIRES
};
const DELTA: Numbers = Numbers {
    nothing: &[
        names::STAR[0],
        names::STAR[1],
        names::STAR[2],
        names::STAR[3],
        names::CURRENT[3],
        names::ACTIVE[0],
        names::ACTIVE[1],
        names::ACTIVE[2],
        names::APPARENT[0],
        names::APPARENT[1],
        names::APPARENT[2],
        names::REACTIVE[0],
        names::REACTIVE[1],
        names::REACTIVE[2],
        names::FACTOR[0],
        names::FACTOR[1],
        names::FACTOR[2],
    ],
    ..FOUR_WIRES
};

impl Wiring {
    /// The wiring in numbers.
    pub(super) fn numbers(self) -> Numbers {
        let [first, second, third] = STRAIGHT;
        match self {
            Wiring::Right => FOUR_WIRES,
            Wiring::ReversedCt => {
                Numbers { inputs: [first, Input { ratio: -1.0, ..second }, third], ..FOUR_WIRES }
            }
            Wiring::ExchangedCts => {
                let inputs = [Input { current: 1, ..first }, Input { current: 0, ..second }, third];
                Numbers { inputs, ..FOUR_WIRES }
            }
            Wiring::ReversedSequence => {
                Numbers { inputs: [first, third, second], sequence: -1, ..FOUR_WIRES }
            }
            Wiring::CtRatio => {
                Numbers { inputs: [first, second, Input { ratio: 2.0, ..third }], ..FOUR_WIRES }
            }
            Wiring::OnePhase => Numbers {
                loaded: [0.25, 0.0, 0.0],
                nothing: &[
                    names::STAR[1],
                    names::STAR[2],
                    names::DELTA[0],
                    names::DELTA[1],
                    names::DELTA[2],
                    names::DELTA[3],
                    names::CURRENT[1],
                    names::CURRENT[2],
                    names::CURRENT[3],
                    names::ACTIVE[1],
                    names::ACTIVE[2],
                    names::APPARENT[1],
                    names::APPARENT[2],
                    names::REACTIVE[1],
                    names::REACTIVE[2],
                    names::FACTOR[1],
                    names::FACTOR[2],
                ],
                ..FOUR_WIRES
            },
            Wiring::SplitPhase => SPLIT,
            Wiring::TwoPhase => Numbers { degrees: FOUR_WIRES.degrees, ..SPLIT },
            Wiring::ThreeWire => DELTA,
            Wiring::Aron => Numbers { nothing: ARON, ..DELTA },
            Wiring::TwoTransformers => Numbers {
                nothing: &[
                    names::CURRENT[1],
                    names::CURRENT[3],
                    names::ACTIVE[1],
                    names::APPARENT[1],
                    names::REACTIVE[1],
                    names::FACTOR[1],
                ],
                ..FOUR_WIRES
            },
            Wiring::HighLeg => {
                Numbers { volts: [120.1, 119.9, 207.9], degrees: [0.0, -180.0, 90.0], ..FOUR_WIRES }
            }
            Wiring::CornerGrounded => Numbers {
                volts: [480.4, 479.6, 0.0],
                degrees: [0.0, -60.0, 0.0],
                loaded: [1.0, 1.0, 0.0],
                third_returns: true,
                nothing: &[names::CURRENT[3]],
                ..FOUR_WIRES
            },
            Wiring::FuseBlown => Numbers {
                volts: [230.2, 229.9, 60.0],
                loaded: [1.0, 1.0, 0.0],
                lines: Some([1.7305, 1.086, 1.087]),
                ..FOUR_WIRES
            },
        }
    }

    /// What the meter shows as phase sequence: 0 for L1-L2-L3, -1 for L1-L3-L2.
    pub(in crate::simulator) fn sequence(self) -> i64 {
        self.numbers().sequence
    }
}

/// As [`DELTA`], and the second current.
const ARON: &[&str] = &[
    names::STAR[0],
    names::STAR[1],
    names::STAR[2],
    names::STAR[3],
    names::CURRENT[1],
    names::CURRENT[3],
    names::ACTIVE[0],
    names::ACTIVE[1],
    names::ACTIVE[2],
    names::APPARENT[0],
    names::APPARENT[1],
    names::APPARENT[2],
    names::REACTIVE[0],
    names::REACTIVE[1],
    names::REACTIVE[2],
    names::FACTOR[0],
    names::FACTOR[1],
    names::FACTOR[2],
];

impl Numbers {
    /// Which of three fields there are not.
    pub(super) fn nothing_of(&self, names: [&str; 3]) -> [bool; 3] {
        names.map(|name| self.nothing.contains(&name))
    }
}

impl Input {
    /// The active and reactive power it measures, from those of each phase of the installation, whose voltages
    /// stand at these angles. A current of another phase is turned by the angle between the two; the difference of
    /// their voltages is neglected, so that energy stays the exact integral of power.
    pub(super) fn power(&self, active: [f64; 3], reactive: [f64; 3], degrees: [f64; 3]) -> (f64, f64) {
        let turn = (degrees[self.voltage] - degrees[self.current]).to_radians();
        let (p, q) = (active[self.current], reactive[self.current]);
        let (cos, sin) = (turn.cos(), turn.sin());
        (self.ratio * (p * cos - q * sin), self.ratio * (p * sin + q * cos))
    }
}
