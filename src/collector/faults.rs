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

/// What has been said about one meter.
#[derive(Debug)]
pub struct FaultLog {
    prefix: String,
    outage: Option<Outage>,
    tables: BTreeMap<Table, std::mem::Discriminant<Failure>>,
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
        let mut new = Vec::new();
        if let Some(outage) = self.outage.take() {
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
                    // The sentence may hold numbers that change; the kind of failure is what is new.
                    let kind = std::mem::discriminant(failure);
                    if self.tables.insert(table, kind) != Some(kind) {
                        log::warn!("{}: table {table}: {failure}", self.prefix);
                        new.push((table, failure));
                    }
                }
                None => {
                    if self.tables.remove(&table).is_some() {
                        log::info!("{}: table {table} is read again", self.prefix);
                    }
                }
            }
        }
        new
    }
}
