//! The payload of a Sparkplug B message: the part of the public protobuf that this program sends and reads.
//!
//! The numbers of the fields are the specification's (Sparkplug 3.0, section 6.4.1). What is left out (data sets,
//! metadata, files) is skipped when it comes in.

use prost::{Message, Oneof};

/// Largest payload of a command that is looked at, in bytes.
pub const LARGEST_COMMAND: usize = 64 * 1024;

/// A message's payload.
#[derive(Clone, PartialEq, Message)]
pub struct Payload {
    /// When it was published, milliseconds since the epoch.
    #[prost(uint64, optional, tag = "1")]
    pub timestamp: Option<u64>,
    /// The metrics.
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
    /// 0 to 255, one more than in the message before; none in a node's death and in commands.
    #[prost(uint64, optional, tag = "3")]
    pub seq: Option<u64>,
}

/// One metric of a payload.
#[derive(Clone, PartialEq, Message)]
pub struct Metric {
    /// Name; left out in data when there is an alias.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Number that stands for the name.
    #[prost(uint64, optional, tag = "2")]
    pub alias: Option<u64>,
    /// When the value was measured, milliseconds since the epoch.
    #[prost(uint64, optional, tag = "3")]
    pub timestamp: Option<u64>,
    /// Number of the [`DataType`].
    #[prost(uint32, optional, tag = "4")]
    pub datatype: Option<u32>,
    /// Whether it comes late, and is for the history only.
    #[prost(bool, optional, tag = "5")]
    pub is_historical: Option<bool>,
    /// Whether there is no value.
    #[prost(bool, optional, tag = "7")]
    pub is_null: Option<bool>,
    /// Unit and quality.
    #[prost(message, optional, tag = "9")]
    pub properties: Option<PropertySet>,
    /// The value.
    #[prost(oneof = "Scalar", tags = "10, 11, 12, 13, 14, 15, 18")]
    pub value: Option<Scalar>,
}

/// The value of a metric as it is written.
#[derive(Clone, PartialEq, Oneof)]
pub enum Scalar {
    /// Up to 32 bits.
    #[prost(uint32, tag = "10")]
    Int(u32),
    /// 64 bits; a signed number in two's complement.
    #[prost(uint64, tag = "11")]
    Long(u64),
    /// 32-bit float.
    #[prost(float, tag = "12")]
    Float(f32),
    /// 64-bit float.
    #[prost(double, tag = "13")]
    Double(f64),
    /// Boolean.
    #[prost(bool, tag = "14")]
    Boolean(bool),
    /// Text.
    #[prost(string, tag = "15")]
    Text(String),
    /// Template.
    #[prost(message, tag = "18")]
    Template(Template),
}

/// The definition of a type of device (a UDT).
#[derive(Clone, PartialEq, Message)]
pub struct Template {
    /// Version, to tell definitions of the same name apart.
    #[prost(string, optional, tag = "1")]
    pub version: Option<String>,
    /// Members.
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
    /// Whether it is a definition.
    #[prost(bool, optional, tag = "5")]
    pub is_definition: Option<bool>,
}

/// Properties of a metric: as many keys as values.
#[derive(Clone, PartialEq, Message)]
pub struct PropertySet {
    /// Keys.
    #[prost(string, repeated, tag = "1")]
    pub keys: Vec<String>,
    /// Values.
    #[prost(message, repeated, tag = "2")]
    pub values: Vec<PropertyValue>,
}

/// The value of one property.
#[derive(Clone, PartialEq, Message)]
pub struct PropertyValue {
    /// Number of the [`DataType`].
    #[prost(uint32, optional, tag = "1")]
    pub r#type: Option<u32>,
    /// The value.
    #[prost(oneof = "PropertyScalar", tags = "3, 8")]
    pub value: Option<PropertyScalar>,
}

/// The value of a property as it is written.
#[derive(Clone, PartialEq, Oneof)]
pub enum PropertyScalar {
    /// Up to 32 bits.
    #[prost(uint32, tag = "3")]
    Int(u32),
    /// Text.
    #[prost(string, tag = "8")]
    Text(String),
}

/// Types of values, with their numbers in the protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum DataType {
    /// Signed 32-bit integer, of properties.
    Int32 = 3,
    /// Signed 64-bit integer.
    Int64 = 4,
    /// Unsigned 64-bit integer.
    UInt64 = 8,
    /// 32-bit float.
    Float = 9,
    /// 64-bit float.
    Double = 10,
    /// Boolean.
    Boolean = 11,
    /// Text.
    Text = 12,
    /// Template.
    Template = 19,
}

/// How far a value can be trusted, with the numbers of the specification (6.4.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Quality {
    /// The table was read, and had no sound value.
    Bad = 0,
    /// As measured.
    Good = 192,
    /// Not read yet, or not read any more.
    Stale = 500,
}

impl PropertySet {
    /// Unit, if there is one, and quality, under the keys that hosts know.
    pub fn new(unit: Option<&str>, quality: Option<Quality>) -> Option<PropertySet> {
        let mut set = PropertySet::default();
        if let Some(unit) = unit.filter(|unit| !unit.is_empty()) {
            set.keys.push("engUnit".to_owned());
            set.values.push(PropertyValue {
                r#type: Some(DataType::Text as u32),
                value: Some(PropertyScalar::Text(unit.to_owned())),
            });
        }
        if let Some(quality) = quality {
            set.keys.push("Quality".to_owned());
            set.values.push(PropertyValue {
                r#type: Some(DataType::Int32 as u32),
                value: Some(PropertyScalar::Int(quality as u32)),
            });
        }
        (!set.keys.is_empty()).then_some(set)
    }
}

/// What a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// All births again.
    Rebirth,
    /// Something that this program does not do.
    Other,
}

/// Name of the metric by which a host asks for all births.
pub const REBIRTH: &str = "Node Control/Rebirth";

/// Reads a command to the node (NCMD); `rebirth_alias` stands for the name, where aliases are in use.
///
/// # Errors
/// Why the payload cannot be read.
pub fn read_command(payload: &[u8], rebirth_alias: Option<u64>) -> Result<Command, CommandError> {
    if payload.len() > LARGEST_COMMAND {
        return Err(CommandError::TooLarge(payload.len()));
    }
    let payload = Payload::decode(payload)?;
    let asked = payload.metrics.iter().any(|metric| {
        let named = match &metric.name {
            Some(name) => name == REBIRTH,
            None => metric.alias.is_some() && metric.alias == rebirth_alias,
        };
        named && metric.value == Some(Scalar::Boolean(true))
    });
    Ok(if asked { Command::Rebirth } else { Command::Other })
}

/// Why a command cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// More bytes than any command needs.
    #[error("its payload has {0} bytes, and {LARGEST_COMMAND} are the limit")]
    TooLarge(usize),
    /// Not the protobuf of Sparkplug B.
    #[error("its payload is no Sparkplug B: {0}")]
    Garbled(#[from] prost::DecodeError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(name: Option<&str>, alias: Option<u64>, value: Scalar) -> Vec<u8> {
        let metric = Metric { name: name.map(str::to_owned), alias, value: Some(value), ..Metric::default() };
        Payload { metrics: vec![metric], ..Payload::default() }.encode_to_vec()
    }

    #[test]
    fn only_a_true_rebirth_is_obeyed() {
        let read = |bytes: Vec<u8>, alias| read_command(&bytes, alias).unwrap();
        let yes = || Scalar::Boolean(true);
        assert_eq!(read(command(Some(REBIRTH), None, yes()), None), Command::Rebirth);
        assert_eq!(read(command(None, Some(7), yes()), Some(7)), Command::Rebirth);
        assert_eq!(read(command(Some(REBIRTH), None, Scalar::Boolean(false)), None), Command::Other);
        assert_eq!(read(command(Some(REBIRTH), None, Scalar::Int(1)), None), Command::Other);
        assert_eq!(read(command(Some("Node Control/Reboot"), Some(7), yes()), Some(7)), Command::Other);
        assert_eq!(read(command(None, None, yes()), None), Command::Other);
        assert_eq!(read(vec![], None), Command::Other);
        assert!(matches!(read_command(b"reboot, please", None), Err(CommandError::Garbled(_))));
        assert!(matches!(read_command(&vec![0; LARGEST_COMMAND + 1], None), Err(CommandError::TooLarge(_))));
    }

    #[test]
    fn the_bytes_are_those_of_the_public_protobuf() {
        let metric = Metric {
            name: Some("a".to_owned()),
            timestamp: Some(1),
            datatype: Some(DataType::Int64 as u32),
            properties: PropertySet::new(Some("W"), Some(Quality::Stale)),
            value: Some(Scalar::Long(-1i64 as u64)),
            ..Metric::default()
        };
        let payload = Payload { timestamp: Some(2), metrics: vec![metric], seq: Some(0) };
        let mut expected = vec![0x08, 2, 0x12, 50, 0x0A, 1, b'a', 0x18, 1, 0x20, 4];
        expected.extend([0x4A, 30, 0x0A, 7]);
        expected.extend(b"engUnit");
        expected.extend([0x0A, 7]);
        expected.extend(b"Quality");
        expected.extend([0x12, 5, 0x08, 12, 0x42, 1, b'W', 0x12, 5, 0x08, 3, 0x18, 0xF4, 0x03]);
        expected.extend([0x58, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0x18, 0]);
        // Lengths are counted, not copied: the set has 18 + 14 bytes, the metric what is in it.
        let set = 9 + 9 + 7 + 7;
        expected[12] = set;
        expected[3] = 3 + 2 + 2 + 2 + set + 11;
        assert_eq!(payload.encode_to_vec(), expected);
    }
}
