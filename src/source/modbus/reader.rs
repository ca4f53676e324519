//! A Modbus connection that can only read registers.
//!
//! tokio-modbus' `Context` can write; it never leaves this file. Function 03 and 04 are all there is.
//! After a timeout its client stays one reply behind (its issue #324), so a connection is used up by the
//! first thing that goes wrong: `read` takes it and gives it back only with a sound answer. Its `Reader`
//! asserts the length of a reply in debug builds; `call` beneath it leaves that judgment to us.

use std::time::Duration;

use tokio::time::timeout;
use tokio_modbus::client::{Client, Context, rtu, tcp};
use tokio_modbus::slave::SlaveContext;
use tokio_modbus::{Error, ExceptionCode, Request, Response, Slave};

use super::TransmissionMode;
use super::echo::WithoutEcho;
use super::function::Function;
use super::reply::Asked;
use crate::source::tap::{Seen, Tap};
use crate::source::transport::Stream;
use crate::source::{Failure, FailureKind};

/// An open connection to units.
pub(super) struct RegisterReader {
    context: Context,
    mode: TransmissionMode,
    seen: Seen,
    /// The number of the next request; the client counts from 0, too.
    transaction: u16,
}

/// A read that ended the connection, and what was received instead of an answer.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) failure: Failure,
    pub(super) reply: Vec<u8>,
}

/// A Modbus exception, and the packet that carried it.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: ExceptionCode,
    pub(super) reply: Vec<u8>,
}

impl std::fmt::Debug for RegisterReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegisterReader").finish_non_exhaustive()
    }
}

impl RegisterReader {
    /// Takes a connection over.
    pub(super) fn new(stream: impl Stream, mode: TransmissionMode) -> Self {
        let (context, seen) = if mode.has_frames() {
            let (tap, seen) = Tap::on(WithoutEcho::of(stream));
            (rtu::attach(tap), seen)
        } else {
            let (tap, seen) = Tap::on(stream);
            (tcp::attach(tap), seen)
        };
        RegisterReader { context, mode, seen, transaction: 0 }
    }

    /// What is seen of the exchange under way, also when that ends the connection.
    pub(super) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// Reads registers of a unit. A Modbus exception is the inner value and leaves the connection sound.
    ///
    /// # Errors
    /// [`Lost`]; the connection is closed.
    pub(super) async fn read(
        mut self,
        unit: u8,
        function: Function,
        (start, count): (u16, u16),
        within: Duration,
    ) -> Result<(Self, Result<Vec<u16>, Refused>), Lost> {
        let request = match function {
            Function::Holding => Request::ReadHoldingRegisters(start, count),
            Function::Input => Request::ReadInputRegisters(start, count),
        };
        self.seen.clear();
        let asked = Asked { mode: self.mode, transaction: self.transaction, unit, function, start, count };
        self.context.set_slave(Slave(unit));
        self.transaction = self.transaction.wrapping_add(1);
        let answer = timeout(within, self.context.call(request)).await;
        let Ok(answer) = answer else {
            let reply = self.seen.received();
            if asked.is_answered_by(&reply) {
                return Err(Lost { failure: asked.malformed(&reply, None), reply });
            }
            let check = match (self.mode, reply.is_empty()) {
                (TransmissionMode::Rtu, true) => {
                    "; check the unit id, baud_rate and parity, and whether A and B are exchanged"
                }
                (TransmissionMode::RtuOverTcp, true) => "; check the unit id",
                _ => "",
            };
            let what = if reply.is_empty() {
                "no reply".to_owned()
            } else {
                format!("only {} bytes of a reply", reply.len())
            };
            let within = humantime::format_duration(within);
            return Err(Lost {
                failure: FailureKind::Timeout.because(format!(
                    "{what} to the read of {count} registers at 0x{start:04X} within {within}{check}"
                )),
                reply,
            });
        };
        let words = match answer {
            Ok(Ok(Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words)))
                if words.len() == usize::from(count) =>
            {
                words
            }
            Ok(Err(code)) => {
                let reply = self.seen.received();
                return Ok((self, Err(Refused { code, reply })));
            }
            Ok(Ok(_)) => {
                let reply = self.seen.received();
                return Err(Lost { failure: asked.malformed(&reply, None), reply });
            }
            Err(error) => {
                let reply = self.seen.received();
                let failure = match error {
                    Error::Transport(error) if !asked.is_answered_by(&reply) => broken(&error, &reply),
                    Error::Transport(error) => asked.malformed(&reply, Some(&error.to_string())),
                    Error::Protocol(_) => asked.malformed(&reply, None),
                };
                return Err(Lost { failure, reply });
            }
        };
        Ok((self, Ok(words)))
    }

    /// Closes the connection.
    pub(super) async fn close(mut self) {
        // The meter may have closed first; either way it is closed.
        let _ = self.context.disconnect().await;
    }
}

/// The connection failed, perhaps in the middle of a reply. The client's own words would be "Success".
fn broken(error: &std::io::Error, seen: &[u8]) -> Failure {
    use std::io::ErrorKind::{ConnectionReset, InvalidData, NotConnected};
    let (kind, sentence) = match (error.kind(), seen) {
        (InvalidData, _) => (FailureKind::BadData, format!("malformed reply: {error}")),
        (NotConnected, _) => (FailureKind::Connection, error.to_string()),
        (ConnectionReset, _) => (FailureKind::Connection, "the meter reset the connection".to_owned()),
        (_, []) => (FailureKind::Connection, "the meter closed the connection".to_owned()),
        _ => (
            FailureKind::Connection,
            format!("the meter closed the connection after {} bytes of a reply", seen.len()),
        ),
    };
    kind.because(sentence)
}

/// An exception in words, with its number as the documents print it.
pub(super) fn exception(code: ExceptionCode) -> String {
    let (number, words) = match code {
        ExceptionCode::IllegalFunction => (0x01, "illegal function"),
        ExceptionCode::IllegalDataAddress => (0x02, "illegal data address: the meter has no such register"),
        ExceptionCode::IllegalDataValue => (0x03, "illegal data value"),
        ExceptionCode::ServerDeviceFailure => (0x04, "server device failure"),
        ExceptionCode::Acknowledge => (0x05, "acknowledge: the meter needs more time"),
        ExceptionCode::ServerDeviceBusy => (0x06, "server device busy"),
        ExceptionCode::MemoryParityError => (0x08, "memory parity error"),
        ExceptionCode::GatewayPathUnavailable => (0x0A, "gateway path unavailable"),
        ExceptionCode::GatewayTargetDevice => {
            (0x0B, "gateway target device failed to respond: check the unit id")
        }
        ExceptionCode::Custom(number) => (number, "an exception without a published meaning"),
    };
    format!("Modbus exception 0x{number:02X}, {words}")
}
