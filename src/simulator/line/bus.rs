//! The meters on a line, one unit each, and what a request to one of them is answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::defect::{LineDefects, LineFault};
use super::rtu;
use crate::simulator::meter::Meter;
use crate::simulator::record::Asked;

const EXCEPTION: u8 = 0x80;
const ILLEGAL_FUNCTION: u8 = 0x01;
const ILLEGAL_VALUE: u8 = 0x03;
/// Most registers of one read.
const MOST_REGISTERS: u16 = 125;
/// Every so many bits of an answer one is turned over.
const TURNED_BIT: usize = 29;

/// What a line was asked so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineRecord {
    /// Requests heard, by unit; those to units that are not there, too.
    pub requests: BTreeMap<u8, u64>,
    /// Bytes heard that were no request.
    pub garbage: u64,
    /// Answers given.
    pub answers: u64,
    /// Requests heard while an answer was still on its way.
    pub collisions: u64,
    /// Clients that the gateway has now, and the most that it had at one time.
    pub clients: (u64, u64),
}

/// The meters on a line.
#[derive(Debug)]
pub(super) struct Bus {
    units: BTreeMap<u8, Arc<Meter>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    defects: LineDefects,
    record: LineRecord,
    answered: u32,
}

/// An answer, and what befalls it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) pdu: Vec<u8>,
    /// Whether this is one of the answers that the defects concern.
    pub(super) faulty: bool,
}

impl Bus {
    pub(super) fn new(units: BTreeMap<u8, Arc<Meter>>) -> Bus {
        Bus { units, state: Mutex::default() }
    }

    pub(super) fn unit(&self, unit: u8) -> Option<&Arc<Meter>> {
        self.units.get(&unit)
    }

    pub(super) fn units(&self) -> impl Iterator<Item = u8> {
        self.units.keys().copied()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn defects(&self) -> LineDefects {
        self.state().defects.clone()
    }

    pub(super) fn set_defects(&self, defects: LineDefects) {
        self.state().defects = defects;
    }

    pub(super) fn record(&self) -> LineRecord {
        self.state().record.clone()
    }

    pub(super) fn heard_garbage(&self, bytes: usize) {
        self.state().record.garbage += bytes as u64;
    }

    pub(super) fn client_came(&self) {
        let (now, most) = &mut self.state().record.clients;
        *now += 1;
        *most = (*most).max(*now);
    }

    pub(super) fn client_left(&self) {
        self.state().record.clients.0 -= 1;
    }

    pub(super) fn collided(&self) {
        self.state().record.collisions += 1;
    }

    /// What a unit answers; `None` when it does not.
    pub(super) fn answer(&self, unit: u8, pdu: &[u8]) -> Option<Answer> {
        let silent = {
            let mut state = self.state();
            *state.record.requests.entry(unit).or_default() += 1;
            state.defects.silent.contains(&unit)
        };
        let meter = self.units.get(&unit).filter(|_| !silent)?;
        if meter.defects().silent {
            return None;
        }
        let pdu = answer(meter, pdu);
        let mut state = self.state();
        state.record.answers += 1;
        state.answered = state.answered.wrapping_add(1);
        let faulty = state.answered.is_multiple_of(state.defects.every.max(1));
        Some(Answer { pdu, faulty })
    }

    /// The bytes that a master hears instead of an answer's frame.
    pub(super) fn heard(&self, unit: u8, request: &[u8], answer: &Answer) -> Vec<u8> {
        let defects = self.defects().defects;
        let has = |fault| answer.faulty && defects.contains(&fault);
        let shown = if has(LineFault::WrongUnit) { unit % 247 + 1 } else { unit };
        let mut frame = rtu::frame(shown, &answer.pdu);
        if has(LineFault::Crc) {
            let bits = 8 * (frame.len() - 2);
            let bit = TURNED_BIT % bits;
            frame[bit / 8] ^= 1 << (bit % 8);
        }
        if has(LineFault::Cut) {
            frame.truncate(frame.len() / 2);
        }
        let mut heard = Vec::new();
        // Every request is echoed: an adapter does not choose.
        if defects.contains(&LineFault::Echo) {
            heard.extend(request);
        }
        if has(LineFault::SecondMaster) {
            heard.extend(rtu::frame(200, &[0x03, 0, 0, 0, 1]));
            heard.extend(rtu::frame(200, &[0x03, 2, 0, 1]));
        }
        if has(LineFault::Noise) {
            heard.extend([0x00, 0xFF, 0xFE].iter().take(1 + usize::from(unit) % 3));
        }
        heard.extend(frame);
        heard
    }

    /// Whether an answer is late, and by how much.
    pub(super) fn lateness(&self, answer: &Answer) -> Option<std::time::Duration> {
        let defects = self.defects();
        (answer.faulty && defects.defects.contains(&LineFault::Late)).then(|| defects.lateness())
    }
}

/// Function code and data of a request → those of an answer. Reads are answered; what would write is recorded.
fn answer(meter: &Meter, pdu: &[u8]) -> Vec<u8> {
    let Some(function) = pdu.first().copied() else { return Vec::new() };
    let word = |at: usize| match pdu.get(at..at + 2) {
        Some([high, low]) => u16::from_be_bytes([*high, *low]),
        _ => 0,
    };
    let (address, count) = (word(1), word(3));
    meter.note(Asked::Modbus { function, address, count });
    let registers = match function {
        0x03 | 0x04 if !(1..=MOST_REGISTERS).contains(&count) => Err(ILLEGAL_VALUE),
        0x03 | 0x04 => meter.registers(address, count),
        _ => Err(ILLEGAL_FUNCTION),
    };
    match registers {
        Ok(words) => {
            let bytes = words.iter().flat_map(|word| word.to_be_bytes());
            [function, (2 * words.len()) as u8].into_iter().chain(bytes).collect()
        }
        Err(exception) => vec![function | EXCEPTION, exception],
    }
}
