//! What is known about listening to one assembly, and when a connection must be given up.

use std::time::{Duration, Instant};

use crate::enip::forward_open::{Application, ForwardClose, ForwardOpen};
use crate::enip::hub::Attached;
use crate::enip::refusal::NextStep;
use crate::enip::stream::Stream;
use crate::source::Failure;

/// Watchdog = packet interval × this; code 2 in the Forward Open.
pub(super) const MULTIPLIER: u32 = 16;

/// What is known about listening to one assembly.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) connection: Option<Connection>,
    /// Not before this time, if any.
    pub(super) retry_at: Option<Instant>,
    pub(super) wait: Option<Duration>,
    /// Only a person can change what is in the way.
    pub(super) stopped: bool,
    /// The packet interval that was accepted last.
    pub(super) rpi: Option<Duration>,
    pub(super) variations: Variations,
    /// Why nothing is heard.
    pub(super) failure: Option<Failure>,
    pub(super) heard_before: bool,
}

/// How a request departs from the usual one, to be like the owner's.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Variations {
    pub(super) variable: bool,
    pub(super) high_priority: bool,
    pub(super) on_change: bool,
}

impl Variations {
    /// The departure that a refusal asks for, or none.
    pub(super) fn of(&mut self, step: NextStep) -> Option<&mut bool> {
        match step {
            NextStep::Variable => Some(&mut self.variable),
            NextStep::HighPriority => Some(&mut self.high_priority),
            NextStep::ChangeOfState => Some(&mut self.on_change),
            _ => None,
        }
    }

    pub(super) fn apply(self, mut open: ForwardOpen) -> ForwardOpen {
        if self.variable {
            open.t2o = open.t2o.variable();
        }
        if self.high_priority {
            open.t2o = open.t2o.high_priority();
        }
        if self.on_change { open.on_change() } else { open }
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) attached: Attached,
    pub(super) close: ForwardClose,
    pub(super) rpi: Duration,
    pub(super) origin: Origin,
    /// A frame has arrived; until then nobody knows whether one will.
    pub(super) heard: bool,
}

/// How the packet interval of a connection was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Configured,
    Remembered,
    Suggested,
    Ladder,
}

impl Origin {
    pub(super) fn words(self) -> &'static str {
        match self {
            Origin::Configured => "as configured",
            Origin::Remembered => "as before",
            Origin::Suggested => "suggested by the meter",
            Origin::Ladder => "found by trying",
        }
    }
}

/// Why a connection must be given up, if it must.
pub(super) fn ended(connection: &Connection, application: Application, now: Instant) -> Option<String> {
    let stream = &connection.attached.stream;
    if let Some(reason) = ended_at_once(stream, application) {
        return Some(reason);
    }
    if !stream.is_silent(now) {
        return None;
    }
    let counts = stream.counts();
    Some(if counts.received == 0 && counts.dropped > 0 {
        "the meter accepted the connection, but none of the frames that arrive can be used: they have another \
         length than was agreed; \"check --probe\" shows one"
            .to_owned()
    } else if counts.received == 0 {
        "the meter accepted the connection, but no frame arrives; check IGMP snooping without a querier, a \
         firewall on UDP 2222 or IGMP, and rp_filter"
            .to_owned()
    } else {
        let who = match application {
            Application::ListenOnly => "the owner has left",
            Application::InputOnly => "the meter has stopped or restarted",
        };
        let silence = humantime::format_duration(connection.rpi * MULTIPLIER);
        format!("no frame for {silence}; {who}, or the network drops multicast")
    })
}

/// A stream that began when we came was perhaps begun for us alone, beside a unicast owner; to stay would be
/// no listening. Or a multicast owner came at the same moment: then the next try joins a stream that runs.
pub(super) fn ended_at_once(stream: &Stream, application: Application) -> Option<String> {
    (application == Application::ListenOnly && stream.started_for_us()).then(|| {
        "the first frame had sequence number 1, so the meter began to send when we came: either its owner's \
         connection is unicast, then clear \"Use Unicast Connection over EtherNet/IP\" in the module properties of \
         the owner, or the owner connected at the same moment, then the next try will hear it"
            .to_owned()
    })
}
