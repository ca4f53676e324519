//! Topics of an edge node, and what is published on them.

use prost::Message as _;

use super::payload::{DataType, Metric, Payload, PropertySet, Quality, REBIRTH, Scalar, Template};

/// The metric that ties a node's death to its birth.
pub const BD_SEQ: &str = "bdSeq";

/// The largest value of `seq` and `bdSeq`; 0 follows.
pub const LAST_NUMBER: u8 = 255;

/// Quality of service of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qos {
    /// At most once: births, data and the deaths of devices, as the specification demands.
    AtMostOnce,
    /// At least once: the death of the node.
    AtLeastOnce,
}

/// A message to be published; never retained.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Topic.
    pub topic: String,
    /// Payload, encoded.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: Qos,
}

/// The topics of one edge node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    group: String,
    node: String,
}

impl Topics {
    /// Topics of this edge node; both names were checked.
    pub fn new(group: &str, node: &str) -> Topics {
        Topics { group: group.to_owned(), node: node.to_owned() }
    }

    /// Where hosts send commands to the node.
    pub fn commands(&self) -> String {
        self.of("NCMD", None)
    }

    /// Where a host tells its state.
    pub fn state_of(host: &str) -> String {
        format!("spBv1.0/STATE/{host}")
    }

    /// The topic of a message about the node, or about one of its devices.
    pub fn of(&self, kind: &str, device: Option<&str>) -> String {
        let Topics { group, node } = self;
        match device {
            Some(device) => format!("spBv1.0/{group}/{kind}/{node}/{device}"),
            None => format!("spBv1.0/{group}/{kind}/{node}"),
        }
    }

    /// The death of the node: the will of a connection, and the last word before it is closed on purpose. It has no
    /// sequence number; `at_ms` is when it is published, for a will when the connection was opened.
    pub fn node_death(&self, bd_seq: u8, at_ms: u64) -> Message {
        let payload =
            Payload { timestamp: Some(at_ms), metrics: vec![bd_seq_metric(bd_seq, at_ms, None)], seq: None };
        Message { topic: self.of("NDEATH", None), payload: payload.encode_to_vec(), qos: Qos::AtLeastOnce }
    }
}

/// The metric `bdSeq`.
pub fn bd_seq_metric(bd_seq: u8, at_ms: u64, alias: Option<u64>) -> Metric {
    plain(BD_SEQ, DataType::Int64, Scalar::Long(u64::from(bd_seq)), at_ms, alias)
}

/// The metric by which a host can ask for all births.
pub fn rebirth_metric(at_ms: u64, alias: Option<u64>) -> Metric {
    plain(REBIRTH, DataType::Boolean, Scalar::Boolean(false), at_ms, alias)
}

fn plain(name: &str, data_type: DataType, value: Scalar, at_ms: u64, alias: Option<u64>) -> Metric {
    Metric {
        name: Some(name.to_owned()),
        alias,
        timestamp: Some(at_ms),
        datatype: Some(data_type as u32),
        value: Some(value),
        ..Metric::default()
    }
}

/// The definition of the meter as a type: each metric's name, type and unit, without values.
pub fn definition<'a>(
    name: &str,
    version: &str,
    members: impl Iterator<Item = (&'a str, DataType, &'a str)>,
    at_ms: u64,
    alias: Option<u64>,
) -> Metric {
    let members = members.map(|(name, data_type, unit)| Metric {
        name: Some(name.to_owned()),
        timestamp: Some(at_ms),
        datatype: Some(data_type as u32),
        is_null: Some(true),
        properties: PropertySet::new(Some(unit), None),
        ..Metric::default()
    });
    let template =
        Template { version: Some(version.to_owned()), metrics: members.collect(), is_definition: Some(true) };
    plain(name, DataType::Template, Scalar::Template(template), at_ms, alias)
}

/// What is told of one metric at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Told<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its alias, where aliases are in use.
    pub alias: Option<u64>,
    /// Type, also in data: common hosts need it there.
    pub data_type: DataType,
    /// Value; none is null.
    pub value: Option<Scalar>,
    /// Quality, where it is to be told.
    pub quality: Option<Quality>,
    /// When it was measured.
    pub at_ms: u64,
}

impl Told<'_> {
    /// As it stands in a birth: with everything.
    pub fn born(self, unit: &str) -> Metric {
        let properties = PropertySet::new(Some(unit), self.quality);
        Metric { name: Some(self.name.to_owned()), properties, ..self.data(false) }
    }

    /// As it stands in data: the alias in place of the name.
    pub fn data(self, historical: bool) -> Metric {
        Metric {
            name: self.alias.is_none().then(|| self.name.to_owned()),
            alias: self.alias,
            timestamp: Some(self.at_ms),
            datatype: Some(self.data_type as u32),
            is_historical: historical.then_some(true),
            is_null: self.value.is_none().then_some(true),
            properties: PropertySet::new(None, self.quality),
            value: self.value,
        }
    }
}
