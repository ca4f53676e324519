//! Frames of a serial line, as far as a relay has to know them. Written from the specification and not with the
//! simulator's or the plugin's code: MODBUS over Serial Line, V1.02, 2.5.1 and 6.2.2.

/// Every read request: unit, function, start, count, CRC.
pub(super) const REQUEST: usize = 8;
/// Of a reply: unit, function, then the number of bytes or an exception code.
pub(super) const HEADER: usize = 3;
/// Where the number of bytes stands.
pub(super) const BYTE_COUNT: usize = 2;
const EXCEPTION: u8 = 0x80;
const CRC: usize = 2;

/// How many bytes follow a reply's header.
pub(super) fn rest_of_reply(header: &[u8]) -> usize {
    if header[1] & EXCEPTION != 0 { CRC } else { usize::from(header[BYTE_COUNT]) + CRC }
}

/// Makes the CRC of a frame right.
pub(super) fn seal(frame: &mut [u8]) {
    let (body, crc) = frame.split_at_mut(frame.len() - CRC);
    let mut rest = 0xFFFF_u16;
    for byte in body {
        rest ^= u16::from(*byte);
        for _ in 0..8 {
            rest = if rest & 1 == 1 { (rest >> 1) ^ 0xA001 } else { rest >> 1 };
        }
    }
    crc.copy_from_slice(&rest.to_le_bytes());
}
