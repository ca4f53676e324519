//! Modbus units behind one address: one connection, one request at a time, and nobody waits for ever.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

use super::{LONG, TIMEOUTS};
use crate::source::line::{Line, Lines};
use crate::source::memory::Memory;
use crate::source::modbus::{Port, Settings, TransmissionMode};
use crate::source::{Answer, Deadline, FailureKind, Modbus, Source, Span};

const ONE: [Span; 1] = [Span::Registers { start: 7, count: 2 }];
/// What a gateway needs for one answer.
const ANSWER: Duration = Duration::from_millis(40);
/// The unit that does not answer.
const DEAD: u8 = 9;

/// What a gateway has seen.
#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    open: usize,
    most_open: usize,
    /// Units, in the order in which they were asked.
    asked: Vec<u8>,
}

struct Gateway {
    lines: Lines<(), Port<Memory>>,
    way: Memory,
    seen: Arc<Mutex<Seen>>,
}

impl Gateway {
    fn new() -> Gateway {
        let (way, mut arrivals) = Memory::new();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = seen.clone();
        tokio::spawn(async move {
            while let Some(stream) = arrivals.recv().await {
                tokio::spawn(serve(stream, noted.clone()));
            }
        });
        Gateway { lines: Lines::default(), way, seen }
    }

    fn unit(&self, unit_id: u8, close_after_gather: bool) -> Modbus<Memory> {
        let line: Line<Port<Memory>> =
            self.lines.to((), || Port::new(self.way.clone(), TransmissionMode::Tcp));
        Modbus::on(line, TIMEOUTS, Settings { unit_id, close_after_gather, ..Settings::USUAL })
    }
}

/// Each register holds the number of its unit.
async fn serve(mut stream: DuplexStream, seen: Arc<Mutex<Seen>>) {
    {
        let mut seen = seen.lock().unwrap();
        seen.connections += 1;
        seen.open += 1;
        seen.most_open = seen.most_open.max(seen.open);
    }
    let mut request = [0; 12];
    while stream.read_exact(&mut request).await.is_ok() {
        let [.., unit, function, _, _, _, count] = request;
        seen.lock().unwrap().asked.push(unit);
        if unit == DEAD {
            continue;
        }
        sleep(ANSWER).await;
        let mut reply = [&request[..4], &[0, 3 + 2 * count, unit, function, 2 * count]].concat();
        reply.extend((0..count).flat_map(|_| [0, unit]));
        if stream.write_all(&reply).await.is_err() {
            break;
        }
    }
    seen.lock().unwrap().open -= 1;
}

/// Lets units read at the same time, within so long each; gives what each found, and when.
async fn together(units: Vec<(Modbus<Memory>, Duration)>) -> Vec<(Result<u8, FailureKind>, Duration)> {
    let begun = Instant::now();
    let reads = units.into_iter().map(|(mut unit, within)| {
        tokio::spawn(async move {
            let answer = unit.read(&ONE, Deadline::within(within)).await;
            let found = match (&answer.blocks[..], &answer.failures[..]) {
                ([block], []) => Ok(block.bytes[1]),
                ([], [(_, failure)]) => Err(failure.kind),
                _ => panic!("{answer:?}"),
            };
            (found, begun.elapsed())
        })
    });
    let mut found = Vec::new();
    for read in reads.collect::<Vec<_>>() {
        found.push(read.await.unwrap());
    }
    found
}

#[tokio::test(start_paused = true)]
async fn units_behind_one_address_use_one_connection_in_turn_and_each_gets_its_own_values() {
    for close in [true, false] {
        let gateway = Gateway::new();
        let units = (1..=8).map(|unit| (gateway.unit(unit, close), LONG)).collect();
        let found = together(units).await;
        assert_eq!(
            found.iter().map(|(found, _)| *found).collect::<Vec<_>>(),
            (1..=8).map(Ok).collect::<Vec<_>>()
        );
        let seen = gateway.seen.lock().unwrap();
        assert_eq!(seen.asked, [1, 2, 3, 4, 5, 6, 7, 8], "who waits longest is next");
        assert_eq!((seen.connections, seen.most_open), (1, 1), "close after a gather: {close}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_unit_costs_its_neighbors_one_timeout_and_its_late_answer_is_nobodys() {
    let gateway = Gateway::new();
    let found = together([DEAD, 1, 2].map(|unit| (gateway.unit(unit, false), LONG)).into()).await;
    let [(Err(FailureKind::Timeout), _), (Ok(1), first), (Ok(2), _)] = found[..] else { panic!("{found:?}") };
    assert_eq!(first, TIMEOUTS.request + ANSWER);
    assert_eq!(gateway.seen.lock().unwrap().connections, 2, "what came late would come on the old one");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_others_keep_is_no_reason_to_wait_beyond_the_gather() {
    let gateway = Gateway::new();
    let short = TIMEOUTS.request / 2;
    let units = [(gateway.unit(DEAD, false), LONG), (gateway.unit(1, false), short)];
    let found = together(units.into()).await;
    let [_, (Err(FailureKind::Timeout), after)] = found[..] else { panic!("{found:?}") };
    assert_eq!(after, short);
}

/// A read's frame on a serial line, or its reply's: each register holds its own address.
pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    let step = |crc: u16, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
    let crc = body.iter().fold(0xFFFFu16, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), step));
    [body, &crc.to_le_bytes()].concat()
}

/// First register and number of each read, in order.
type Asked = Arc<Mutex<Vec<(u16, u8)>>>;

/// A source on a serial line behind a gateway, on which the reply to the first read comes late; and what was asked.
fn late_line() -> (Modbus<Memory>, Asked) {
    let (way, mut arrivals) = Memory::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    tokio::spawn(async move {
        let mut late = None;
        // A gateway gives what comes from the line to whoever is connected.
        while let Some(mut stream) = arrivals.recv().await {
            let mut request = [0; 8];
            while stream.read_exact(&mut request).await.is_ok() {
                let [unit, function, high, low, _, count, ..] = request;
                noted.lock().unwrap().push((u16::from_be_bytes([high, low]), count));
                let registers = (low..low + count).flat_map(|register| [high, register]);
                let reply =
                    frame(&[unit, function, 2 * count].into_iter().chain(registers).collect::<Vec<_>>());
                if noted.lock().unwrap().len() == 1 {
                    late = Some(reply);
                    continue;
                }
                if let Some(late) = late.take() {
                    stream.write_all(&late).await.unwrap();
                }
                let _ = stream.write_all(&reply).await;
            }
        }
    });
    let line = Line::new(Port::new(way, TransmissionMode::RtuOverTcp));
    let settings = Settings { close_after_gather: false, ..Settings::USUAL };
    (Modbus::on(line, TIMEOUTS, settings), asked)
}

/// The read that is not answered; one to clear the line, to which comes what was late; one that clears it; the other read.
const IN_ORDER: [(u16, u8); 4] = [(0x10, 2), (0x90, 1), (0x90, 3), (0x90, 2)];

/// Two reads of one length.
const TWO: [Span; 2] = [Span::Registers { start: 0x10, count: 2 }, Span::Registers { start: 0x90, count: 2 }];

/// Every register that was read holds its own address, and the second read was answered.
fn assert_own(answer: &Answer) {
    for block in &answer.blocks {
        let Span::Registers { start, .. } = block.span else { panic!("{block:?}") };
        assert_eq!(block.bytes, [0, start as u8, 0, start as u8 + 1], "{answer:?}");
    }
    assert!(answer.blocks.iter().any(|block| block.span == TWO[1]), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_a_number_that_comes_late_is_never_taken_for_that_to_another_read_of_its_length() {
    let (mut source, asked) = late_line();
    assert_own(&source.read(&TWO, Deadline::within(LONG)).await);
    assert_eq!(*asked.lock().unwrap(), IN_ORDER);
}

#[tokio::test(start_paused = true)]
async fn the_reply_to_a_read_that_the_end_of_its_gather_has_cut_off_is_nobodys_either() {
    let (mut source, asked) = late_line();
    let cut = source.read(&TWO[..1], Deadline::within(TIMEOUTS.request / 2)).await;
    assert_eq!(cut.blocks, []);
    assert_own(&source.read(&TWO[1..], Deadline::within(LONG)).await);
    assert_eq!(*asked.lock().unwrap(), IN_ORDER);
}
