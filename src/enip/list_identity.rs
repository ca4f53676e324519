//! ListIdentity: the question "who is there?" that needs no session, and its answer.
//!
//! Request: a header without data; the first two bytes of its context are the longest time in ms, little-endian,
//! that a device may wait at random before it answers a broadcast (0 = 2 s). Reply: item count UINT, then items of
//! type UINT, length UINT and data. Item 0x000C: protocol version UINT, a socket address in network byte order
//! (family, port, IPv4 address, 8 zeros), the Identity object's attributes 1 to 7, device state USINT.
//! Source: EtherNet/IP specification, chapter 2.

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::BytesMut;
use rust_ethernet_ip_protocol::Decode;
use rust_ethernet_ip_protocol::encap::EncapsulationHeader;

use super::identity;
use super::message::Malformed;
use super::packet::{self, HEADER_LEN, LIST_IDENTITY, MAX_DATA};
use super::status::encapsulation_status;
use crate::meter::identity::Identity;

/// CPF item: one device's identity.
pub const IDENTITY_ITEM: u16 = 0x000C;

/// Device state: operational.
pub const OPERATIONAL: u8 = 3;

/// Protocol version and socket address before the attributes.
const BEFORE_IDENTITY: usize = 18;
/// Vendor to serial number, before the name's length.
const NAME_LENGTH: usize = 14;
/// Most items of one reply; a device has one.
const MAX_ITEMS: u16 = 8;

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it says that it is reached.
    pub socket: SocketAddrV4,
    /// Its identity.
    pub identity: Identity,
    /// Its state; 255 when the reply ends before it, as that of old devices may.
    pub state: u8,
}

/// A device's state in words.
pub fn state(code: u8) -> &'static str {
    match code {
        0 => "nonexistent",
        1 => "self-testing",
        2 => "standby",
        3 => "operational",
        4 => "major recoverable fault",
        5 => "major unrecoverable fault",
        _ => "unknown",
    }
}

/// The question. `within` is the longest delay of a reply in ms, `mark` is returned in it.
pub fn request(within: u16, mark: [u8; 6]) -> BytesMut {
    let [low, high] = within.to_le_bytes();
    let [a, b, c, d, e, f] = mark;
    packet::encode(LIST_IDENTITY, 0, [low, high, a, b, c, d, e, f], 0, &[])
}

/// The longest delay in ms that a request allows.
pub fn delay_limit(context: [u8; 8]) -> u16 {
    match u16::from_le_bytes([context[0], context[1]]) {
        0 => 2000,
        limit => limit,
    }
}

/// Takes a datagram apart that answers a request with this mark.
///
/// # Errors
/// [`Malformed`] when it is no reply to it.
pub fn decode(datagram: &[u8], mark: [u8; 6]) -> Result<Vec<Listed>, Malformed> {
    let malformed = |reason: &str| Malformed(reason.to_owned());
    let header = datagram.get(..HEADER_LEN).ok_or_else(|| malformed("it is shorter than a header"))?;
    let header =
        EncapsulationHeader::decode(&mut &header[..]).map_err(|error| Malformed(error.to_string()))?;
    let length = usize::from(header.length);
    answers(&header)?;
    if header.sender_context[2..] != mark {
        return Err(malformed("it answers another request"));
    }
    if length > MAX_DATA {
        return Err(malformed("it announces more data than any answer has"));
    }
    let data = datagram.get(HEADER_LEN..HEADER_LEN + length).ok_or_else(|| malformed("it is cut off"))?;
    items(data)
}

/// Whether a header is that of a good reply.
///
/// # Errors
/// [`Malformed`], with what the device says instead.
pub fn answers(header: &EncapsulationHeader) -> Result<(), Malformed> {
    match (header.command, header.status) {
        (LIST_IDENTITY, 0) => Ok(()),
        (LIST_IDENTITY, status) => Err(Malformed(format!(
            "it refuses List Identity with encapsulation status 0x{status:04X}: {}",
            encapsulation_status(status)
        ))),
        (command, _) => Err(Malformed(format!("it is to command 0x{command:04X}, not List Identity"))),
    }
}

/// The identities in the data of a reply.
///
/// # Errors
/// [`Malformed`] when counts and lengths do not fit the bytes.
pub fn items(data: &[u8]) -> Result<Vec<Listed>, Malformed> {
    let cut = || Malformed("it ends inside an item".to_owned());
    let word = |at: usize| -> Option<u16> { Some(u16::from_le_bytes([*data.get(at)?, *data.get(at + 1)?])) };
    let count = word(0).ok_or_else(cut)?;
    if count > MAX_ITEMS {
        return Err(Malformed(format!("it announces {count} items")));
    }
    let (mut at, mut listed) = (2, Vec::new());
    for _ in 0..count {
        let (kind, length) = (word(at).ok_or_else(cut)?, word(at + 2).ok_or_else(cut)?);
        let item = data.get(at + 4..at + 4 + usize::from(length)).ok_or_else(cut)?;
        if kind == IDENTITY_ITEM {
            listed.push(one(item).ok_or_else(cut)?);
        }
        at += 4 + usize::from(length);
    }
    Ok(listed)
}

fn one(item: &[u8]) -> Option<Listed> {
    let port = u16::from_be_bytes([*item.get(4)?, *item.get(5)?]);
    let address = Ipv4Addr::new(*item.get(6)?, *item.get(7)?, *item.get(8)?, *item.get(9)?);
    let attributes = item.get(BEFORE_IDENTITY..)?;
    let name = usize::from(*attributes.get(NAME_LENGTH)?);
    Some(Listed {
        socket: SocketAddrV4::new(address, port),
        identity: identity::decode(attributes)?,
        state: attributes.get(NAME_LENGTH + 1 + name).copied().unwrap_or(u8::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: [u8; 6] = [1, 2, 3, 4, 5, 6];

    /// A meter at 192.168.1.50.
    const GOLDEN: [u8; 80] = [
        0x63, 0x00, 56, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0xDC, 0x05, 1, 2, 3, 4, 5, 6, 0, 0, 0,
        0, // header
        1, 0, 0x0C, 0x00, 50, 0, // one item
        1, 0, 0x00, 0x02, 0xAF, 0x12, 192, 168, 1, 50, 0, 0, 0, 0, 0, 0, 0, 0, // version, socket
        0x01, 0x00, 0x92, 0x00, 0x07, 0x00, 0x04, 0x0B, 0x60, 0x00, 0x80, 0x4B, 0x07, 0x38, 0x10, b'P', b'o',
        b'w', b'e', b'r', b'M', b'o', b'n', b'i', b't', b'o', b'r', b' ', b'5', b'0', b'0', 0x03,
    ];

    #[test]
    fn the_question_is_a_bare_header_with_the_delay_limit_in_its_context() {
        let golden = [0x63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xDC, 0x05, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0];
        assert_eq!(request(1500, MARK)[..], golden);
        assert_eq!(delay_limit([0xDC, 0x05, 1, 2, 3, 4, 5, 6]), 1500);
        assert_eq!(delay_limit([0; 8]), 2000);
    }

    #[test]
    fn a_meters_reply_says_what_and_where_it_is() {
        let mut golden = GOLDEN;
        golden[2] = (golden.len() - HEADER_LEN) as u8;
        let listed = decode(&golden, MARK).unwrap();
        let [meter] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!(meter.socket, "192.168.1.50:44818".parse().unwrap());
        assert_eq!((meter.identity.product_code, meter.identity.serial), (7, 940_002_176));
        assert_eq!(state(meter.state), "operational");
        assert!(decode(&golden, [0; 6]).is_err(), "it answers another request");
    }

    #[test]
    fn truncated_flipped_or_greedy_replies_are_errors_or_values_and_never_a_panic() {
        let mut golden = GOLDEN;
        golden[2] = (golden.len() - HEADER_LEN) as u8;
        assert!((0..golden.len()).all(|length| decode(&golden[..length], MARK).is_err()));
        for bit in 0..golden.len() * 8 {
            let mut flipped = golden;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(&flipped, MARK);
        }
        let mut greedy = golden;
        greedy[24..26].copy_from_slice(&[0xFF, 0xFF]);
        assert!(decode(&greedy, MARK).is_err());
    }
}
