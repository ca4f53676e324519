//! One element of the meter: its name, where it stands on the wire, what it means and how sure we are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::table::Table;

/// How an element is laid out on the wire.
///
/// Assemblies are little-endian; Modbus registers are big-endian words whose order is a setting
/// ([`super::decode::WordOrder`]). Source: 1420-UM001E p37 and p49; word order from siblings.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up, until it is reset or rolls over.
    Counter,
    /// A code, a flag or a label.
    State,
}

impl Kind {
    /// The word used in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::State => "state",
        }
    }
}

/// How sure we are that an element is what its row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
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

impl Evidence {
    /// Every grade, weakest first.
    pub const ALL: [Evidence; 5] =
        [Evidence::Unknown, Evidence::Guessed, Evidence::Inferred, Evidence::Documented, Evidence::Verified];

    /// The word used in configuration, tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Evidence::Unknown => "unknown",
            Evidence::Guessed => "guessed",
            Evidence::Inferred => "inferred",
            Evidence::Documented => "documented",
            Evidence::Verified => "verified",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Evidence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Evidence::ALL.into_iter().find(|grade| grade.name() == text).ok_or_else(|| {
            format!(
                "unknown grade of evidence \"{text}\", expected guessed, inferred, documented or verified"
            )
        })
    }
}

/// Where an element's value ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// A field of its table's measurement.
    Field,
    /// A part of `powermonitor_500_info`.
    Info,
    /// Described for completeness, never read.
    None,
}

/// Where an element stands in the meter's assemblies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Assembly instance (class 4).
    pub instance: u16,
    /// Byte offset in the assembly's data.
    pub offset: u16,
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

    /// The registers of the element, if it can be read over Modbus.
    pub fn registers(&self) -> Option<std::ops::Range<u32>> {
        let start = u32::from(self.modbus?);
        Some(start..start + u32::from(self.wire.words()))
    }
}
