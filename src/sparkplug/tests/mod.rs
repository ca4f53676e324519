//! The node against a host that keeps the specification: what goes in comes out, in a session that is sound.

use std::time::Duration;

use prost::Message as _;

use super::host::Verdict;
use super::node::{Now, Settings};
use super::payload::{Metric, Payload, REBIRTH, Scalar};
use super::refusal::{Refusal, Taken};
use bench::{Bench, Heard, T0, settings};

mod bench;
mod steps;

const POWER: &str = "realtime/active_power_total_w";

#[test]
fn births_are_complete_come_first_and_say_null_for_what_was_not_read() {
    let mut bench = Bench::new(settings());
    bench.power("a", 1.5);
    bench.connect();
    assert_eq!(bench.pump(), ["NBIRTH", "DBIRTH a"]);
    assert!(bench.host.births["a"].len() > 150 && bench.host.births[""].contains_key("plugin/uptime_s"));
    let expected =
        Heard { at_ms: T0, value: Some(Scalar::Float(1.5)), historical: false, quality: Some(192) };
    assert_eq!(bench.host.all("a", POWER), [expected]);
    let unread = bench.host.last("a", "energy/active_import_wh");
    assert_eq!((&unread.value, unread.quality), (&None, Some(500)));
    bench.pass(Duration::from_secs(1));
    bench.power("a", -2.5);
    bench.line("powermonitor_500_plugin meters_up=1i 1700000001000000000");
    bench.power("b", 3.0);
    assert_eq!(bench.pump(), ["DBIRTH b", "DDATA a", "NDATA"]);
    let expected =
        Heard { at_ms: T0 + 1000, value: Some(Scalar::Float(-2.5)), historical: false, quality: None };
    assert_eq!(bench.host.last("a", POWER), &expected);
}

#[test]
fn numbers_keep_every_bit() {
    for aliases in [false, true] {
        let mut bench = Bench::new(Settings { aliases, ..settings() });
        bench.power("a", 1.0);
        bench.connect();
        bench.pump();
        for count in [(1i64 << 53) + 1, i64::MIN, i64::MAX, -1, 0] {
            bench.pass(Duration::from_secs(1));
            let at = bench.now.wall_ms;
            bench.line(&format!("powermonitor_500_energy,meter=a active_import_wh={count}i {at}000000"));
            bench.pump();
            assert_eq!(
                bench.host.last("a", "energy/active_import_wh").value,
                Some(Scalar::Long(count as u64))
            );
        }
    }
}

#[test]
fn a_value_that_is_gone_is_null_and_bad_and_good_again_when_it_returns() {
    let mut bench = Bench::new(settings());
    bench.power("a", 1.0);
    bench.connect();
    bench.pump();
    let mut told = |fields: &str| {
        bench.pass(Duration::from_secs(1));
        let at = bench.now.wall_ms;
        bench.line(&format!("powermonitor_500,meter=a {fields} {at}000000"));
        bench.pump();
        let heard = bench.host.last("a", POWER);
        (heard.value.clone(), heard.quality, heard.at_ms == at)
    };
    assert_eq!(told("frequency_hz=50"), (None, Some(0), true));
    assert_eq!(told("frequency_hz=50"), (None, Some(0), false), "it is said once");
    assert_eq!(told("frequency_hz=50,active_power_total_w=2"), (Some(Scalar::Float(2.0)), Some(192), true));
    assert_eq!(told("frequency_hz=50,active_power_total_w=3"), (Some(Scalar::Float(3.0)), None, true));
}

#[test]
fn a_meter_dies_after_its_last_words_and_returns_with_a_birth_that_knows_what_happened_since() {
    let mut bench = Bench::new(settings());
    bench.power("a", 1.0);
    bench.status("a", true);
    bench.connect();
    assert_eq!(bench.pump(), ["NBIRTH", "DBIRTH a"]);
    bench.pass(Duration::from_secs(10));
    bench.status("a", false);
    assert_eq!(bench.pump(), ["DDATA a", "DDEATH a"]);
    assert_eq!(bench.host.last("a", "status/up").value, Some(Scalar::Long(0)));
    for _ in 0..3 {
        bench.pass(Duration::from_secs(10));
        assert_eq!(bench.status("a", false), Taken::default());
        assert_eq!(bench.pump(), Vec::<String>::new());
    }
    let gap = format!("powermonitor_500_event,event=gap,meter=a message=\"m\" {}000000", bench.now.wall_ms);
    assert!(bench.line(&gap).keep.is_some());
    bench.pass(Duration::from_secs(10));
    bench.power("a", 2.0);
    bench.status("a", true);
    assert_eq!(bench.pump(), ["DBIRTH a"]);
    assert_eq!(bench.host.last("a", POWER).value, Some(Scalar::Float(2.0)));
    assert_eq!(bench.host.last("a", "event/event").value, Some(Scalar::Text("gap".to_owned())));
}

#[test]
fn what_came_while_the_broker_was_away_goes_out_as_history_in_order_after_the_births() {
    let mut bench = Bench::new(settings());
    bench.connect();
    bench.power("a", 0.0);
    bench.pump();
    bench.node.confirmed(u64::MAX);
    bench.lose();
    for watts in 1..=5u8 {
        bench.pass(Duration::from_secs(10));
        assert!(bench.power("a", f32::from(watts)).keep.is_some());
    }
    bench.connect();
    assert_eq!(bench.pump(), ["NBIRTH", "DBIRTH a", "DDATA a", "DDATA a", "DDATA a", "DDATA a"]);
    let heard: Vec<_> =
        bench.host.all("a", POWER)[1..].iter().map(|heard| (heard.at_ms, heard.historical)).collect();
    // The newest is in the birth.
    let at = |tens: u64| T0 + tens * 10_000;
    assert_eq!(heard, [(at(5), false), (at(1), true), (at(2), true), (at(3), true), (at(4), true)]);
    bench.node.confirmed(u64::MAX);
    assert!(bench.node.settled() && bench.node.waiting() == 0);
}

#[test]
fn what_the_broker_has_not_confirmed_goes_out_again() {
    let mut bench = Bench::new(settings());
    bench.connect();
    bench.power("a", 0.0);
    bench.pump();
    for watts in 1..=3u8 {
        bench.pass(Duration::from_secs(1));
        bench.power("a", f32::from(watts));
        // Into a cable that has been pulled.
        while bench.node.next(bench.now).is_some() {}
    }
    bench.node.confirmed(3);
    assert_eq!(bench.node.waiting(), 2);
    let kept = bench.node.lost();
    assert_eq!(kept.len(), 2, "the file has what would be lost with the process");
    bench.host.session_lost();
    bench.connect();
    bench.pump();
    let times: Vec<_> = bench.host.all("a", POWER)[1..].iter().map(|heard| heard.at_ms - T0).collect();
    assert_eq!(times, [3000, 2000]);
}

#[test]
fn a_host_that_is_awaited_gets_nothing_before_it_is_online_and_a_death_when_it_leaves() {
    let mut bench = Bench::new(Settings { primary_host: true, ..settings() });
    bench.power("a", 1.0);
    bench.connect();
    assert_eq!(bench.pump(), Vec::<String>::new());
    assert_eq!(bench.node.death(bench.now), None);
    let state = |bench: &mut Bench, online: bool, at: u64| {
        let text = format!("{{\"online\":{online},\"timestamp\":{at}}}");
        bench.node.host_state(text.as_bytes(), bench.now)
    };
    assert_eq!(state(&mut bench, false, 5), Verdict::Offline);
    assert_eq!(bench.pump(), Vec::<String>::new());
    assert_eq!(state(&mut bench, true, 10), Verdict::Online);
    assert_eq!(bench.pump(), ["NBIRTH", "DBIRTH a"]);
    assert_eq!(state(&mut bench, false, 9), Verdict::Ignored);
    assert_eq!(state(&mut bench, false, 10), Verdict::Offline);
    let death = bench.node.death(bench.now).unwrap();
    bench.host.hear(&death);
}

#[test]
fn births_are_repeated_on_command_at_most_once_a_second_and_under_the_same_number() {
    let mut bench = Bench::new(settings());
    bench.power("a", 1.0);
    bench.sessions = 7;
    bench.connect();
    bench.pump();
    let mut command = Payload::default();
    let value = Some(Scalar::Boolean(true));
    command.metrics.push(Metric { name: Some(REBIRTH.to_owned()), value, ..Metric::default() });
    let command = command.encode_to_vec();
    for _ in 0..100 {
        bench.node.command(&command, bench.now).unwrap();
    }
    bench.power("a", 2.0);
    assert_eq!(bench.pump(), ["DDATA a"], "too soon");
    assert_eq!(bench.node.due(), Some(Duration::from_secs(1)));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.pump(), ["NBIRTH", "DBIRTH a"]);
    assert_eq!(bench.host.bd_seq, Some(7));
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.pump(), Vec::<String>::new());
}

#[test]
fn a_table_that_is_not_read_any_more_is_stale_and_one_that_is_read_rarely_is_not() {
    let mut bench = Bench::new(settings());
    bench.connect();
    let mut gather = |second: u64, realtime: bool, energy: bool| {
        bench.now = Now { wall_ms: T0 + second * 1000, steady: Duration::from_secs(second) };
        let at = bench.now.wall_ms;
        if realtime {
            bench.power("a", 1.0);
        }
        if energy {
            bench.line(&format!("powermonitor_500_energy,meter=a active_import_wh=1i {at}000000"));
        }
        let realtime_age = if realtime { 0 } else { (second - 120) * 1000 };
        let energy_age = second % 60 * 1000;
        bench.line(&format!(
            "powermonitor_500_status,meter=a up=1i,realtime_age_ms={realtime_age}i,energy_age_ms={energy_age}i {at}000000"
        ));
        bench.pump();
        (bench.host.last("a", POWER).clone(), bench.host.last("a", "energy/active_import_wh").clone())
    };
    for second in (0..=120).step_by(10) {
        let (power, energy) = gather(second, true, second % 60 == 0);
        assert_ne!((power.quality, energy.quality), (Some(500), Some(500)), "{second}");
    }
    let (power, energy) = (0..6).map(|n| gather(130 + n * 10, false, false)).last().unwrap();
    assert_eq!(
        (power.quality, power.at_ms, power.value),
        (Some(500), T0 + 120_000, Some(Scalar::Float(1.0)))
    );
    assert_ne!(energy.quality, Some(500));
    let (power, _) = gather(190, true, false);
    assert_eq!((power.quality, power.at_ms), (Some(192), T0 + 190_000));
}

#[test]
fn a_field_that_no_table_has_gets_its_birth_before_its_data() {
    let mut bench = Bench::new(settings());
    bench.power("a", 1.0);
    bench.connect();
    bench.pump();
    bench.pass(Duration::from_secs(1));
    let at = bench.now.wall_ms;
    bench.line(&format!(
        "powermonitor_500,meter=a active_power_total_kw=1.25,active_power_total_w=5 {at}000000"
    ));
    assert_eq!(bench.pump(), ["DBIRTH a"]);
    assert_eq!(bench.host.last("a", "realtime/active_power_total_kw").value, Some(Scalar::Double(1.25)));
}

#[test]
fn what_cannot_be_used_is_told_from_what_can() {
    let mut bench = Bench::new(settings());
    let mut refusal = |text: &str| match bench.line(text) {
        Taken { keep: None, refusal: Some(refusal) } => refusal.to_string(),
        other => panic!("{text}: {other:?}"),
    };
    assert!(refusal("cpu,host=a usage=1").contains("namepass"));
    assert!(refusal("powermonitor_500 frequency_hz=50").contains("no tag"));
    assert!(refusal("powermonitor_500,meter=a/b frequency_hz=50").contains("must not contain /"));
    assert!(refusal("{}").contains("data_format"));
    assert!(refusal("powermonitor_500_energy,meter=a active_import_wh=0.5").contains("another type"));
    // A part that cannot be used does not cost the rest.
    let taken = bench.line("powermonitor_500_energy,meter=a active_import_wh=0.5,active_export_wh=1i");
    assert!(taken.keep.is_some() && taken.refusal == Some(Refusal::Fields(1)));
    assert_eq!((bench.node.refused(), bench.node.waiting()), (6, 1));
}
