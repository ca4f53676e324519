//! A Modbus TCP connection that can only read registers.
//!
//! tokio-modbus' `Context` can write; it never leaves this file. Function 03 and 04 are all there is.
//! After a timeout its client stays one reply behind (its issue #324), so a connection is used up by the
//! first thing that goes wrong: `read` takes it and gives it back only with a sound answer. Its `Reader`
//! asserts the length of a reply in debug builds; `call` beneath it leaves that judgment to us.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::{Error, ExceptionCode, ProtocolError, Request, Response, Slave};

use super::Failure;
use super::tap::{Seen, Tap};

/// The function that reads registers; siblings answer both with the same values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// 03, read holding registers.
    Holding,
    /// 04, read input registers.
    Input,
}

impl Function {
    /// The other of the two.
    pub(super) fn other(self) -> Function {
        match self {
            Function::Holding => Function::Input,
            Function::Input => Function::Holding,
        }
    }
}

/// An open connection to one unit.
pub(super) struct RegisterReader {
    context: Context,
    seen: Seen,
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
    /// Takes a TCP connection over.
    pub(super) fn new(stream: TcpStream, unit_id: u8) -> Self {
        let (tap, seen) = Tap::on(stream);
        RegisterReader { context: tcp::attach_slave(tap, Slave(unit_id)), seen }
    }

    /// Reads registers. A Modbus exception is the inner value and leaves the connection sound.
    ///
    /// # Errors
    /// [`Lost`]; the connection is closed.
    pub(super) async fn read(
        mut self,
        function: Function,
        start: u16,
        count: u16,
        within: Duration,
    ) -> Result<(Self, Result<Vec<u16>, Refused>), Lost> {
        let request = match function {
            Function::Holding => Request::ReadHoldingRegisters(start, count),
            Function::Input => Request::ReadInputRegisters(start, count),
        };
        self.seen.clear();
        let answer = timeout(within, self.context.call(request)).await;
        let lost = |failure| Lost { failure, reply: self.seen.take() };
        let answer = answer.map_err(|_| {
            lost(Failure::Timeout(format!(
                "no reply to the read of {count} registers at 0x{start:04X} within {}",
                humantime::format_duration(within)
            )))
        })?;
        let words = match answer.map_err(|error| lost(failure(&error)))? {
            Ok(Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words)) => words,
            Ok(_) => return Err(lost(Failure::BadData(OTHER_FUNCTION.to_owned()))),
            Err(code) => {
                let reply = self.seen.take();
                return Ok((self, Err(Refused { code, reply })));
            }
        };
        if words.len() != usize::from(count) {
            return Err(lost(Failure::BadData(format!(
                "malformed reply: {} registers at 0x{start:04X} instead of {count}",
                words.len()
            ))));
        }
        Ok((self, Ok(words)))
    }

    /// Closes the connection.
    pub(super) async fn close(mut self) {
        // The meter may have closed first; either way it is closed.
        let _ = self.context.disconnect().await;
    }
}

const OTHER_FUNCTION: &str = "malformed reply: it answers another function";

/// The library's errors in our words; its own carry whole replies, and "Success" for an end of file.
fn failure(error: &Error) -> Failure {
    match error {
        Error::Protocol(ProtocolError::HeaderMismatch { .. }) => Failure::BadData(
            "malformed reply: it answers another request (transaction or unit differs)".to_owned(),
        ),
        Error::Protocol(ProtocolError::FunctionCodeMismatch { .. }) => {
            Failure::BadData(OTHER_FUNCTION.to_owned())
        }
        Error::Transport(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Failure::BadData(format!("malformed reply: {error}"))
        }
        Error::Transport(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
            Failure::Connection("the meter reset the connection".to_owned())
        }
        Error::Transport(_) => Failure::Connection("the meter closed the connection".to_owned()),
    }
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
