//! Modbus TCP: few requests, what a meter refuses is learned, and a fault costs what it concerns and no more.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use telegraf_pm500::meter::{Profile, Table, Value, WordOrder};
use telegraf_pm500::simulator::{Asked, Defects, Options, Record, SimulatedMeter};
use telegraf_pm500::source::modbus::Settings;
use telegraf_pm500::source::{FailureKind, Timeouts};

use crate::common::reading::{
    HASTY, PATIENT, Reading, assert_harmless, collector, frozen, gather, meter, modbus, set,
};
use crate::common::relay::{Answer, End, Exchange, Framing, Relay};

/// The default tables: three blocks.
const USUAL: [Table; 3] = [Table::Realtime, Table::Energy, Table::Alarm];
/// Every table that Modbus gives.
const ALL: [Table; 5] = [Table::Realtime, Table::Energy, Table::Alarm, Table::Settings, Table::Info];

const SETTINGS: Settings = Settings::USUAL;

/// Where a packet's parts stand.
const UNIT: usize = 6;
const FUNCTION: usize = 7;
/// First register of a reply.
const DATA: usize = 9;

fn source(address: SocketAddr, timeouts: Timeouts, settings: Settings) -> Reading {
    with_profile(address, timeouts, settings, Profile::built_in())
}

fn with_profile(address: SocketAddr, timeouts: Timeouts, settings: Settings, map: Arc<Profile>) -> Reading {
    Reading::new(modbus(address, timeouts, settings), map)
}

async fn relay(meter: &SimulatedMeter) -> Relay {
    Relay::start(meter.modbus(), Framing::Modbus).await
}

/// What failed, and as what.
fn kinds(reading: &Reading) -> Vec<(Table, FailureKind)> {
    reading.failures.iter().map(|(table, failure)| (*table, failure.kind)).collect()
}

/// First register and count of an exchange's read.
fn extent(exchange: &Exchange) -> (u16, u16) {
    let word = |at: usize| u16::from_be_bytes([exchange.request[at], exchange.request[at + 1]]);
    (word(8), word(10))
}

/// An exception in answer to this request.
fn exception(exchange: &Exchange, code: u8) -> Answer {
    let mut reply = exchange.request[..4].to_vec();
    reply.extend([0, 3, exchange.request[UNIT], exchange.request[FUNCTION] | 0x80, code]);
    Answer::Instead(reply)
}

/// Spoils the first read that starts at a register and nothing else.
fn once(
    start: u16,
    mut answer: impl FnMut(&Exchange) -> Answer + Send + 'static,
) -> impl FnMut(&Exchange) -> Answer + Send + 'static {
    let mut done = false;
    move |exchange| {
        if done || extent(exchange).0 != start {
            return Answer::True;
        }
        done = true;
        answer(exchange)
    }
}

/// The reads so far: function, first register, count, how often.
fn reads(record: &Record) -> Vec<(u8, u16, u16, u64)> {
    let read = |(asked, times)| match asked {
        Asked::Modbus { function, address, count } => (function, address, count, times),
        Asked::Cip { .. } => panic!("{asked:?}"),
    };
    record.asked().map(read).collect()
}

#[tokio::test]
async fn a_gather_of_the_usual_tables_is_three_reads_in_either_word_order() {
    for word_order in [WordOrder::LowFirst, WordOrder::HighFirst] {
        let meter = meter(Options { word_order, ..frozen() }).await;
        let mut reading = source(meter.modbus(), PATIENT, SETTINGS);
        reading.word_order = word_order;
        for gathers in 1..=3 {
            reading.gather(&USUAL).await;
            reading.assert_true(&meter, &USUAL);
            let expected = [(0x0050, 64), (0x0500, 36), (0x4000, 2)].map(|(at, n)| (3, at, n, gathers));
            assert_eq!(reads(&meter.record()), expected);
        }
        assert_harmless(&meter.record());
    }
}

#[tokio::test]
async fn the_meters_only_socket_is_given_back_after_each_gather_unless_it_is_to_be_held() {
    for close_after_gather in [true, false] {
        let meter = meter(frozen()).await;
        let relay = relay(&meter).await;
        let mut reading = source(relay.address, PATIENT, Settings { close_after_gather, ..SETTINGS });
        for gathers in 1..=3 {
            reading.gather(&USUAL).await;
            reading.assert_true(&meter, &USUAL);
            if close_after_gather {
                assert_eq!(relay.end(gathers - 1).await, End::ByClient);
            }
            assert_eq!(relay.connections(), if close_after_gather { gathers } else { 1 });
        }
        reading.source.close().await;
        assert_eq!(relay.end(relay.connections() - 1).await, End::ByClient);
        assert_eq!(reading.traffic.reconnects, 0, "to give the socket back is no fault");
        assert_eq!(meter.record().modbus_rejected, 0);
    }
}

#[tokio::test]
async fn a_held_connection_that_the_meter_closed_is_made_again_without_losing_a_value() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    let mut reading = source(relay.address, PATIENT, Settings { close_after_gather: false, ..SETTINGS });
    reading.gather(&USUAL).await;
    relay.spoil(once(0x0050, |_| Answer::Close));
    reading.gather(&USUAL).await;
    reading.assert_true(&meter, &USUAL);
    assert_eq!((reading.traffic.errors, reading.traffic.reconnects), (0, 1));
}

#[tokio::test]
async fn a_hole_in_the_registers_is_learned_once_and_costs_no_value() {
    let meter = meter(Options { hole: true, ..frozen() }).await;
    let mut reading = source(meter.modbus(), PATIENT, SETTINGS);
    let mut requests = Vec::new();
    for _ in 0..4 {
        let before = reading.traffic.requests;
        reading.gather(&USUAL).await;
        reading.assert_true(&meter, &USUAL);
        requests.push(reading.traffic.requests - before);
    }
    assert_eq!(requests, [5, 4, 4, 4]);
    assert!(reads(&meter.record()).contains(&(3, 0x0050, 58, 4)));
    assert_harmless(&meter.record());
}

#[tokio::test]
async fn one_refused_register_costs_its_own_field_and_is_not_asked_for_again_within_the_hour() {
    for code in [2, 3] {
        let meter = meter(frozen()).await;
        meter.set_defects(Defects {
            modbus_exceptions: BTreeMap::from([(0x0055, code)]),
            ..Defects::default()
        });
        let mut reading = source(meter.modbus(), PATIENT, SETTINGS);
        let mut requests = Vec::new();
        for _ in 0..3 {
            let before = reading.traffic.requests;
            reading.gather(&USUAL).await;
            assert_eq!(reading.missing(&meter, Table::Realtime), ["voltage_l3_n_v"]);
            assert_eq!(reading.missing(&meter, Table::Energy), [""; 0]);
            assert_eq!(kinds(&reading), [(Table::Realtime, FailureKind::Refused)]);
            requests.push(reading.traffic.requests - before);
        }
        assert!(requests[0] < 20 && requests[1] < 10 && requests[1] == requests[2], "{requests:?}");
        let alone = reads(&meter.record()).into_iter().find(|(_, at, n, _)| (*at, *n) == (0x0054, 2));
        assert_eq!(alone, Some((3, 0x0054, 2, 1)));
        assert_harmless(&meter.record());
    }
}

#[tokio::test]
async fn a_refused_register_is_partial_and_said_once_and_every_other_field_is_emitted() {
    let meter = meter(frozen()).await;
    meter.set_defects(Defects { modbus_exceptions: BTreeMap::from([(0x0510, 2)]), ..Defects::default() });
    let mut collector = collector(&format!("address = \"{}\"\nconnection = \"modbus\"", meter.modbus()));
    let mut said = 0;
    for _ in 0..3 {
        let lines = gather(&mut collector, &USUAL).await;
        assert_eq!(lines.one("powermonitor_500_energy").fields.len(), 9, "eight counters, and since when");
        assert_eq!(lines.one("powermonitor_500").fields.len(), 30);
        let status = lines.one("powermonitor_500_status");
        assert_eq!((lines.result(), status.integer("tables_failed")), ("partial", 1));
        said += lines.events("block_refused").len();
    }
    assert_eq!(said, 1);
}

#[tokio::test]
async fn a_meter_that_knows_only_function_04_is_read_with_it_from_then_on() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    relay.spoil(
        |exchange| {
            if exchange.request[FUNCTION] == 3 { exception(exchange, 1) } else { Answer::True }
        },
    );
    let mut reading = source(relay.address, PATIENT, SETTINGS);
    for requests in [4, 7, 10] {
        reading.gather(&USUAL).await;
        reading.assert_true(&meter, &USUAL);
        assert_eq!(reading.traffic.requests, requests);
    }
    assert_harmless(&meter.record());
}

#[tokio::test]
async fn a_meter_that_knows_neither_function_is_asked_six_times_and_said_to_refuse() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    relay.spoil(|exchange| exception(exchange, 1));
    let mut reading = source(relay.address, PATIENT, SETTINGS);
    reading.gather(&USUAL).await;
    assert_eq!((reading.traffic.requests, reading.failed()), (6, set(&USUAL)));
    let says = "the read of 0x0050 to 0x008F is refused: Modbus exception 0x01, illegal function".to_owned();
    assert_eq!(reading.failures[0], (Table::Realtime, FailureKind::Refused.because(says)));
}

#[tokio::test]
async fn a_device_failure_of_one_register_costs_its_own_field() {
    let meter = meter(frozen()).await;
    meter.set_defects(Defects { modbus_exceptions: BTreeMap::from([(0x0510, 4)]), ..Defects::default() });
    let mut reading = source(meter.modbus(), PATIENT, SETTINGS);
    for _ in 0..2 {
        reading.gather(&USUAL).await;
        assert_eq!(kinds(&reading), [(Table::Energy, FailureKind::Refused)]);
        assert_eq!(reading.missing(&meter, Table::Energy), ["partial_active_import_wh"]);
    }
}

#[tokio::test]
async fn a_busy_meter_is_left_alone_for_the_rest_of_the_gather_and_nothing_is_split() {
    for code in [5, 6, 0x0A, 0x0B] {
        let meter = meter(frozen()).await;
        meter.set_defects(Defects {
            modbus_exceptions: BTreeMap::from([(0x0500, code)]),
            ..Defects::default()
        });
        let mut reading = source(meter.modbus(), PATIENT, SETTINGS);
        reading.gather(&USUAL).await;
        assert_eq!(reading.missing(&meter, Table::Realtime), [""; 0]);
        assert_eq!((reading.traffic.requests, reading.failed()), (2, set(&[Table::Energy, Table::Alarm])));
        meter.set_defects(Defects::default());
        reading.gather(&USUAL).await;
        reading.assert_true(&meter, &USUAL);
        assert_eq!(reading.traffic.requests, 5);
    }
}

#[tokio::test]
async fn long_reads_that_time_out_while_shorter_ones_answer_are_halved_at_once() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    relay.spoil(|exchange| if extent(exchange).1 > 40 { Answer::Late(Vec::new()) } else { Answer::True });
    let mut reading = source(relay.address, HASTY, SETTINGS);
    for timeouts in [1, 2, 2, 2] {
        reading.gather(&USUAL).await;
        reading.assert_true(&meter, &USUAL);
        assert_eq!(reading.traffic.timeouts, timeouts, "the second time tells it from one late reply");
    }
}

#[tokio::test]
async fn a_late_reply_is_never_taken_for_the_next_answer() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    let mut reading = source(relay.address, HASTY, Settings { close_after_gather: false, ..SETTINGS });
    // The late reply looks right and has other numbers: whoever takes it is found out.
    relay.spoil(once(0x0500, |exchange| {
        let mut reply = exchange.reply.clone();
        reply[DATA..].fill(0);
        Answer::Late(reply)
    }));
    reading.gather(&USUAL).await;
    let says = "no reply to the read of 36 registers at 0x0500 within 1s".to_owned();
    assert_eq!(reading.failures, [(Table::Energy, FailureKind::Timeout.because(says))]);
    assert_eq!(relay.end(0).await, End::ByClient);
    for _ in 0..2 {
        reading.gather(&USUAL).await;
        reading.assert_true(&meter, &USUAL);
    }
    assert_eq!((relay.connections(), reading.traffic.timeouts), (2, 1));
}

#[tokio::test]
async fn a_reply_that_is_no_answer_is_bad_data_and_ends_the_connection() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    type Spoiled = fn(&mut Vec<u8>);
    let cases: [(Spoiled, &str); 6] = [
        (|reply| reply[1] ^= 1, "malformed reply: it answers request "),
        (|reply| reply[UNIT] = 9, "malformed reply: it comes from unit 9, and unit 1 was asked"),
        (|reply| reply[FUNCTION] = 4, "malformed reply: it answers function 0x04, and 0x03 was asked"),
        (
            |reply| {
                reply.truncate(DATA + 70);
                (reply[5], reply[8]) = (73, 70);
            },
            "malformed reply: 35 registers at 0x0500 instead of 36",
        ),
        (|reply| reply[2] = 0xFF, "malformed reply: it is no Modbus packet"),
        (|reply| reply[8] = 71, "malformed reply: it announces 71 bytes of registers and has 72"),
    ];
    let mut reading = source(relay.address, PATIENT, Settings { close_after_gather: false, ..SETTINGS });
    for (connection, (spoil, says)) in cases.into_iter().enumerate() {
        relay.spoil(once(0x0500, move |exchange| {
            let mut reply = exchange.reply.clone();
            spoil(&mut reply);
            Answer::Instead(reply)
        }));
        reading.gather(&USUAL).await;
        assert_eq!(kinds(&reading), [(Table::Energy, FailureKind::BadData)], "{says}");
        let (_, failure) = &reading.failures[0];
        assert!(failure.sentence.starts_with(says), "{failure}");
        assert_eq!(reading.missing(&meter, Table::Energy).len(), 9);
        assert_eq!(reading.missing(&meter, Table::Alarm), [""; 0], "read on a new connection");
        assert_eq!(relay.end(connection).await, End::ByClient);
        reading.gather(&USUAL).await;
        reading.assert_true(&meter, &USUAL);
    }
}

#[tokio::test]
async fn garbage_never_hangs_a_gather_nor_becomes_a_value() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    for byte in [0x00, 0x01, 0x7F, 0xFF] {
        relay.spoil(move |_| Answer::Instead(vec![byte; 300]));
        let mut reading = source(relay.address, HASTY, SETTINGS);
        reading.gather(&USUAL).await;
        assert_eq!(reading.failed(), set(&USUAL), "{byte:02X}");
        assert_eq!(reading.missing(&meter, Table::Realtime).len(), 30);
    }
}

#[tokio::test]
async fn energy_counters_are_exact_to_the_last_watt_hour() {
    // A profile may widen what is plausible; 2^53 + 1 is the first integer that a double cannot hold.
    let text = include_str!("../../src/meter/powermonitor_500.toml");
    let wide = text.replace("range = [0, 10_000_000_000_000]", "range = [0, 9.3e18]");
    let wide = Arc::new(Profile::parse(&wide).unwrap());
    for (profile, count) in
        [(Profile::built_in(), 9_999_999_999_999i64), (wide.clone(), (1 << 53) + 1), (wide, i64::MAX - 1)]
    {
        let meter = meter(frozen()).await;
        let relay = relay(&meter).await;
        relay.spoil(once(0x0500, move |exchange| {
            let mut reply = exchange.reply.clone();
            let words = [0, 16, 32, 48].map(|shift| (count >> shift) as u16);
            let bytes = words.into_iter().flat_map(u16::to_be_bytes);
            reply[DATA..].iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
            Answer::Instead(reply)
        }));
        let index = profile.index_of(Table::Energy, "active_import_wh").unwrap();
        let mut reading = with_profile(relay.address, PATIENT, SETTINGS, profile);
        reading.gather(&[Table::Energy]).await;
        assert_eq!(reading.readings.get(index), Some(&Value::Integer(count)));
    }
}

#[tokio::test]
async fn a_slow_gather_that_is_cut_off_says_so_only_of_the_tables_it_did_not_finish() {
    let meter = meter(frozen()).await;
    let relay = relay(&meter).await;
    relay.spoil(
        |exchange| {
            if extent(exchange).0 == 0x4000 { Answer::Late(Vec::new()) } else { Answer::True }
        },
    );
    let options = "connection = \"modbus\"\ntimeout = \"2s\"\ngather_timeout = \"2s\"";
    let mut collector = collector(&format!("address = \"{}\"\n{options}", relay.address));
    let lines = gather(&mut collector, &USUAL).await;
    assert!(lines.has("powermonitor_500") && lines.has("powermonitor_500_energy"));
    let status = lines.one("powermonitor_500_status");
    assert_eq!((status.integer("tables_ok"), status.integer("tables_failed")), (2, 1));
    assert!(status.fields.contains_key("energy_age_ms"), "what was read has an age");
}

#[tokio::test]
async fn every_table_is_read_without_the_password_whatever_the_size_of_a_read() {
    for max_registers in [4, 16, 125] {
        let meter = meter(Options { hole: true, ..frozen() }).await;
        meter.set_defects(Defects { modbus_exceptions: BTreeMap::from([(0x1002, 2)]), ..Defects::default() });
        let mut reading = source(meter.modbus(), PATIENT, Settings { max_registers, ..SETTINGS });
        for _ in 0..2 {
            reading.gather(&ALL).await;
            assert_eq!(reading.missing(&meter, Table::Realtime), [""; 0]);
        }
        assert_harmless(&meter.record());
    }
}

#[tokio::test]
async fn a_meter_that_went_silent_costs_two_timeouts_and_comes_back() {
    let meter = meter(frozen()).await;
    let mut reading = source(meter.modbus(), HASTY, SETTINGS);
    meter.set_defects(Defects { silent: true, ..Defects::default() });
    reading.gather(&ALL).await;
    assert_eq!((reading.traffic.timeouts, reading.failed()), (2, set(&ALL)));
    // The simulated meter answers late, to a connection that is no more.
    meter.set_defects(Defects { delay_next_reply: Some(Duration::from_millis(1)), ..Defects::default() });
    reading.gather(&ALL).await;
    reading.assert_true(&meter, &ALL);
}
