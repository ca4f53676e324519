//! What is said on stderr about a meter: a fault once, then silence, then "recovered after".

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::logging::OfMeter;
use crate::meter::{Table, TableSet};
use crate::source::{Failure, FailureKind, Notice};

use super::event::Event;
use super::listening;

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
    /// The kind is what is new: a sentence may hold numbers that change.
    tables: BTreeMap<Table, FailureKind>,
}

impl FaultLog {
    /// Nothing has been said yet.
    pub fn new(meter: &str) -> Self {
        FaultLog { prefix: OfMeter(meter).to_string(), outage: None, tables: BTreeMap::new() }
    }

    /// Something that a person must know.
    pub fn warn(&self, sentence: &str) {
        log::warn!("{}{sentence}", self.prefix);
    }

    /// Something that went well.
    pub fn tell_event(&self, event: &Event) {
        log::info!("{}{event}", self.prefix);
    }

    /// The same, with why.
    pub fn warn_with_reason(&self, event: &Event) {
        let reason = event.reason().unwrap_or_default();
        log::warn!("{}{}: {reason}", self.prefix, uncapital(&event.to_string()));
    }

    /// What was received and could not be used, for those who asked for details.
    pub fn show(&self, exhibit: &str) {
        log::debug!("{}received: {exhibit}", self.prefix);
    }

    /// What happened to a listener; returns the event, where something was lost or is back.
    pub fn tell(&self, notice: &Notice) -> Option<Event> {
        let level = match notice {
            Notice::Heard { .. } | Notice::Tag { .. } => log::Level::Info,
            Notice::Lost { .. }
            | Notice::Unheard { .. }
            | Notice::OtherPath { .. }
            | Notice::ShortReads { .. }
            | Notice::Torn { .. } => log::Level::Warn,
        };
        log::log!(level, "{}{}", self.prefix, listening::sentence(notice));
        listening::event(notice)
    }

    /// A gather brought nothing.
    pub fn down(&mut self, failure: &Failure) {
        let text = failure.to_string();
        match &mut self.outage {
            Some(outage) => {
                outage.gathers += 1;
                if outage.said != text {
                    log::debug!("{}{text}", self.prefix);
                }
            }
            None => {
                log::error!("{}{text}", self.prefix);
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
            self.tables.retain(|_, failure| !failure.is_of_the_link());
            log::info!(
                "{}recovered after {} failed {} in {:.0} s",
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
                    if self.tables.insert(table, failure.kind) != Some(failure.kind) {
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
                log::warn!("{}table {table}: {failure}", self.prefix);
            } else if !std::mem::replace(&mut said, true) {
                let link = new.iter().filter(|(_, failure)| failure.is_of_the_link());
                let link: TableSet = link.map(|(table, _)| *table).collect();
                log::warn!("{}{}: {failure}", self.prefix, named(link));
            }
        }
        if !again.is_empty() {
            let verb = if again.len() == 1 { "is" } else { "are" };
            log::info!("{}{} {verb} read again", self.prefix, named(again));
        }
        new
    }
}

/// "table realtime", "tables realtime, alarm".
fn named(tables: TableSet) -> String {
    format!("{} {tables}", if tables.len() == 1 { "table" } else { "tables" })
}

fn uncapital(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}
