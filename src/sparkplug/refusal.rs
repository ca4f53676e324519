//! What became of a line: whether it is to be kept in the file, and why it, or a part of it, cannot be used.

use super::device::MOST_EXTRAS;
use super::line::LineError;
use super::names::NameError;

/// Most meters of one node; each costs some kilobytes whatever it sends.
pub(super) const MOST_DEVICES: usize = 10_000;

/// What became of a line.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// The line, when it waits for the broker, for the host or for its meter: the file should have it as well.
    pub keep: Option<Box<[u8]>>,
    /// Why it, or a part of it, cannot be used.
    pub refusal: Option<Refusal>,
}

/// Why a line cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It could not be parsed.
    #[error(transparent)]
    Unreadable(#[from] LineError),
    /// It is no measurement of this project.
    #[error(
        "\"{0}\" is no measurement of telegraf-pm500; give the output namepass = [\"powermonitor_500*\"]"
    )]
    Foreign(String),
    /// It has no meter.
    #[error("it has no tag \"meter\"")]
    NoMeter,
    /// The name of the meter cannot be that of a device.
    #[error("the meter's name {0}")]
    BadName(NameError),
    /// There are more meters than can be.
    #[error("there are more than {MOST_DEVICES} meters")]
    TooManyMeters,
    /// Values that do not fit the type their metric has in the births, or more metrics than can be.
    #[error(
        "{0} of its fields have another type than in the births, or are beyond {MOST_EXTRAS} unknown ones"
    )]
    Fields(usize),
}
