//! How a meter says that its installation does not have an element.

use clap::ValueEnum;

/// What stands on the wire for an element that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Absent {
    /// 0
    #[default]
    Zero,
    /// Not a number, 0x7FC00000
    Nan,
    /// Infinity, 0x7F800000
    Inf,
    /// All bits set, 0xFFFFFFFF
    Ones,
    /// The largest number, 3.4e38
    Max,
}

impl Absent {
    /// As a REAL.
    pub(in crate::simulator) fn real(self) -> f32 {
        match self {
            Absent::Zero => 0.0,
            Absent::Nan => f32::NAN,
            Absent::Inf => f32::INFINITY,
            Absent::Ones => f32::from_bits(u32::MAX),
            Absent::Max => f32::MAX,
        }
    }

    /// As a counter: only 0 and all ones exist.
    pub(in crate::simulator) fn integer(self) -> i64 {
        if self == Absent::Zero { 0 } else { -1 }
    }
}
