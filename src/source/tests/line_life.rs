//! A line's life at random, in virtual time: units that answer late, wrong or not at all, a gateway that goes and comes.
//!
//! What is promised to whoever reads such a line, and judged here from what the line itself has seen:
//!
//! - a value is the asked unit's, of the asked register, and was measured after it was asked for, whatever came late;
//!   where replies have no number and one may overtake another of its unit, at most 3 s before;
//! - what is wanted is read or said to have failed, in the time that a meter has for its turn and its gather;
//! - there is one connection at a time;
//! - once the line is well again, the second gather of each unit has everything; where a unit has refused something, this
//!   takes an hour at most.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::TIMEOUTS;
use super::line::frame;
use crate::source::line::{Line, Lines};
use crate::source::memory::Memory;
use crate::source::modbus::{Port, Settings, TransmissionMode};
use crate::source::{Answer, Deadline, Modbus, Source, Span};

const UNITS: [u8; 3] = [1, 2, 3];
/// Two of one length, and one far away.
const WANTED: [Span; 3] = [
    Span::Registers { start: 0x10, count: 2 },
    Span::Registers { start: 0x20, count: 2 },
    Span::Registers { start: 0x1030, count: 5 },
];
/// How long the line is troubled.
const TROUBLED: Duration = Duration::from_secs(120);
/// No reply comes later than this.
const LATEST: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);
/// A value tells in these steps when it was measured.
const STEP: Duration = Duration::from_millis(100);

/// Steps by which a value may be older than its request where replies have no number.
const OLDEST: u8 = 30;

/// What the line does to one request.
#[derive(Debug, Clone, PartialEq)]
enum Act {
    Answer(Duration),
    /// The same, whatever the unit answers meanwhile.
    Overtaken(Duration),
    Exception(u8),
    Silence,
    /// A reply that is spoilt, at this byte or behind its end.
    Spoil(usize),
    /// The reply of another unit.
    Foreign,
    /// A part of the reply, then the end of the connection.
    Cut(usize),
    /// The connection ends, and none is to be had for so long.
    Gone(Duration),
}

/// What the line is like, and what it has seen.
struct World {
    random: StdRng,
    begun: Instant,
    troubled: bool,
    /// Whether units refuse registers, which is remembered.
    refuses: bool,
    gone_until: Instant,
    violations: Vec<String>,
}

impl World {
    fn act(&mut self) -> Act {
        let millis = |random: &mut StdRng, most: u64| Duration::from_millis(random.random_range(1..=most));
        if !self.troubled {
            return Act::Answer(millis(&mut self.random, 40));
        }
        let refusals: &[u8] =
            if self.refuses { &[1, 2, 3, 4, 5, 6, 0x0A, 0x0B] } else { &[5, 6, 0x0A, 0x0B] };
        match self.random.random_range(0..100) {
            0..62 => Act::Answer(millis(&mut self.random, 40)),
            62..70 => Act::Answer(millis(&mut self.random, LATEST.as_millis() as u64)),
            70..76 => Act::Overtaken(millis(&mut self.random, LATEST.as_millis() as u64)),
            76..83 => Act::Silence,
            83..87 => Act::Exception(refusals[self.random.random_range(0..refusals.len())]),
            87..91 => Act::Spoil(self.random.random_range(0..16)),
            91..94 => Act::Foreign,
            94..97 => Act::Cut(self.random.random_range(0..8)),
            _ => Act::Gone(millis(&mut self.random, 5000)),
        }
    }

    /// The time in steps, as far as a byte holds it.
    fn step(&self, at: Instant) -> u8 {
        ((at - self.begun).as_millis() / STEP.as_millis()) as u8
    }
}

/// The value of a register: when it was measured, whose it is, which one it is.
fn value(step: u8, unit: u8, register: u16) -> [u8; 2] {
    [step, (unit << 6) | (register as u8 & 0x3F)]
}

/// A reply on its way: when it comes, whose it is, and whether later ones wait for it.
struct Pending {
    at: Instant,
    unit: u8,
    in_order: bool,
    reply: Vec<u8>,
}

/// A gateway with a serial line behind it: the replies of a unit leave it in the order of their requests, to whoever is
/// connected then.
async fn gateway(
    mut arrivals: UnboundedReceiver<DuplexStream>,
    mode: TransmissionMode,
    world: Arc<Mutex<World>>,
) {
    let mut pending: Vec<Pending> = Vec::new();
    let mut current: Option<DuplexStream> = None;
    let (mut asked, mut bytes) = (Vec::new(), [0; 64]);
    loop {
        let next = pending.iter().enumerate().min_by_key(|(_, pending)| pending.at).map(|(index, _)| index);
        let due = next.map_or_else(|| Instant::now() + LATEST, |next| pending[next].at);
        tokio::select! {
            arrived = arrivals.recv() => {
                let Some(arrived) = arrived else { return };
                if let Some(old) = &mut current {
                    // Whatever it has sent, it must have gone.
                    while let Ok(Ok(1..)) = timeout(Duration::ZERO, old.read(&mut bytes)).await {}
                    if timeout(Duration::ZERO, old.read(&mut bytes)).await.is_err() {
                        world.lock().unwrap().violations.push("two connections at once".to_owned());
                    }
                }
                asked.clear();
                if mode == TransmissionMode::Tcp {
                    pending.clear();
                }
                let gone = Instant::now() < world.lock().unwrap().gone_until;
                current = (!gone).then_some(arrived);
            }
            () = sleep_until(due) => {
                let Some(next) = next else { continue };
                let Pending { reply, .. } = pending.remove(next);
                if let Some(stream) = &mut current {
                    let _ = stream.write_all(&reply).await;
                }
            }
            read = read_some(&mut current, &mut bytes) => {
                if read == 0 {
                    current = None;
                    continue;
                }
                asked.extend(&bytes[..read]);
                let length = if mode == TransmissionMode::Tcp { 12 } else { 8 };
                while asked.len() >= length {
                    let request: Vec<u8> = asked.drain(..length).collect();
                    match answer(&request, mode, &world) {
                        Done::Nothing => {}
                        Done::Reply { after, mut in_order, unit, reply } => {
                            // Over TCP a reply has a number, and nobody minds their order.
                            in_order |= mode == TransmissionMode::Tcp;
                            let before = pending.iter().filter(|before| in_order && before.in_order && before.unit == unit);
                            let last = before.map(|before| before.at).max();
                            let at = last.max(Some(Instant::now() + after)).unwrap();
                            pending.push(Pending { at, unit, in_order, reply });
                        }
                        Done::End(reply) => {
                            if let Some(mut stream) = current.take() {
                                let _ = stream.write_all(&reply).await;
                            }
                            asked.clear();
                        }
                    }
                }
            }
        }
    }
}

/// What comes on the connection there is; 0 at its end.
async fn read_some(stream: &mut Option<DuplexStream>, bytes: &mut [u8]) -> usize {
    match stream {
        Some(stream) => stream.read(bytes).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// What comes of a request.
enum Done {
    Nothing,
    Reply {
        after: Duration,
        in_order: bool,
        unit: u8,
        reply: Vec<u8>,
    },
    /// This, and then the end of the connection.
    End(Vec<u8>),
}

fn answer(request: &[u8], mode: TransmissionMode, world: &Mutex<World>) -> Done {
    let mut world = world.lock().unwrap();
    let head = if mode == TransmissionMode::Tcp { 6 } else { 0 };
    let [unit, function, high, low, _, count] = request[head..head + 6] else { panic!("{request:?}") };
    let start = u16::from_be_bytes([high, low]);
    let step = world.step(Instant::now());
    let wrapped = |body: &[u8]| match mode {
        TransmissionMode::Tcp => [&request[..4], &[0, body.len() as u8], body].concat(),
        _ => frame(body),
    };
    let of = |unit: u8| {
        let values = (start..start + u16::from(count)).flat_map(|register| value(step, unit, register));
        wrapped(&[unit, function, 2 * count].into_iter().chain(values).collect::<Vec<_>>())
    };
    let reply = |after, reply| Done::Reply { after, in_order: true, unit, reply };
    let soon = Duration::from_millis(5);
    match world.act() {
        Act::Answer(after) => reply(after, of(unit)),
        Act::Overtaken(after) => Done::Reply { after, in_order: false, unit, reply: of(unit) },
        Act::Exception(code) => reply(soon, wrapped(&[unit, function | 0x80, code])),
        Act::Silence => Done::Nothing,
        Act::Spoil(at) => {
            let mut spoilt = of(unit);
            match spoilt.get_mut(at) {
                // A byte of a value would not be noticed without a check sum.
                Some(byte) if mode != TransmissionMode::Tcp || at < 9 => *byte ^= 0x24,
                _ => spoilt.push(0x55),
            }
            reply(soon, spoilt)
        }
        Act::Foreign => reply(soon, of(unit % 3 + 1)),
        Act::Cut(at) => {
            let mut cut = of(unit);
            cut.truncate(at);
            Done::End(cut)
        }
        Act::Gone(time) => {
            world.gone_until = Instant::now() + time;
            Done::End(Vec::new())
        }
    }
}

/// Holds an answer against the promises; says what of them it breaks.
fn judge(answer: &Answer, unit: u8, (from, to): (u8, u8), mode: TransmissionMode) -> Option<String> {
    let from = if mode == TransmissionMode::Tcp { from } else { from.wrapping_sub(OLDEST) };
    for block in &answer.blocks {
        let Span::Registers { start, count } = block.span else { panic!("{block:?}") };
        for (register, bytes) in (start..start + count).zip(block.bytes.chunks(2)) {
            let age = bytes[0].wrapping_sub(from);
            if bytes != value(bytes[0], unit, register) || age > to.wrapping_sub(from) {
                return Some(format!(
                    "register {register:#x} of unit {unit} is {bytes:?}, asked in {from}..={to}"
                ));
            }
        }
    }
    let spans: Vec<Span> = answer.blocks.iter().map(|block| block.span).collect();
    let failed: Vec<Span> = answer.failures.iter().map(|(span, _)| *span).collect();
    let told = [spans, failed].concat();
    let lost = WANTED
        .iter()
        .flat_map(registers)
        .find(|register| !told.iter().any(|span| registers(span).contains(register)));
    lost.map(|register| format!("register {register:#x} of unit {unit} is neither read nor failed"))
}

fn registers(span: &Span) -> std::ops::Range<u16> {
    let Span::Registers { start, count } = *span else { panic!("{span:?}") };
    start..start + count
}

/// One unit: gathers for so long, each of which may be cut short or given up; then has to be well again.
async fn unit(number: u8, mut source: Modbus<Memory>, mode: TransmissionMode, world: Arc<Mutex<World>>) {
    let (begun, mut random) = {
        let mut world = world.lock().unwrap();
        (world.begun, StdRng::seed_from_u64(world.random.random()))
    };
    let step = |at| world.lock().unwrap().step(at);
    while begun.elapsed() < TROUBLED {
        sleep(Duration::from_millis(random.random_range(1..1500))).await;
        let limit = Duration::from_millis([6000, 6000, 2500, 300][random.random_range(0..4)]);
        let asked = Instant::now();
        let read = source.read(&WANTED, Deadline::within(limit));
        if random.random_ratio(1, 20) {
            let _ = timeout(limit / 3, read).await;
            continue;
        }
        let answer = read.await;
        let broken = judge(&answer, number, (step(asked), step(Instant::now())), mode);
        world.lock().unwrap().violations.extend(broken);
        // Its turn, its gather, and the end of a connection.
        if asked.elapsed() > 2 * limit + SECOND / 10 {
            let late = format!("unit {number} had {limit:?} and took {:?}", asked.elapsed());
            world.lock().unwrap().violations.push(late);
        }
        if random.random_ratio(1, 30) {
            source.close().await;
        }
    }
    let refuses = {
        let mut world = world.lock().unwrap();
        world.troubled = false;
        world.gone_until = begun;
        world.refuses
    };
    // The others are in their last gather, and what is late comes.
    sleep(Duration::from_secs(30)).await;
    let (gathers, pause) = if refuses { (124, 30 * SECOND) } else { (2, SECOND) };
    let mut last = Answer::default();
    for _ in 0..gathers {
        sleep(pause).await;
        let asked = Instant::now();
        last = source.read(&WANTED, Deadline::within(6 * SECOND)).await;
        let broken = judge(&last, number, (step(asked), step(Instant::now())), mode);
        world.lock().unwrap().violations.extend(broken);
    }
    if !last.failures.is_empty() {
        world.lock().unwrap().violations.push(format!("unit {number} is not well again: {last:?}"));
    }
}

async fn live(seed: u64, mode: TransmissionMode) -> Vec<String> {
    let (way, arrivals) = Memory::new();
    let begun = Instant::now();
    let world = Arc::new(Mutex::new(World {
        random: StdRng::seed_from_u64(seed),
        begun,
        troubled: true,
        refuses: seed.is_multiple_of(4),
        gone_until: begun,
        violations: Vec::new(),
    }));
    let line = tokio::spawn(gateway(arrivals, mode, world.clone()));
    let lines: Lines<(), Port<Memory>> = Lines::default();
    let mut units = Vec::new();
    for number in UNITS {
        let line: Line<Port<Memory>> = lines.to((), || Port::new(way.clone(), mode));
        let close_after_gather = seed.is_multiple_of(3);
        let settings = Settings { unit_id: number, close_after_gather, ..Settings::USUAL };
        let source = Modbus::on(line, TIMEOUTS, settings);
        units.push(tokio::spawn(unit(number, source, mode, world.clone())));
    }
    for unit in units {
        unit.await.unwrap();
    }
    line.abort();
    std::mem::take(&mut world.lock().unwrap().violations)
}

#[tokio::test(start_paused = true)]
async fn whatever_a_line_does_each_unit_gets_its_own_new_values_and_is_well_again_after_it() {
    for mode in [TransmissionMode::Tcp, TransmissionMode::RtuOverTcp] {
        for seed in 0..25 {
            let violations = live(seed, mode).await;
            assert!(violations.is_empty(), "{mode:?}, seed {seed}: {violations:#?}");
        }
    }
}
