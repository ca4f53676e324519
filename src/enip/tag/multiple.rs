//! Multiple Service Packet (0x0A) to the Message Router: several requests in one, several replies in one.
//!
//! Data of both: count UINT, then an offset UINT for each message, counted from the count's first byte, then the
//! messages. A reply with general status 0x1E says that at least one of the messages was refused, and carries all of
//! their replies. Source: 1756-PM020, "Multiple Service Packet Service".

use bytes::BytesMut;
use rust_ethernet_ip_protocol::cip::{CipRequest, MULTIPLE_SERVICE_PACKET};

use crate::enip::message::{Malformed, response};
use crate::enip::status::Refusal;

/// Class 2 (Message Router), instance 1.
const MESSAGE_ROUTER: [u8; 4] = [0x20, 0x02, 0x24, 0x01];
/// One of the messages was refused; their replies follow all the same.
const EMBEDDED: u8 = 0x1E;

/// Packs requests into one.
pub(super) fn encode_multiple(requests: &[CipRequest]) -> CipRequest {
    let mut messages: Vec<BytesMut> = Vec::with_capacity(requests.len());
    for request in requests {
        let mut message = BytesMut::new();
        // A tag's path is never empty, odd or long, which is all that encoding can refuse.
        let _ = request.encode(&mut message);
        messages.push(message);
    }
    let count = u16::try_from(messages.len()).unwrap_or(u16::MAX);
    let mut data = count.to_le_bytes().to_vec();
    let mut offset = 2 + 2 * messages.len();
    for message in &messages {
        data.extend(u16::try_from(offset).unwrap_or(u16::MAX).to_le_bytes());
        offset += message.len();
    }
    data.extend(messages.iter().flatten());
    CipRequest::new(MULTIPLE_SERVICE_PACKET, MESSAGE_ROUTER.to_vec(), data)
}

/// Takes a reply apart into one for each of `count` requests. A refusal of the whole is the inner value.
///
/// # Errors
/// [`Malformed`] when it is no such reply, or when counts and offsets do not fit.
pub fn decode_multiple(count: usize, reply: &[u8]) -> Result<Result<Vec<&[u8]>, Refusal>, Malformed> {
    let whole = response(reply, MULTIPLE_SERVICE_PACKET)?;
    if !matches!(whole.status, 0 | EMBEDDED) || whole.data.is_empty() {
        return Ok(Err(Refusal { general: whole.status, extended: whole.additional_status }));
    }
    let data = &reply[reply.len() - whole.data.len()..];
    let word = |at: usize| Some(usize::from(u16::from_le_bytes([*data.get(at)?, *data.get(at + 1)?])));
    let answered = word(0).unwrap_or_default();
    if answered != count {
        return Err(Malformed(format!("{answered} replies came to {count} requests")));
    }
    let mut parts = Vec::with_capacity(count);
    for index in 0..count {
        let begin = word(2 + 2 * index);
        let end = if index + 1 < count { word(4 + 2 * index) } else { Some(data.len()) };
        let part = begin.zip(end).and_then(|(begin, end)| data.get(begin..end));
        parts.push(
            part.ok_or_else(|| Malformed("the replies do not stand where the packet says".to_owned()))?,
        );
    }
    Ok(Ok(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(service: u8) -> CipRequest {
        CipRequest::new(service, vec![0x91, 1, b'A', 0], vec![1, 0])
    }

    #[test]
    fn two_requests_stand_where_their_offsets_say() {
        let packed = encode_multiple(&[request(0x4C), request(0x4C)]);
        let one = [0x4C, 2, 0x91, 1, b'A', 0, 1, 0];
        let golden = [&[2, 0, 6, 0, 14, 0][..], &one, &one].concat();
        assert_eq!((packed.service, packed.path, packed.data), (0x0A, MESSAGE_ROUTER.to_vec(), golden));
    }

    #[test]
    fn each_reply_comes_apart_also_when_one_of_them_is_a_refusal() {
        let reply = [0x8A, 0, 0x1E, 0, 2, 0, 6, 0, 10, 0, 0xCC, 0, 5, 0, 0xCC, 0, 0, 0, 0xC2, 0, 7];
        let parts = decode_multiple(2, &reply).unwrap().unwrap();
        assert_eq!(parts, [&[0xCC, 0, 5, 0][..], &[0xCC, 0, 0, 0, 0xC2, 0, 7]]);
        assert!(decode_multiple(3, &reply).is_err(), "as many replies as requests");
        let refused = decode_multiple(2, &[0x8A, 0, 8, 0]).unwrap().unwrap_err();
        assert_eq!(refused.general, 8);
    }

    #[test]
    fn offsets_that_lead_anywhere_are_an_error_and_never_a_panic() {
        for (low, high) in (0..=255).flat_map(|low| [(low, 0), (low, 255)]) {
            let reply = [0x8A, 0, 0, 0, 2, 0, 6, 0, low, high, 0xCC, 0, 5, 0, 0xCC, 0, 5, 0];
            let _ = decode_multiple(2, &reply);
            let reply = [0x8A, 0, 0, 0, 2, 0, low, high, 10, 0, 0xCC, 0, 5, 0];
            let _ = decode_multiple(2, &reply);
        }
        for length in 0..5 {
            let _ = decode_multiple(1, &[0x8A, 0, 0, 0, 1, 0, 4, 0][..length]);
        }
    }
}
