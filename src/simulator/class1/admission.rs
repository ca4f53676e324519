//! What a Forward Open may ask for, whoever else is connected: path, transport, types, sizes, interval.

use std::time::Duration;

use super::path::Points;
use super::refusal::{
    CONSUMED_PATH, INVALID_SEGMENT, MULTIPLIER, O2T_SIZE, O2T_TYPE, OLD_SIZE, REDUNDANT_OWNER,
    RPI_NOT_SUPPORTED, T2O_SIZE, T2O_TYPE, TRANSPORT, refusal, refusal_with,
};
use super::rules::Rules;
use crate::enip::forward_open::{Application, ForwardOpen, Kind, SEQUENCE_COUNT_LEN};
use crate::enip::status::Refusal;
use crate::simulator::variant::Variant;

const PATH_SEGMENT_ERROR: u8 = 0x04;
const PATH_DESTINATION_UNKNOWN: u8 = 0x05;

/// Transport byte: class in the low nibble, trigger above it (0 cyclic, 1 change of state).
const CLASS: u8 = 0x0F;
const TRIGGER: u8 = 0x70;
const REDUNDANT: u16 = 1 << 15;
const HIGHEST_MULTIPLIER: u8 = 7;
const FASTEST: Duration = Duration::from_millis(1);

/// The kind of connection that a path asks for.
///
/// # Errors
/// The refusal of another configuration instance or of an unknown heartbeat instance.
pub(super) fn application(points: &Points, rules: &Rules) -> Result<Application, Refusal> {
    if points.configuration.is_some_and(|instance| instance != rules.configuration) {
        return Err(if rules.has(Variant::ConfigSegmentError) {
            Refusal { general: PATH_SEGMENT_ERROR, extended: Vec::new() }
        } else if rules.has(Variant::ConfigUnknown) {
            Refusal { general: PATH_DESTINATION_UNKNOWN, extended: Vec::new() }
        } else {
            refusal(INVALID_SEGMENT)
        });
    }
    // An exclusive owner would need an output assembly, and the manual describes none.
    [Application::ListenOnly, Application::InputOnly]
        .into_iter()
        .find(|application| u16::from(rules.heartbeat_instance(*application)) == points.consumed)
        .ok_or_else(|| refusal(CONSUMED_PATH))
}

/// Checks the parameters of a request for an assembly of `size` bytes.
///
/// # Errors
/// The refusal for the first parameter that does not fit.
pub(super) fn check(
    open: &ForwardOpen,
    application: Application,
    size: u16,
    rules: &Rules,
) -> Result<(), Refusal> {
    if open.transport & CLASS != 1 || open.transport & TRIGGER > 0x10 {
        return Err(refusal(TRANSPORT));
    }
    if open.multiplier > HIGHEST_MULTIPLIER {
        return Err(refusal(MULTIPLIER));
    }
    if (open.o2t.0 | open.t2o.0) & REDUNDANT != 0 {
        return Err(refusal(REDUNDANT_OWNER));
    }
    if open.o2t.kind() != Some(Kind::PointToPoint) {
        return Err(refusal(O2T_TYPE));
    }
    match (open.t2o.kind(), application) {
        (Some(Kind::Multicast), _) | (Some(Kind::PointToPoint), Application::InputOnly) => {}
        _ => return Err(refusal(T2O_TYPE)),
    }
    let old = rules.has(Variant::OldSizeError);
    for (asked, right, code) in [
        (open.o2t.size(), SEQUENCE_COUNT_LEN, O2T_SIZE),
        (open.t2o.size(), SEQUENCE_COUNT_LEN + rules.header_len() + size, T2O_SIZE),
    ] {
        if asked != right {
            return Err(refusal_with(if old { OLD_SIZE } else { code }, right));
        }
    }
    if open.o2t_rpi < FASTEST || open.t2o_rpi < FASTEST {
        return Err(refusal(RPI_NOT_SUPPORTED));
    }
    Ok(())
}
