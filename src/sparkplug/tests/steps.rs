//! Whatever may happen to a node, in any order.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use prost::Message as _;

use super::POWER;
use super::bench::{Bench, settings};
use crate::sparkplug::message::Message;
use crate::sparkplug::node::Settings;
use crate::sparkplug::payload::{Metric, Payload, REBIRTH, Scalar};

/// What may happen to a node.
#[derive(Debug, Clone)]
enum Step {
    Power(u8),
    Energy(u8),
    Event(u8),
    Status(u8, bool),
    Connect,
    /// The connection breaks; this many of the last messages did not arrive.
    Lose(usize),
    /// Messages go out.
    Pump(usize),
    Confirm,
    Rebirth,
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let meter = 0..3u8;
    prop_oneof![
        4 => meter.clone().prop_map(Step::Power),
        2 => meter.clone().prop_map(Step::Energy),
        1 => meter.clone().prop_map(Step::Event),
        2 => (meter, any::<bool>()).prop_map(|(meter, up)| Step::Status(meter, up)),
        1 => Just(Step::Connect),
        1 => (0..6usize).prop_map(Step::Lose),
        6 => (0..8usize).prop_map(Step::Pump),
        1 => Just(Step::Confirm),
        1 => Just(Step::Rebirth),
        3 => (1..2000u16).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_sessions_are_sound_and_every_line_arrives(
        steps in prop::collection::vec(step(), 1..120), aliases in any::<bool>()
    ) {
        let mut bench = Bench::new(Settings { aliases, ..settings() });
        // Messages that have gone out and that the host has not heard yet.
        let mut flight: Vec<Message> = Vec::new();
        let mut sent = 0u64;
        let mut connected = false;
        let mut expected: HashSet<(String, &str, u64)> = HashSet::new();
        for step in steps {
            bench.pass(Duration::from_millis(1));
            let at = bench.now.wall_ms;
            match step {
                Step::Power(meter) => {
                    bench.power(&format!("m{meter}"), at as f32);
                    expected.insert((format!("m{meter}"), POWER, at));
                }
                Step::Energy(meter) => {
                    bench.line(&format!("powermonitor_500_energy,meter=m{meter} active_import_wh={at}i {at}000000"));
                    expected.insert((format!("m{meter}"), "energy/active_import_wh", at));
                }
                Step::Event(meter) => {
                    bench.line(&format!("powermonitor_500_event,event=gap,meter=m{meter} message=\"{at}\" {at}000000"));
                    expected.insert((format!("m{meter}"), "event/message", at));
                }
                Step::Status(meter, up) => {
                    bench.status(&format!("m{meter}"), up);
                }
                Step::Connect if !connected => {
                    bench.connect();
                    (connected, sent) = (true, 0);
                }
                Step::Lose(unheard) if connected => {
                    flight.truncate(flight.len().saturating_sub(unheard));
                    flight.drain(..).for_each(|message| bench.host.hear(&message));
                    bench.lose();
                    connected = false;
                }
                Step::Pump(count) => {
                    for _ in 0..count {
                        let Some(message) = bench.node.next(bench.now) else { break };
                        flight.push(message);
                        sent += 1;
                    }
                }
                Step::Confirm if connected => {
                    flight.drain(..).for_each(|message| bench.host.hear(&message));
                    bench.node.confirmed(sent);
                }
                Step::Rebirth => {
                    let value = Some(Scalar::Boolean(true));
                    let metric = Metric { name: Some(REBIRTH.to_owned()), value, ..Metric::default() };
                    let payload = Payload { metrics: vec![metric], ..Payload::default() };
                    bench.node.command(&payload.encode_to_vec(), bench.now).unwrap();
                }
                Step::Pass(ms) => bench.pass(Duration::from_millis(u64::from(ms))),
                Step::Connect | Step::Lose(_) | Step::Confirm => {}
            }
        }
        flight.drain(..).for_each(|message| bench.host.hear(&message));
        // In the end all is well: every meter is up, and the broker is there.
        if !connected {
            bench.connect();
        }
        bench.pass(Duration::from_secs(2));
        (0..3).for_each(|meter| { bench.status(&format!("m{meter}"), true); });
        bench.pump();
        bench.node.confirmed(u64::MAX);
        prop_assert!(bench.node.settled());
        prop_assert_eq!(bench.node.waiting(), 0);
        for (device, metric, at) in expected {
            let heard = bench.host.all(&device, metric).iter().find(|heard| heard.at_ms == at && heard.value.is_some());
            let value = heard.and_then(|heard| heard.value.clone());
            let right = match &value {
                Some(Scalar::Float(value)) => *value == at as f32,
                Some(Scalar::Long(value)) => *value == at,
                Some(Scalar::Text(value)) => *value == at.to_string(),
                _ => false,
            };
            prop_assert!(right, "{} {} at {}: {:?}", device, metric, at, value);
        }
        // The current value never goes back in time.
        for ((device, metric), heard) in &bench.host.heard {
            let live: Vec<_> = heard.iter().filter(|heard| !heard.historical && heard.value.is_some()).collect();
            let sorted = live.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms);
            prop_assert!(sorted || metric == "bdSeq" || metric == REBIRTH, "{} {}: {:?}", device, metric, live);
        }
    }

    #[test]
    fn no_bytes_on_stdin_upset_the_node(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
        let mut bench = Bench::new(settings());
        bench.connect();
        for line in lines {
            bench.node.line(line.into(), bench.now);
            bench.pump();
        }
    }
}
