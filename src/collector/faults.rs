//! What is said on stderr about a meter: a fault once, then silence, then "recovered after".

use std::collections::BTreeMap;
use std::time::Instant;

use crate::meter::{Table, TableSet};
use crate::source::Failure;

#[derive(Debug)]
struct Outage {
    since: Instant,
    gathers: u64,
    said: String,
}

/// The kind of a failure is what is new: its sentence may hold numbers that change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    failure: std::mem::Discriminant<Failure>,
    of_the_link: bool,
}

impl Kind {
    fn of(failure: &Failure) -> Kind {
        Kind { failure: std::mem::discriminant(failure), of_the_link: failure.is_of_the_link() }
    }
}

/// What has been said about one meter.
#[derive(Debug)]
pub struct FaultLog {
    prefix: String,
    outage: Option<Outage>,
    tables: BTreeMap<Table, Kind>,
}

impl FaultLog {
    /// Nothing has been said yet.
    pub fn new(meter: &str) -> Self {
        FaultLog { prefix: format!("Meter \"{meter}\""), outage: None, tables: BTreeMap::new() }
    }

    /// Begins every line about the meter.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A gather brought nothing.
    pub fn down(&mut self, failure: &Failure) {
        let text = failure.to_string();
        match &mut self.outage {
            Some(outage) => {
                outage.gathers += 1;
                if outage.said != text {
                    log::debug!("{}: {text}", self.prefix);
                }
            }
            None => {
                log::error!("{}: {text}", self.prefix);
                self.outage = Some(Outage { since: Instant::now(), gathers: 1, said: text });
            }
        }
    }

    /// The meter was left alone in this gather.
    pub fn left_alone(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.gathers += 1;
        }
    }

    /// A gather brought something; some tables may have failed. Returns the failures that are new.
    pub fn up<'f>(&mut self, due: TableSet, failures: &'f [(Table, Failure)]) -> Vec<(Table, &'f Failure)> {
        let (mut new, mut again): (Vec<(Table, &Failure)>, TableSet) = (Vec::new(), TableSet::EMPTY);
        if let Some(outage) = self.outage.take() {
            // Whatever the outage began with has ended with it.
            self.tables.retain(|_, failure| !failure.of_the_link);
            log::info!(
                "{}: recovered after {} failed {} in {:.0} s",
                self.prefix,
                outage.gathers,
                if outage.gathers == 1 { "gather" } else { "gathers" },
                outage.since.elapsed().as_secs_f64()
            );
        }
        for table in due.iter() {
            let failure = failures.iter().find(|(failed, _)| *failed == table);
            match failure {
                Some((_, failure)) => {
                    let kind = Kind::of(failure);
                    if self.tables.insert(table, kind) != Some(kind) {
                        new.push((table, failure));
                    }
                }
                None => {
                    if self.tables.remove(&table).is_some() {
                        again.insert(table);
                    }
                }
            }
        }
        let mut said = false;
        for (table, failure) in &new {
            if !failure.is_of_the_link() {
                log::warn!("{}: table {table}: {failure}", self.prefix);
            } else if !std::mem::replace(&mut said, true) {
                let link = new.iter().filter(|(_, failure)| failure.is_of_the_link());
                let link: TableSet = link.map(|(table, _)| *table).collect();
                log::warn!("{}: {}: {failure}", self.prefix, named(link));
            }
        }
        if !again.is_empty() {
            let verb = if again.len() == 1 { "is" } else { "are" };
            log::info!("{}: {} {verb} read again", self.prefix, named(again));
        }
        new
    }
}

/// "table realtime", "tables realtime, alarm".
fn named(tables: TableSet) -> String {
    format!("{} {tables}", if tables.len() == 1 { "table" } else { "tables" })
}
