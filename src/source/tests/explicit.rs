//! EtherNet/IP: whatever goes wrong costs what it concerns and no more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, advance, sleep};

use super::{LONG, TIMEOUTS, failed};
use crate::enip::message::{ASSEMBLY_DATA, ASSEMBLY_SIZE, GET_ATTRIBUTES_ALL};
use crate::enip::packet::{self, REGISTER_SESSION, SEND_RR_DATA, UNREGISTER_SESSION};
use crate::enip::{identity, message};
use crate::meter::identity::Identity;
use crate::meter::{Profile, Sizes};
use crate::source::eip::Eip;
use crate::source::memory::Memory;
use crate::source::{Answer, Deadline, Explicit, FailureKind, Source, Span, Traffic};

const HANDLE: u32 = 0x0102_0304;
const R101: Span = Span::Assembly(101);
const R102: Span = Span::Assembly(102);
const R108: Span = Span::Assembly(108);

/// What the meter is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Identity,
    Data(u16),
    Size(u16),
}

/// How it answers.
enum Act {
    True,
    /// The general status of a refusal.
    Refuse(u8),
    /// These bytes of a reply as data.
    Data(Vec<u8>),
    /// The right packet after this long.
    After(Duration),
    /// The right packet in two pieces, with a pause between.
    Cut(usize, Duration),
    /// The first bytes, then the connection ends.
    Break(usize),
    Never,
    OtherSession,
    /// The right packet after so many NOPs.
    Nops(usize),
}

type Script = Arc<Mutex<dyn FnMut(Asked, usize) -> Act + Send>>;

/// A meter that answers as the script says; it is told what is asked and on which connection.
struct Meter {
    source: Explicit<Memory>,
    asked: Arc<Mutex<Vec<Asked>>>,
    traffic: Traffic,
}

impl Meter {
    fn new(script: impl FnMut(Asked, usize) -> Act + Send + 'static) -> Meter {
        let (way, arrivals) = Memory::new();
        let asked = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(serve(arrivals, Arc::new(Mutex::new(script)), asked.clone()));
        let profile = Profile::built_in();
        let eip = Eip::new(way, TIMEOUTS, Some(profile.identity.clone()));
        Meter { source: Explicit::new(eip, Sizes::of(&profile)), asked, traffic: Traffic::default() }
    }

    async fn read(&mut self, wanted: &[Span]) -> Answer {
        self.read_within(wanted, LONG).await
    }

    async fn read_within(&mut self, wanted: &[Span], limit: Duration) -> Answer {
        let answer = self.source.read(wanted, Deadline::within(limit)).await;
        self.traffic += answer.traffic;
        answer
    }

    fn count(&self, what: Asked) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| **asked == what).count()
    }
}

async fn serve(mut arrivals: UnboundedReceiver<DuplexStream>, script: Script, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut connection = 0;
    while let Some(stream) = arrivals.recv().await {
        tokio::spawn(client(stream, script.clone(), asked.clone(), connection));
        connection += 1;
    }
}

async fn client(mut stream: DuplexStream, script: Script, asked: Arc<Mutex<Vec<Asked>>>, connection: usize) {
    while let Ok(request) = packet::receive(&mut stream).await {
        let header = request.header;
        let reply = |session, data: &[u8]| {
            packet::encode(header.command, session, header.sender_context, 0, data).to_vec()
        };
        match header.command {
            REGISTER_SESSION => stream.write_all(&reply(HANDLE, &request.data)).await.unwrap(),
            UNREGISTER_SESSION => return,
            SEND_RR_DATA => {
                let cip = message::unconnected_item(&request.data).unwrap();
                let what = match cip[..] {
                    [GET_ATTRIBUTES_ALL, ..] => Asked::Identity,
                    [_, _, _, _, _, instance, _, attribute]
                        if u16::from(attribute) == u16::from(ASSEMBLY_SIZE) =>
                    {
                        Asked::Size(instance.into())
                    }
                    [_, _, _, _, _, instance, _, attribute] if attribute == ASSEMBLY_DATA => {
                        Asked::Data(instance.into())
                    }
                    _ => panic!("{cip:?}"),
                };
                asked.lock().unwrap().push(what);
                let act = (script.lock().unwrap())(what, connection);
                let good = |data: &[u8]| reply(HANDLE, &items(cip[0], 0, data));
                let packet = good(&truth(what));
                let sent = match act {
                    Act::True => stream.write_all(&packet).await,
                    Act::Refuse(status) => {
                        stream.write_all(&reply(HANDLE, &items(cip[0], status, &[]))).await
                    }
                    Act::Data(data) => stream.write_all(&good(&data)).await,
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
                    Act::Nops(count) => {
                        let nop = packet::encode(packet::NOP, 0, [0; 8], 0, b"hello").to_vec();
                        stream.write_all(&[nop.repeat(count), packet].concat()).await
                    }
                    Act::OtherSession => {
                        stream.write_all(&reply(HANDLE + 1, &items(cip[0], 0, &truth(what)))).await
                    }
                };
                if sent.is_err() {
                    return;
                }
            }
            other => panic!("command {other:#06X}"),
        }
    }
}

/// The data of a SendRRData reply.
fn items(service: u8, status: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0xB2, 0];
    bytes.extend((4 + data.len() as u16).to_le_bytes());
    bytes.extend([service | 0x80, 0, status, 0]);
    bytes.extend(data);
    bytes
}

fn truth(what: Asked) -> Vec<u8> {
    match what {
        Asked::Identity => identity::encode(&Identity {
            vendor: 1,
            device_type: 0x92,
            product_code: 7,
            revision: (1, 1),
            status: 0,
            serial: 1,
            product_name: "1420-V2-ENT".to_owned(),
        }),
        Asked::Data(instance) => vec![instance as u8; size(instance).into()],
        Asked::Size(instance) => size(instance).to_le_bytes().to_vec(),
    }
}

fn size(instance: u16) -> u16 {
    Profile::built_in().assembly(instance).unwrap().min_size()
}

/// The spans that came, each with its own bytes.
fn came(answer: &Answer) -> Vec<Span> {
    for block in &answer.blocks {
        let Span::Assembly(instance) = block.span else { panic!("{block:?}") };
        assert_eq!(block.bytes, truth(Asked::Data(instance)));
    }
    answer.blocks.iter().map(|block| block.span).collect()
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_costs_its_assembly_and_is_never_taken_for_the_next_answer() {
    let late = TIMEOUTS.request + Duration::from_millis(1);
    let mut meter = Meter::new(move |what, connection| match (what, connection) {
        (Asked::Data(101), 0) => Act::After(late),
        _ => Act::True,
    });
    let began = Instant::now();
    let answer = meter.read(&[R101, R102]).await;
    assert_eq!(failed(&answer), [(R101, FailureKind::Timeout)]);
    assert_eq!((came(&answer), began.elapsed()), (vec![R102], TIMEOUTS.request));
    assert_eq!(came(&meter.read(&[R101, R102]).await), [R101, R102]);
    assert_eq!((meter.traffic.timeouts, meter.traffic.reconnects), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_pieces_is_a_reply_and_one_that_breaks_off_is_evidence() {
    for at in 1..60 {
        let mut meter = Meter::new(move |what, _| match what {
            Asked::Data(_) => Act::Cut(at, Duration::from_millis(400)),
            _ => Act::True,
        });
        assert_eq!(came(&meter.read(&[R101, R102]).await), [R101, R102], "{at}");
        assert_eq!(meter.traffic.errors + meter.traffic.timeouts, 0);

        let mut meter = Meter::new(move |what, connection| match (what, connection) {
            (Asked::Data(101), 0) => Act::Break(at),
            _ => Act::True,
        });
        let answer = meter.read(&[R101, R102]).await;
        assert_eq!(failed(&answer), [(R101, FailureKind::Connection)], "{at}");
        assert_eq!((came(&answer), answer.exhibits[0].bytes.len()), (vec![R102], at));
    }
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_takes_requests_and_answers_none_costs_two_timeouts_and_what_was_read_stays() {
    let mut meter = Meter::new(|what, _| match what {
        Asked::Identity | Asked::Size(_) | Asked::Data(101) => Act::True,
        Asked::Data(_) => Act::Never,
    });
    let began = Instant::now();
    let wanted = [101, 102, 103, 104, 105].map(Span::Assembly);
    let answer = meter.read(&wanted).await;
    assert_eq!((came(&answer), failed(&answer).len()), (vec![R101], 4));
    assert_eq!(began.elapsed(), TIMEOUTS.request * 2);

    let answer = meter.read_within(&wanted, TIMEOUTS.request / 2).await;
    assert_eq!((came(&answer), failed(&answer).len()), (vec![R101], 4), "the deadline passed");
    let (_, failure) = &answer.failures[0];
    assert_eq!(failure.sentence, "the gather did not end within 500ms (gather_timeout)");
    // What was under way at the deadline is not taken up again.
    assert_eq!(came(&meter.read(&[R101]).await), [R101]);
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_was_frozen_shows_life_by_its_late_reply_until_it_is_asked_again() {
    let mut meter = Meter::new(|_, connection| match connection {
        0 => Act::After(TIMEOUTS.request * 40),
        _ => Act::True,
    });
    assert_eq!(failed(&meter.read(&[R101]).await), [(R101, FailureKind::Timeout)]);
    sleep(TIMEOUTS.request * 20).await;
    assert!(!meter.source.shows_life().await);
    sleep(TIMEOUTS.request * 20).await;
    assert!(meter.source.shows_life().await && meter.source.shows_life().await);
    assert_eq!(came(&meter.read(&[R101]).await), [R101]);
    assert!(!meter.source.shows_life().await);
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_another_session_is_no_answer_and_ends_the_session() {
    let mut meter = Meter::new(|what, connection| match (what, connection) {
        (Asked::Data(101), 0) => Act::OtherSession,
        _ => Act::True,
    });
    let answer = meter.read(&[R101, R102]).await;
    assert_eq!(failed(&answer), [(R101, FailureKind::BadData)]);
    assert_eq!((came(&answer), meter.count(Asked::Identity)), (vec![R102], 2));
    assert!(answer.exhibits[0].what.ends_with("it belongs to another session"), "{:?}", answer.exhibits);
}

#[tokio::test(start_paused = true)]
async fn a_nop_of_the_meter_costs_nothing_and_nothing_but_nops_is_no_answer() {
    let mut meter = Meter::new(|what, connection| match (what, connection) {
        (Asked::Data(101), 0) => Act::Nops(15),
        (Asked::Data(102), 0) => Act::Nops(1000),
        _ => Act::True,
    });
    let answer = meter.read(&[R101, R102, R108]).await;
    assert_eq!((came(&answer), failed(&answer)), (vec![R101, R108], vec![(R102, FailureKind::BadData)]));
    assert_eq!((meter.traffic.errors, meter.count(Asked::Identity)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_closed_while_idle_is_reopened_without_a_word() {
    let mut asked = 0;
    let mut meter = Meter::new(move |what, connection| match (what, connection) {
        (Asked::Data(102), 0) => {
            asked += 1;
            // Closes before the second one is answered.
            if asked == 2 { Act::Break(0) } else { Act::True }
        }
        _ => Act::True,
    });
    assert_eq!(came(&meter.read(&[R102]).await), [R102]);
    advance(Duration::from_secs(121)).await;
    let answer = meter.read(&[R102, R101]).await;
    assert_eq!((came(&answer), failed(&answer)), (vec![R102, R101], vec![]));
    assert_eq!((meter.traffic.reconnects, meter.traffic.errors, meter.traffic.timeouts), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_size_of_nothing_while_the_meter_boots_is_asked_again_after_a_minute() {
    let mut booting = true;
    let mut meter = Meter::new(move |what, _| match what {
        Asked::Size(102) if std::mem::take(&mut booting) => Act::Data(vec![0, 0]),
        _ => Act::True,
    });
    for _ in 0..59 {
        let answer = meter.read(&[R101, R102]).await;
        assert_eq!((came(&answer), failed(&answer)), (vec![R101], vec![(R102, FailureKind::WrongSize)]));
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(meter.count(Asked::Size(102)), 1);
    advance(Duration::from_secs(1)).await;
    assert_eq!(came(&meter.read(&[R101, R102]).await), [R101, R102]);
    assert_eq!(meter.count(Asked::Size(102)), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_assembly_is_asked_again_less_and_less_often_and_a_busy_one_each_time() {
    for (status, times) in [(0x05, 7), (0x02, 601)] {
        let refusing = Arc::new(Mutex::new(true));
        let told = refusing.clone();
        let mut meter = Meter::new(move |what, _| match what {
            Asked::Data(108) if *told.lock().unwrap() => Act::Refuse(status),
            _ => Act::True,
        });
        for _ in 0..=600 {
            let answer = meter.read(&[R108, R101]).await;
            assert_eq!((came(&answer), failed(&answer)), (vec![R101], vec![(R108, FailureKind::Refused)]));
            advance(Duration::from_secs(10)).await;
        }
        // At once, after 1, 3, 7, 15, 31 and 63 minutes.
        assert_eq!(meter.count(Asked::Data(108)), times);
        *refusing.lock().unwrap() = false;
        advance(Duration::from_secs(3600)).await;
        assert_eq!(came(&meter.read(&[R108, R101]).await), [R108, R101]);
        assert_eq!((meter.traffic.reconnects, meter.count(Asked::Size(108))), (0, 1));
    }
}
