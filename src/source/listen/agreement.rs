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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use super::*;
    use crate::enip::forward_open::{Application, Opened, Triad};

    /// What is said of a reply to an open with heartbeats each second and frames every 100 ms.
    fn said(change: impl FnOnce(&mut Accepted)) -> String {
        let triad = Triad { connection: 1, vendor: 2, serial: 3 };
        let (o2t_api, t2o_api) = (Duration::from_secs(1), Duration::from_millis(100));
        let open = ForwardOpen::new(Application::ListenOnly, 101, 1, triad, (o2t_api, t2o_api), 48);
        let opened = Opened { o2t_id: 7, t2o_id: 9, triad, o2t_api, t2o_api };
        let mut accepted = Accepted { opened, group: None, heartbeat: None };
        change(&mut accepted);
        check(&open, &accepted, [(103, 11)])
            .map_or_else(|disagreement| disagreement.to_string(), |()| String::new())
    }

    #[test]
    fn a_reply_that_is_near_what_was_asked_is_taken_and_no_other() {
        let frames = |micros| said(move |reply| reply.opened.t2o_api = Duration::from_micros(micros));
        for near in [80_000, 99_999, 100_000, 120_000, 200_000] {
            assert_eq!(frames(near), "");
        }
        // Zero, one microsecond, and 71 minutes, for which silence would look like success.
        for far in [0, 1, 49_999, 200_001, u64::from(u32::MAX)] {
            assert!(frames(far).starts_with("the meter agreed to a packet interval of "), "{far}");
        }
        for far in [0, 1, 400_000, u64::from(u32::MAX)] {
            let heartbeats = said(|reply| reply.opened.o2t_api = Duration::from_micros(far));
            assert!(heartbeats.starts_with("the meter agreed to heartbeats every "), "{far}");
        }
        let at = |port| SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 10), port);
        assert_eq!(said(|reply| reply.heartbeat = Some(at(2222))), "");
        assert!(said(|reply| reply.heartbeat = Some(at(44818))).contains("UDP port 44818, not 2222"));
        let taken = said(|reply| reply.opened.t2o_id = 11);
        assert_eq!(taken, "the meter gave the connection ID 0x0000000B, which assembly 103 has already");
    }
}
