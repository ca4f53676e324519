//! CIP messages we can send, and what comes back.
//!
//! [`Read`] is everything this program can ask of a meter's data over EtherNet/IP; the only other requests
//! open and close a listener's connection ([`forward_open`](super::forward_open)). No service that writes,
//! resets or configures can be built.
//!
//! Request, as the data of SendRRData: interface handle UDINT 0, timeout UINT, item count UINT 2, null
//! address item (0x0000, length 0), unconnected data item (0x00B2): service, path size in words, path.
//! Reply item: service | 0x80, reserved, general status, size of additional status in words, additional
//! status, data. Bare unconnected messages: no Unconnected Send, no route, no class 3 connection.

use std::fmt;

use bytes::BytesMut;
use rust_ethernet_ip_protocol::cip::{CipRequest, CipResponse, SendDataRequest};
use rust_ethernet_ip_protocol::{Decode, Encode};

use super::status::Refusal;

/// Get_Attributes_All.
pub const GET_ATTRIBUTES_ALL: u8 = 0x01;
/// Get_Attribute_Single.
pub const GET_ATTRIBUTE_SINGLE: u8 = 0x0E;
/// Sends a request along a route; what fails on the way is answered under this code.
pub const UNCONNECTED_SEND: u8 = 0x52;
/// Set in a reply's service code.
pub const REPLY: u8 = 0x80;

/// Identity object.
pub const IDENTITY_CLASS: u8 = 0x01;
/// Assembly object.
pub const ASSEMBLY_CLASS: u8 = 0x04;
/// Assembly attribute: the data.
pub const ASSEMBLY_DATA: u8 = 3;
/// Assembly attribute: the size of the data in bytes, UINT.
pub const ASSEMBLY_SIZE: u8 = 4;

/// CPF item: no address.
pub const NULL_ADDRESS_ITEM: u16 = 0x0000;
/// CPF item: unconnected message.
pub const UNCONNECTED_DATA_ITEM: u16 = 0x00B2;

/// Most CPF items a reply may have; the codec would reserve memory for any number announced.
const MAX_ITEMS: u16 = 4;
/// Where the CPF item count stands in the data of SendRRData.
const ITEM_COUNT: std::ops::Range<usize> = 6..8;

/// A read: all that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// All attributes of the Identity object.
    Identity,
    /// The data of an assembly instance.
    AssemblyData(u16),
    /// The size in bytes of an assembly instance.
    AssemblySize(u16),
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Read::Identity => f.write_str("the identity request"),
            Read::AssemblyData(instance) => write!(f, "the read of assembly {instance}"),
            Read::AssemblySize(instance) => write!(f, "the size request for assembly {instance}"),
        }
    }
}

impl Read {
    pub(super) fn request(self) -> CipRequest {
        match self {
            Read::Identity => CipRequest::new(GET_ATTRIBUTES_ALL, path(IDENTITY_CLASS, 1, None), Vec::new()),
            Read::AssemblyData(instance) => get_attribute(ASSEMBLY_CLASS, instance, ASSEMBLY_DATA),
            Read::AssemblySize(instance) => get_attribute(ASSEMBLY_CLASS, instance, ASSEMBLY_SIZE),
        }
    }

    /// The data of SendRRData that carries this read.
    pub fn encode(self) -> BytesMut {
        encode_request(&self.request())
    }

    /// Takes the data of a SendRRData reply apart.
    ///
    /// # Errors
    /// [`Malformed`] when it is not a reply to this read. A refusal by the device is no error: it is the
    /// inner value.
    pub fn decode(self, data: &[u8]) -> Result<Result<Vec<u8>, Refusal>, Malformed> {
        let service = match self {
            Read::Identity => GET_ATTRIBUTES_ALL,
            Read::AssemblyData(_) | Read::AssemblySize(_) => GET_ATTRIBUTE_SINGLE,
        };
        decode_reply(service, data)
    }
}

/// Takes the data of a SendRRData reply to `service` apart. A refusal by the device is the inner value.
///
/// # Errors
/// [`Malformed`] when it is not a reply to this service.
pub fn decode_reply(service: u8, data: &[u8]) -> Result<Result<Vec<u8>, Refusal>, Malformed> {
    let reply = response(&unconnected_item(data)?, service)?;
    Ok(match reply.status {
        0 => Ok(reply.data),
        general => Err(Refusal { general, extended: reply.additional_status }),
    })
}

/// The CIP reply to a service, or what went wrong on the way to who serves it. One that says no, and announces more
/// additional status than it has, exists in the field: it is a refusal all the same.
///
/// # Errors
/// [`Malformed`] when it is neither.
pub(super) fn response(reply: &[u8], service: u8) -> Result<CipResponse, Malformed> {
    let response = tolerant(reply)?;
    let on_the_way = response.service == UNCONNECTED_SEND | REPLY && response.status != 0;
    if response.service == service | REPLY || on_the_way {
        return Ok(response);
    }
    if response.service & REPLY == 0 {
        return Err(Malformed("a request came back instead of a reply".to_owned()));
    }
    let found = response.service & !REPLY;
    Err(Malformed(format!("the reply is to service 0x{found:02X}, we asked 0x{service:02X}")))
}

fn tolerant(reply: &[u8]) -> Result<CipResponse, Malformed> {
    let decoded = CipResponse::decode(&mut &reply[..]);
    match (decoded, reply) {
        (Ok(response), _) => Ok(response),
        (Err(_), [service, _, status, _, rest @ ..]) if *status != 0 => Ok(CipResponse {
            service: *service,
            status: *status,
            additional_status: rest
                .chunks_exact(2)
                .map(|word| u16::from_le_bytes([word[0], word[1]]))
                .collect(),
            data: Vec::new(),
        }),
        (Err(error), _) => Err(Malformed(format!("{error}; it has {} bytes", reply.len()))),
    }
}

/// The data of SendRRData that carries a request.
pub(super) fn encode_request(request: &CipRequest) -> BytesMut {
    let mut message = BytesMut::new();
    // Our paths are never empty, odd or long, which is all that encoding can refuse.
    let _ = request.encode(&mut message);
    let mut data = BytesMut::new();
    SendDataRequest::unconnected(&message).encode(&mut data);
    data
}

/// A reply that does not have the shape of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// The unconnected message inside the data of SendRRData.
///
/// # Errors
/// [`Malformed`] when there is none, or when lengths and counts do not fit the bytes.
pub fn unconnected_item(data: &[u8]) -> Result<Vec<u8>, Malformed> {
    let count = data.get(ITEM_COUNT).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    match count {
        None => return Err(Malformed("the reply ends before its items".to_owned())),
        Some(count) if count > MAX_ITEMS => {
            return Err(Malformed(format!("the reply announces {count} items")));
        }
        Some(_) => {}
    }
    let packet = SendDataRequest::decode(&mut &data[..]).map_err(|error| Malformed(error.to_string()))?;
    packet
        .items
        .into_iter()
        .find(|item| item.type_id == UNCONNECTED_DATA_ITEM)
        .map(|item| item.data)
        .ok_or_else(|| Malformed("the reply carries no unconnected message".to_owned()))
}

fn get_attribute(class: u8, instance: u16, attribute: u8) -> CipRequest {
    CipRequest::new(GET_ATTRIBUTE_SINGLE, path(class, instance, Some(attribute)), Vec::new())
}

/// Logical segments: class, instance (8 or 16 bits) and perhaps an attribute, padded EPATH.
fn path(class: u8, instance: u16, attribute: Option<u8>) -> Vec<u8> {
    let mut path = vec![0x20, class];
    match u8::try_from(instance) {
        Ok(instance) => path.extend([0x24, instance]),
        Err(_) => {
            let [low, high] = instance.to_le_bytes();
            path.extend([0x25, 0x00, low, high]);
        }
    }
    path.extend(attribute.into_iter().flat_map(|attribute| [0x30, attribute]));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(message: &[u8]) -> Vec<u8> {
        let mut data = vec![0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0xB2, 0];
        data.extend((message.len() as u16).to_le_bytes());
        data.extend(message);
        data
    }

    #[test]
    fn a_read_of_assembly_101_is_one_bare_unconnected_request() {
        let golden = [
            0, 0, 0, 0, 5, 0, 2, 0, // handle, timeout, two items
            0, 0, 0, 0, // null address
            0xB2, 0, 8, 0, // unconnected data, 8 bytes
            0x0E, 3, 0x20, 0x04, 0x24, 0x65, 0x30, 0x03,
        ];
        assert_eq!(Read::AssemblyData(101).encode()[..], golden);
        assert_eq!(path(4, 0x0123, Some(3)), [0x20, 4, 0x25, 0, 0x23, 0x01, 0x30, 3]);
    }

    #[test]
    fn a_refusal_is_a_value_that_says_what_the_meter_said() {
        let refusal = Read::AssemblyData(101).decode(&reply(&[0x8E, 0, 0x05, 1, 0x34, 0x12]));
        let refusal = refusal.unwrap().unwrap_err();
        assert_eq!(refusal, Refusal { general: 5, extended: vec![0x1234] });
        assert!(refusal.to_string().contains("no such object or assembly"));
    }

    #[test]
    fn an_answer_to_another_question_is_malformed() {
        let answer = reply(&[0x81, 0, 0, 0, 1, 2]);
        assert!(Read::AssemblySize(101).decode(&answer).is_err());
        assert_eq!(Read::Identity.decode(&answer).unwrap().unwrap(), [1, 2]);
    }

    #[test]
    fn truncated_or_flipped_replies_are_errors_or_values_and_never_a_panic() {
        let whole = reply(&[0x8E, 0, 0, 0, 1, 2, 3, 4]);
        for length in 0..whole.len() {
            assert!(Read::AssemblyData(101).decode(&whole[..length]).is_err(), "{length}");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = Read::AssemblyData(101).decode(&flipped);
        }
        let mut greedy = whole;
        greedy[6..8].copy_from_slice(&[0xFF, 0xFF]);
        assert!(Read::AssemblyData(101).decode(&greedy).is_err());
    }
}
