//! Class 1 frames on UDP: what the meter sends, and the heartbeat we send.
//!
//! Common Packet Format without an encapsulation header, little-endian: item count UINT 2; sequenced
//! address item (0x8002, length 8): connection ID UDINT, sequence number UDINT; connected data item
//! (0x00B1): sequence count UINT, data. The 32-bit sequence counts frames, the 16-bit count counts samples.
//! The codec crate's `SendDataRequest` begins with a handle and a timeout, which these frames do not have.

/// Registered UDP port of class 1 I/O.
pub const PORT: u16 = 2222;

const SEQUENCED_ADDRESS_ITEM: u16 = 0x8002;
const CONNECTED_DATA_ITEM: u16 = 0x00B1;

const ITEM_COUNT: std::ops::Range<usize> = 0..2;
const ADDRESS_TYPE: std::ops::Range<usize> = 2..4;
const ADDRESS_LENGTH: std::ops::Range<usize> = 4..6;
const CONNECTION: std::ops::Range<usize> = 6..10;
const SEQUENCE: std::ops::Range<usize> = 10..14;
const DATA_TYPE: std::ops::Range<usize> = 14..16;
const DATA_LENGTH: std::ops::Range<usize> = 16..18;
const COUNT: std::ops::Range<usize> = 18..20;
const DATA: usize = 20;

/// Length of a heartbeat in bytes.
pub const HEARTBEAT_LEN: usize = DATA;

/// One frame; its data is borrowed from the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Connection ID.
    pub connection: u32,
    /// 32-bit sequence number: one more with every frame.
    pub sequence: u32,
    /// 16-bit sequence count: one more with every new sample.
    pub count: u16,
    /// The assembly's data, or nothing in a heartbeat.
    pub data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Takes a datagram apart; `None` when it is not a class 1 frame.
    pub fn decode(datagram: &'a [u8]) -> Option<Frame<'a>> {
        if datagram.len() < DATA
            || word(datagram, ITEM_COUNT) != 2
            || word(datagram, ADDRESS_TYPE) != SEQUENCED_ADDRESS_ITEM
            || word(datagram, ADDRESS_LENGTH) != 8
            || word(datagram, DATA_TYPE) != CONNECTED_DATA_ITEM
        {
            return None;
        }
        let end = COUNT.start + usize::from(word(datagram, DATA_LENGTH));
        Some(Frame {
            connection: long(datagram, CONNECTION),
            sequence: long(datagram, SEQUENCE),
            count: word(datagram, COUNT),
            data: datagram.get(DATA..end)?,
        })
    }

    /// Appends the frame's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let length = u16::try_from(self.data.len() + COUNT.len()).unwrap_or(u16::MAX);
        out.extend(2u16.to_le_bytes());
        out.extend(SEQUENCED_ADDRESS_ITEM.to_le_bytes());
        out.extend(8u16.to_le_bytes());
        out.extend(self.connection.to_le_bytes());
        out.extend(self.sequence.to_le_bytes());
        out.extend(CONNECTED_DATA_ITEM.to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(self.count.to_le_bytes());
        out.extend_from_slice(self.data);
    }
}

/// Only called after the length check.
fn word(bytes: &[u8], at: std::ops::Range<usize>) -> u16 {
    u16::from_le_bytes([bytes[at.start], bytes[at.start + 1]])
}

fn long(bytes: &[u8], at: std::ops::Range<usize>) -> u32 {
    u32::from_le_bytes([bytes[at.start], bytes[at.start + 1], bytes[at.start + 2], bytes[at.start + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: [u8; 24] = [
        2, 0, 0x02, 0x80, 8, 0, 0x78, 0x56, 0x34, 0x12, 9, 0, 0, 0, 0xB1, 0, 6, 0, 3, 0, 0x9A, 0x19, 0x66,
        0x43,
    ];

    #[test]
    fn a_frame_decodes_and_encodes_to_the_same_bytes() {
        let frame = Frame::decode(&GOLDEN).unwrap();
        assert_eq!((frame.connection, frame.sequence, frame.count), (0x1234_5678, 9, 3));
        assert_eq!(frame.data, 230.1f32.to_le_bytes());
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(bytes, GOLDEN);
    }

    #[test]
    fn a_heartbeat_is_the_sequence_count_alone() {
        let mut bytes = Vec::new();
        Frame { connection: 1, sequence: 2, count: 2, data: &[] }.encode(&mut bytes);
        assert_eq!(bytes.len(), HEARTBEAT_LEN);
        assert_eq!(bytes[14..], [0xB1, 0, 2, 0, 2, 0]);
    }

    #[test]
    fn truncated_and_flipped_datagrams_are_no_frames_or_other_frames_and_never_a_panic() {
        assert!((0..GOLDEN.len()).all(|length| Frame::decode(&GOLDEN[..length]).is_none()));
        for bit in 0..GOLDEN.len() * 8 {
            let mut flipped = GOLDEN;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = Frame::decode(&flipped);
        }
    }
}
