//! A meter that refuses to be listened to: why is said in plain words, what comes next is right for the reason,
//! and the values are read explicitly meanwhile.

use std::collections::HashSet;
use std::time::Duration;

use telegraf_pm500::enip::status::Refusal;
use telegraf_pm500::meter::Table::Realtime;
use telegraf_pm500::simulator::{Defects, Options, OwnerOptions, SimulatedMeter, Variant};
use telegraf_pm500::source::listen::Settings;
use telegraf_pm500::source::{FailureKind, Notice};

use crate::common::listening::{
    DEADLINE, EAGER, RPI, Tap, frozen, gather_until, listener, only, opens, owner, owner_of, settings,
};
use crate::common::namespace::alone;
use crate::common::reading::{Reading, collector, gather, meter};

const MINUTE: Option<Duration> = Some(Duration::from_secs(60));
const TEN_MINUTES: Option<Duration> = Some(Duration::from_secs(600));
/// What does not pass soon.
const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

/// Makes the next Forward Opens fail: general status, then extended status and what follows it.
fn refuse(meter: &SimulatedMeter, refusals: &[(u8, &[u16])]) {
    let refusal =
        |(general, extended): &(u8, &[u16])| Refusal { general: *general, extended: extended.to_vec() };
    let refused_opens = refusals.iter().map(refusal).collect();
    meter.set_defects(Defects { refused_opens, ..Defects::default() });
}

#[test]
fn each_refusal_has_its_own_words_and_its_own_next_step_and_costs_no_value() {
    // Extended status with what follows it; words for people; when it is tried again.
    const REFUSALS: [(&[u16], &str, Option<Duration>); 29] = [
        (&[0x0100], "serial numbers is still open", MINUTE),
        (&[0x0106], "another originator owns", MINUTE),
        (&[0x0107], "knows no such connection", MINUTE),
        (&[0x0108], "connection parameter invalid", HOUR),
        (&[0x0109], "connection size invalid", HOUR),
        (&[0x0113], "no connection left", TEN_MINUTES),
        (&[0x0117], "produced or consumed path; try another config_instance", HOUR),
        (&[0x0118], "configuration path; try another config_instance", HOUR),
        (&[0x0119], "clear \"Use Unicast Connection over EtherNet/IP\"", MINUTE),
        (&[0x011A], "the assembly has no connection left", TEN_MINUTES),
        (&[0x0123], "point-to-point heartbeat", HOUR),
        (&[0x0124], "not send this assembly by multicast", HOUR),
        (&[0x0127, 6], "another heartbeat size (status 0x0127); the right connection size is 6 bytes", HOUR),
        (&[0x0128, 54], "not decoded (status 0x0128); the right connection size is 54 bytes", HOUR),
        (&[0x0128], "sends another size than the profile expects", HOUR),
        (&[0x0129], "try another config_instance (status 0x0129)", HOUR),
        (&[0x012F], "paths do not fit each other; try another config_instance", HOUR),
        (&[0x0133], "timeout multiplier", HOUR),
        (&[0x0134], "another size, which cannot be matched", HOUR),
        (&[0x0137], "another transport class, which cannot be matched", HOUR),
        (&[0x0139], "production inhibit time, which cannot be matched", HOUR),
        (&[0x0203], "the connection timed out", MINUTE),
        (&[0x0204], "did not answer the open in time", MINUTE),
        (&[0x0301], "no buffer memory left", TEN_MINUTES),
        (&[0x0302], "no network bandwidth left", TEN_MINUTES),
        (&[0x0315], "does not understand the connection path; try another config_instance", HOUR),
        (&[0x031C], "gives no reason", MINUTE),
        (&[0x0813], "multicast does not cross subnets", HOUR),
        (&[0x0999], "without a published meaning (status 0x0999)", MINUTE),
    ];
    alone(async {
        let meter = meter(frozen()).await;
        let mut sentences = HashSet::new();
        for (extended, words, next) in REFUSALS {
            // What is open by our own serial numbers is closed, and opened again once.
            let tries = if extended == [0x0100] { 2 } else { 1 };
            refuse(&meter, &[(1, extended), (1, extended)][..tries]);
            let before = opens(&meter.record());
            let mut reading = listener(meter.eip(), settings(), DEADLINE);
            reading.gather(&[Realtime]).await;
            let Notice::Unheard { assembly: 101, reason, retry, .. } = only(&reading.notices) else {
                panic!("{:?}", reading.notices)
            };
            assert!(reason.contains(words), "{extended:04X?}: {reason}");
            assert_eq!(*retry, next, "{extended:04X?}: {reason}");
            assert!(sentences.insert(reason.clone()), "said of something else, too: {reason}");
            reading.assert_true(&meter, &[Realtime]);
            // What is not due is not tried, and what was said is not said again.
            reading.gather(&[Realtime]).await;
            let opened = opens(&meter.record()) - before;
            assert_eq!((opened, reading.notices.len()), (tries as u64, 0), "{extended:04X?}");
        }
        for (general, words, next) in [
            (0x02, "", TEN_MINUTES),
            (0x04, "try another config_instance", HOUR),
            (0x05, "try another config_instance", HOUR),
            (0x08, "no class 1 connections", HOUR),
        ] {
            refuse(&meter, &[(general, &[])]);
            let mut reading = listener(meter.eip(), settings(), DEADLINE);
            reading.gather(&[Realtime]).await;
            let Notice::Unheard { reason, retry, .. } = only(&reading.notices) else { panic!() };
            assert!(reason.contains(words) && *retry == next, "{general}: {reason} {retry:?}");
            assert!(sentences.insert(reason.clone()), "said of something else, too: {reason}");
        }
    });
}

#[test]
fn without_explicit_reads_the_reason_of_a_refusal_is_the_result() {
    alone(async {
        let meter = meter(frozen()).await;
        for (extended, result) in [(0x0119, "no_owner"), (0x0113, "refused"), (0x0128, "refused")] {
            refuse(&meter, &[(1, &[extended]), (1, &[extended])]);
            let options = format!("address = \"{}\"\nconnection = \"listen_only\"", meter.eip());
            let lines = gather(&mut collector(&options), &[Realtime]).await;
            assert_eq!((lines.result(), lines.has("powermonitor_500")), (result, false));
        }
    });
}

#[test]
fn an_interval_that_the_meter_suggests_is_tried_first() {
    alone(async {
        let meter = meter(frozen()).await;
        let tap = Tap::on(&meter).await;
        let _owner = owner(&meter, 1, owner_of(101, Duration::from_millis(33))).await;
        let mut reading = listener(tap.relay.address, settings(), DEADLINE);
        reading.gather(&[Realtime]).await;
        assert_eq!(tap.intervals(), [10, 33]);
        let Notice::Heard { assembly: 101, rpi, origin, again: false, .. } = only(&reading.notices) else {
            panic!("{:?}", reading.notices)
        };
        assert_eq!((rpi.as_millis(), *origin), (33, "suggested by the meter"));
        reading.assert_true(&meter, &[Realtime]);
    });
}

#[test]
fn without_a_suggestion_the_usual_intervals_are_tried_in_order() {
    alone(async {
        let meter = meter(Options { variants: vec![Variant::RpiWithoutValues], ..frozen() }).await;
        let tap = Tap::on(&meter).await;
        let found = owner(&meter, 1, owner_of(101, Duration::from_millis(100))).await;
        let mut reading = listener(tap.relay.address, settings(), DEADLINE);
        reading.gather(&[Realtime]).await;
        assert_eq!(tap.intervals(), [10, 20, 50, 100]);
        let Notice::Heard { origin, .. } = only(&reading.notices) else { panic!("{:?}", reading.notices) };
        assert_eq!(*origin, "found by trying");
        reading.source.close().await;
        found.stop().await;

        // An unusual one can only be written into the configuration.
        let _odd = owner(&meter, 2, owner_of(101, Duration::from_millis(33))).await;
        let tap = Tap::on(&meter).await;
        let mut reading = listener(tap.relay.address, settings(), DEADLINE);
        reading.gather(&[Realtime]).await;
        assert_eq!(tap.intervals(), [10, 20, 50, 100, 200, 250, 500, 1000]);
        let Notice::Unheard { reason, retry, .. } = only(&reading.notices) else { panic!() };
        assert!(reason.contains("set rpi to the owner's") && *retry == MINUTE, "{reason} {retry:?}");

        let tap = Tap::on(&meter).await;
        let configured = Settings { rpi: Some(Duration::from_millis(33)), ..settings() };
        let mut reading = listener(tap.relay.address, configured, DEADLINE);
        reading.gather(&[Realtime]).await;
        assert_eq!(tap.intervals(), [33]);
        let Notice::Heard { origin, .. } = only(&reading.notices) else { panic!("{:?}", reading.notices) };
        assert_eq!(*origin, "as configured");
    });
}

#[test]
fn only_a_wrong_interval_leads_to_another_try_and_never_to_endless_ones() {
    alone(async {
        let meter = meter(frozen()).await;
        let tap = Tap::on(&meter).await;
        refuse(&meter, &[(1, &[0x0111]), (1, &[0x0112]), (1, &[0x0113])]);
        let mut reading = listener(tap.relay.address, settings(), DEADLINE);
        reading.gather(&[Realtime]).await;
        assert_eq!(tap.intervals(), [10, 20, 50]);
        let Notice::Unheard { retry, .. } = only(&reading.notices) else { panic!() };
        assert_eq!(*retry, TEN_MINUTES);

        // This one has another suggestion every time: 11 ms, 12 ms, 13 ms …
        let moody =
            |number: u16| Refusal { general: 1, extended: vec![0x0112, 0, 0, 0, 11_000 + 1000 * number, 0] };
        let refused_opens = (0..40).map(moody).collect();
        meter.set_defects(Defects { refused_opens, ..Defects::default() });
        let tap = Tap::on(&meter).await;
        let mut reading = listener(tap.relay.address, settings(), DEADLINE);
        reading.gather(&[Realtime]).await;
        assert_eq!(tap.intervals(), [10, 11, 12, 20, 50, 100, 200, 250, 500, 1000]);
        reading.assert_true(&meter, &[Realtime]);
    });
}

#[test]
fn an_owner_with_an_unusual_connection_is_matched_and_so_is_its_successor() {
    alone(async {
        let meter = meter(frozen()).await;
        let tap = Tap::on(&meter).await;
        let settings = Settings { rpi: Some(RPI), waits: EAGER, ..settings() };
        let mut reading = listener(tap.relay.address, settings, DEADLINE);
        let usual = owner_of(101, RPI);
        // Each differs from the one before in as much as must be found out, with one open more for each.
        let owners = [
            (OwnerOptions { variable: true, ..usual.clone() }, 2),
            (OwnerOptions { variable: true, high_priority: true, ..usual.clone() }, 2),
            (OwnerOptions { high_priority: true, change_of_state: true, ..usual.clone() }, 3),
            (usual, 3),
        ];
        let heard = |reading: &Reading| reading.source.heard().is_some();
        for (host, (options, tries)) in (1..).zip(owners) {
            let unusual = owner(&meter, host, options.clone()).await;
            let before = tap.opens().len();
            gather_until(&mut reading, &[Realtime], "heard", heard).await;
            reading.assert_true(&meter, &[Realtime]);
            let asked = tap.opens().split_off(before);
            // Looks that came while the owner before this one was still there, or nobody, are another matter.
            let fitting = asked.last().unwrap();
            assert!(asked.len() >= tries, "{options:?}: {asked:?}");
            assert_eq!(fitting.t2o.is_variable(), options.variable, "{fitting:?}");
            assert_eq!(fitting.t2o.priority() == 1, options.high_priority, "{fitting:?}");
            assert_eq!(fitting.transport == 0x11, options.change_of_state, "{fitting:?}");
            unusual.stop().await;
            gather_until(&mut reading, &[Realtime], "lost", |reading| !heard(reading)).await;
        }
    });
}

#[test]
fn a_mismatch_that_stays_after_everything_was_tried_once_ends_the_tries_for_now() {
    alone(async {
        let meter = meter(frozen()).await;
        for (code, tries, next) in [(0x0135, 2, HOUR), (0x0136, 4, TEN_MINUTES), (0x0138, 2, HOUR)] {
            let tap = Tap::on(&meter).await;
            refuse(&meter, &vec![(1, &[code][..]); tries]);
            let mut reading = listener(tap.relay.address, settings(), DEADLINE);
            reading.gather(&[Realtime]).await;
            let Notice::Unheard { retry, .. } = only(&reading.notices) else {
                panic!("{:?}", reading.notices)
            };
            assert_eq!(*retry, next, "{code:04X}");
            reading.gather(&[Realtime]).await;
            let asked = tap.opens();
            let kinds: HashSet<_> = asked.iter().map(|open| (open.t2o.0, open.transport)).collect();
            assert_eq!((asked.len(), kinds.len()), (tries, tries), "{code:04X}");
        }
    });
}

#[test]
fn the_pause_between_two_looks_doubles_up_to_its_limit() {
    alone(async {
        let meter = meter(frozen()).await;
        // Two reasons in turn, for the same one is said only once.
        let (nobody, other): (&[u16], &[u16]) = (&[0x0119], &[0x0106]);
        refuse(&meter, &[(1, nobody), (1, other), (1, nobody), (1, other), (1, nobody), (1, other)]);
        let mut reading = listener(meter.eip(), Settings { waits: EAGER, ..settings() }, DEADLINE);
        let refused = || opens(&meter.record());
        let said = gather_until(&mut reading, &[Realtime], "looked six times", |_| refused() >= 6).await;
        let waits: Vec<_> = said
            .iter()
            .map(|notice| match notice {
                Notice::Unheard { retry, .. } => retry.unwrap().as_millis(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 8, 8]);
    });
}

#[test]
fn what_does_not_pass_soon_is_not_tried_again_soon() {
    alone(async {
        let meter = meter(frozen()).await;
        let _owner = owner(&meter, 1, owner_of(101, RPI)).await;
        for code in [0x0134, 0x0137, 0x0139, 0x0813] {
            refuse(&meter, &[(1, &[code])]);
            let eager = Settings { rpi: Some(RPI), waits: EAGER, ..settings() };
            let mut reading = listener(meter.eip(), eager, DEADLINE);
            let before = opens(&meter.record());
            for _ in 0..20 {
                reading.gather(&[Realtime]).await;
                reading.assert_true(&meter, &[Realtime]);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(opens(&meter.record()) - before, 1, "{code:04X}");
        }
    });
}

#[test]
fn frames_of_another_length_are_counted_and_never_decoded() {
    alone(async {
        let meter = meter(frozen()).await;
        let _owner = owner(&meter, 1, owner_of(101, RPI)).await;
        let mut faults = Defects::default();
        // A status header before the data.
        faults.frames.length = Some(52);
        meter.set_defects(faults);
        let alone_by_frames = Settings { rpi: Some(RPI), fallback: false, ..settings() };
        let mut reading = listener(meter.eip(), alone_by_frames, RPI);
        gather_until(&mut reading, &[Realtime], "dropped five", |r| r.traffic.frames_dropped >= 5).await;
        let (table, failure) = &reading.failures[0];
        assert_eq!((*table, failure.kind), (Realtime, FailureKind::Stale), "{failure}");
        assert_eq!((reading.traffic.frames_received, reading.source.heard()), (0, None));
    });
}
