//! "Give me these tables now": the seam between collecting and the wire.
//!
//! ```text
//! collector ── tables ──→ Source ──→ explicit  EtherNet/IP, one read per assembly
//!                                ├─→ listen    EtherNet/IP class 1 beside the PLC, else explicit
//!                                └─→ modbus    Modbus TCP, planned block reads (plan, reader, tap)
//! collector ←── Gather: readings, failures per table, traffic, exhibits
//! ```
//!
//! A source keeps what it reads even when a later block fails, keeps its connection as long as it is sound,
//! and may be dropped in the middle of a gather: a half-used connection is never used again.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use crate::enip::forward_open::Application;
use crate::enip::stream::Sample;
use crate::host::tcp::ConnectError;
use crate::meter::{Readings, Table, TableSet};

pub mod explicit;
pub mod listen;
pub mod modbus;
pub mod plan;
mod reader;
mod tap;

pub use explicit::Explicit;
pub use listen::{Leftover, Listen};
pub use modbus::Modbus;

/// Where a meter is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
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

/// Why a block was not read, with a sentence for people. The code is the status line's `result_code`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A request or a connect was not answered in time.
    #[error("{0}")]
    Timeout(String),
    /// No connection, or the connection was lost.
    #[error("{0}")]
    Connection(String),
    /// The meter answered that it will not.
    #[error("{0}")]
    Refused(String),
    /// The device is not the one the profile was made for.
    #[error("{0}")]
    WrongDevice(String),
    /// An assembly does not have the size the profile expects.
    #[error("{0}")]
    WrongSize(String),
    /// The answer makes no sense.
    #[error("{0}")]
    BadData(String),
    /// Nobody owns a multicast connection that could be heard.
    #[error("{0}")]
    NoOwner(String),
    /// A connection is open and nothing has come yet.
    #[error("{0}")]
    Stale(String),
    /// EtherNet/IP pauses because we are, or just were, on Modbus.
    #[error("{0}")]
    Suspended(String),
}

impl Failure {
    /// Whether it concerns the meter as a whole rather than one block.
    pub fn is_of_the_link(&self) -> bool {
        matches!(self, Failure::Timeout(_) | Failure::Connection(_) | Failure::Suspended(_))
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Silent { .. } => Failure::Timeout(error.to_string()),
            _ => Failure::Connection(error.to_string()),
        }
    }
}

/// Something a meter sent that was refused or could not be decoded, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhibit {
    /// What is wrong with it, in words that are the same when it comes again.
    pub what: String,
    /// The bytes, as whole as they were seen.
    pub bytes: Vec<u8>,
}

/// What happened to a listener, to be said once.
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
        /// Why.
        reason: String,
    },
    /// An assembly cannot be heard.
    Unheard {
        /// Instance.
        assembly: u16,
        /// Why.
        reason: String,
        /// When it is tried again; never by itself when absent.
        retry: Option<Duration>,
    },
}

/// Counters since start; all of them appear in the status line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests sent.
    pub requests: u64,
    /// Replies received, refusals included.
    pub responses: u64,
    /// Requests and connects that were not answered in time.
    pub timeouts: u64,
    /// Other failures.
    pub errors: u64,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Class 1 frames received.
    pub frames_received: u64,
    /// Class 1 frames missing from the sequence.
    pub frames_lost: u64,
    /// Class 1 frames that were not used.
    pub frames_dropped: u64,
}

/// One gather under way: what a source fills in.
#[derive(Debug)]
pub struct Gather<'a> {
    /// The tables that are due.
    pub tables: TableSet,
    /// Where values go.
    pub readings: &'a mut Readings,
    /// Counters since start.
    pub traffic: &'a mut Traffic,
    /// Blocks that failed, by table.
    pub failures: Vec<(Table, Failure)>,
    /// Tables whose every block was tried.
    pub tried: TableSet,
    /// Slowest reply.
    pub slowest: Option<Duration>,
    /// What happened to a listener.
    pub notices: Vec<Notice>,
    /// What was received and could not be used.
    pub exhibits: Vec<Exhibit>,
    /// Every new sample of an assembly, for a consumer that wants them all.
    pub samples: Vec<(Table, u16, Sample)>,
    /// The assemblies whose values stand in `samples`, whether or not there is a new one.
    pub sampled: Vec<u16>,
    /// Every block of registers as it came, first address and words, for a consumer that wants them undecoded.
    pub registers: Option<Vec<(u16, Vec<u16>)>>,
}

impl<'a> Gather<'a> {
    /// A gather of these tables.
    pub fn new(tables: TableSet, readings: &'a mut Readings, traffic: &'a mut Traffic) -> Self {
        Gather {
            tables,
            readings,
            traffic,
            failures: Vec::new(),
            tried: TableSet::EMPTY,
            slowest: None,
            notices: Vec::new(),
            exhibits: Vec::new(),
            samples: Vec::new(),
            sampled: Vec::new(),
            registers: None,
        }
    }

    /// Notes that a block of a table failed.
    pub fn fail(&mut self, table: Table, failure: Failure) {
        self.failures.push((table, failure));
    }

    /// Keeps the bytes of something that could not be used, if there are any.
    fn exhibit(&mut self, what: &dyn fmt::Display, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.exhibits.push(Exhibit { what: what.to_string(), bytes: bytes.to_vec() });
        }
    }

    /// Notes a reply to a request sent at `sent`.
    fn replied(&mut self, sent: Instant) {
        self.traffic.responses += 1;
        let took = sent.elapsed();
        self.slowest = Some(self.slowest.map_or(took, |slowest| slowest.max(took)));
    }

    fn arrived(&mut self, table: Table) {
        self.readings.arrived(table, SystemTime::now());
    }
}

/// One way to read a meter.
#[derive(Debug)]
pub enum Source {
    /// EtherNet/IP, Get_Attribute_Single, unconnected.
    Explicit(Explicit),
    /// EtherNet/IP class 1, with explicit reads for what cannot be heard.
    Listen(Box<Listen>),
    /// Modbus TCP.
    Modbus(Modbus),
}

impl Source {
    /// Reads the tables that are due. Cancel-safe: what was read stays in the gather.
    pub async fn gather(&mut self, gather: &mut Gather<'_>) {
        match self {
            Source::Explicit(source) => source.gather(gather).await,
            Source::Listen(source) => source.gather(gather).await,
            Source::Modbus(source) => source.gather(gather).await,
        }
    }

    /// Ends the connection as the protocol wants it.
    pub async fn close(&mut self) {
        match self {
            Source::Explicit(source) => source.close().await,
            Source::Listen(source) => source.close().await,
            Source::Modbus(source) => source.close().await,
        }
    }

    /// Whether it holds class 1 connections, which must be looked after at every gather.
    pub fn listens(&self) -> bool {
        matches!(self, Source::Listen(_))
    }

    /// What is heard by class 1 at present, and at which packet interval.
    pub fn heard(&self) -> Option<(Application, Duration)> {
        match self {
            Source::Listen(source) => source.heard(),
            Source::Explicit(_) | Source::Modbus(_) => None,
        }
    }

    /// Class 1 connections that are open, to be closed after a crash.
    pub fn open_connections(&self) -> Vec<Leftover> {
        match self {
            Source::Listen(source) => source.open_connections(),
            Source::Explicit(_) | Source::Modbus(_) => Vec::new(),
        }
    }

    /// The identity the device reported at connect, over CIP.
    pub fn identity(&self) -> Option<&crate::meter::identity::Identity> {
        match self {
            Source::Explicit(source) => source.identity(),
            Source::Listen(source) => source.identity(),
            Source::Modbus(_) => None,
        }
    }
}
