//! One device as the host must see it: what was last read, what the host was last told, and whether it lives.
//!
//! Two states are kept apart, because lines may wait: `held` is the newest that is known, and becomes the birth; `told`
//! is what the host knows from the last message, and decides which nulls and qualities the next one must carry.

use std::sync::Arc;

use super::catalog::{self, Catalog, OUTPUT, STATUS};
use super::line::{Line, Value};
use super::message::Told;
use super::payload::{Metric, Quality};

/// Most metrics of a device that are in no table of ours.
pub const MOST_EXTRAS: usize = 512;

/// Room for the aliases of one device.
const ALIASES: u64 = 1 << 16;

/// How old a table may get before its first cycle has shown how often it is read.
const PATIENCE_MS: i64 = 3_600_000;

/// A line in terms of a device's metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Group of the measurement.
    pub group: usize,
    /// When it was measured.
    pub at_ms: u64,
    /// Metrics and their values.
    pub values: Vec<(usize, Value)>,
}

/// A line as a reading, and what came with it.
#[derive(Debug, PartialEq)]
pub struct Resolved {
    /// The reading.
    pub reading: Reading,
    /// Whether it has a metric that no birth has told of yet.
    pub new_metric: bool,
    /// Fields whose value does not fit their metric's type, or that are too many.
    pub refused: usize,
}

/// What the status lines say about a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Nothing yet: a meter that sends values lives.
    Unknown,
    /// Up.
    Alive,
    /// Down.
    Dead,
}

#[derive(Debug, Clone, PartialEq)]
enum Held {
    /// Never read.
    Unread,
    /// Not in the newest line.
    Absent,
    /// In the newest line.
    Value(Value),
}

#[derive(Debug, Clone, Default)]
struct GroupState {
    /// Time of the newest line.
    newest_ms: Option<u64>,
    /// Time of the line that the host was last told.
    told_ms: Option<u64>,
    stale: bool,
    last_age_ms: Option<i64>,
    /// The greatest age before it was read again.
    longest_age_ms: Option<i64>,
}

/// A device, or the node itself.
#[derive(Debug)]
pub struct Device {
    /// Name of the meter; none for the node.
    pub name: Option<String>,
    /// Whether it has a birth in this session.
    pub born: bool,
    /// Whether it is about to have one.
    pub birth_due: bool,
    /// What its status lines say.
    pub life: Life,
    number: u64,
    catalog: Arc<Catalog>,
    tabled: usize,
    held: Vec<Held>,
    groups: Vec<GroupState>,
    /// Per metric: the host has a value.
    present: Vec<bool>,
    /// Per metric: the host has a quality other than good.
    unwell: Vec<bool>,
}

impl Device {
    /// A device of which nothing was read; `number` tells its aliases from those of others.
    pub fn new(name: Option<String>, number: u64, catalog: Arc<Catalog>) -> Device {
        let mut device = Device {
            name,
            born: false,
            birth_due: false,
            life: Life::Unknown,
            number,
            tabled: catalog.definitions.len(),
            catalog,
            held: Vec::new(),
            groups: Vec::new(),
            present: Vec::new(),
            unwell: Vec::new(),
        };
        device.make_room();
        device
    }

    /// Whether it should have a birth: by its status lines, or, where there are none, by its values. The node always.
    pub fn lives(&self) -> bool {
        match self.life {
            Life::Alive => true,
            Life::Dead => false,
            Life::Unknown => {
                let mut groups = self.groups.iter().zip(&self.catalog.groups);
                self.name.is_none() || groups.any(|(state, group)| group.table && state.newest_ms.is_some())
            }
        }
    }

    /// Its metrics.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The alias of a metric.
    pub fn alias(&self, metric: usize) -> u64 {
        self.number * ALIASES + metric as u64
    }

    /// A line in terms of its metrics. Fields that are in no table of ours become metrics of their own.
    pub fn resolve(&mut self, line: Line, now_ms: u64) -> Option<Resolved> {
        let known = self.catalog.definitions.len();
        let group = match self.catalog.find(&line.measurement) {
            Some(group) => group,
            None if known - self.tabled < MOST_EXTRAS => {
                catalog::folder(&line.measurement)?;
                Arc::make_mut(&mut self.catalog).group(&line.measurement, false)
            }
            None => return None,
        };
        let event = line.event.map(|event| (crate::schema::EVENT_TAG.to_owned(), Value::Text(event)));
        let mut values = Vec::with_capacity(line.fields.len() + 1);
        let mut refused = 0;
        for (field, value) in event.into_iter().chain(line.fields) {
            let metric = match self.catalog.groups[group].metric(&field) {
                Some(metric) => metric,
                None if self.catalog.definitions.len() - self.tabled < MOST_EXTRAS => {
                    Arc::make_mut(&mut self.catalog).add(group, &field, value.natural_type(), "")
                }
                None => {
                    refused += 1;
                    continue;
                }
            };
            match value.into_type(self.catalog.definitions[metric].data_type) {
                Some(value) => values.push((metric, value)),
                None => refused += 1,
            }
        }
        self.make_room();
        let reading = Reading { group, at_ms: line.at_ms.unwrap_or(now_ms), values };
        Some(Resolved { reading, new_metric: self.catalog.definitions.len() > known, refused })
    }

    /// Takes the newest in. False when it is older than what is known, and so only for the history.
    pub fn take(&mut self, reading: &Reading) -> bool {
        let Some(state) = self.groups.get_mut(reading.group) else { return false };
        if state.newest_ms.is_some_and(|newest| reading.at_ms < newest) {
            return false;
        }
        if state.newest_ms != Some(reading.at_ms) {
            for metric in &self.catalog.groups[reading.group].members {
                if matches!(self.held[*metric], Held::Value(_)) {
                    self.held[*metric] = Held::Absent;
                }
            }
        }
        state.newest_ms = Some(reading.at_ms);
        state.stale = false;
        for (metric, value) in &reading.values {
            self.held[*metric] = Held::Value(value.clone());
        }
        true
    }

    /// When the newest line of a group was measured.
    pub fn newest_ms(&self, group: usize) -> Option<u64> {
        self.groups.get(group)?.newest_ms
    }

    /// Whether a group is what this program tells about itself.
    pub fn is_own(&self, group: usize) -> bool {
        self.name.is_none() && self.catalog.find(OUTPUT) == Some(group)
    }

    /// Whether a group is the status.
    pub fn is_status(&self, group: usize) -> bool {
        self.catalog.groups.get(group).is_some_and(|group| group.folder == STATUS)
    }

    /// Whether a group is a table of the meter.
    pub fn is_table(&self, group: usize) -> bool {
        self.catalog.groups.get(group).is_some_and(|group| group.table)
    }

    /// What a status line says about the meter's life.
    pub fn up(&self, reading: &Reading) -> Option<bool> {
        let up = self.catalog.groups.get(reading.group)?.metric("up")?;
        reading.values.iter().find(|(metric, _)| *metric == up).and_then(|(_, value)| match value {
            Value::Integer(up) => Some(*up != 0),
            _ => None,
        })
    }

    /// The tables that, by the ages in a status line, are not read any more: they are more than twice as old as they ever
    /// were before they were read again, and two status lines.
    pub fn grown_stale(&mut self, status: &Reading, before_ms: Option<u64>) -> Vec<usize> {
        let step = before_ms.map_or(0, |before| status.at_ms.saturating_sub(before)) as i64;
        let mut stale = Vec::new();
        for (index, group) in self.catalog.groups.iter().enumerate() {
            let told = group.age.and_then(|age| status.values.iter().find(|(metric, _)| *metric == age));
            let Some((_, Value::Integer(age))) = told else { continue };
            let state = &mut self.groups[index];
            // It was read between the two status lines when it has not grown older by the time between them.
            if let Some(last) = state.last_age_ms.filter(|last| *age < last + step / 2 && !state.stale) {
                state.longest_age_ms = Some(state.longest_age_ms.unwrap_or(0).max(last));
            }
            state.last_age_ms = Some(*age);
            let limit = state.longest_age_ms.map_or(PATIENCE_MS, |longest| 2 * (longest + step));
            if *age > limit && !state.stale && state.newest_ms.is_some() {
                state.stale = true;
                stale.push(index);
            }
        }
        stale
    }

    /// A new session, or a meter that has died: what was learned about ages is of another time.
    pub fn forget_ages(&mut self) {
        self.groups.iter_mut().for_each(|state| state.last_age_ms = None);
    }

    /// Everything in a birth: every metric, with null for what is not known.
    pub fn birth(&mut self, aliases: bool, now_ms: u64) -> Vec<Metric> {
        let mut metrics = Vec::with_capacity(self.held.len());
        for (index, definition) in self.catalog.definitions.iter().enumerate() {
            let state = &self.groups[definition.group];
            let table = self.catalog.groups[definition.group].table;
            let (value, quality) = match &self.held[index] {
                Held::Unread => (None, Quality::Stale),
                Held::Absent if table => (None, Quality::Bad),
                Held::Absent => (None, Quality::Good),
                Held::Value(value) if state.stale => (Some(value), Quality::Stale),
                Held::Value(value) => (Some(value), Quality::Good),
            };
            let read = !matches!(self.held[index], Held::Unread);
            self.present[index] = value.is_some();
            self.unwell[index] = quality != Quality::Good;
            let told = Told {
                name: &definition.name,
                alias: aliases.then(|| self.number * ALIASES + index as u64),
                data_type: definition.data_type,
                value: value.map(Value::scalar),
                quality: Some(quality),
                at_ms: state.newest_ms.filter(|_| read).unwrap_or(now_ms),
            };
            metrics.push(told.born(&definition.unit));
        }
        self.groups.iter_mut().for_each(|state| state.told_ms = state.newest_ms);
        metrics
    }

    /// A reading as data: its values, and nulls for what the host still has and this line has not.
    pub fn data(&mut self, reading: &Reading, historical: bool, aliases: bool) -> Vec<Metric> {
        let Some(group) = self.catalog.groups.get(reading.group) else { return Vec::new() };
        let absent = if group.table { Quality::Bad } else { Quality::Good };
        let again = self.groups[reading.group].told_ms == Some(reading.at_ms);
        let missing = group.members.iter().filter(|metric| {
            !again && self.present[**metric] && !reading.values.iter().any(|(present, _)| present == *metric)
        });
        let nulls: Vec<_> = missing.map(|metric| (*metric, None, absent)).collect();
        let values = reading.values.iter().map(|(metric, value)| (*metric, Some(value), Quality::Good));
        let mut metrics = Vec::with_capacity(reading.values.len() + nulls.len());
        for (index, value, quality) in values.chain(nulls) {
            let definition = &self.catalog.definitions[index];
            // Good needs no word, unless the host was told otherwise before.
            let tell = quality != Quality::Good || self.unwell[index];
            self.present[index] = value.is_some();
            self.unwell[index] = quality != Quality::Good;
            let told = Told {
                name: &definition.name,
                alias: aliases.then(|| self.number * ALIASES + index as u64),
                data_type: definition.data_type,
                value: value.map(Value::scalar),
                quality: tell.then_some(quality),
                at_ms: reading.at_ms,
            };
            metrics.push(told.data(historical));
        }
        self.groups[reading.group].told_ms = Some(reading.at_ms);
        metrics
    }

    /// The values of a group that is not read any more: the last ones with their own time, as stale.
    pub fn stale(&mut self, group: usize, aliases: bool) -> Vec<Metric> {
        let Some(at_ms) =
            self.groups.get(group).filter(|state| state.stale).and_then(|state| state.newest_ms)
        else {
            return Vec::new();
        };
        let mut metrics = Vec::new();
        for metric in &self.catalog.groups[group].members {
            let Held::Value(value) = &self.held[*metric] else { continue };
            self.unwell[*metric] = true;
            let definition = &self.catalog.definitions[*metric];
            let told = Told {
                name: &definition.name,
                alias: aliases.then(|| self.number * ALIASES + *metric as u64),
                data_type: definition.data_type,
                value: Some(value.scalar()),
                quality: Some(Quality::Stale),
                at_ms,
            };
            metrics.push(told.data(false));
        }
        metrics
    }

    fn make_room(&mut self) {
        let (metrics, groups) = (self.catalog.definitions.len(), self.catalog.groups.len());
        self.held.resize(metrics, Held::Unread);
        self.present.resize(metrics, false);
        self.unwell.resize(metrics, false);
        self.groups.resize(groups, GroupState::default());
    }
}
