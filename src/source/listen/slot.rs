//! What is known about listening to one assembly, and when a connection must be given up.

use std::time::{Duration, Instant};

use crate::enip::forward_open::{Application, ForwardClose, ForwardOpen, Priority};
use crate::enip::hub::Attached;
use crate::enip::refusal::NextStep;
use crate::source::Failure;

use super::hindrance::Hindrance;

/// Watchdog = packet interval × this; code 2 in the Forward Open.
pub(super) const MULTIPLIER: u32 = 16;

/// What is known about listening to one assembly.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) connection: Option<Connection>,
    /// Not before this time, if any.
    pub(super) retry_at: Option<Instant>,
    pub(super) wait: Option<Duration>,
    /// No more looks by themselves until the link is lost: the session that was open then.
    pub(super) stopped_on: Option<u64>,
    /// Looks in a row that ended with a stream that began for us.
    pub(super) for_us: u32,
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
    /// Which of [`Priority::ALL`].
    pub(super) priority: usize,
    pub(super) on_change: bool,
}

impl Variations {
    /// Departs as a refusal asks for, or comes back if the owner before this one needed it.
    pub(super) fn vary(&mut self, step: NextStep) {
        match step {
            NextStep::Variable => self.variable = !self.variable,
            NextStep::OtherPriority => self.priority = (self.priority + 1) % Priority::ALL.len(),
            NextStep::ChangeOfState => self.on_change = !self.on_change,
            _ => {}
        }
    }

    /// How often that can be done before everything was tried.
    pub(super) fn tries(step: NextStep) -> usize {
        match step {
            NextStep::OtherPriority => Priority::ALL.len() - 1,
            NextStep::Variable | NextStep::ChangeOfState => 1,
            _ => 0,
        }
    }

    pub(super) fn apply(self, mut open: ForwardOpen) -> ForwardOpen {
        if self.variable {
            open.t2o = open.t2o.variable();
        }
        open.t2o = open.t2o.with(Priority::ALL[self.priority % Priority::ALL.len()]);
        if self.on_change { open.on_change() } else { open }
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) attached: Attached,
    pub(super) close: ForwardClose,
    pub(super) rpi: Duration,
    pub(super) origin: Origin,
    /// Bytes of data in a frame, as agreed.
    pub(super) size: usize,
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

/// Why a connection must be given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Its stream began when we came.
    ForUs,
    /// It brought frames and brings none any more.
    Silent(String),
    /// It never brought one that can be used.
    Useless(Hindrance, String),
}

/// Whether a connection must be given up. What waits in its socket is taken in first.
pub(super) fn ended(
    connection: &Connection,
    application: Application,
    heard_before: bool,
    now: Instant,
) -> Option<End> {
    connection.attached.drain();
    let stream = &connection.attached.stream;
    if application == Application::ListenOnly && !connection.heard && stream.started_for_us() {
        return Some(End::ForUs);
    }
    if !stream.is_silent(now) {
        return None;
    }
    let counts = stream.counts();
    if counts.received > 0 {
        let who = match application {
            Application::ListenOnly => "the owner has left",
            Application::InputOnly => "the meter has stopped or restarted",
        };
        let silence = humantime::format_duration(connection.rpi * MULTIPLIER);
        return Some(End::Silent(format!("no frame for {silence}; {who}, or the network drops multicast")));
    }
    let (kind, reason) = match (stream.odd_size(), counts.dropped) {
        (Some(odd), 1..) => (Hindrance::Unusable, unusable(odd, connection.size)),
        _ if heard_before => (
            Hindrance::OwnerDied,
            "the meter accepts the connection and sends nothing, as it did before: its owner has died or was \
             unplugged, and the meter still keeps the owner's connection; start the owner, or restart the meter"
                .to_owned(),
        ),
        _ => (
            Hindrance::NoFrame,
            "the meter accepted the connection, but no frame arrives; check IGMP snooping without a querier, a \
              firewall on UDP 2222 or IGMP, and rp_filter; or the owner has died, and the meter keeps its connection"
                .to_owned(),
        ),
    };
    Some(End::Useless(kind, reason))
}

/// Frames that arrive and cannot be used, and why.
fn unusable(odd: Option<usize>, agreed: usize) -> String {
    let what = match odd {
        None => "they are no class 1 frames as the specification has them (swapped or additional items)"
            .to_owned(),
        Some(size) if size == agreed + 4 => format!(
            "they have {size} bytes of data where {agreed} were agreed, 4 more: a run/idle or status header stands \
             before the data, which is not decoded"
        ),
        Some(size) => format!("they have {size} bytes of data where {agreed} were agreed"),
    };
    format!(
        "the meter accepted the connection, but none of the frames that arrive can be used: {what}; \"check --probe\" \
         shows one"
    )
}

/// A stream that began when we came was perhaps begun for us alone, beside a unicast owner; to stay would be no
/// listening, and lock a PLC out that comes back. Or a multicast owner came at the same moment: a second look
/// tells them apart.
pub(super) fn began_for_us(looks: u32) -> (Hindrance, String) {
    let (kind, reason) = if looks < 2 {
        (
            Hindrance::BeganForUs,
            "the meter began to send when we came: either its owner's connection is unicast, or the owner connected at the \
         same moment; a second look will tell",
        )
    } else {
        (
            Hindrance::ForUsAlone,
            "the meter began to send for us alone, twice: its owner's connection is unicast, or there is no owner; clear \
         \"Use Unicast Connection over EtherNet/IP\" in the module properties of the owner",
        )
    };
    (kind, reason.to_owned())
}
