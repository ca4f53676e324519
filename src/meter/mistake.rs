//! What can be wrong with a profile, as types whose text says what to change.

use std::path::PathBuf;

use super::table::Table;

/// A profile file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("cannot read profile {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The file says something that cannot be.
    #[error("profile {}: {mistake}", path.display())]
    Mistaken {
        /// The file.
        path: PathBuf,
        /// What it says.
        mistake: Mistake,
    },
}

/// What a profile's text says that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// No TOML, an unknown key, or a value of the wrong type.
    #[error("{}{message}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Syntax {
        /// The line, where it is known.
        line: Option<usize>,
        /// What is wrong there.
        message: String,
    },
    /// The format is not the one this version reads.
    #[error("format {found} is not format {reads}, which this version reads")]
    Format {
        /// The file's.
        found: u32,
        /// Ours.
        reads: u32,
    },
    /// A citation that is no text.
    #[error("source {0} must be a text")]
    Source(String),
    /// An assembly that is listed twice.
    #[error("assembly {0} is listed twice")]
    AssemblyTwice(u16),
    /// An assembly without a size that one reply can carry.
    #[error("assembly {0}: sizes must name 1 to 500 bytes (an unconnected reply carries no more)")]
    AssemblySizes(u16),
    /// A row that cannot be.
    #[error("{table}.{name}: {mistake}")]
    Row {
        /// The row's table.
        table: Table,
        /// The row's name.
        name: String,
        /// What is wrong with it.
        mistake: RowMistake,
    },
    /// A name that its table has already.
    #[error("{name}: the table {table} has this name twice")]
    NameTwice {
        /// The table.
        table: Table,
        /// The name.
        name: String,
    },
    /// Two rows that share bytes or registers.
    #[error("{first} and {second} overlap {place}")]
    Overlap {
        /// One row, with its table.
        first: String,
        /// The other.
        second: String,
        /// Where they do.
        place: SharedPlace,
    },
}

/// Where two rows overlap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SharedPlace {
    /// In this assembly.
    #[error("in assembly {0}")]
    Assembly(u16),
    /// From this register on.
    #[error("at Modbus address 0x{0:04X}")]
    Register(u32),
}

/// What is wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowMistake {
    /// A BIT without its number.
    #[error("a BIT needs bit = 0 to 15")]
    BitMissing,
    /// LETTERS without their number of words.
    #[error("LETTERS need words = their number of words")]
    WordsMissing,
    /// No type that there is, or with keys that do not go with it.
    #[error(
        "type \"{0}\" with these keys is not one of REAL, UINT, ULINT, BIT (bit), LETTERS (words), MODEL_REVISION, \
         CLOCK"
    )]
    Type(String),
    /// No conversion that there is.
    #[error("convert must be \"code\" or \"hours_minutes\", without codes")]
    Convert,
    /// An assembly without a place in it.
    #[error("a block with an assembly needs an offset in each row")]
    OffsetMissing,
    /// A place without an assembly.
    #[error("an offset needs an assembly in its block")]
    AssemblyMissing,
    /// A form without a place.
    #[error("low_offset, modulus and factor need an offset in an assembly")]
    FormWithoutPlace,
    /// A form that its type cannot have.
    #[error(
        "a REAL may have a factor, a ULINT in two REALs has low_offset, modulus (2 or more) and perhaps a factor"
    )]
    Form,
    /// Words for codes without a field for them, or the other way round.
    #[error("labels and label_field go together")]
    Labels,
    /// No range.
    #[error("range is missing")]
    RangeMissing,
    /// A range that contains nothing, or everything.
    #[error("range must be two finite numbers, the smaller first")]
    Range,
    /// A name that is no field's.
    #[error("names are lower-case letters, digits and underscores")]
    Name,
    /// A unit that is not known.
    #[error("unknown unit \"{0}\"")]
    Unit(String),
    /// A source that is not cited.
    #[error("source \"{0}\" is not in [sources]")]
    Uncited(String),
    /// Text elsewhere than in the info table.
    #[error("text can only be used in the info table")]
    Text,
    /// A bit that a word does not have.
    #[error("bit {0} does not exist in a 16-bit word")]
    Bit(u8),
    /// Too few or too many letters.
    #[error("words must be 1 to 64")]
    Words,
    /// An empty list of codes.
    #[error("codes must not be empty")]
    Codes,
    /// Nowhere to read it from.
    #[error("neither an assembly nor a Modbus address is given")]
    Nowhere,
    /// An assembly that is not described.
    #[error("assembly {0} is not described")]
    Assembly(u16),
    /// An assembly of another table.
    #[error("assembly {instance} belongs to table {table}")]
    OtherTable {
        /// The assembly.
        instance: u16,
        /// Whose it is.
        table: Table,
    },
    /// Past the end of its assembly.
    #[error("ends at byte {end}, but assembly {instance} has {size} bytes")]
    PastAssembly {
        /// Where the row ends.
        end: u32,
        /// The assembly.
        instance: u16,
        /// Its smallest size.
        size: u16,
    },
    /// Two halves that share bytes.
    #[error("its two REALs overlap")]
    Halves,
    /// Past the last register.
    #[error("runs past the last Modbus address 0xFFFF")]
    PastRegisters,
    /// The meter's password.
    #[error("covers 0x1000, the meter's password, which is never read")]
    Password,
    /// A name that the built-in profile does not have.
    #[error("no such element{}", nearest.as_ref().map(|name| format!(", did you mean {name}?")).unwrap_or_default())]
    Unknown {
        /// A name that is near.
        nearest: Option<String>,
    },
    /// Another type, unit, kind, use or labels than the built-in profile's.
    #[error("a profile may move an element, not change its type, unit, kind, use or labels")]
    Retyped,
}
