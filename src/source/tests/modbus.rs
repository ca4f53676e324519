//! Modbus: reads adapt until they fit, and whatever goes wrong costs what it concerns and no more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, advance, sleep};

use super::{LONG, TIMEOUTS, failed};
use crate::meter::{Access, Profile, Table, TableSet, block};
use crate::source::memory::Memory;
use crate::source::modbus::Settings;
use crate::source::{Answer, Block, Deadline, FailureKind, Modbus, Notice, Source, Span, Traffic};

/// First register and number of what is asked.
type Asked = (u16, u16);

/// How the meter answers.
#[derive(Debug, Clone)]
enum Act {
    True,
    Exception(u8),
    /// The right packet after this long.
    After(Duration),
    /// The right packet in two pieces, with a pause between.
    Cut(usize, Duration),
    /// The first bytes, then the connection ends.
    Break(usize),
    Never,
    /// The right packet with something changed.
    Changed(fn(&mut Vec<u8>)),
}

type Script = Arc<Mutex<dyn FnMut(Asked) -> Act + Send>>;

struct Meter {
    source: Modbus<Memory>,
    asked: Arc<Mutex<Vec<Asked>>>,
    traffic: Traffic,
}

impl Meter {
    fn new(script: impl FnMut(Asked) -> Act + Send + 'static) -> Meter {
        let (way, arrivals) = Memory::new();
        let asked = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(serve(arrivals, Arc::new(Mutex::new(script)), asked.clone()));
        let settings = Settings { close_after_gather: false, ..Settings::USUAL };
        Meter { source: Modbus::new(way, TIMEOUTS, settings), asked, traffic: Traffic::default() }
    }

    async fn read(&mut self, wanted: &[Span]) -> Answer {
        let answer = self.source.read(wanted, Deadline::within(LONG)).await;
        self.traffic += answer.traffic;
        for block in &answer.blocks {
            assert_eq!(*block, truth(block));
        }
        answer
    }

    /// Reads and gives what was asked for it.
    async fn asked(&mut self, wanted: &[Span]) -> (Answer, Vec<Asked>) {
        self.asked.lock().unwrap().clear();
        let answer = self.read(wanted).await;
        (answer, std::mem::take(&mut *self.asked.lock().unwrap()))
    }
}

async fn serve(mut arrivals: UnboundedReceiver<DuplexStream>, script: Script, asked: Arc<Mutex<Vec<Asked>>>) {
    while let Some(stream) = arrivals.recv().await {
        tokio::spawn(client(stream, script.clone(), asked.clone()));
    }
}

async fn client(mut stream: DuplexStream, script: Script, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut request = [0; 12];
    while stream.read_exact(&mut request).await.is_ok() {
        let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
        let read @ (start, count) = (word(8), word(10));
        asked.lock().unwrap().push(read);
        let act = (script.lock().unwrap())(read);
        let reply = |pdu: &[u8]| {
            let mut bytes = request[..4].to_vec();
            bytes.extend((pdu.len() as u16 + 1).to_be_bytes());
            bytes.push(request[6]);
            bytes.extend(pdu);
            bytes
        };
        let mut pdu = vec![request[7], (count * 2) as u8];
        pdu.extend(registers(start, count));
        let mut packet = reply(&pdu);
        let sent = match act {
            Act::True => stream.write_all(&packet).await,
            Act::Exception(code) => stream.write_all(&reply(&[request[7] | 0x80, code])).await,
            Act::After(time) => {
                sleep(time).await;
                stream.write_all(&packet).await
            }
            Act::Cut(at, pause) => {
                stream.write_all(&packet[..at]).await.unwrap();
                sleep(pause).await;
                stream.write_all(&packet[at..]).await
            }
            Act::Break(at) => return stream.write_all(&packet[..at]).await.unwrap(),
            Act::Never => Ok(()),
            Act::Changed(change) => {
                change(&mut packet);
                stream.write_all(&packet).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Every register holds its own address.
fn registers(start: u16, count: u16) -> Vec<u8> {
    (start..start + count).flat_map(u16::to_be_bytes).collect()
}

fn truth(block: &Block) -> Block {
    let Span::Registers { start, count } = block.span else { panic!("{block:?}") };
    Block { bytes: registers(start, count), ..block.clone() }
}

fn wanted(tables: &[Table]) -> Vec<Span> {
    block::spans(&Profile::built_in(), TableSet::from_iter(tables.iter().copied()), Access::Registers)
}

/// The wanted spans that no block covers.
fn missing(wanted: &[Span], answer: &Answer) -> Vec<Span> {
    let range = |span: &Span| match *span {
        Span::Registers { start, count } => start..start + count,
        Span::Assembly(_) => panic!("{span:?}"),
    };
    let covered = |span: &&Span| {
        let own = range(span);
        answer
            .blocks
            .iter()
            .map(|block| range(&block.span))
            .any(|all| all.start <= own.start && own.end <= all.end)
    };
    wanted.iter().filter(|span| !covered(span)).copied().collect()
}

fn span((start, count): Asked) -> Span {
    Span::Registers { start, count }
}

const REALTIME: Asked = (0x0050, 64);
const ENERGY: Asked = (0x0500, 36);
const ALARM: Asked = (0x4000, 2);
const USUAL: [Table; 3] = [Table::Realtime, Table::Energy, Table::Alarm];

#[tokio::test(start_paused = true)]
async fn a_meter_that_takes_short_reads_only_gives_every_value_at_once_however_it_says_no() {
    let noes = [Act::Exception(2), Act::Exception(3), Act::Exception(4), Act::Never, Act::Break(0)];
    for no in noes {
        for most in [50, 32, 20, 11, 4] {
            for tables in [&USUAL[..], &USUAL[..1]] {
                let answer = no.clone();
                let mut meter =
                    Meter::new(move |(_, count)| if count > most { answer.clone() } else { Act::True });
                let wanted = wanted(tables);
                let case = format!("{no:?} above {most}, {tables:?}");
                let first = meter.read(&wanted).await;
                assert_eq!((missing(&wanted, &first), failed(&first)), (vec![], vec![]), "{case}");
                let mut notices = first.notices;
                for _ in 0..3 {
                    notices.extend(meter.read(&wanted).await.notices);
                }
                let before = meter.traffic;
                let (again, asked) = meter.asked(&wanted).await;
                assert_eq!(missing(&wanted, &again), [], "{case}");
                assert!(asked.iter().all(|(_, count)| *count <= most), "{case}: {asked:?}");
                assert_eq!((meter.traffic.timeouts, meter.traffic.errors), (before.timeouts, before.errors));
                let [Notice::ShortReads { registers }] = notices[..] else {
                    // What is refused by address may be the hole between two.
                    assert!(matches!(no, Act::Exception(2 | 3)), "{case}: {notices:?}");
                    continue;
                };
                assert!(registers <= most && registers * 4 >= most, "{case}: {registers}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_late_reply_is_not_remembered() {
    let mut first = true;
    let late = TIMEOUTS.request + Duration::from_millis(1);
    let mut meter =
        Meter::new(move |_| if std::mem::take(&mut first) { Act::After(late) } else { Act::True });
    let wanted = wanted(&USUAL);
    let (answer, asked) = meter.asked(&wanted).await;
    assert_eq!((missing(&wanted, &answer), answer.notices), (vec![], vec![]));
    assert_eq!(asked[..2], [REALTIME, ALARM], "the shortest one tells whether the meter answers at all");
    for _ in 0..3 {
        assert_eq!(meter.asked(&wanted).await.1, [REALTIME, ENERGY, ALARM]);
    }
    assert_eq!((meter.traffic.timeouts, meter.traffic.reconnects), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_length_that_did_not_fit_is_tried_again_after_an_hour() {
    let most = Arc::new(Mutex::new(32));
    let now = most.clone();
    let mut meter = Meter::new(
        move |(_, count)| if count > *now.lock().unwrap() { Act::Exception(4) } else { Act::True },
    );
    let wanted = wanted(&USUAL);
    meter.read(&wanted).await;
    *most.lock().unwrap() = 125;
    advance(Duration::from_secs(3599)).await;
    assert!(meter.asked(&wanted).await.1.len() > 3);
    advance(Duration::from_secs(1)).await;
    assert_eq!(meter.asked(&wanted).await.1, [REALTIME, ENERGY, ALARM]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_meter_costs_two_timeouts_and_a_failing_one_a_few_requests_and_neither_is_remembered() {
    for no in [Act::Never, Act::Exception(4)] {
        let dead = Arc::new(Mutex::new(true));
        let (told, answer) = (dead.clone(), no.clone());
        let mut meter = Meter::new(move |_| if *told.lock().unwrap() { answer.clone() } else { Act::True });
        let wanted = wanted(&USUAL);
        for _ in 0..3 {
            let began = Instant::now();
            let (answer, asked) = meter.asked(&wanted).await;
            assert_eq!(missing(&wanted, &answer), wanted);
            let failed: Vec<Span> = failed(&answer).into_iter().map(|(span, _)| span).collect();
            let gone = Answer {
                blocks: failed.into_iter().map(|s| Block { span: s, ..empty() }).collect(),
                ..Answer::default()
            };
            assert_eq!(missing(&wanted, &gone), [], "everything is accounted for");
            match no {
                Act::Never => assert_eq!((asked.len(), began.elapsed()), (2, TIMEOUTS.request * 2)),
                _ => assert!(asked.len() < 10, "{asked:?}"),
            }
        }
        *dead.lock().unwrap() = false;
        assert_eq!(meter.asked(&wanted).await.1, [REALTIME, ENERGY, ALARM], "{no:?}");
    }
}

fn empty() -> Block {
    Block { span: span(ALARM), bytes: Vec::new(), at: std::time::SystemTime::UNIX_EPOCH }
}

#[tokio::test(start_paused = true)]
async fn one_silent_register_costs_its_own_value_in_the_end_and_a_timeout_each_time() {
    let silent = 0x0506;
    let mut meter = Meter::new(
        move |(start, count)| {
            if (start..start + count).contains(&silent) { Act::Never } else { Act::True }
        },
    );
    let wanted = wanted(&USUAL);
    let mut last = Vec::new();
    for _ in 0..8 {
        last = missing(&wanted, &meter.read(&wanted).await);
    }
    assert_eq!(last, [Span::Registers { start: 0x0504, count: 4 }]);
    let before = meter.traffic.timeouts;
    meter.read(&wanted).await;
    assert_eq!(meter.traffic.timeouts - before, 1);
}

#[tokio::test(start_paused = true)]
async fn refused_registers_cost_their_own_values_and_are_asked_again_after_a_minute_then_less_often() {
    for code in [2, 3, 4] {
        let refusing = Arc::new(Mutex::new(vec![0x0054, 0x0056, 0x0510]));
        let told = refusing.clone();
        let mut meter = Meter::new(move |(start, count)| {
            let refused = told.lock().unwrap().iter().any(|at| (start..start + count).contains(at));
            if refused { Act::Exception(code) } else { Act::True }
        });
        let gone = [(0x0054, 2), (0x0056, 2), (0x0510, 4)].map(span);
        let wanted = wanted(&USUAL);
        let (mut requests, began) = (Vec::new(), Instant::now());
        for _ in 0..400 {
            let (answer, asked) = meter.asked(&wanted).await;
            assert_eq!(missing(&wanted, &answer), gone);
            assert_eq!(failed(&answer), gone.map(|span| (span, FailureKind::Refused)));
            requests.push((began.elapsed().as_secs(), asked.len()));
            advance(Duration::from_secs(10)).await;
        }
        assert!(requests[0].1 < 40, "{requests:?}");
        // Five or six reads of what is left; then two groups are asked again, one of them once more in part.
        let retries: Vec<_> =
            requests[1..].iter().filter(|(_, count)| *count > 6).map(|(at, _)| *at).collect();
        assert_eq!(retries, [60, 180, 420, 900, 1860, 3780], "{code}: {requests:?}");

        // Of two that were refused together one is answered again: the next time it is.
        *refusing.lock().unwrap() = vec![0x0054];
        advance(Duration::from_secs(3600)).await;
        meter.read(&wanted).await;
        advance(Duration::from_secs(3600)).await;
        meter.read(&wanted).await;
        assert_eq!(missing(&wanted, &meter.read(&wanted).await), gone[..1]);
        refusing.lock().unwrap().clear();
        advance(Duration::from_secs(3600)).await;
        meter.read(&wanted).await;
        assert_eq!(meter.asked(&wanted).await.1, [REALTIME, ENERGY, ALARM]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_pieces_is_a_reply_and_one_that_breaks_off_says_so() {
    let wanted = [span((0x0500, 4))];
    for at in 1..17 {
        let mut meter = Meter::new(move |_| Act::Cut(at, Duration::from_millis(400)));
        assert_eq!(missing(&wanted, &meter.read(&wanted).await), [], "{at}");

        let mut meter = Meter::new(move |_| Act::Break(at));
        let answer = meter.read(&wanted).await;
        let says = format!("the meter closed the connection after {at} bytes of a reply");
        assert_eq!(answer.failures, [(wanted[0], FailureKind::Connection.because(says))]);

        let mut meter = Meter::new(move |_| Act::Cut(at, LONG));
        let answer = meter.read(&wanted).await;
        let says = format!("only {at} bytes of a reply to the read of 4 registers at 0x0500 within 1s");
        assert_eq!(answer.failures, [(wanted[0], FailureKind::Timeout.because(says))]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_closed_while_idle_is_made_again_without_a_word() {
    let mut asked = 0;
    let mut meter = Meter::new(move |_| {
        asked += 1;
        // Closes before the first request after a while is answered.
        if asked == 4 { Act::Break(0) } else { Act::True }
    });
    let wanted = wanted(&USUAL);
    meter.read(&wanted).await;
    advance(Duration::from_secs(121)).await;
    let answer = meter.read(&wanted).await;
    assert_eq!((missing(&wanted, &answer), failed(&answer)), (vec![], vec![]));
    assert_eq!((meter.traffic.reconnects, meter.traffic.errors, meter.traffic.timeouts), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_no_answer_is_named_by_what_is_wrong_with_it() {
    const UNIT: usize = 6;
    const FUNCTION: usize = 7;
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(Spoil, &str); 11] = [
        (|reply| reply[UNIT] = 9, "it comes from unit 9, and unit 1 was asked"),
        (|reply| reply[1] ^= 2, "it answers request 2, and this is 0"),
        (|reply| reply[FUNCTION] = 4, "it answers function 0x04, and 0x03 was asked"),
        (
            |reply| reply.splice(4.., [0, 3, 1, 0x84, 2]).for_each(drop),
            "exception 0x02 to function 0x04, and 0x03 was asked",
        ),
        (
            |reply| reply.splice(4.., [0, 3, 1, 0xAB, 6]).for_each(drop),
            "exception 0x06 to function 0x2B, and 0x03 was asked",
        ),
        (|reply| reply.splice(4.., [0, 2, 1, 0x83]).for_each(drop), "an exception without a code"),
        (
            |reply| reply.splice(4.., [0, 5, 1, 3, 2, 0, 0]).for_each(drop),
            "1 registers at 0x4000 instead of 2",
        ),
        (
            |reply| *reply = b"HTTP/1.1 400 Bad Request".to_vec(),
            "it is no Modbus packet (protocol 0x5450 instead of 0)",
        ),
        (|reply| reply[5] = 1, "it announces a length of 1"),
        (|reply| reply[8] = 6, "it announces 6 bytes of registers and has 4"),
        (
            |reply| reply.splice(4.., [0, 4, 1, 3, 4, 0]).for_each(drop),
            "it announces 4 bytes of registers and has 1",
        ),
    ];
    for (change, says) in cases {
        let mut meter = Meter::new(move |_| Act::Changed(change));
        let answer = meter.read(&wanted(&[Table::Alarm])).await;
        let (_, failure) = &answer.failures[0];
        assert_eq!(
            (failure.kind, &*failure.sentence),
            (FailureKind::BadData, &*format!("malformed reply: {says}"))
        );
        assert!(!answer.exhibits[0].bytes.is_empty(), "evidence");
    }
}
