//! What can go wrong between a client and a meter on TCP, by name.

use std::time::Duration;

use super::{Answer, Exchange, Framing, Relay};

const SEND_RR_DATA: u8 = 0x6F;
/// Encapsulation header: session and sender context.
const SESSION: usize = 4;
const CONTEXT: usize = 12;
/// Encapsulation header and Modbus header: length of what follows, its less significant byte.
const EIP_LENGTH: usize = 2;
const MODBUS_LENGTH: usize = 5;
/// CIP reply: service, after header, interface, timeout and items.
const EIP_SERVICE: usize = 40;
/// Modbus reply: transaction and function.
const TRANSACTION: usize = 1;
const FUNCTION: usize = 7;

/// One thing that goes wrong with every reply, from now until the relay is healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// Comes later, within the client's patience.
    Delayed(Duration),
    /// Every other one comes with the next one, which is after the client has given up.
    LateReply,
    /// Comes in segments of a byte each.
    Split,
    /// Comes in segments of a byte each, with this pause between them.
    SlowDrip(Duration),
    /// The true one and the one before it come in one segment.
    Merged,
    /// Comes twice.
    Duplicate,
    /// Carries the session handle of somebody else, or the unit of another meter.
    WrongSession,
    /// Carries the sender context, or the transaction identifier, of another request.
    WrongContext,
    /// Says that it is the reply to another service or function.
    WrongService,
    /// Comes with a byte of its length field turned over.
    CorruptLength,
    /// Ends in the middle of its header, and the connection with it.
    Cut,
    /// Does not come.
    Lost,
    /// A reset comes instead.
    Reset,
    /// Neither it nor anything else comes any more.
    HalfOpen,
    /// Every connection ends, and new ones are refused.
    Refused,
}

impl Spoil {
    /// Lets it happen.
    pub(crate) fn start(self, relay: &Relay) {
        if self == Spoil::Refused {
            return relay.refuse();
        }
        let framing = relay.framing();
        let mut last: Option<Exchange> = None;
        let mut count = 0_u32;
        relay.spoil(move |exchange| {
            count += 1;
            // Who cannot register cannot ask either: the replies that carry data are what matters.
            if framing == Framing::EtherNetIp && exchange.reply[0] != SEND_RR_DATA {
                return match self {
                    Spoil::Lost => Answer::Nothing,
                    Spoil::Reset => Answer::Reset,
                    Spoil::HalfOpen => Answer::HalfOpen,
                    _ => Answer::True,
                };
            }
            let before = last.replace(exchange.clone()).filter(|last| last.connection == exchange.connection);
            self.answer(framing, exchange, before.as_ref(), count)
        });
    }

    fn answer(self, framing: Framing, exchange: &Exchange, before: Option<&Exchange>, count: u32) -> Answer {
        let eip = framing == Framing::EtherNetIp;
        let reply = || exchange.reply.clone();
        let turned = |at: usize, by: u8| {
            let mut bytes = reply();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= by;
            }
            Answer::Instead(bytes)
        };
        match self {
            Spoil::Delayed(delay) => Answer::After(delay),
            Spoil::LateReply if count % 2 == 1 => Answer::Late(reply()),
            Spoil::LateReply | Spoil::Refused => Answer::True,
            Spoil::Split => Answer::ByteByByte,
            Spoil::SlowDrip(pause) => Answer::Drip(pause),
            Spoil::Merged => match before {
                Some(before) => Answer::Instead([before.reply.clone(), reply()].concat()),
                None => Answer::True,
            },
            Spoil::Duplicate => Answer::Instead([reply(), reply()].concat()),
            Spoil::WrongSession => turned(if eip { SESSION } else { FUNCTION - 1 }, 0x10),
            Spoil::WrongContext => turned(if eip { CONTEXT } else { TRANSACTION }, 0x10),
            Spoil::WrongService => turned(if eip { EIP_SERVICE } else { FUNCTION }, 0x07),
            Spoil::CorruptLength => turned(if eip { EIP_LENGTH } else { MODBUS_LENGTH }, 0x41),
            Spoil::Cut => Answer::Close,
            Spoil::Lost => Answer::Nothing,
            Spoil::Reset => Answer::Reset,
            Spoil::HalfOpen => Answer::HalfOpen,
        }
    }
}
