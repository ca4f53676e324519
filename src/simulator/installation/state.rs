//! States of an installation's supply and load, as data. They were collected from public reports about other
//! meters; which of them a PowerMonitor 500 shows in which way is not known. All of them are healthy.

use clap::ValueEnum;

/// A state of supply and load. It goes together with every wiring and every way to say that an element is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum State {
    /// 230 V, 50 Hz, about 43 kW, unbalanced, never quite still
    #[default]
    Ordinary,
    /// No voltage, no current, 0 Hz
    DeadBus,
    /// Half a volt of induced voltage, and a stray 12 Hz
    DeadBusStray,
    /// No voltage, and 50 Hz as before
    DeadBusHeld,
    /// A generator without load: 20 to 50 Hz and 35 to 100 % of the voltage within a minute, a minute at speed,
    /// a minute down, a minute at 20 Hz
    Generator,
    /// A few VA of noise, 0.05 A, power factor held at 1
    Night,
    /// The same with the power factor held at 0
    NightFactorZero,
    /// The same with powers in steps of 10
    NightSteps,
    /// The same with an apparent power of 0 beside active power
    NightNoApparent,
    /// The same with the apparent power as voltage times current
    NightVoltAmpere,
    /// Voltage without any current; the power factor does not exist
    Idle,
    /// One phase is loaded, two are idle and have no power factor
    OnePhaseLoaded,
    /// Harmonics: S² well above P² + Q², power factor 0.57
    Distortion,
    /// The same load with the power factor as cos φ
    DistortionCosPhi,
    /// 43 kW of export, active power and power factor negative
    Export,
    /// The same with a positive power factor
    ExportFactorPositive,
    /// L2 and L3 export what L1 imports: the total is near 0
    OnePhaseExport,
    /// Import and export by turns, 20 kW and 15 kW, each for a minute
    Turns,
    /// Leading, power factor 0.9 shown as a negative number
    Leading,
    /// The same shown as 2 - 0.9
    LeadingAboveOne,
    /// The same shown in percent
    FactorPercent,
    /// 115 V, 400 Hz
    #[value(name = "400hz")]
    Hertz400,
    /// The load steps between 20 % and 180 % every second
    Steps,
    /// The load steps every 50 ms, faster than several requests take
    StepsFast,
    /// For 10 s after each start assemblies have 0 bytes, and Modbus is busy
    BootEmpty,
    /// For 10 s after each start every read of a value is refused
    BootRefused,
    /// For 10 s after each start all values are 0
    BootZero,
}

/// How the meter shows power factors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Factor {
    /// |P| / S, negative when leading.
    Lead,
    /// |P| over the hypotenuse of P and Q, negative when leading.
    CosPhi,
    /// P / S, with the sign of P.
    Power,
    /// |P| / S.
    Positive,
    /// |P| / S, and 2 - |P| / S when leading.
    AboveOne,
    /// |P| / S in percent.
    Percent,
    /// Always this.
    Held(f64),
    /// As [`Factor::Lead`], and absent without current.
    Loaded,
}

/// How the meter shows apparent power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apparent {
    /// From powers.
    Powers,
    /// 0.
    Zero,
    /// Voltage times current as shown.
    VoltAmpere,
}

/// What drives the bus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Supply {
    /// A frequency in Hz.
    Steady(f64),
    /// A generator that runs up and coasts down.
    Generator,
}

/// How a meter answers that has just started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Boot {
    /// Assemblies have no bytes, Modbus is busy.
    Empty,
    /// Every read of a value is refused.
    Refused,
    /// All values are 0.
    Zero,
}

/// A state's numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    /// Share of the wiring's voltage.
    pub(super) voltage: f64,
    pub(super) supply: Supply,
    /// Mean active power of the phases, in W.
    pub(super) active: [f64; 3],
    /// Mean reactive over mean active power of the phases.
    pub(super) reactive: [f64; 3],
    /// Largest relative departure of powers from their means.
    pub(super) lively: f64,
    /// Steps of the load: share of the mean, and seconds up or down.
    pub(super) steps: (f64, f64),
    /// Distortion power over active power.
    pub(super) distortion: f64,
    /// The least current that is shown, in A.
    pub(super) noise: f64,
    /// Powers are shown in multiples of this.
    pub(super) resolution: f64,
    pub(super) factor: Factor,
    pub(super) apparent: Apparent,
}

/// The installation of the first version: two phases are inductive, the third is a little capacitive.
const ORDINARY: Numbers = Numbers {
    voltage: 1.0,
    supply: Supply::Steady(50.0),
    active: [18_000.0, 14_500.0, 11_000.0],
    reactive: [0.45, 0.38, -0.12],
    lively: 0.35,
    steps: (0.0, 1.0),
    distortion: 0.0,
    noise: 0.0,
    resolution: 0.0,
    factor: Factor::Lead,
    apparent: Apparent::Powers,
};
const DEAD: Numbers = Numbers { voltage: 0.0, supply: Supply::Steady(0.0), active: [0.0; 3], ..ORDINARY };
const NIGHT: Numbers =
    Numbers { active: [4.0, 3.0, 5.0], noise: 0.05, factor: Factor::Held(1.0), ..ORDINARY };
/// 1.35 times the active power of distortion, beside little reactive power: power factor 0.57.
const DISTORTED: Numbers = Numbers { reactive: [0.25; 3], distortion: 1.42, ..ORDINARY };
const EXPORTING: Numbers =
    Numbers { active: [-18_000.0, -14_500.0, -11_000.0], factor: Factor::Power, ..ORDINARY };
/// tan φ of cos φ = 0.9.
const CAPACITIVE: Numbers = Numbers { reactive: [-0.484; 3], lively: 0.1, ..ORDINARY };

impl State {
    /// What the state is in numbers.
    pub(super) fn numbers(self) -> Numbers {
        match self {
            State::Ordinary | State::BootEmpty | State::BootRefused | State::BootZero => ORDINARY,
            State::DeadBus => DEAD,
            State::DeadBusStray => Numbers { voltage: 0.002, supply: Supply::Steady(12.0), ..DEAD },
            State::DeadBusHeld => Numbers { supply: Supply::Steady(50.0), ..DEAD },
            State::Generator => Numbers { supply: Supply::Generator, active: [0.0; 3], ..ORDINARY },
            State::Night => NIGHT,
            State::NightFactorZero => Numbers { factor: Factor::Held(0.0), ..NIGHT },
            State::NightSteps => Numbers { resolution: 10.0, ..NIGHT },
            State::NightNoApparent => Numbers { apparent: Apparent::Zero, ..NIGHT },
            State::NightVoltAmpere => Numbers { apparent: Apparent::VoltAmpere, ..NIGHT },
            State::Idle => Numbers { active: [0.0; 3], factor: Factor::Loaded, ..ORDINARY },
            State::OnePhaseLoaded => {
                Numbers { active: [18_000.0, 0.0, 0.0], factor: Factor::Loaded, ..ORDINARY }
            }
            State::Distortion => DISTORTED,
            State::DistortionCosPhi => Numbers { factor: Factor::CosPhi, ..DISTORTED },
            State::Export => EXPORTING,
            State::ExportFactorPositive => Numbers { factor: Factor::Positive, ..EXPORTING },
            State::OnePhaseExport => Numbers {
                active: [6_000.0, -3_100.0, -2_800.0],
                lively: 0.005,
                factor: Factor::Power,
                ..ORDINARY
            },
            // 2.5 kW ± 17.5 kW.
            State::Turns => Numbers {
                active: [900.0, 850.0, 750.0],
                reactive: [0.3; 3],
                lively: 0.1,
                steps: (7.0, 60.0),
                factor: Factor::Power,
                ..ORDINARY
            },
            State::Leading => CAPACITIVE,
            State::LeadingAboveOne => Numbers { factor: Factor::AboveOne, ..CAPACITIVE },
            State::FactorPercent => Numbers { factor: Factor::Percent, ..CAPACITIVE },
            State::Hertz400 => Numbers { voltage: 0.5, supply: Supply::Steady(400.0), ..ORDINARY },
            State::Steps => Numbers { steps: (0.8, 1.0), ..ORDINARY },
            State::StepsFast => Numbers { steps: (0.8, 0.05), ..ORDINARY },
        }
    }

    /// How a meter in this state answers after its start.
    pub(in crate::simulator) fn boot(self) -> Option<Boot> {
        match self {
            State::BootEmpty => Some(Boot::Empty),
            State::BootRefused => Some(Boot::Refused),
            State::BootZero => Some(Boot::Zero),
            _ => None,
        }
    }
}

/// Seconds of each part of a generator's run.
const PART: f64 = 60.0;
const SLOWEST: f64 = 20.0;
const AT_SPEED: f64 = 50.0;
/// Voltage at the slowest speed.
const LEAST_VOLTAGE: f64 = 0.35;

impl Supply {
    /// Share of the full voltage and the nominal frequency in Hz at a time in seconds.
    pub(super) fn at(self, seconds: f64) -> (f64, f64) {
        match self {
            Supply::Steady(hertz) => (1.0, hertz),
            Supply::Generator => {
                let part = seconds.rem_euclid(4.0 * PART) / PART;
                let speed = match part {
                    up if part < 1.0 => up,
                    _ if part < 2.0 => 1.0,
                    down if part < 3.0 => 3.0 - down,
                    _ => 0.0,
                };
                (LEAST_VOLTAGE + (1.0 - LEAST_VOLTAGE) * speed, SLOWEST + (AT_SPEED - SLOWEST) * speed)
            }
        }
    }
}

impl Factor {
    /// The factor as shown; `None` where it does not exist. `s` includes distortion.
    pub(super) fn of(self, p: f64, q: f64, s: f64) -> Option<f64> {
        let over = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        let ratio = over(p.abs(), s);
        Some(match self {
            Factor::Lead => ratio.copysign(q),
            Factor::CosPhi => over(p.abs(), p.hypot(q)).copysign(q),
            Factor::Power => over(p, s),
            Factor::Positive => ratio,
            Factor::AboveOne if q < 0.0 => 2.0 - ratio,
            Factor::AboveOne => ratio,
            Factor::Percent => 100.0 * ratio,
            Factor::Held(value) => value,
            Factor::Loaded if s == 0.0 => return None,
            Factor::Loaded => ratio.copysign(q),
        })
    }
}
