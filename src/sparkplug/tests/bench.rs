//! A node, and a host that keeps the specification and refuses what it forbids.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use prost::Message as _;

use crate::sparkplug::message::{Message, Qos, Topics};
use crate::sparkplug::node::{Node, Now, Settings};
use crate::sparkplug::payload::{Metric, Payload, PropertyScalar, REBIRTH, Scalar};
use crate::sparkplug::refusal::Taken;

pub(super) const T0: u64 = 1_700_000_000_000;

pub(super) fn settings() -> Settings {
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
pub(super) struct Heard {
    pub(super) at_ms: u64,
    pub(super) value: Option<Scalar>,
    pub(super) historical: bool,
    pub(super) quality: Option<u32>,
}

/// A host that refuses what the specification forbids.
#[derive(Debug, Default)]
pub(super) struct Host {
    pub(super) seq: Option<u64>,
    pub(super) bd_seq: Option<u64>,
    /// Per device ("" is the node): metrics of its birth, with type and name by alias.
    pub(super) births: HashMap<String, HashMap<String, u32>>,
    pub(super) aliases: HashMap<u64, String>,
    pub(super) heard: BTreeMap<(String, String), Vec<Heard>>,
    pub(super) kinds: Vec<String>,
}

impl Host {
    pub(super) fn session_lost(&mut self) {
        *self = Host { heard: std::mem::take(&mut self.heard), ..Host::default() };
    }

    pub(super) fn hear(&mut self, message: &Message) {
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

    pub(super) fn all(&self, device: &str, metric: &str) -> &[Heard] {
        self.heard.get(&(device.to_owned(), metric.to_owned())).map_or(&[], Vec::as_slice)
    }

    pub(super) fn last(&self, device: &str, metric: &str) -> &Heard {
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
pub(super) struct Bench {
    pub(super) node: Node,
    pub(super) host: Host,
    pub(super) now: Now,
    pub(super) sessions: u8,
}

impl Bench {
    pub(super) fn new(settings: Settings) -> Bench {
        let now = Now { wall_ms: T0, steady: Duration::ZERO };
        Bench { node: Node::new(settings), host: Host::default(), now, sessions: 0 }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now.steady += time;
        self.now.wall_ms += time.as_millis() as u64;
    }

    pub(super) fn line(&mut self, text: &str) -> Taken {
        self.node.line(text.as_bytes().into(), self.now)
    }

    pub(super) fn power(&mut self, meter: &str, watts: f32) -> Taken {
        let at = self.now.wall_ms;
        self.line(&format!(
            "powermonitor_500,meter={meter} active_power_total_w={watts},frequency_hz=50 {at}000000"
        ))
    }

    pub(super) fn status(&mut self, meter: &str, up: bool) -> Taken {
        let at = self.now.wall_ms;
        self.line(&format!("powermonitor_500_status,meter={meter} up={}i {at}000000", i32::from(up)))
    }

    pub(super) fn connect(&mut self) {
        self.node.connected(self.sessions);
        self.sessions = self.sessions.wrapping_add(1);
    }

    pub(super) fn lose(&mut self) {
        self.node.lost();
        self.host.session_lost();
    }

    /// Publishes everything that there is; returns the kinds.
    pub(super) fn pump(&mut self) -> Vec<String> {
        self.host.kinds.clear();
        while let Some(message) = self.node.next(self.now) {
            self.host.hear(&message);
        }
        std::mem::take(&mut self.host.kinds)
    }
}
