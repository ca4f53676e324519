//! The newest that is known of one meter: reports in, what is shown of them out.

use std::sync::Arc;
use std::time::SystemTime;

use crate::collector::health::Outcome;
use crate::collector::report::{self, Report};
use crate::config::MeterConfig;
use crate::meter::physics::MapCheck;
use crate::meter::{Table, Value};
use crate::source::{Failure, Link};

/// Sentences about events that are kept.
const KEPT: usize = 20;

/// One meter as it is known now.
#[derive(Debug, Clone)]
pub struct Latest {
    /// Its settings.
    pub config: Arc<MeterConfig>,
    /// Host and port.
    pub address: String,
    /// How it was read in the last gather.
    pub link: Link,
    /// How the last gather went.
    pub outcome: Outcome,
    /// Whether its numbers fit the map.
    pub map: MapCheck,
    /// What it is, in a few words, as far as known.
    pub device: Option<String>,
    /// What failed when it was last tried, by table.
    failures: Vec<(Table, Failure)>,
    /// What happened, in sentences with their times, the newest last.
    pub events: Vec<(SystemTime, String)>,
    /// When the last gather ended.
    pub at: Option<SystemTime>,
    values: Vec<Option<Value>>,
    taken: Vec<(Table, SystemTime)>,
}

impl Latest {
    /// A meter of which nothing is known yet.
    pub fn new(config: Arc<MeterConfig>) -> Latest {
        let address = config.place_read();
        Latest {
            address,
            link: Link::None,
            outcome: Outcome::Starting,
            map: MapCheck::NotChecked,
            device: None,
            failures: Vec::new(),
            events: Vec::new(),
            at: None,
            values: vec![None; config.profile.elements.len()],
            taken: Vec::new(),
            config,
        }
    }

    /// A meter of which this is known.
    pub fn of(report: &Report) -> Latest {
        let mut latest = Latest::new(report.config.clone());
        latest.take(report);
        latest
    }

    /// Takes in what a gather found. Values of tables that were not read stay, with their age.
    pub fn take(&mut self, report: &Report) {
        self.link = report.health.link;
        self.outcome = report.health.outcome;
        self.map = report.map.check;
        self.device = report.device_in_words().or(self.device.take());
        // A meter that does not answer is let rest, and a table is not due each time: what was found last holds until then.
        let answered = |table: Table| match table {
            // It comes with the others.
            Table::Info => report.read.iter().next().is_some(),
            table => report.read.contains(table),
        };
        self.failures.retain(|(table, _)| {
            !answered(*table) && report.failures.iter().all(|(failed, _)| failed != table)
        });
        self.failures.extend(report.failures.iter().cloned());
        self.at = Some(report.at);
        self.events.extend(report.events.iter().map(|event| (report.at, event.to_string())));
        let over = self.events.len().saturating_sub(KEPT);
        self.events.drain(..over);
        for table in report.read.iter() {
            let Some(taken) = report.readings.taken(table) else { continue };
            self.taken.retain(|(known, _)| *known != table);
            self.taken.push((table, taken));
            for (index, _) in self.config.profile.elements_of(table) {
                self.values[index] = report.readings.get(index).cloned();
            }
        }
    }

    /// What failed when it was last tried, in sentences.
    pub fn failures(&self) -> Vec<String> {
        report::in_words(&self.failures)
    }

    /// The tables that have been read, in their order.
    pub fn tables(&self) -> impl Iterator<Item = Table> + '_ {
        Table::ALL.into_iter().filter(|table| self.taken(*table).is_some())
    }

    /// When a table was last read.
    pub fn taken(&self, table: Table) -> Option<SystemTime> {
        self.taken.iter().find(|(known, _)| *known == table).map(|(_, taken)| *taken)
    }

    /// How old a table's values are at `now`, in seconds.
    pub fn age(&self, table: Table, now: SystemTime) -> Option<f64> {
        Some(now.duration_since(self.taken(table)?).unwrap_or_default().as_secs_f64())
    }

    /// The newest value of an element, if it is to be shown.
    pub fn value(&self, index: usize) -> Option<&Value> {
        let selected = self.config.selected.get(index).copied().unwrap_or(false);
        self.values.get(index)?.as_ref().filter(|_| selected)
    }

    /// The newest value of an element by its name, as a number.
    pub fn number(&self, table: Table, name: &str) -> Option<f64> {
        match self.value(self.config.profile.index_of(table, name)?)? {
            Value::Real(real) => Some(f64::from(*real)),
            Value::Integer(integer) => Some(*integer as f64),
            Value::Text(_) => None,
        }
    }

    /// The map's verdict in a word or two.
    pub fn verdict(&self) -> &'static str {
        match self.map {
            MapCheck::NotChecked => "not checked",
            MapCheck::Consistent => "consistent",
            MapCheck::NotProvable => "not provable",
            MapCheck::Contradicted => "contradicted",
        }
    }

    /// Where a table comes from, in words: `assemblies 101, 102` or `registers`.
    pub fn source(&self, table: Table) -> String {
        let beside = self.config.modbus_tables.contains(table);
        if beside || self.link == Link::Modbus {
            return "Modbus".to_owned();
        }
        let profile = &self.config.profile;
        let mut instances: Vec<u16> =
            profile.elements_of(table).filter_map(|(_, element)| Some(element.place?.instance)).collect();
        instances.sort_unstable();
        instances.dedup();
        let shown: Vec<String> = instances.iter().map(u16::to_string).collect();
        match shown.len() {
            0 => self.link.code().1.to_owned(),
            1 => format!("assembly {}", shown[0]),
            _ => format!("assemblies {}", shown.join(", ")),
        }
    }
}
