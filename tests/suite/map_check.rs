//! A register map that the meter's numbers contradict is not presented as fact.

use std::sync::Arc;
use std::time::Duration;

use telegraf_pm500::collector::Collector;
use telegraf_pm500::collector::state::State;
use telegraf_pm500::meter::WordOrder;
use telegraf_pm500::meter::{Profile, Table};
use telegraf_pm500::simulator::Options;

use crate::common::line::Line;
use crate::common::lines::Lines;
use crate::common::reading::{collector, config, frozen, gather, meter};
use crate::common::relay::{Answer, End, Framing, Relay};

const USUAL: [Table; 2] = [Table::Realtime, Table::Alarm];

/// The true map with the places of phase and line voltages exchanged: what a wrong guess looks like.
fn swapped() -> Arc<Profile> {
    let mut text = include_str!("../../src/meter/powermonitor_500.toml").to_owned();
    let places = [("0 ", "50"), ("4 ", "52"), ("8 ", "54"), ("12", "56")];
    let others = [("16", "58"), ("20", "5A"), ("24", "5C"), ("28", "5E")];
    let place = |(offset, address)| format!("offset = {offset}, modbus = 0x00{address}, name = \"voltage_");
    for (one, other) in places.into_iter().zip(others).map(|(one, other)| (place(one), place(other))) {
        // Only realtime rows have a Modbus address, so each place is found once.
        assert!(text.matches(&one).count() == 1 && text.matches(&other).count() == 1, "{one} {other}");
        text = text.replace(&one, "HERE").replace(&other, &one).replace("HERE", &other);
    }
    Arc::new(Profile::parse(&text).unwrap())
}

/// A collector with the wrong map.
fn misled(options: &str) -> Collector {
    let mut settings = config(options);
    settings.profile = swapped();
    Collector::new(Arc::new(settings), State::in_memory())
}

/// The newest info line, and the `map_contradicted` events of all gathers.
fn said(gathers: &[Lines]) -> (Option<Line>, Vec<Line>) {
    let info = gathers.iter().rev().find(|lines| lines.has("powermonitor_500_info"));
    let events = gathers.iter().flat_map(|lines| lines.events("map_contradicted"));
    (info.map(|lines| lines.one("powermonitor_500_info").clone()), events.cloned().collect())
}

async fn gathers(collector: &mut Collector, tables: &[Table], count: usize) -> Vec<Lines> {
    let mut gathers = Vec::new();
    for _ in 0..count {
        gathers.push(gather(collector, tables).await);
    }
    gathers
}

#[tokio::test]
async fn a_contradicted_map_is_refused_and_the_other_tables_are_emitted() {
    let meter = meter(Options::default()).await;
    let mut collector = misled(&format!("address = \"{}\"", meter.eip()));
    let gathers = gathers(&mut collector, &USUAL, 6).await;
    for lines in &gathers {
        assert!(!lines.has("powermonitor_500") && lines.has("powermonitor_500_alarm"));
        let status = lines.one("powermonitor_500_status");
        assert_eq!((status.integer("up"), lines.result()), (1, "partial"));
        assert_eq!((status.integer("tables_ok"), status.integer("tables_failed")), (1, 1));
        assert!(!status.fields.contains_key("realtime_age_ms"), "it was never read truly");
    }
    let (info, events) = said(&gathers);
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.text("table"), "realtime");
    assert!(event.text("reason").contains("the ratio is 0.57"), "{event:?}");
    let info = info.unwrap();
    assert_eq!((info.integer("map_check_code"), info.text("map_check")), (3, "contradicted"));
}

#[tokio::test]
async fn a_contradicted_map_is_said_even_if_nothing_else_is_read() {
    let meter = meter(Options::default()).await;
    let mut collector =
        misled(&format!("address = \"{}\"\ntables = [\"realtime\"]\ninterval = \"200ms\"", meter.eip()));
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let mut gathers = Vec::new();
    // A meter that gives nothing is asked less and less often; gathers in between leave it alone.
    while gathers.last().is_none_or(|lines: &Lines| lines.events("map_contradicted").is_empty()) {
        assert!(std::time::Instant::now() < deadline, "never said");
        gathers.push(gather(&mut collector, &[Table::Realtime]).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(gathers.iter().all(|lines| !lines.has("powermonitor_500")));
    let (info, events) = said(&gathers);
    assert_eq!((info.unwrap().integer("map_check_code"), events.len()), (3, 1));
    assert_eq!(gathers.last().unwrap().result(), "bad_data");
}

#[tokio::test]
async fn a_contradicted_map_is_emitted_where_only_a_warning_was_asked_for() {
    let meter = meter(Options::default()).await;
    let mut collector = misled(&format!("address = \"{}\"\nmap_check = \"warn\"", meter.eip()));
    let gathers = gathers(&mut collector, &USUAL, 6).await;
    assert!(gathers.iter().all(|lines| lines.has("powermonitor_500") && lines.result() == "success"));
    let (info, events) = said(&gathers);
    assert_eq!((info.unwrap().integer("map_check_code"), events.len()), (3, 1));
}

#[tokio::test]
async fn a_map_that_is_not_to_be_checked_is_not_checked() {
    let meter = meter(Options::default()).await;
    let mut collector = misled(&format!("address = \"{}\"\nmap_check = \"off\"", meter.eip()));
    let gathers = gathers(&mut collector, &USUAL, 6).await;
    assert!(gathers.iter().all(|lines| lines.has("powermonitor_500") && lines.result() == "success"));
    let (info, events) = said(&gathers);
    let info = info.unwrap();
    assert_eq!((info.integer("map_check_code"), info.text("map_check")), (0, "not checked"));
    assert_eq!(events, []);
}

#[tokio::test]
async fn the_true_map_is_consistent_over_both_protocols() {
    let meter = meter(Options::default()).await;
    for options in [
        format!("address = \"{}\"", meter.eip()),
        format!("address = \"{}\"\nconnection = \"modbus\"", meter.modbus()),
    ] {
        let mut collector = collector(&options);
        let gathers = gathers(&mut collector, &USUAL, 4).await;
        assert!(gathers.iter().all(|lines| lines.has("powermonitor_500") && lines.result() == "success"));
        let (info, events) = said(&gathers);
        assert_eq!((info.unwrap().integer("map_check_code"), events.len()), (1, 0));
    }
}

#[tokio::test]
async fn the_wrong_word_order_is_contradicted_with_a_hint_to_the_other() {
    for (truth, set, hint) in [
        (WordOrder::HighFirst, "low_first", "word_order = \"high_first\""),
        (WordOrder::LowFirst, "high_first", "word_order = \"low_first\""),
    ] {
        let meter = meter(Options { word_order: truth, ..frozen() }).await;
        let mut collector = collector(&format!(
            "address = \"{}\"\nconnection = \"modbus\"\nword_order = \"{set}\"",
            meter.modbus()
        ));
        let gathers = gathers(&mut collector, &[Table::Realtime, Table::Energy, Table::Alarm], 4).await;
        assert!(gathers.iter().all(|lines| !lines.has("powermonitor_500")));
        assert!(gathers.iter().all(|lines| lines.has("powermonitor_500_alarm")), "bits have no word order");
        let (info, events) = said(&gathers);
        let [event] = &events[..] else { panic!("{events:?}") };
        assert!(event.text("reason").contains(hint), "{event:?}");
        assert_eq!(info.unwrap().integer("map_check_code"), 3);
    }
}

#[tokio::test]
async fn one_contradictory_reading_is_held_back_and_condemns_nothing() {
    let meter = meter(Options::default()).await;
    let relay = Relay::start(meter.eip(), Framing::EtherNetIp).await;
    // The first power block has active and apparent power exchanged, as no load can have.
    let mut first = true;
    relay.spoil(move |exchange| {
        if !first || !exchange.request.ends_with(&[0x24, 102, 0x30, 3]) {
            return Answer::True;
        }
        first = false;
        let mut reply = exchange.reply.clone();
        let (watts, volt_amperes) = reply[44..].split_at_mut(16);
        watts.swap_with_slice(&mut volt_amperes[..16]);
        Answer::Instead(reply)
    });
    let mut collector = collector(&format!("address = \"{}\"", relay.address));
    let gathers = gathers(&mut collector, &USUAL, 6).await;
    let emitted: Vec<bool> = gathers.iter().map(|lines| lines.has("powermonitor_500")).collect();
    assert_eq!(emitted, [false, true, true, true, true, true]);
    let (info, events) = said(&gathers);
    assert_eq!((info.unwrap().integer("map_check_code"), events.len()), (1, 0));
}

#[tokio::test]
async fn a_contradicted_map_is_said_once_also_by_a_meter_that_closes_after_each_gather() {
    let meter = meter(Options { inactivity: Duration::from_millis(200), ..Options::default() }).await;
    let relay = Relay::start(meter.eip(), Framing::EtherNetIp).await;
    let mut collector = misled(&format!("address = \"{}\"", relay.address));
    let mut gathers = Vec::new();
    for session in 0..7 {
        gathers.push(gather(&mut collector, &USUAL).await);
        assert_eq!(relay.end(session).await, End::ByMeter);
    }
    assert!(gathers.iter().all(|lines| !lines.has("powermonitor_500")));
    let (info, events) = said(&gathers);
    assert_eq!((info.unwrap().integer("map_check_code"), events.len()), (3, 1));
}

#[tokio::test]
async fn a_map_that_was_contradicted_by_one_meter_is_judged_anew_with_the_next() {
    // The right meter for this map comes after a wrong one, at the same address.
    let mut wrong = meter(Options::default()).await;
    let right = meter(Options { profile: swapped(), ..Options::default() }).await;
    let mut collector = misled(&format!("address = \"{}\"", wrong.eip()));
    let before = gathers(&mut collector, &USUAL, 4).await;
    assert_eq!(said(&before).1.len(), 1);
    wrong.stop().await;
    let relay = Relay::at(wrong.eip(), right.eip(), Framing::EtherNetIp).await;
    let after = gathers(&mut collector, &USUAL, 2).await;
    assert!(after.iter().all(|lines| lines.has("powermonitor_500")), "{after:?}");
    assert_eq!(said(&after).0.unwrap().integer("map_check_code"), 1);
    drop(relay);
}

#[tokio::test]
async fn a_meter_with_another_word_order_does_not_pass_because_its_predecessor_was_consistent() {
    let mut first = meter(frozen()).await;
    let other = meter(Options { word_order: WordOrder::HighFirst, seed: 77, ..frozen() }).await;
    let mut collector = collector(&format!("address = \"{}\"\nconnection = \"modbus\"", first.modbus()));
    let before = gathers(&mut collector, &USUAL, 3).await;
    assert_eq!(said(&before).0.unwrap().text("map_check"), "consistent");
    first.stop().await;
    let _relay = Relay::at(first.modbus(), other.modbus(), Framing::Modbus).await;
    let after = gathers(&mut collector, &USUAL, 6).await;
    assert!(after.iter().all(|lines| !lines.has("powermonitor_500")), "{after:?}");
    assert_eq!(said(&after).0.unwrap().text("map_check"), "contradicted");
}

#[tokio::test]
async fn energy_in_another_word_order_is_named_as_that_and_costs_only_energy() {
    let meter = meter(frozen()).await;
    let relay = Relay::start(meter.modbus(), Framing::Modbus).await;
    relay.spoil(|exchange| {
        // A read at 0x0500, answered with the words of each counter in the other order.
        if exchange.request[8..10] != [0x05, 0x00] {
            return Answer::True;
        }
        let mut reply = exchange.reply.clone();
        for counter in reply[9..].chunks_exact_mut(8) {
            let words: Vec<u8> = counter.chunks_exact(2).rev().flatten().copied().collect();
            counter.copy_from_slice(&words);
        }
        Answer::Instead(reply)
    });
    let mut collector = collector(&format!("address = \"{}\"\nconnection = \"modbus\"", relay.address));
    let gathers = gathers(&mut collector, &[Table::Realtime, Table::Energy], 4).await;
    assert!(gathers.iter().all(|lines| lines.has("powermonitor_500")), "realtime is read as before");
    assert!(gathers.iter().all(|lines| !lines.has("powermonitor_500_energy")), "{gathers:?}");
    let [event] = &said(&gathers).1[..] else { panic!("{gathers:?}") };
    assert_eq!(event.text("table"), "energy");
    assert!(event.text("reason").contains("word order"), "{event:?}");
}

#[tokio::test]
async fn a_map_that_was_proven_stays_so_over_a_restart_in_a_night_without_load() {
    let mut day = meter(Options::default()).await;
    let night =
        meter(Options { state: telegraf_pm500::simulator::State::DeadBus, ..Options::default() }).await;
    let state = State::in_memory();
    let started = |state: &State| {
        let settings = config(&format!("address = \"{}\"", day.eip()));
        Collector::new(Arc::new(settings), state.clone())
    };
    let mut collector = started(&state);
    let proven = gathers(&mut collector, &USUAL, 3).await;
    assert_eq!(said(&proven).0.unwrap().text("map_check"), "consistent");
    collector.close().await;
    let mut again = started(&state);
    let mut unknown = started(&State::in_memory());
    day.stop().await;
    let _relay = Relay::at(day.eip(), night.eip(), Framing::EtherNetIp).await;
    let dark = gathers(&mut again, &USUAL, 3).await;
    assert!(dark.iter().all(|lines| lines.has("powermonitor_500")));
    assert_eq!(said(&dark).0.unwrap().text("map_check"), "consistent", "it was proven in the day");
    let dark = gathers(&mut unknown, &USUAL, 3).await;
    assert_eq!(
        said(&dark).0.unwrap().text("map_check"),
        "not provable under this load",
        "nothing was proven ever"
    );
}

#[tokio::test]
async fn implausible_values_of_other_tables_cost_themselves_and_never_realtime() {
    let meter = meter(Options::default()).await;
    let relay = Relay::start(meter.eip(), Framing::EtherNetIp).await;
    // Every REAL of the maximum and demand values is finite and far out of its range.
    relay.spoil(|exchange| {
        let asked = |assembly: u8| exchange.request.ends_with(&[0x24, assembly, 0x30, 3]);
        if ![103, 104, 105, 106].into_iter().any(asked) {
            return Answer::True;
        }
        let mut reply = exchange.reply.clone();
        let values = reply[44..].chunks_exact_mut(4);
        values.zip(1u16..).for_each(|(real, n)| real.copy_from_slice(&(-1e30 * f32::from(n)).to_le_bytes()));
        Answer::Instead(reply)
    });
    let mut collector = collector(&format!(
        "address = \"{}\"\ntables = [\"realtime\", \"max\", \"demand\"]\nevidence = \"guessed\"",
        relay.address
    ));
    let gathers = gathers(&mut collector, &[Table::Realtime, Table::Max, Table::Demand], 4).await;
    for lines in &gathers {
        let fields = lines.one("powermonitor_500").fields.len();
        assert!(fields >= 30, "realtime is whole: {fields} fields");
        assert!(!lines.has("powermonitor_500_max") && !lines.has("powermonitor_500_demand"));
        let status = lines.one("powermonitor_500_status");
        assert_eq!((status.integer("tables_ok"), status.integer("tables_failed")), (1, 2));
    }
    let (info, events) = said(&gathers);
    assert_eq!((info.unwrap().text("map_check"), events.len()), ("consistent", 0));
}
