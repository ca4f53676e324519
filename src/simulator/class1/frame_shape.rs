//! The bytes of a frame: as the specification has them, or in one of the shapes that listeners do not expect.

use crate::enip::class1::Frame;
use crate::simulator::defect::FrameShape;

/// The 32-bit real-time header, "run".
pub(super) const RUN: [u8; 4] = [1, 0, 0, 0];

/// Item count UINT; then the sequenced address item: type and length UINT, connection ID and sequence UDINT.
const COUNT: usize = 2;
const ADDRESS: std::ops::Range<usize> = 2..14;
/// Then the data item: type and length UINT, sequence count UINT, data.
const DATA_LENGTH: std::ops::Range<usize> = 16..18;
const DATA: usize = 20;
/// A socket address item, as a Forward Open reply has it; nobody asked for it in a frame.
const SOCKET_ADDRESS: [u8; 20] = [1, 0x80, 16, 0, 0, 2, 0x08, 0xAE, 239, 192, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];

/// A frame's bytes.
pub(super) fn encode(frame: &Frame<'_>, shape: FrameShape) -> Vec<u8> {
    let mut usual = Vec::new();
    frame.encode(&mut usual);
    match shape {
        FrameShape::Usual => usual,
        FrameShape::RunIdle => {
            let mut bytes = usual;
            let length = u16::try_from(bytes.len() - DATA_LENGTH.end + RUN.len()).unwrap_or(u16::MAX);
            bytes.splice(DATA..DATA, RUN);
            bytes.splice(DATA_LENGTH, length.to_le_bytes());
            bytes
        }
        FrameShape::ExtraItem => {
            let mut bytes = usual;
            bytes.splice(..COUNT, [3, 0]);
            bytes.extend(SOCKET_ADDRESS);
            bytes
        }
        FrameShape::SwappedItems => [&usual[..COUNT], &usual[ADDRESS.end..], &usual[ADDRESS]].concat(),
    }
}
