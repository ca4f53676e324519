//! Modbus RTU frames: unit USINT, function USINT, data, CRC-16 low byte first.
//!
//! Frames are told apart by their length, and by silence where that cannot be known. Source: Modbus over Serial
//! Line 1.02, sections 2.5.1 and 6.2.2.

/// Unit, function, and the CRC.
const SHORTEST: usize = 4;
/// Longest frame.
pub(super) const LONGEST: usize = 256;
/// A request with address and count, or with address and value.
const FIXED: usize = 8;

/// The CRC of some bytes, as it is sent.
pub(super) fn crc(bytes: &[u8]) -> [u8; 2] {
    let step = |crc: u16, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
    bytes.iter().fold(0xFFFFu16, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), step)).to_le_bytes()
}

/// A frame from its unit and the rest.
pub(super) fn frame(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = [&[unit], pdu].concat();
    let check = crc(&frame);
    frame.extend(check);
    frame
}

/// What stands at the beginning of received bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A request to a unit, and how many bytes it takes.
    Request { unit: u8, pdu: Vec<u8>, length: usize },
    /// More bytes may make a request of it.
    Incomplete,
    /// Nothing that comes behind it makes a request of it.
    Garbage,
}

/// Looks for a request.
pub(super) fn receive(bytes: &[u8]) -> Received {
    let Some(length) = length(bytes) else {
        return if bytes.len() < LONGEST { Received::Incomplete } else { Received::Garbage };
    };
    let Some((body, check)) = bytes.get(..length).and_then(|frame| frame.split_last_chunk::<2>()) else {
        return Received::Incomplete;
    };
    match body {
        [unit, pdu @ ..] if crc(body) == *check => {
            Received::Request { unit: *unit, pdu: pdu.to_vec(), length }
        }
        _ => Received::Garbage,
    }
}

/// The length of a request, as soon as it can be known.
fn length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [_, 0x01..=0x06, ..] => Some(FIXED),
        [_, 0x0F | 0x10, _, _, _, _, count, ..] => Some(FIXED + 1 + usize::from(*count)),
        [_, 0x0F | 0x10, ..] => None,
        [_, 0x11 | 0x07, ..] => Some(SHORTEST),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_found_with_its_crc_and_garbage_is_known() {
        // The specification's example of a CRC.
        assert_eq!(crc(&[0x02, 0x07]), [0x41, 0x12]);
        let request = frame(3, &[0x04, 0x00, 0x50, 0x00, 0x40]);
        let found = Received::Request { unit: 3, pdu: vec![0x04, 0x00, 0x50, 0x00, 0x40], length: 8 };
        assert_eq!(receive(&[&request[..], &[9]].concat()), found);
        assert!((0..8).all(|length| receive(&request[..length]) == Received::Incomplete));
        let mut broken = request;
        broken[3] ^= 1;
        assert_eq!(receive(&broken), Received::Garbage);
        let write = frame(1, &[0x10, 0, 1, 0, 1, 2, 0, 7]);
        assert_eq!(receive(&write), Received::Request { unit: 1, pdu: write[1..9].to_vec(), length: 11 });
    }
}
