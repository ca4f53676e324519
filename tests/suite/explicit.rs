//! EtherNet/IP explicit messages: few requests, and whatever goes wrong costs what it concerns and no more.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use telegraf_pm500::meter::identity::Identity;
use telegraf_pm500::meter::{Profile, Table, Value};
use telegraf_pm500::simulator::{Asked, Defects, Options, Record, SimulatedMeter};
use telegraf_pm500::source::{Failure, FailureKind, Timeouts};

use crate::common::reading::{
    HASTY, PATIENT, Reading, assert_harmless, collector, explicit, frozen, gather, meter,
};
use crate::common::relay::{Answer, End, Exchange, Framing, Relay};

/// Every table that EtherNet/IP gives, nine assemblies in all.
const ALL: [Table; 6] = [Table::Realtime, Table::Max, Table::Demand, Table::Alarm, Table::Info, Table::Raw];

const STATUS: usize = 8;
const CONTEXT: usize = 12;
/// Where the CIP message of a SendRRData packet starts: header, interface, timeout, items.
const MESSAGE: usize = 40;

fn source(address: SocketAddr, timeouts: Timeouts) -> Reading {
    Reading::new(explicit(address, timeouts), Profile::built_in())
}

async fn relay(meter: &SimulatedMeter) -> Relay {
    Relay::start(meter.eip(), Framing::EtherNetIp).await
}

fn asked(record: &Record, instance: u16, attribute: u16) -> u64 {
    record.count(Asked::Cip { service: 0x0E, class: 4, instance, attribute: Some(attribute) })
}

fn identities(record: &Record) -> u64 {
    record.count(Asked::Cip { service: 0x01, class: 1, instance: 1, attribute: None })
}

/// Whether an exchange is the read of an assembly's data.
fn reads(exchange: &Exchange, instance: u8) -> bool {
    exchange.request.get(MESSAGE..).is_some_and(|cip| cip == [0x0E, 3, 0x20, 4, 0x24, instance, 0x30, 3])
}

/// A reply whose CIP message was changed, with lengths that fit.
fn with_message(reply: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut message = reply[MESSAGE..].to_vec();
    change(&mut message);
    let mut changed = reply[..MESSAGE].to_vec();
    changed[2..4].copy_from_slice(&(16 + message.len() as u16).to_le_bytes());
    changed[38..40].copy_from_slice(&(message.len() as u16).to_le_bytes());
    changed.extend(message);
    changed
}

/// How a reply's bytes are spoiled.
type Spoiled = fn(&mut Vec<u8>);
type Change = Box<dyn Fn(&mut Vec<u8>) + Send>;

/// Spoils the first read of an assembly and nothing else.
fn once(
    instance: u8,
    mut answer: impl FnMut(&Exchange) -> Answer + Send + 'static,
) -> impl FnMut(&Exchange) -> Answer + Send + 'static {
    let mut done = false;
    move |exchange| {
        if done || !reads(exchange, instance) {
            return Answer::True;
        }
        done = true;
        answer(exchange)
    }
}

#[tokio::test]
async fn a_gather_is_one_request_per_assembly_and_everything_else_is_asked_once() {
    let meter = meter(frozen()).await;
    let mut reading = source(meter.eip(), PATIENT);
    for gathers in 1..=3 {
        reading.gather(&ALL).await;
        reading.assert_true(&meter, &ALL);
        let record = meter.record();
        for instance in 100..=108 {
            assert_eq!(asked(&record, instance, 3), gathers, "data of {instance}");
            assert_eq!(asked(&record, instance, 4), 1, "size of {instance}");
        }
        assert_eq!((identities(&record), record.sessions), (1, 1));
        assert_eq!(record.asked().map(|(_, count)| count).sum::<u64>(), reading.traffic.requests);
    }
    reading.source.close().await;
    assert_harmless(&meter.record());
    assert_eq!((reading.traffic.requests, reading.traffic.responses), (1 + 9 + 27, 1 + 9 + 27));
}

#[tokio::test]
async fn a_session_that_the_meter_closed_for_idleness_is_reopened_without_a_word() {
    let meter = meter(Options { inactivity: Duration::from_millis(500), ..frozen() }).await;
    let relay = relay(&meter).await;
    let mut reading = source(relay.address, PATIENT);
    for session in 0..3 {
        reading.gather(&[Table::Realtime, Table::Alarm]).await;
        reading.assert_true(&meter, &[Table::Realtime, Table::Alarm]);
        assert_eq!(relay.end(session).await, End::ByMeter);
    }
    let record = meter.record();
    assert_eq!((record.sessions, identities(&record)), (3, 3));
    assert_eq!(
        (asked(&record, 101, 3), asked(&record, 101, 4)),
        (3, 1),
        "the same device has the same sizes"
    );
    let traffic = reading.traffic;
    assert_eq!((traffic.timeouts, traffic.errors, traffic.reconnects), (0, 0, 2));
}

#[tokio::test]
async fn a_late_reply_is_never_taken_for_the_next_answer() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    let mut reading = source(relay.address, HASTY);
    // The late reply looks right and has other numbers: whoever takes it is found out.
    relay.spoil(once(101, |exchange| {
        Answer::Late(with_message(&exchange.reply, |message| {
            message[4..].as_chunks_mut().0.iter_mut().for_each(|real| *real = 1f32.to_le_bytes());
        }))
    }));
    let tables = [Table::Realtime, Table::Alarm];
    reading.gather(&tables).await;
    let says = "no reply to the read of assembly 101 within 1s";
    assert_eq!(reading.failures, [(Table::Realtime, FailureKind::Timeout.because(says))]);
    assert_eq!(relay.end(0).await, End::ByClient);
    let missing = reading.missing(&meter, Table::Realtime);
    assert_eq!(missing.len(), 12, "assembly 102 was read on a new connection: {missing:?}");
    for _ in 0..2 {
        reading.gather(&tables).await;
        reading.assert_true(&meter, &tables);
    }
    assert_eq!((relay.connections(), reading.traffic.timeouts), (2, 1));
}

#[tokio::test]
async fn a_meter_that_went_silent_costs_two_timeouts_and_not_one_per_assembly() {
    let meter = meter(frozen()).await;
    let mut reading = source(meter.eip(), HASTY);
    reading.gather(&ALL).await;
    meter.set_defects(Defects { silent: true, ..Defects::default() });
    reading.gather(&ALL).await;
    assert_eq!((reading.traffic.timeouts, reading.failed()), (2, crate::common::reading::set(&ALL)));
    meter.set_defects(Defects::default());
    reading.gather(&ALL).await;
    reading.assert_true(&meter, &ALL);
}

#[tokio::test]
async fn an_assembly_that_is_refused_or_has_another_size_costs_its_own_table_and_is_said_once() {
    let refused = Defects { refused_assemblies: BTreeMap::from([(108, 0x08)]), ..Defects::default() };
    let resized = Defects { assembly_sizes: BTreeMap::from([(108, 8)]), ..Defects::default() };
    for (faults, says) in [
        (refused, "assembly 108 is refused: CIP status 0x08, service not supported"),
        (resized, "assembly 108 has 8 bytes, the profile expects 4"),
    ] {
        let meter = meter(frozen()).await;
        meter.set_defects(faults);
        let mut collector = collector(&format!("address = \"{}\"", meter.eip()));
        let mut said = Vec::new();
        for _ in 0..3 {
            let lines = gather(&mut collector, &[Table::Realtime, Table::Alarm]).await;
            assert!(lines.one("powermonitor_500").fields.len() == 30 && !lines.has("powermonitor_500_alarm"));
            let status = lines.one("powermonitor_500_status");
            assert_eq!((status.integer("up"), lines.result()), (1, "partial"));
            assert_eq!((status.integer("tables_ok"), status.integer("tables_failed")), (1, 1));
            said.extend(lines.events("block_refused").into_iter().cloned());
        }
        let [event] = &said[..] else { panic!("{said:?}") };
        assert_eq!((event.text("table"), event.text("reason")), ("alarm", says));
        // It is asked again after a minute, and not at each gather.
        assert!(asked(&meter.record(), 108, 3) <= 1 && asked(&meter.record(), 108, 4) == 1);
    }
}

#[tokio::test]
async fn an_assembly_that_never_answers_costs_its_own_table() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    let dead = |exchange: &Exchange| {
        if reads(exchange, 101) { Answer::Late(Vec::new()) } else { Answer::True }
    };
    relay.spoil(dead);
    let options = format!("address = \"{}\"\ntimeout = \"1s\"\ngather_timeout = \"20s\"", relay.address);
    let mut collector = collector(&options);
    for _ in 0..2 {
        let lines = gather(&mut collector, &[Table::Realtime, Table::Alarm]).await;
        assert_eq!(lines.one("powermonitor_500").fields.len(), 18, "assembly 102 is there");
        assert!(lines.has("powermonitor_500_alarm") && lines.events("block_refused").is_empty());
        let status = lines.one("powermonitor_500_status");
        assert_eq!((status.integer("up"), lines.result()), (1, "partial"));
        assert_eq!((status.integer("tables_ok"), status.integer("tables_failed")), (1, 1));
    }
    assert_eq!(collector.health().traffic.timeouts, 2);
}

#[tokio::test]
async fn an_assembly_of_another_size_is_not_decoded_even_if_the_meter_says_otherwise() {
    let meter = meter(frozen()).await;
    meter.set_defects(Defects { assembly_sizes: BTreeMap::from([(102, 76)]), ..Defects::default() });
    let mut reading = source(meter.eip(), PATIENT);
    reading.gather(&[Table::Realtime]).await;
    let says = "assembly 102 has 76 bytes, the profile expects 72".to_owned();
    assert_eq!(reading.failures, [(Table::Realtime, FailureKind::WrongSize.because(says))]);
    assert_eq!(asked(&meter.record(), 102, 3), 0, "data that cannot be decoded is not even asked for");

    // The size is right when asked for and wrong in the data.
    meter.set_defects(Defects::default());
    let relay = relay(&meter).await;
    let mut reading = source(relay.address, PATIENT);
    relay.spoil(once(102, |exchange| {
        Answer::Instead(with_message(&exchange.reply, |message| message.truncate(4 + 68)))
    }));
    reading.gather(&[Table::Realtime]).await;
    let says = "assembly 102 has 68 bytes, the profile expects 72".to_owned();
    assert_eq!(reading.failures, [(Table::Realtime, FailureKind::WrongSize.because(says))]);
    assert_eq!(reading.missing(&meter, Table::Realtime).len(), 18, "none of its values");
}

#[tokio::test]
async fn another_device_is_not_read_unless_the_configuration_says_so() {
    let drive = Identity {
        vendor: 1,
        device_type: 0x02,
        product_code: 150,
        revision: (7, 1),
        status: 0,
        serial: 77,
        product_name: "PowerFlex 525".to_owned(),
    };
    let meter = meter(frozen()).await;
    meter.set_defects(Defects { identity: Some(drive), ..Defects::default() });
    let mut reading = source(meter.eip(), PATIENT);
    reading.gather(&[Table::Realtime, Table::Alarm]).await;
    assert_eq!(reading.failed(), crate::common::reading::set(&[Table::Realtime, Table::Alarm]));
    for (_, failure) in &reading.failures {
        let found = "found \"PowerFlex 525\" (vendor 1, device type 0x02, product code 150)";
        assert_eq!(failure.kind, FailureKind::WrongDevice);
        assert!(failure.sentence.starts_with(found), "{failure}");
    }
    let record = meter.record();
    assert_eq!((identities(&record), asked(&record, 101, 3), asked(&record, 101, 4)), (1, 0, 0));

    for (policy, result) in [("require", "wrong_device"), ("warn", "success")] {
        let mut collector = collector(&format!("address = \"{}\"\nidentity = \"{policy}\"", meter.eip()));
        let lines = gather(&mut collector, &[Table::Realtime]).await;
        assert_eq!((lines.result(), lines.has("powermonitor_500")), (result, policy == "warn"));
    }
    meter.set_defects(Defects::default());
    reading.gather(&[Table::Realtime, Table::Alarm]).await;
    reading.assert_true(&meter, &[Table::Realtime, Table::Alarm]);
}

#[tokio::test]
async fn product_information_of_either_length_is_read() {
    for info_size in [20, 40] {
        let meter = meter(Options { info_size, ..frozen() }).await;
        let mut reading = source(meter.eip(), PATIENT);
        reading.gather(&[Table::Info]).await;
        reading.assert_true(&meter, &[Table::Info]);
        let serial = reading.profile.index_of(Table::Info, "serial_number").unwrap();
        assert_eq!(reading.readings.get(serial), Some(&Value::Text("SIM0000000000".to_owned())));
    }
}

#[tokio::test]
async fn replies_in_many_small_segments_are_whole() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    relay.spoil(|_| Answer::ByteByByte);
    let mut reading = source(relay.address, PATIENT);
    reading.gather(&ALL).await;
    reading.assert_true(&meter, &ALL);
    assert_eq!(relay.connections(), 1);
}

#[tokio::test]
async fn a_reply_that_is_no_answer_ends_the_session_and_reads_well() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    let status = |code: u8| {
        move |reply: &mut Vec<u8>| {
            reply.truncate(24);
            reply[2..4].fill(0);
            reply[STATUS] = code;
        }
    };
    let not_ours: [(Spoiled, &str); 6] = [
        (|reply| reply[4] ^= 1, "malformed reply: it belongs to another session"),
        (|reply| reply[CONTEXT] ^= 1, "malformed reply: it answers another request (sender context differs)"),
        (|reply| reply[0] = 0x70, "malformed reply: it is to command 0x0070, we sent 0x006F"),
        (|reply| reply[MESSAGE] = 0x81, "malformed reply: the reply is to service 0x01, we asked 0x0E"),
        (|reply| reply[30] = 0xFF, "malformed reply: the reply announces 255 items"),
        (
            |reply| reply[3] = 0xFF,
            "malformed reply: the reply announces 65348 bytes of data, more than any answer to a read has",
        ),
    ];
    let statuses = [
        (0x01, "encapsulation status 0x0001: the device does not support the encapsulation command"),
        (
            0x02,
            "encapsulation status 0x0002: the device has no memory left for the request; it may serve too many \
             clients",
        ),
        (0x03, "encapsulation status 0x0003: the device found the data malformed"),
        (0x64, "encapsulation status 0x0064: the device does not know our session; it may have restarted"),
        (0x65, "encapsulation status 0x0065: the device found the length invalid"),
        (
            0x69,
            "encapsulation status 0x0069: the device does not support this version of the encapsulation protocol",
        ),
    ];
    let mut cases: Vec<(Change, Failure)> = Vec::new();
    for (change, says) in not_ours {
        cases.push((Box::new(change), FailureKind::BadData.because(says)));
    }
    for (code, says) in statuses {
        cases.push((Box::new(status(code)), FailureKind::Refused.because(says)));
    }
    let mut reading = source(relay.address, PATIENT);
    for (session, (change, failure)) in cases.into_iter().enumerate() {
        relay.spoil(once(101, move |exchange| {
            let mut reply = exchange.reply.clone();
            change(&mut reply);
            Answer::Instead(reply)
        }));
        reading.gather(&[Table::Realtime, Table::Alarm]).await;
        assert_eq!(reading.failures, [(Table::Realtime, failure)]);
        assert_eq!(relay.end(session).await, End::ByClient);
        assert_eq!(
            reading.missing(&meter, Table::Realtime).len(),
            12,
            "assembly 102 is read in a new session"
        );
        assert_eq!(relay.connections(), session + 2);
        reading.gather(&[Table::Realtime, Table::Alarm]).await;
        reading.assert_true(&meter, &[Table::Realtime, Table::Alarm]);
    }
    assert_harmless(&meter.record());
}

#[tokio::test]
async fn a_meter_that_refuses_the_session_is_said_to() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    relay.spoil(|exchange| {
        let mut reply = exchange.reply[..24].to_vec();
        reply[2..4].fill(0);
        reply[STATUS] = 0x02;
        Answer::Instead(reply)
    });
    let mut collector = collector(&format!("address = \"{}\"", relay.address));
    let lines = gather(&mut collector, &[Table::Realtime, Table::Alarm]).await;
    assert_eq!(lines.result(), "refused");
    assert_eq!(lines.one("powermonitor_500_status").integer("up"), 0);
    relay.heal();
    let lines = gather(&mut collector, &[Table::Realtime, Table::Alarm]).await;
    assert_eq!(lines.result(), "success");
}

#[tokio::test]
async fn a_reply_that_breaks_off_costs_its_block_and_the_next_session_is_sound() {
    let meter = meter(frozen()).await;
    let mut reading = source(meter.eip(), PATIENT);
    reading.gather(&[Table::Realtime, Table::Alarm]).await;
    for length in [0, 10, 24, 60] {
        meter.set_defects(Defects { truncate_next_reply: Some(length), ..Defects::default() });
        reading.gather(&[Table::Alarm, Table::Realtime]).await;
        // Found at the first request of a gather it may as well have been idleness: asked again at once.
        reading.assert_true(&meter, &[Table::Realtime, Table::Alarm]);
    }
    assert_eq!(meter.record().sessions, 5);
}
