//! One element of the meter: its name, where it stands on the wire, what it means and how sure we are.

use std::fmt;

use super::table::Table;
use crate::words;

/// How an element is laid out on the wire.
///
/// Assemblies are little-endian; Modbus registers are big-endian words whose order is a setting
/// ([`WordOrder`](super::WordOrder)). Source: 1420-UM001E p37 and p49; word order from siblings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireType {
    /// IEEE 754 binary32: 4 bytes, 2 registers.
    Real,
    /// Unsigned 16-bit: 2 bytes, 1 register.
    Uint,
    /// Unsigned 64-bit: 8 bytes, 4 registers.
    Ulint,
    /// One bit (0 = least significant) of a 16-bit word.
    Bit(u8),
    /// ASCII letters, two in a 16-bit word, the first in the high byte; the number of words.
    Letters(u16),
    /// A 16-bit word: high byte an ASCII model letter, low byte a revision number.
    ModelRevision,
    /// Year, month, day, hour, minute, second: six 16-bit words.
    Clock,
}

impl WireType {
    /// Length in 16-bit words (Modbus registers).
    pub fn words(self) -> u16 {
        match self {
            WireType::Real => 2,
            WireType::Uint | WireType::Bit(_) | WireType::ModelRevision => 1,
            WireType::Ulint => 4,
            WireType::Letters(words) => words,
            WireType::Clock => 6,
        }
    }

    /// Length in bytes.
    pub fn bytes(self) -> u16 {
        self.words() * 2
    }

    /// Whether the decoded value is text, which only `powermonitor_500_info` carries.
    pub fn is_text(self) -> bool {
        matches!(self, WireType::Letters(_) | WireType::ModelRevision)
    }
}

impl fmt::Display for WireType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireType::Real => f.write_str("REAL"),
            WireType::Uint => f.write_str("UINT"),
            WireType::Ulint => f.write_str("ULINT"),
            WireType::Bit(bit) => write!(f, "BIT {bit}"),
            WireType::Letters(words) => write!(f, "LETTERS {words}"),
            WireType::ModelRevision => f.write_str("MODEL_REVISION"),
            WireType::Clock => f.write_str("CLOCK"),
        }
    }
}

/// What is done to the number on the wire before it is emitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Convert {
    /// Nothing.
    None,
    /// A REAL that holds a whole number: emitted as an integer, dropped when it is not whole.
    Code,
    /// hours x 100 + minutes → seconds.
    HoursMinutes,
    /// A code that indexes this list of values.
    Codes(Vec<i64>),
}

/// How a value behaves over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up, until it is reset or rolls over.
    Counter,
    /// A code, a flag or a label.
    State,
}

words!(Kind, "kind": Gauge = "gauge", Counter = "counter", State = "state");

/// How sure we are that an element is what its row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Only the size is known.
    Unknown,
    /// By analogy only.
    Guessed,
    /// From a sibling of the same family, and consistent with the manual's counts.
    Inferred,
    /// On a page of the manual.
    Documented,
    /// Proven on the user's own meter.
    Verified,
}

words!(Evidence, "grade of evidence": Unknown = "unknown", Guessed = "guessed", Inferred = "inferred",
    Documented = "documented", Verified = "verified");

/// Where an element's value ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A field of its table's measurement.
    Field,
    /// A part of `powermonitor_500_info`.
    Info,
    /// Described for completeness, never read.
    None,
}

words!(Use, "use": Field = "field", Info = "info", None = "none");

/// Where an element stands in the meter's assemblies, and how it is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Assembly instance (class 4).
    pub instance: u16,
    /// Byte offset in the assembly's data; of the high half of a pair.
    pub offset: u16,
    /// How it is written.
    pub form: Form,
}

/// How a value is written in an assembly. Over Modbus it is always written as its wire type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the element's wire type.
    Own,
    /// A REAL that is worth this much of the element's unit: 1000 when it holds kW and the element is in W. A counter
    /// in one REAL has 24 bits: see [`Form::step_at`].
    Scaled(u32),
    /// An integer in two REALs, since one has 24 bits only: (high × modulus + low) × factor.
    Pair {
        /// Byte offset of the low half.
        low_offset: u16,
        /// What a one in the high half is worth, in units of the low half.
        modulus: u32,
        /// What a one in the low half is worth, in units of the element's number.
        factor: u32,
    },
}

/// Bytes of a REAL.
pub const REAL_BYTES: u16 = 4;

/// Whole numbers up to this are exact in a REAL.
const REAL_EXACT: f64 = 16_777_216.0;

impl Form {
    /// The largest step between neighboring values of the element's number that the form can express; `None`
    /// for the wire type's own.
    pub fn step(self) -> Option<f64> {
        match self {
            Form::Own | Form::Scaled(_) => None,
            Form::Pair { modulus, factor, .. } => {
                let low = f64::from(modulus) / REAL_EXACT;
                // The spacing of a REAL is a power of two.
                Some(low.log2().ceil().exp2() * f64::from(factor))
            }
        }
    }

    /// The step between neighboring values of a counter of this size, in its unit; 1 where every one is expressed.
    pub fn step_at(self, value: f64) -> f64 {
        match self {
            Form::Own => 1.0,
            Form::Scaled(factor) => {
                let real = (value.abs() / f64::from(factor)) as f32;
                let next = f32::from_bits(real.to_bits() + 1);
                ((f64::from(next) - f64::from(real)) * f64::from(factor)).max(1.0)
            }
            Form::Pair { .. } => self.step().unwrap_or(1.0).max(1.0),
        }
    }

    /// Whether every whole number of the element is expressed exactly.
    pub fn is_exact(self) -> bool {
        self.step().is_none_or(|step| step <= 1.0)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Form::Own => Ok(()),
            Form::Scaled(1) => f.write_str("REAL"),
            Form::Scaled(factor) => write!(f, "REAL x {factor}"),
            Form::Pair { low_offset, modulus, factor } => {
                write!(f, "two REALs, high x {modulus} + low at +{low_offset}")?;
                if *factor != 1 {
                    write!(f, ", x {factor}")?;
                }
                match self.step() {
                    Some(step) if step > 1.0 => write!(f, ", steps up to {step}"),
                    _ => write!(f, ", exact"),
                }
            }
        }
    }
}

/// One row of the profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// The table the element belongs to.
    pub table: Table,
    /// The field's name, unit included; unique in its table.
    pub name: String,
    /// What the manual or the sibling calls it.
    pub label: String,
    /// Where it is read over EtherNet/IP, if it can be.
    pub place: Option<Place>,
    /// PDU address where it is read over Modbus, if it can be.
    pub modbus: Option<u16>,
    /// Layout on the wire.
    pub wire: WireType,
    /// Conversion of the number on the wire.
    pub convert: Convert,
    /// Unit of the emitted value; empty for none.
    pub unit: String,
    /// Behavior over time.
    pub kind: Kind,
    /// Smallest and largest plausible emitted value, both included.
    pub range: (f64, f64),
    /// How sure the row is.
    pub evidence: Evidence,
    /// Key into the profile's list of sources.
    pub source: String,
    /// Where the value ends up.
    pub usage: Use,
    /// Words for the codes 0, 1, 2…, emitted as a string field of the second name.
    pub labels: Option<(String, Vec<String>)>,
}

impl Element {
    /// Whether the emitted value is an integer (`i`) rather than a float.
    pub fn is_integer(&self) -> bool {
        self.convert != Convert::None || self.wire != WireType::Real
    }

    /// The stretches of its assembly's data that the element takes: byte offset and length.
    pub fn stretches(&self) -> impl Iterator<Item = (u16, u16)> {
        let place = self.place;
        let first = place.map(|place| match place.form {
            Form::Own => (place.offset, self.wire.bytes()),
            Form::Scaled(_) | Form::Pair { .. } => (place.offset, REAL_BYTES),
        });
        let second = place.and_then(|place| match place.form {
            Form::Pair { low_offset, .. } => Some((low_offset, REAL_BYTES)),
            Form::Own | Form::Scaled(_) => None,
        });
        first.into_iter().chain(second)
    }

    /// The registers of the element, if it can be read over Modbus.
    pub fn registers(&self) -> Option<std::ops::Range<u32>> {
        let start = u32::from(self.modbus?);
        Some(start..start + u32::from(self.wire.words()))
    }
}
