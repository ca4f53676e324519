//! One way to get blocks of a meter; every way behind one trait.
//!
//! ```text
//! collector ── spans ──→ Source ─→ explicit  EtherNet/IP, one read per assembly          ┐ both by `eip`,
//!                              ├─→ listen    EtherNet/IP class 1 beside the PLC, else so ┘ the one reader
//!                              ├─→ modbus    Modbus, planned reads of registers
//!                              └─→ logix     tags of a controller that has the meter's assemblies
//! collector ←── Answer: blocks as they came, failures by span, traffic, notices, exhibits
//! ```
//!
//! A source knows no table and no element and decodes nothing: what to ask for, and what a block means, is
//! [`meter::block`](crate::meter::block)'s. It keeps what it read when a later span fails or the deadline
//! passes, and keeps its connection as long as that is sound. Where the bytes come from is `transport`'s.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::enip::forward_open::Application;
use crate::meter::identity::Identity;

pub mod eip;
pub mod explicit;
mod failure;
pub mod late;
pub mod line;
pub mod listen;
mod log;
pub mod logix;
pub mod memory;
pub mod modbus;
mod refusals;
mod shared;
mod tap;
#[cfg(test)]
mod tests;
pub mod transport;

pub use crate::meter::block::{Access, Block, Span};
pub use explicit::Explicit;
pub use failure::{Failure, FailureKind};
pub use listen::{Hindrance, Leftover, Listen};
pub use log::{Exchange, Exchanges, Exhibit, Traffic};
pub use logix::Logix;
pub use modbus::Modbus;
pub use shared::Shared;
pub use tap::Bytes;
pub use transport::{Endpoint, Tcp};

use log::Log;

/// One way to read a meter.
#[async_trait]
pub trait Source: fmt::Debug + Send {
    /// What it can be asked for.
    fn access(&self) -> Access;

    /// Reads what is wanted and looks after what it holds, until the deadline at most. What was read stays.
    async fn read(&mut self, wanted: &[Span], deadline: Deadline) -> Answer;

    /// Ends the connection as the protocol wants it.
    async fn close(&mut self);

    /// What the device said it is when the connection was made, where a protocol asks that at each connect.
    fn identity(&self) -> Option<&Identity> {
        None
    }

    /// The controller that the blocks come out of, where they do not come from the meter itself.
    fn controller(&self) -> Option<&Identity> {
        None
    }

    /// Whether a device that did not answer has shown life since: on the connection that was given up for it. Said
    /// until the next connect.
    async fn shows_life(&mut self) -> bool {
        false
    }

    /// Whether it holds class 1 connections, which must be looked after at every gather.
    fn listens(&self) -> bool {
        false
    }

    /// What is heard by class 1 at present, and at which packet interval.
    fn heard(&self) -> Option<(Application, Duration)> {
        None
    }

    /// The packet intervals that were agreed last, by assembly, to begin with after a restart.
    fn packet_intervals(&self) -> BTreeMap<u16, Duration> {
        BTreeMap::new()
    }

    /// Class 1 connections that are open, to be closed after a crash.
    fn open_connections(&self) -> Vec<Leftover> {
        Vec::new()
    }
}

/// What came of one read.
#[derive(Debug, Default)]
pub struct Answer {
    /// What was read, in the order of arrival. One block may hold several of the spans that were asked for.
    pub blocks: Vec<Block>,
    /// What was not. A span may cover several of those that were asked for, too.
    pub failures: Vec<(Span, Failure)>,
    /// How the blocks were got; [`Link::None`] when there are none.
    pub link: Link,
    /// Every new sample of the assemblies that are heard, where those are wanted.
    pub samples: Vec<Samples>,
    /// What happened on the wire since the last answer.
    pub traffic: Traffic,
    /// Slowest reply.
    pub slowest: Option<Duration>,
    /// How long it had the line to itself that it shares with others.
    pub line_time: Option<Duration>,
    /// What happened to a listener.
    pub notices: Vec<Notice>,
    /// What was received and could not be used.
    pub exhibits: Vec<Exhibit>,
    /// What was asked and answered, in words, where somebody wants to read that.
    pub exchanges: Exchanges,
}

impl Answer {
    /// An answer with what a reader has counted meanwhile.
    fn with(log: Log) -> Answer {
        let Log { traffic, slowest, exhibits, exchanges } = log;
        Answer { traffic, slowest, exhibits, exchanges, ..Answer::default() }
    }
}

/// Every new sample of one assembly since the last answer; there may be none. The newest is a block of the
/// answer, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    /// Instance.
    pub assembly: u16,
    /// In the order of arrival.
    pub blocks: Vec<Block>,
}

/// How blocks were got, as `connection` and `connection_code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Link {
    /// Not at all.
    #[default]
    None,
    /// EtherNet/IP class 1, listening beside an owner.
    ListenOnly,
    /// EtherNet/IP class 1, with a connection of our own.
    InputOnly,
    /// EtherNet/IP explicit messages.
    Explicit,
    /// Modbus.
    Modbus,
    /// Tags of a controller.
    Logix,
}

impl Link {
    /// Code and word in the status line.
    pub fn code(self) -> (i64, &'static str) {
        match self {
            Link::None => (0, "none"),
            Link::ListenOnly => (1, "listen_only"),
            Link::InputOnly => (2, "input_only"),
            Link::Explicit => (3, "explicit"),
            Link::Modbus => (4, "modbus"),
            Link::Logix => (5, "logix"),
        }
    }
}

impl From<Application> for Link {
    fn from(application: Application) -> Link {
        match application {
            Application::ListenOnly => Link::ListenOnly,
            Application::InputOnly => Link::InputOnly,
        }
    }
}

/// How long to wait on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, name resolution included.
    pub connect: Duration,
    /// For one request.
    pub request: Duration,
}

/// When a read must have ended, whatever is still on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// This long from now.
    pub fn within(limit: Duration) -> Deadline {
        // A limit beyond all time is none.
        let at = Instant::now().checked_add(limit);
        Deadline { at: at.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400)), limit }
    }

    /// The same time, beginning now.
    pub(crate) fn renewed(self) -> Deadline {
        Deadline::within(self.limit)
    }

    /// The moment.
    pub fn at(self) -> Instant {
        self.at
    }

    /// This one, or the end of another time from now on, whichever is later.
    fn or_within(self, limit: Duration) -> Deadline {
        let other = Deadline::within(limit);
        if other.at > self.at { other } else { self }
    }

    /// Why nothing was read where others kept the line.
    fn without_a_turn(self) -> Failure {
        let limit = humantime::format_duration(self.limit);
        FailureKind::Timeout.because(format!(
            "others had the line for {limit}: meters on one line are asked one after the other, and a round of them must \
             fit into the interval; \"check\" measures it"
        ))
    }

    /// Why something was not read that would have been read after it.
    fn passed(self) -> Failure {
        let limit = humantime::format_duration(self.limit);
        FailureKind::Timeout.because(format!("the gather did not end within {limit} (gather_timeout)"))
    }
}

/// What happened on the wire, to be said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An assembly is heard now.
    Heard {
        /// Instance.
        assembly: u16,
        /// Listen-only or input-only.
        application: Application,
        /// Agreed packet interval.
        rpi: Duration,
        /// How the interval was found.
        origin: &'static str,
        /// Whether it was heard before and lost.
        again: bool,
    },
    /// An assembly is heard no more.
    Lost {
        /// Instance.
        assembly: u16,
        /// Why, for code.
        kind: Hindrance,
        /// Why, for people.
        reason: String,
    },
    /// An assembly cannot be heard.
    Unheard {
        /// Instance.
        assembly: u16,
        /// Why, for code.
        kind: Hindrance,
        /// Why, for people.
        reason: String,
        /// When it is tried again; never by itself when absent.
        retry: Option<Duration>,
    },
    /// An assembly is opened on another path than the configured one, as a probe may.
    OtherPath {
        /// Instance.
        assembly: u16,
        /// The configuration instance that the meter took.
        configuration: u8,
        /// The heartbeat instance that it took.
        heartbeat: u8,
    },
    /// A controller's tag holds an assembly, and its values are alive.
    Tag {
        /// Instance.
        assembly: u16,
        /// The tag.
        tag: String,
        /// Its type and length, as `REAL[12]`.
        shape: String,
        /// Time since its values moved, if they were seen to.
        moved: Option<Duration>,
    },
    /// Longer Modbus reads than this are refused or not answered.
    ShortReads {
        /// The most registers that are answered.
        registers: u16,
    },
    /// A controller gave a tag in pieces, between which it may have got new values.
    Torn {
        /// The tag.
        tag: String,
    },
}
