//! Why something was not read: a kind that code decides on, and a sentence for people.

use std::fmt;

use crate::enip::SessionError;
use crate::enip::tag::TagRefusal;
use crate::host::serial::SerialError;
use crate::host::tcp::ConnectError;

/// The kinds, which are the `result_code`s of the status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// A request or a connect was not answered in time.
    Timeout,
    /// No connection, or the connection was lost.
    Connection,
    /// No connection, for something on our own side that a person has to change.
    Local,
    /// The meter answered that it will not.
    Refused,
    /// The device is not the one the profile was made for.
    WrongDevice,
    /// An assembly does not have the size the profile expects.
    WrongSize,
    /// The answer makes no sense.
    BadData,
    /// Nobody owns a multicast connection that could be heard.
    NoOwner,
    /// A connection is open and nothing has come yet.
    Stale,
    /// EtherNet/IP pauses because we are, or just were, on Modbus.
    Suspended,
}

impl FailureKind {
    /// A failure of this kind.
    pub fn because(self, sentence: impl Into<String>) -> Failure {
        Failure { kind: self, sentence: sentence.into() }
    }

    /// Whether it concerns the meter as a whole rather than one block.
    pub fn is_of_the_link(self) -> bool {
        use FailureKind::{Connection, Local, Suspended, Timeout};
        matches!(self, Timeout | Connection | Local | Suspended)
    }
}

/// Why something was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// What code decides on.
    pub kind: FailureKind,
    /// What people read: what happened and what to do.
    pub sentence: String,
}

impl Failure {
    /// Whether it concerns the meter as a whole rather than one block.
    pub fn is_of_the_link(&self) -> bool {
        self.kind.is_of_the_link()
    }

    /// Whether the meter itself says that it will not, or not as it should.
    pub fn is_no(&self) -> bool {
        matches!(self.kind, FailureKind::Refused | FailureKind::WrongSize)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let kind = match error {
            ConnectError::Silent { .. } => FailureKind::Timeout,
            _ => FailureKind::Connection,
        };
        kind.because(error.to_string())
    }
}

impl From<SerialError> for Failure {
    fn from(error: SerialError) -> Self {
        let kind = match error {
            SerialError::NotThere(_) | SerialError::Silent { .. } | SerialError::Io { .. } => {
                FailureKind::Connection
            }
            SerialError::Forbidden(_)
            | SerialError::InUse(_)
            | SerialError::OtherName { .. }
            | SerialError::NotAPort(_)
            | SerialError::Settings { .. } => FailureKind::Local,
        };
        kind.because(error.to_string())
    }
}

impl From<&SessionError> for FailureKind {
    fn from(error: &SessionError) -> Self {
        match error {
            SessionError::Timeout { .. } => FailureKind::Timeout,
            SessionError::Closed | SessionError::Io(..) => FailureKind::Connection,
            SessionError::Status(..) => FailureKind::Refused,
            SessionError::Malformed(..) => FailureKind::BadData,
        }
    }
}

impl From<TagRefusal> for FailureKind {
    fn from(refusal: TagRefusal) -> Self {
        match refusal {
            TagRefusal::TooShort => FailureKind::WrongSize,
            TagRefusal::Route | TagRefusal::Busy => FailureKind::Connection,
            TagRefusal::NoTags => FailureKind::WrongDevice,
            TagRefusal::NoSuchTag | TagRefusal::NoAccess | TagRefusal::TooLong | TagRefusal::Other => {
                FailureKind::Refused
            }
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        FailureKind::from(&error).because(error.to_string())
    }
}
