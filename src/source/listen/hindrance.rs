//! What keeps an assembly from being heard, for code: the sentence beside it is for people, and its numbers change.

use crate::enip::hub::HubError;
use crate::enip::status::Refusal;

use super::agreement::Disagreement;

/// A kind of reason for which an assembly is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hindrance {
    /// Frames came, and come no more.
    Silent,
    /// The meter accepted the connection, and no frame arrives.
    NoFrame,
    /// The same, after frames of an owner that died.
    OwnerDied,
    /// Frames arrive that cannot be used.
    Unusable,
    /// The stream began when we came.
    BeganForUs,
    /// It did so twice.
    ForUsAlone,
    /// The meter refuses: general status, and the first additional one.
    Refused(u8, Option<u16>),
    /// It takes none of the packet intervals that were tried.
    NoInterval,
    /// It agrees to another packet interval.
    OtherInterval,
    /// It agrees to another interval of heartbeats.
    OtherHeartbeat,
    /// It wants heartbeats at another port.
    OtherPort,
    /// It gives a connection ID twice.
    TakenId,
    /// It names no group.
    NoGroup,
    /// It names a group that is not to be used.
    ForeignGroup,
    /// The connection is not IPv4.
    NotIpv4,
    /// Another program has the UDP port.
    PortInUse,
    /// The operating system is in the way.
    Local,
    /// The assembly has another size than the profile says.
    WrongSize,
    /// A request got no answer, or none that makes sense.
    Unanswered,
}

impl From<&Refusal> for Hindrance {
    fn from(refusal: &Refusal) -> Self {
        Hindrance::Refused(refusal.general, refusal.extended.first().copied())
    }
}

impl From<&Disagreement> for Hindrance {
    fn from(disagreement: &Disagreement) -> Self {
        match disagreement {
            Disagreement::PacketInterval { .. } => Hindrance::OtherInterval,
            Disagreement::Heartbeat { .. } => Hindrance::OtherHeartbeat,
            Disagreement::Port(_) => Hindrance::OtherPort,
            Disagreement::Taken { .. } => Hindrance::TakenId,
        }
    }
}

impl From<&HubError> for Hindrance {
    fn from(error: &HubError) -> Self {
        match error {
            HubError::NoGroup => Hindrance::NoGroup,
            HubError::Group(_) => Hindrance::ForeignGroup,
            HubError::NotIpv4 => Hindrance::NotIpv4,
            HubError::PortInUse(_) => Hindrance::PortInUse,
            HubError::Io { .. } => Hindrance::Local,
        }
    }
}
