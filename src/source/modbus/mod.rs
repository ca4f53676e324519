//! Modbus: planned reads of registers, functions 03 and 04 only.
//!
//! Connect → the fewest reads that cover what is wanted → close (or hold). What the meter refuses is
//! `learned`, for an hour at most. Exception 01 switches between 03 and 04; 02 and 03 split a read until the
//! refused piece stands alone, and that is asked again after a minute, then less often. 04, silence, or a
//! connection that is closed instead of an answer halve a read until it fits, provided that the meter answers
//! anything: then the length may be to blame. 05, 06, 0A and 0B mean "not now" and end the read. One refused
//! piece never costs its neighbors, a dead meter costs two timeouts. A held connection found closed at the
//! first request is made again without a word.
//!
//! Units behind one address, as a gateway has them, share a [`Port`] and take turns, a gather each: there is one
//! connection and one request at a time.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use super::line::Line;
use super::transport::{Connect, Endpoint, Serial, Tcp};
use super::{Access, Answer, Deadline, Source, Span, Timeouts};
use crate::host::tcp::Protocol;
use crate::words;

mod echo;
mod function;
mod learned;
pub mod plan;
mod port;
mod reader;
mod reply;
mod unanswered;
mod unit;

pub use port::Port;

use unit::Unit;

/// How Modbus messages are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TransmissionMode {
    /// As Modbus TCP has it.
    #[default]
    Tcp,
    /// As on a serial line, which a gateway carries over TCP as it is.
    RtuOverTcp,
    /// As on a serial line, at a serial port.
    Rtu,
}

impl TransmissionMode {
    /// Whether frames are those of a serial line, which have no number.
    pub fn has_frames(self) -> bool {
        self != TransmissionMode::Tcp
    }
}

// Telegraf's words.
words!(TransmissionMode, "transmission mode": Tcp = "TCP", RtuOverTcp = "RTUoverTCP",
    Rtu = "RTU");

/// Where a meter speaks Modbus.
#[derive(Debug, Clone)]
pub enum Place {
    /// At a TCP port, in messages that are framed like this.
    Network(Endpoint, TransmissionMode),
    /// At a serial port.
    Port(Serial),
}

impl Place {
    /// A source that shares its way with nobody, and has not connected yet.
    pub fn alone(self, timeouts: Timeouts, settings: Settings) -> Box<dyn Source> {
        match self {
            Place::Network(endpoint, mode) => {
                let way = Tcp { endpoint, protocol: Protocol::ModbusTcp };
                Box::new(Modbus::on(Line::new(Port::new(way, mode)), timeouts, settings))
            }
            Place::Port(way) => {
                let port = Port::new(way, TransmissionMode::Rtu);
                Box::new(Modbus::on(Line::new(port), timeouts, settings))
            }
        }
    }
}

/// How a meter speaks Modbus. None of it is on a manual page that was reached; defaults are the sibling's
/// (evidence: inferred).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Unit identifier.
    pub unit_id: u8,
    /// Close the connection after each read, for meters that serve one client at a time.
    pub close_after_gather: bool,
    /// Most registers in one request, at most 125.
    pub max_registers: u16,
    /// Time without a byte before each request, for a serial line and for slow converters.
    pub pause: Duration,
    /// How long it may wait for its turn, where that is longer than the time for its gather.
    pub patience: Duration,
}

impl Settings {
    /// Of a meter that is alone on its way.
    pub const USUAL: Settings = Settings {
        unit_id: 1,
        close_after_gather: true,
        max_registers: 125,
        pause: Duration::ZERO,
        patience: Duration::ZERO,
    };
}

/// Reads one meter over Modbus, on a line that others may share.
#[derive(Debug)]
pub struct Modbus<C: Connect = Tcp> {
    line: Line<Port<C>>,
    unit: Unit,
}

impl<C: Connect> Modbus<C> {
    /// A source that has not connected yet, and shares its way with nobody.
    pub fn new(way: C, timeouts: Timeouts, settings: Settings) -> Self {
        Modbus::on(Line::new(Port::new(way, TransmissionMode::Tcp)), timeouts, settings)
    }

    /// A source on a line that it may share.
    pub fn on(line: Line<Port<C>>, timeouts: Timeouts, settings: Settings) -> Self {
        Modbus { line, unit: Unit::new(timeouts, settings) }
    }
}

#[async_trait]
impl<C: Connect> Source for Modbus<C> {
    fn access(&self) -> Access {
        Access::Registers
    }

    async fn read(&mut self, wanted: &[Span], deadline: Deadline) -> Answer {
        let Modbus { line, unit } = self;
        // A round of a slow line may take longer than a gather.
        let turn = deadline.or_within(unit.patience());
        let Ok(mut port) = timeout_at(turn.at(), line.turn()).await else {
            let failure = turn.without_a_turn();
            return Answer {
                failures: wanted.iter().map(|span| (*span, failure.clone())).collect(),
                ..Answer::default()
            };
        };
        // Its own time begins with its turn: who waits for others is not late itself.
        let begun = Instant::now();
        let mut answer = unit.read(&mut port, wanted, deadline.renewed()).await;
        answer.line_time = Some(begun.elapsed());
        // Whoever waits gets the connection as it is.
        if unit.closes_after_gather() && !port.is_awaited() {
            port.close().await;
        }
        answer
    }

    async fn shows_life(&mut self) -> bool {
        let unit = self.unit.id();
        self.line.turn_now().is_some_and(|mut port| port.shows_life(unit))
    }

    async fn close(&mut self) {
        if let Some(mut port) = self.line.leave().await {
            port.close().await;
        }
    }
}
