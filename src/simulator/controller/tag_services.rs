//! Services that read tags: one request → data or the status of a refusal. Pure.
//!
//! Read Tag (0x4C): elements UINT → type, data. Read Tag Fragmented (0x52): elements UINT, offset in bytes UDINT →
//! type, data from there. What does not fit ends at the packet's size, with status 0x06. Source: 1756-PM020.

use super::defect::ControllerDefects;
use super::path::Step;
use super::program::{Missing, Program};
use crate::enip::status::Refusal;

pub(super) const READ_TAG: u8 = 0x4C;
pub(super) const READ_TAG_FRAGMENTED: u8 = 0x52;

const PATH_SEGMENT_ERROR: u8 = 0x04;
const PATH_DESTINATION_UNKNOWN: u8 = 0x05;
const PARTIAL_TRANSFER: u8 = 0x06;
const SERVICE_NOT_SUPPORTED: u8 = 0x08;
const PRIVILEGE_VIOLATION: u8 = 0x0F;
const DEVICE_STATE_CONFLICT: u8 = 0x10;
const NOT_ENOUGH_DATA: u8 = 0x13;
const GENERAL_ERROR: u8 = 0xFF;
const BEYOND_END: u16 = 0x2105;
const OFFSET_BEYOND_END: u16 = 0x2104;

/// Data with a general status of 0 or 6, or a refusal.
pub(super) type Outcome = Result<(u8, Vec<u8>), Refusal>;

/// A refusal without additional status.
pub(super) fn refused(general: u8) -> Refusal {
    Refusal { general, extended: Vec::new() }
}

/// Serves a request to a tag; `room` is for type and data.
pub(super) fn serve(
    program: &Program,
    defects: &ControllerDefects,
    service: u8,
    (steps, data): (&[Step], &[u8]),
    room: usize,
) -> Outcome {
    if defects.downloading {
        return Err(refused(DEVICE_STATE_CONFLICT));
    }
    let (elements, offset) = match (service, data) {
        (READ_TAG, [low, high]) => (u16::from_le_bytes([*low, *high]), 0),
        (READ_TAG_FRAGMENTED, [low, high, a, b, c, d]) => {
            (u16::from_le_bytes([*low, *high]), u32::from_le_bytes([*a, *b, *c, *d]))
        }
        (READ_TAG | READ_TAG_FRAGMENTED, _) => return Err(refused(NOT_ENOUGH_DATA)),
        _ => return Err(refused(SERVICE_NOT_SUPPORTED)),
    };
    let (part, bytes) = program.find(steps, defects).map_err(|missing| {
        refused(match missing {
            Missing::Tag => PATH_SEGMENT_ERROR,
            Missing::Part => PATH_DESTINATION_UNKNOWN,
            Missing::Access => PRIVILEGE_VIOLATION,
        })
    })?;
    let beyond = |extended| Refusal { general: GENERAL_ERROR, extended: vec![extended] };
    let elements = usize::from(elements);
    if elements == 0 || elements > part.elements {
        return Err(beyond(BEYOND_END));
    }
    let wanted = bytes.get(part.offset..part.offset + elements * part.element).unwrap_or_default();
    let rest = wanted.get(offset as usize..).filter(|rest| !rest.is_empty());
    let rest = rest.ok_or_else(|| beyond(OFFSET_BEYOND_END))?;
    let mut reply = part.kind.encode();
    // Whole elements, as a controller cuts.
    let most = room.saturating_sub(reply.len()) / 4 * 4;
    let status = if rest.len() > most { PARTIAL_TRANSFER } else { 0 };
    reply.extend(&rest[..rest.len().min(most)]);
    Ok((status, reply))
}
