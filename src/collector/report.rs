//! One meter's state in words, for people: what `check` prints.

use crate::meter::TableSet;
use crate::meter::physics::MapCheck;

use super::Collector;

/// What one gather showed.
#[derive(Debug, Clone)]
pub struct Report {
    /// The meter's name.
    pub name: String,
    /// Host and port.
    pub address: String,
    /// How it is read.
    pub connection: &'static str,
    /// The result in words, as in the status line.
    pub result: &'static str,
    /// Catalog number, serial number and firmware, as far as known.
    pub device: Option<String>,
    /// Tables read completely.
    pub tables_ok: usize,
    /// Tables asked for.
    pub tables: usize,
    /// Outcome of the physics checks.
    pub map_check: MapCheck,
    /// What is heard by class 1 and what is not, in sentences.
    pub notes: Vec<String>,
    /// What failed, in sentences.
    pub failures: Vec<String>,
    /// What was received and could not be used, with its bytes.
    pub exhibits: Vec<String>,
}

impl Collector {
    /// What the last gather showed.
    pub fn report(&self) -> Report {
        let mut said: Vec<(TableSet, String)> = Vec::new();
        for (table, failure) in &self.failures {
            let text = failure.to_string();
            match said.iter_mut().find(|(_, known)| *known == text) {
                Some((tables, _)) => tables.insert(*table),
                None => said.push((TableSet::from_iter([*table]), text)),
            }
        }
        Report {
            name: self.config.name.clone(),
            address: self.address.clone(),
            connection: self.link.code().1,
            result: self.health.outcome.code().1,
            device: self.about.device(&self.config.profile),
            tables_ok: self.health.tables_ok,
            tables: self.health.tables_ok + self.health.tables_failed,
            map_check: self.judge.state(),
            notes: self.notes.clone(),
            failures: said.into_iter().map(|(tables, text)| format!("{tables}: {text}")).collect(),
            exhibits: self.exhibits.sentences(),
        }
    }
}
