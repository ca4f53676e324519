//! Read Tag and Read Tag Fragmented: the bytes of a tag, with their type.
//!
//! Read Tag (0x4C): number of elements UINT. Reply: type UINT (for a structure 0x02A0 and its handle UINT), then the
//! elements. Read Tag Fragmented (0x52): number of elements UINT, offset in bytes UDINT; the reply has general status
//! 0x06 while there is more. Source: 1756-PM020, "Read Tag Service".

use rust_ethernet_ip_protocol::cip::{CipRequest, READ_TAG};
use rust_ethernet_ip_protocol::values;

use super::TagName;
use crate::enip::message::{Malformed, response};
use crate::enip::status::Refusal;

/// Read Tag Fragmented.
const READ_TAG_FRAGMENTED: u8 = 0x52;
/// General status: the reply holds a part, and there is more.
const PARTIAL: u8 = 0x06;

/// What a tag's elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagType {
    /// 32-bit floating point.
    Real,
    /// An integer or a truth value: its name and length in bytes.
    Integer(&'static str, usize),
    /// Something that has members.
    Structure,
    /// Another type, by its code.
    Other(u16),
}

impl TagType {
    fn of(code: u16) -> TagType {
        match code {
            values::REAL => TagType::Real,
            values::BOOL => TagType::Integer("BOOL", 1),
            values::SINT => TagType::Integer("SINT", 1),
            values::USINT => TagType::Integer("USINT", 1),
            values::INT => TagType::Integer("INT", 2),
            values::UINT => TagType::Integer("UINT", 2),
            values::DINT => TagType::Integer("DINT", 4),
            values::UDINT => TagType::Integer("UDINT", 4),
            values::BOOL_ARRAY_DWORD => TagType::Integer("BOOL[32]", 4),
            values::LINT => TagType::Integer("LINT", 8),
            values::ULINT => TagType::Integer("ULINT", 8),
            values::AB_UDT => TagType::Structure,
            other => TagType::Other(other),
        }
    }

    /// Bytes of one element, where they are known.
    pub fn element_size(self) -> Option<usize> {
        match self {
            TagType::Real => Some(4),
            TagType::Integer(_, size) => Some(size),
            TagType::Structure | TagType::Other(_) => None,
        }
    }
}

impl std::fmt::Display for TagType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TagType::Real => f.write_str("REAL"),
            TagType::Integer(name, _) => f.write_str(name),
            TagType::Structure => f.write_str("a structure"),
            TagType::Other(code) => write!(f, "type 0x{code:04X}"),
        }
    }
}

/// What a tag holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagData {
    /// Type of its elements.
    pub kind: TagType,
    /// Its elements, little-endian, as they came.
    pub bytes: Vec<u8>,
    /// Whether there is more than came.
    pub partial: bool,
}

/// A reply to one read: the data, or the controller's refusal.
pub type Reply = Result<TagData, Refusal>;

/// One read of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRead {
    /// Which tag.
    pub name: TagName,
    /// Elements that are wanted, from the tag's first or named one on.
    pub elements: u16,
}

/// The rest of a read whose reply was partial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// The read.
    pub read: &'a TagRead,
    /// Bytes that came already.
    pub offset: u32,
}

impl TagRead {
    /// The request.
    pub(super) fn request(&self) -> CipRequest {
        CipRequest::new(READ_TAG, self.name.path().to_vec(), self.elements.to_le_bytes().to_vec())
    }

    /// Takes a reply apart.
    ///
    /// # Errors
    /// [`Malformed`] when it is no reply to a read of a tag.
    pub fn decode(reply: &[u8]) -> Result<Reply, Malformed> {
        decode(READ_TAG, reply)
    }
}

impl Fragment<'_> {
    /// The request.
    pub(super) fn request(&self) -> CipRequest {
        let data = [&self.read.elements.to_le_bytes()[..], &self.offset.to_le_bytes()].concat();
        CipRequest::new(READ_TAG_FRAGMENTED, self.read.name.path().to_vec(), data)
    }

    /// Takes a reply apart.
    ///
    /// # Errors
    /// [`Malformed`] when it is no reply to a read of a fragment.
    pub fn decode(reply: &[u8]) -> Result<Reply, Malformed> {
        decode(READ_TAG_FRAGMENTED, reply)
    }
}

fn decode(service: u8, reply: &[u8]) -> Result<Reply, Malformed> {
    let response = response(reply, service)?;
    match response.status {
        0 => data(&response.data, false).map(Ok),
        // A refusal may carry the same code, and then there is no data.
        PARTIAL if response.data.len() > 2 => data(&response.data, true).map(Ok),
        general => Ok(Err(Refusal { general, extended: response.additional_status })),
    }
}

fn data(data: &[u8], partial: bool) -> Result<TagData, Malformed> {
    let [low, high, rest @ ..] = data else {
        return Err(Malformed("the reply ends before the tag's type".to_owned()));
    };
    let kind = TagType::of(u16::from_le_bytes([*low, *high]));
    let bytes = match kind {
        // The handle of the structure stands before its bytes.
        TagType::Structure => rest.get(2..).unwrap_or_default(),
        _ => rest,
    };
    Ok(TagData { kind, bytes: bytes.to_vec(), partial })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    fn read(text: &str, elements: u16) -> TagRead {
        TagRead { name: text.parse().unwrap(), elements }
    }

    #[test]
    fn a_read_of_twelve_reals_is_one_request_of_the_published_form() {
        let mut bytes = BytesMut::new();
        read("PM5", 12).request().encode(&mut bytes).unwrap();
        assert_eq!(bytes[..], [0x4C, 3, 0x91, 3, b'P', b'M', b'5', 0, 12, 0]);
        bytes.clear();
        Fragment { read: &read("PM5", 300), offset: 490 }.request().encode(&mut bytes).unwrap();
        assert_eq!(bytes[..], [0x52, 3, 0x91, 3, b'P', b'M', b'5', 0, 0x2C, 1, 0xEA, 1, 0, 0]);
    }

    #[test]
    fn a_reply_has_the_type_before_its_bytes() {
        let data = TagRead::decode(&[0xCC, 0, 0, 0, 0xCA, 0, 1, 2, 3, 4]).unwrap().unwrap();
        assert_eq!(data, TagData { kind: TagType::Real, bytes: vec![1, 2, 3, 4], partial: false });
        let data = TagRead::decode(&[0xCC, 0, 6, 0, 0xC2, 0, 1]).unwrap().unwrap();
        assert_eq!(data, TagData { kind: TagType::Integer("SINT", 1), bytes: vec![1], partial: true });
        let data = TagRead::decode(&[0xCC, 0, 0, 0, 0xA0, 2, 9, 9, 1, 2]).unwrap().unwrap();
        assert_eq!((data.kind, &data.bytes[..]), (TagType::Structure, &[1, 2][..]));
    }

    #[test]
    fn a_refusal_that_announces_more_than_it_has_is_still_a_refusal() {
        let refusal = TagRead::decode(&[0xCC, 0, 5, 2, 0, 0]).unwrap().unwrap_err();
        assert_eq!(refusal, Refusal { general: 5, extended: vec![0] });
        let refusal = TagRead::decode(&[0xCC, 0, 0xFF, 1, 5, 0x21]).unwrap().unwrap_err();
        assert_eq!(refusal, Refusal { general: 0xFF, extended: vec![0x2105] });
        assert!(TagRead::decode(&[0xCC, 0, 0, 2, 0]).is_err());
        assert!(TagRead::decode(&[0xD2, 0, 0, 0, 0xCA, 0]).is_err(), "another service");
        let on_the_way = TagRead::decode(&[0xD2, 0, 1, 1, 0x12, 3, 1]).unwrap().unwrap_err();
        assert_eq!(on_the_way, Refusal { general: 1, extended: vec![0x0312] });
    }

    #[test]
    fn truncated_replies_are_errors_or_values_and_never_a_panic() {
        let whole = [0xCC, 0, 0, 0, 0xCA, 0, 1, 2, 3, 4];
        for length in 0..whole.len() {
            let _ = TagRead::decode(&whole[..length]);
        }
        assert!(TagRead::decode(&whole[..5]).is_err());
    }
}
