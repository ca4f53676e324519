//! What a meter's Forward Open reply says against what was asked: values are checked, not believed.

use std::time::Duration;

use humantime::format_duration;

use crate::enip::forward_open::ForwardOpen;
use crate::enip::{Accepted, class1};

/// Adapters round to their own clock, by a few milliseconds.
const ROUNDING: Duration = Duration::from_millis(20);
/// No packet interval is shorter.
const SHORTEST: Duration = Duration::from_micros(500);

/// What cannot be in a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Disagreement {
    /// Another packet interval.
    #[error("the meter agreed to a packet interval of {}, and {} was asked for", format_duration(*agreed), format_duration(*asked))]
    PacketInterval { agreed: Duration, asked: Duration },
    /// Another interval of heartbeats.
    #[error("the meter agreed to heartbeats every {}, and every {} was asked for", format_duration(*agreed), format_duration(*asked))]
    Heartbeat { agreed: Duration, asked: Duration },
    /// Heartbeats at another UDP port.
    #[error("the meter wants heartbeats at UDP port {0}, not {port}", port = class1::PORT)]
    Port(u16),
    /// A connection ID that another assembly's frames carry.
    #[error("the meter gave the connection ID 0x{id:08X}, which assembly {assembly} has already")]
    Taken { id: u32, assembly: u16 },
}

/// Holds a reply against its request and against the connections that there are: assembly and connection ID.
pub(super) fn check(
    open: &ForwardOpen,
    Accepted { opened, heartbeat, .. }: &Accepted,
    others: impl IntoIterator<Item = (u16, u32)>,
) -> Result<(), Disagreement> {
    if !is_near(opened.t2o_api, open.t2o_rpi) {
        return Err(Disagreement::PacketInterval { agreed: opened.t2o_api, asked: open.t2o_rpi });
    }
    if !is_near(opened.o2t_api, open.o2t_rpi) {
        return Err(Disagreement::Heartbeat { agreed: opened.o2t_api, asked: open.o2t_rpi });
    }
    if let Some(named) = heartbeat.filter(|named| named.port() != class1::PORT) {
        return Err(Disagreement::Port(named.port()));
    }
    match others.into_iter().find(|(_, id)| *id == opened.t2o_id) {
        Some((assembly, id)) => Err(Disagreement::Taken { id, assembly }),
        None => Ok(()),
    }
}

/// Half or twice as long is no rounding.
fn is_near(agreed: Duration, asked: Duration) -> bool {
    agreed >= (asked / 2).min(asked.saturating_sub(ROUNDING)).max(SHORTEST)
        && agreed <= (asked * 2).max(asked + ROUNDING)
}
