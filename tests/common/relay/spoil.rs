//! What can go wrong between a client and a meter on TCP, by name.

use std::time::Duration;

use super::{Answer, Exchange, Framing, Relay, rtu};

const SEND_RR_DATA: u8 = 0x6F;
/// Where something stands in a reply of each protocol.
#[derive(Debug, Clone, Copy)]
struct Places {
    /// From the start of the encapsulation header.
    eip: usize,
    /// From the start of the Modbus header.
    modbus: usize,
    /// From the start of a frame; `None` is its last byte.
    rtu: Option<usize>,
}

/// The session, or the unit.
const SESSION: Places = Places { eip: 4, modbus: 6, rtu: Some(0) };
/// The sender context, or the transaction. A frame has no such thing: its CRC is wrong instead.
const CONTEXT: Places = Places { eip: 12, modbus: 1, rtu: None };
/// The service of a CIP reply, which stands after header, interface, timeout and items; or the function.
const SERVICE: Places = Places { eip: 40, modbus: 7, rtu: Some(1) };
/// The less significant byte of the length of what follows.
const LENGTH: Places = Places { eip: 2, modbus: 5, rtu: Some(rtu::BYTE_COUNT) };

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
    /// Carries the sender context, or the transaction identifier, of another request; of a frame the CRC is wrong.
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
        let reply = || exchange.reply.clone();
        // At this place of the header of each protocol.
        let turned = |at: Places, by: u8| {
            let mut bytes = reply();
            let at = match framing {
                Framing::EtherNetIp => at.eip,
                Framing::Modbus => at.modbus,
                Framing::Rtu => at.rtu.unwrap_or(bytes.len() - 1),
            };
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= by;
            }
            if framing == Framing::Rtu && at < rtu::BYTE_COUNT {
                rtu::seal(&mut bytes);
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
            Spoil::WrongSession => turned(SESSION, 0x10),
            Spoil::WrongContext => turned(CONTEXT, 0x10),
            Spoil::WrongService => turned(SERVICE, 0x07),
            Spoil::CorruptLength => turned(LENGTH, 0x41),
            Spoil::Cut => Answer::Close,
            Spoil::Lost => Answer::Nothing,
            Spoil::Reset => Answer::Reset,
            Spoil::HalfOpen => Answer::HalfOpen,
        }
    }
}
