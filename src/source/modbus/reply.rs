//! A reply held against what was asked, by its bytes: the Modbus client says that something is wrong, and not what.

use super::TransmissionMode;
use super::function::Function;
use crate::source::{Failure, FailureKind};

/// Bytes of an RTU frame without its registers: unit, function, byte count, CRC; an exception has as many.
const RTU_FRAME: usize = 5;

/// What was asked, to hold a reply against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) mode: TransmissionMode,
    pub(super) transaction: u16,
    pub(super) unit: u8,
    pub(super) function: Function,
    pub(super) start: u16,
    pub(super) count: u16,
}

impl Asked {
    /// Whether these bytes are a whole reply, or can be the beginning of none.
    pub(super) fn is_answered_by(self, reply: &[u8]) -> bool {
        match self.mode {
            TransmissionMode::Tcp => is_whole(reply),
            TransmissionMode::RtuOverTcp | TransmissionMode::Rtu => self.is_answered_by_frame(reply),
        }
    }

    /// What is wrong with a reply; `otherwise` is what the client says.
    pub(super) fn malformed(self, reply: &[u8], otherwise: Option<&str>) -> Failure {
        let wrong = match self.mode {
            TransmissionMode::Tcp => self.wrong_in_packet(reply),
            TransmissionMode::RtuOverTcp | TransmissionMode::Rtu => Some(self.wrong_in_frame(reply)),
        };
        let wrong = wrong.unwrap_or_else(|| otherwise.unwrap_or("it is no answer").to_owned());
        FailureKind::BadData.because(format!("malformed reply: {wrong}"))
    }

    /// RTU: unit, function, and a byte count with the registers, or an exception code; CRC-16, low byte first.
    fn is_answered_by_frame(self, reply: &[u8]) -> bool {
        let (code, bytes) = (self.function.code(), 2 * usize::from(self.count));
        match *reply {
            [] => false,
            [unit, ..] if unit != self.unit => true,
            [_, function, ..] if function == code | 0x80 => reply.len() >= RTU_FRAME,
            [_, function, ..] if function != code => true,
            [_, _, announced, ..] if usize::from(announced) != bytes => true,
            _ => reply.len() >= RTU_FRAME + bytes,
        }
    }

    fn wrong_in_frame(self, reply: &[u8]) -> String {
        let Asked { unit, function, start, count, .. } = self;
        match *reply {
            [from, ..] if from != unit => {
                format!(
                    "it comes from unit {from}, and unit {unit} was asked; noise on the line, another speed or parity, \
                     and a second master look like this, too"
                )
            }
            [_, code, ..] if code & 0x7F != function.code() => {
                format!("it answers function 0x{code:02X}, and 0x{:02X} was asked", function.code())
            }
            [_, code, bytes, ..] if code & 0x80 == 0 && u16::from(bytes) != 2 * count => {
                format!("{} registers at 0x{start:04X} instead of {count}", bytes / 2)
            }
            _ => {
                "its CRC is wrong: noise on the line, another speed or parity, or a second master".to_owned()
            }
        }
    }

    /// TCP: transaction UINT, protocol UINT, length UINT, unit, function, and
    /// a byte count with the registers, or an exception code. Big-endian.
    fn wrong_in_packet(self, reply: &[u8]) -> Option<String> {
        let Asked { transaction, unit, function, start, count, .. } = self;
        Some(match *reply {
            [_, _, high, low, ..] if (high, low) != (0, 0) => {
                format!("it is no Modbus packet (protocol 0x{high:02X}{low:02X} instead of 0)")
            }
            [_, _, _, _, 0, length @ 0..=1, ..] => format!("it announces a length of {length}"),
            [a, b, _, _, _, _, from, ..] if from != unit => {
                let late =
                    if u16::from_be_bytes([a, b]) == transaction { "" } else { ", to another request" };
                format!("it comes from unit {from}, and unit {unit} was asked{late}")
            }
            [a, b, ..] if u16::from_be_bytes([a, b]) != transaction => {
                format!("it answers request {}, and this is {transaction}", u16::from_be_bytes([a, b]))
            }
            [_, _, _, _, _, _, _, code, exception, ..]
                if code & 0x80 != 0 && code & 0x7F != function.code() =>
            {
                format!(
                    "exception 0x{exception:02X} to function 0x{:02X}, and 0x{:02X} was asked",
                    code & 0x7F,
                    function.code()
                )
            }
            [_, _, _, _, _, _, _, code, ..] if code & 0x80 == 0 && code != function.code() => {
                format!("it answers function 0x{code:02X}, and 0x{:02X} was asked", function.code())
            }
            [_, _, _, _, _, _, _, code] if code & 0x80 != 0 => "an exception without a code".to_owned(),
            [_, _, _, _, _, _, _, code, bytes, ref registers @ ..] if code & 0x80 == 0 => {
                if usize::from(bytes) == registers.len() && bytes % 2 == 0 {
                    format!("{} registers at 0x{start:04X} instead of {count}", bytes / 2)
                } else {
                    format!("it announces {bytes} bytes of registers and has {}", registers.len())
                }
            }
            _ => return None,
        })
    }
}

/// Whether a packet has all the bytes that its length announces, and one that can be.
fn is_whole(packet: &[u8]) -> bool {
    match *packet {
        [_, _, protocol, other, high, low, ..] => {
            let length = usize::from(u16::from_be_bytes([high, low]));
            (protocol, other) != (0, 0) || length < 2 || packet.len() >= 6 + length
        }
        _ => false,
    }
}
