//! The node against a host that keeps the specification: what goes in comes out, in a session that is sound.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;
use prost::Message as _;

use super::host::Verdict;
use super::message::{Message, Qos, Topics};
use super::node::{Node, Now, Refusal, Settings, Taken};
use super::payload::{Metric, Payload, PropertyScalar, REBIRTH, Scalar};

const T0: u64 = 1_700_000_000_000;

fn settings() -> Settings {
    Settings {
        topics: Topics::new("plant", "edge"),
        primary_host: false,
        aliases: false,
        template: false,
        buffer_size: 1 << 20,
    }
}

/// A value that a host was told.
#[derive(Debug, Clone, PartialEq)]
struct Heard {
    at_ms: u64,
    value: Option<Scalar>,
    historical: bool,
    quality: Option<u32>,
}

/// A host that refuses what the specification forbids.
#[derive(Debug, Default)]
struct Host {
    seq: Option<u64>,
    bd_seq: Option<u64>,
    /// Per device ("" is the node): metrics of its birth, with type and name by alias.
    births: HashMap<String, HashMap<String, u32>>,
    aliases: HashMap<u64, String>,
    heard: BTreeMap<(String, String), Vec<Heard>>,
    kinds: Vec<String>,
}

impl Host {
    fn session_lost(&mut self) {
        *self = Host { heard: std::mem::take(&mut self.heard), ..Host::default() };
    }

    fn hear(&mut self, message: &Message) {
        let levels: Vec<&str> = message.topic.split('/').collect();
        let (kind, device) = (levels[2], levels.get(4).copied().unwrap_or(""));
        assert_eq!((levels[0], levels[1], levels[3]), ("spBv1.0", "plant", "edge"));
        let payload = Payload::decode(&message.payload[..]).unwrap();
        assert!(payload.timestamp.is_some());
        self.kinds.push(format!("{kind}{}{device}", if device.is_empty() { "" } else { " " }));
        if kind == "NDEATH" {
            assert_eq!((message.qos, payload.seq, payload.metrics.len()), (Qos::AtLeastOnce, None, 1));
            assert_eq!(Some(long(&payload.metrics[0])), self.bd_seq);
            return;
        }
        assert_eq!(message.qos, Qos::AtMostOnce);
        let expected = if kind == "NBIRTH" { Some(0) } else { self.seq.map(|seq| (seq + 1) % 256) };
        assert_eq!(payload.seq, expected, "{kind} {device}: {:?}", self.kinds);
        self.seq = payload.seq;
        match kind {
            "NBIRTH" => {
                self.births.clear();
                self.aliases.clear();
                let bd_seq =
                    payload.metrics.iter().find(|metric| metric.name.as_deref() == Some("bdSeq")).unwrap();
                self.bd_seq = Some(long(bd_seq));
                let rebirth =
                    payload.metrics.iter().find(|metric| metric.name.as_deref() == Some(REBIRTH)).unwrap();
                assert_eq!(rebirth.value, Some(Scalar::Boolean(false)));
            }
            "DDEATH" => {
                assert!(self.births.remove(device).is_some(), "a death without a birth");
                return;
            }
            "DBIRTH" => assert!(self.births.contains_key("")),
            _ => assert!(self.births.contains_key(device), "{kind} of {device} without a birth"),
        }
        let born = kind.ends_with("BIRTH");
        if born {
            let types =
                payload.metrics.iter().map(|metric| (metric.name.clone().unwrap(), metric.datatype.unwrap()));
            let types: HashMap<_, _> = types.collect();
            assert_eq!(types.len(), payload.metrics.len(), "a name twice");
            self.births.insert(device.to_owned(), types);
            for metric in &payload.metrics {
                if let Some(alias) = metric.alias {
                    let name = format!("{device}/{}", metric.name.as_deref().unwrap());
                    let before = self.aliases.insert(alias, name.clone());
                    assert!(before.is_none_or(|before| before == name), "alias {alias} twice");
                }
            }
        }
        for metric in payload.metrics {
            let name = match (&metric.name, metric.alias) {
                (Some(name), _) => name.clone(),
                (None, alias) => {
                    let name = &self.aliases[&alias.unwrap()];
                    name.strip_prefix(&format!("{device}/")).unwrap().to_owned()
                }
            };
            let known = self.births[device].get(&name);
            assert_eq!(known, metric.datatype.as_ref(), "{name} of {device} in {kind}");
            assert_eq!(metric.is_null == Some(true), metric.value.is_none(), "{name}");
            let heard = Heard {
                at_ms: metric.timestamp.unwrap(),
                quality: quality(&metric),
                historical: metric.is_historical == Some(true),
                value: metric.value,
            };
            self.heard.entry((device.to_owned(), name)).or_default().push(heard);
        }
    }

    fn all(&self, device: &str, metric: &str) -> &[Heard] {
        self.heard.get(&(device.to_owned(), metric.to_owned())).map_or(&[], Vec::as_slice)
    }

    fn last(&self, device: &str, metric: &str) -> &Heard {
        self.all(device, metric).last().unwrap()
    }
}

fn long(metric: &Metric) -> u64 {
    match metric.value {
        Some(Scalar::Long(value)) => value,
        _ => panic!("{metric:?}"),
    }
}

fn quality(metric: &Metric) -> Option<u32> {
    let properties = metric.properties.as_ref()?;
    assert_eq!(properties.keys.len(), properties.values.len());
    let place = properties.keys.iter().position(|key| key == "Quality")?;
    match properties.values[place].value {
        Some(PropertyScalar::Int(code)) => Some(code),
        _ => panic!("{properties:?}"),
    }
}

/// A node, a host, and time.
struct Bench {
    node: Node,
    host: Host,
    now: Now,
    sessions: u8,
}

impl Bench {
    fn new(settings: Settings) -> Bench {
        let now = Now { wall_ms: T0, steady: Duration::ZERO };
        Bench { node: Node::new(settings), host: Host::default(), now, sessions: 0 }
    }

    fn pass(&mut self, time: Duration) {
        self.now.steady += time;
        self.now.wall_ms += time.as_millis() as u64;
    }

    fn line(&mut self, text: &str) -> Taken {
        self.node.line(text.as_bytes().into(), self.now)
    }

    fn power(&mut self, meter: &str, watts: f32) -> Taken {
        let at = self.now.wall_ms;
        self.line(&format!(
            "powermonitor_500,meter={meter} active_power_total_w={watts},frequency_hz=50 {at}000000"
        ))
    }

    fn status(&mut self, meter: &str, up: bool) -> Taken {
        let at = self.now.wall_ms;
        self.line(&format!("powermonitor_500_status,meter={meter} up={}i {at}000000", i32::from(up)))
    }

    fn connect(&mut self) {
        self.node.connected(self.sessions);
        self.sessions = self.sessions.wrapping_add(1);
    }

    fn lose(&mut self) {
        self.node.lost();
        self.host.session_lost();
    }

    /// Publishes everything that there is; returns the kinds.
    fn pump(&mut self) -> Vec<String> {
        self.host.kinds.clear();
        while let Some(message) = self.node.next(self.now) {
            self.host.hear(&message);
        }
        std::mem::take(&mut self.host.kinds)
    }
}

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
