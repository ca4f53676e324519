//! What is said on stderr about a meter: a fault once, then silence, then "recovered after".
//!
//! What comes and goes is [counted](super::damper) instead, or a meter that flaps would write a line at each gather.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::logging::OfMeter;
use crate::meter::{Table, TableSet};
use crate::source::{Exchange, Exchanges, Failure, FailureKind, Hindrance, Notice};

use super::damper::{Damper, Fate, Tell};
use super::event::Event;
use super::listening;
use listeners::Listeners;
use ration::Ration;

mod listeners;
mod ration;

/// Bytes of a request or a reply that are shown.
const MOST_SHOWN: usize = 512;

#[derive(Debug)]
struct Outage {
    since: Instant,
    gathers: u64,
    /// The kinds of fault that it has shown.
    kinds: BTreeSet<Fault>,
    said: String,
}

/// What can come and go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// Nothing was read: the meter cannot be reached.
    Link,
    /// Nothing was read for another reason.
    Down(FailureKind),
    /// A table was not read.
    Table(Table, FailureKind),
    /// An assembly is not heard, for this reason.
    Unheard(u16, Hindrance),
    /// Something happened, to these fields.
    Event(&'static str, String),
}

/// What has been said about one meter.
#[derive(Debug)]
pub struct FaultLog {
    prefix: String,
    outage: Option<Outage>,
    /// The kind is what is new: a sentence may hold numbers that change.
    tables: BTreeMap<Table, FailureKind>,
    damper: Damper<Fault>,
    /// What was last to be said of each.
    texts: BTreeMap<Fault, String>,
    /// Of exchanges in words.
    ration: Ration,
    listeners: Listeners,
}

impl FaultLog {
    /// Nothing has been said yet.
    pub fn new(meter: &str) -> Self {
        FaultLog {
            prefix: OfMeter(meter).to_string(),
            outage: None,
            tables: BTreeMap::new(),
            damper: Damper::new(),
            texts: BTreeMap::new(),
            ration: Ration::default(),
            listeners: Listeners::default(),
        }
    }

    /// Something that a person must know.
    pub fn warn(&self, sentence: &str) {
        log::warn!("{}{sentence}", self.prefix);
    }

    /// The same, of what may happen at each gather.
    pub fn warn_event(&mut self, event: &Event) {
        self.warn_of(Fault::Event(event.kind(), fields(event)), event.to_string());
    }

    /// A counter is where it cannot be.
    pub fn warn_doubt(&mut self, sentence: &str) {
        self.warn_of(Fault::Event("doubt", String::new()), sentence.to_owned());
    }

    fn warn_of(&mut self, kind: Fault, text: String) {
        let tell = self.damper.began(kind.clone(), now());
        self.damper.ended(&kind, now());
        self.say(log::Level::Warn, tell, &text);
        self.texts.insert(kind, text);
    }

    /// What was found of the map; what is held back is said with the table's failure.
    pub fn tell_of_map(&self, events: &[Event], held: TableSet) {
        for event in events {
            match event {
                Event::MapAccepted { .. } => log::info!("{}{event}", self.prefix),
                _ if held.is_empty() => {
                    let reason = event.reason().unwrap_or_default();
                    log::warn!("{}{}: {reason}", self.prefix, uncapital(&event.to_string()));
                }
                _ => {}
            }
        }
    }

    /// What was asked and answered, for those who asked for details; the bytes for those who asked for all.
    pub fn recount(&mut self, exchanges: &Exchanges) {
        if let Some(left_out) = self.ration.renew(Instant::now()) {
            log::debug!("{}{left_out} more exchanges were left out of this log", self.prefix);
        }
        for Exchange { layer, words, bytes } in &exchanges.kept {
            if !self.ration.take() {
                if self.ration.left_out() == 1 {
                    log::debug!("{}more exchanges within this minute are counted only", self.prefix);
                }
                continue;
            }
            log::debug!("{}{layer}: {words}", self.prefix);
            for (direction, bytes) in [("sent", &bytes.sent), ("received", &bytes.received)] {
                if !bytes.is_empty() {
                    let hex: String =
                        bytes.iter().take(MOST_SHOWN).map(|byte| format!("{byte:02x}")).collect();
                    log::trace!("{}{layer}: {direction} {hex}", self.prefix);
                }
            }
        }
        self.ration.leave_out(exchanges.more);
    }

    /// What was received and could not be used, for those who asked for details.
    pub fn show(&self, exhibit: &str) {
        log::debug!("{}received: {exhibit}", self.prefix);
    }

    /// What happened to a listener; returns the events, where something was lost or is back.
    pub fn tell(&mut self, notices: &[Notice]) -> Vec<Event> {
        notices.iter().filter_map(|notice| self.tell_one(notice)).collect()
    }

    fn tell_one(&mut self, notice: &Notice) -> Option<Event> {
        let text = listening::sentence(notice);
        if let Some((assembly, reason)) = self.listeners.lost(notice) {
            let kind = Fault::Unheard(assembly, reason);
            let tell = self.damper.began(kind.clone(), now());
            self.say(log::Level::Warn, tell, &text);
            self.texts.insert(kind, text);
            return listening::event(notice);
        }
        let ended = self.listeners.found(notice);
        let ended = ended.into_iter().map(|(assembly, reason)| Fault::Unheard(assembly, reason));
        // All of them are ended, said or not.
        let said: Vec<bool> = ended.map(|kind| self.damper.ended(&kind, now())).collect();
        let counted = !said.is_empty() && !said.contains(&true);
        let level = match notice {
            Notice::Heard { .. } if counted => log::Level::Debug,
            Notice::Heard { .. } | Notice::Tag { .. } => log::Level::Info,
            Notice::Lost { .. }
            | Notice::Unheard { .. }
            | Notice::OtherPath { .. }
            | Notice::ShortReads { .. }
            | Notice::Torn { .. } => log::Level::Warn,
        };
        log::log!(level, "{}{text}", self.prefix);
        listening::event(notice)
    }

    /// A gather brought nothing.
    pub fn down(&mut self, failure: &Failure) {
        let (text, kind) = (failure.to_string(), Fault::of(failure));
        let new = Outage { since: Instant::now(), gathers: 0, kinds: BTreeSet::new(), said: text.clone() };
        let outage = self.outage.get_or_insert(new);
        outage.gathers += 1;
        if outage.kinds.insert(kind.clone()) {
            let tell = self.damper.began(kind.clone(), now());
            self.say(log::Level::Error, tell, &text);
        } else if outage.said != text {
            log::debug!("{}{text}", self.prefix);
        }
        self.texts.insert(kind, text);
        self.look();
    }

    /// The meter was left alone in this gather.
    pub fn left_alone(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.gathers += 1;
        }
        self.look();
    }

    /// A gather brought something; some tables may have failed. Returns the failures that are new.
    pub fn up<'f>(&mut self, due: TableSet, failures: &'f [(Table, Failure)]) -> Vec<(Table, &'f Failure)> {
        if let Some(outage) = self.outage.take() {
            self.over(&outage);
        }
        let (mut new, mut again): (Vec<(Table, &Failure)>, TableSet) = (Vec::new(), TableSet::EMPTY);
        for table in due.iter() {
            let failure = failures.iter().find(|(failed, _)| *failed == table).map(|(_, failure)| failure);
            let before = match failure {
                Some(failure) => self.tables.insert(table, failure.kind),
                None => self.tables.remove(&table),
            };
            let changed = before.filter(|before| failure.map(|failure| failure.kind) != Some(*before));
            let told = changed.is_some_and(|before| self.damper.ended(&Fault::Table(table, before), now()));
            match failure {
                Some(failure) if before.is_none() || changed.is_some() => new.push((table, failure)),
                None if told => again.insert(table),
                Some(_) | None => {}
            }
        }
        self.say_failed(&new);
        if !again.is_empty() {
            let verb = if again.len() == 1 { "is" } else { "are" };
            log::info!("{}{} {verb} read again", self.prefix, named(again));
        }
        self.look();
        new
    }

    /// An outage has ended.
    fn over(&mut self, outage: &Outage) {
        // Whatever it began with has ended with it.
        let of_link = |kind: &FailureKind| kind.is_of_the_link();
        let link: Vec<_> = self.tables.iter().filter(|(_, kind)| of_link(kind)).collect();
        let link = link.into_iter().map(|(table, kind)| Fault::Table(*table, *kind));
        let ended: Vec<Fault> = link.chain(outage.kinds.iter().cloned()).collect();
        self.tables.retain(|_, kind| !of_link(kind));
        let told = ended.iter().filter(|kind| self.damper.ended(kind, now())).count() > 0;
        let level = if told { log::Level::Info } else { log::Level::Debug };
        log::log!(
            level,
            "{}recovered after {} failed {} in {:.0} s",
            self.prefix,
            outage.gathers,
            if outage.gathers == 1 { "gather" } else { "gathers" },
            outage.since.elapsed().as_secs_f64()
        );
    }

    /// Says which tables have failed; what is the link's is said of all of them at once.
    fn say_failed(&mut self, new: &[(Table, &Failure)]) {
        let mut link: Option<(TableSet, Tell, String)> = None;
        for (table, failure) in new {
            let (kind, text) = (Fault::Table(*table, failure.kind), failure.to_string());
            let tell = self.damper.began(kind.clone(), now());
            match &mut link {
                _ if !failure.is_of_the_link() => {
                    self.say(log::Level::Warn, tell, &format!("table {table}: {text}"));
                }
                Some((tables, _, _)) if tell != Tell::Nothing => tables.insert(*table),
                None if tell != Tell::Nothing => link = Some((TableSet::from(*table), tell, text.clone())),
                Some(_) | None => {}
            }
            self.texts.insert(kind, text);
        }
        if let Some((tables, tell, text)) = link {
            self.say(log::Level::Warn, tell, &format!("{}: {text}", named(tables)));
        }
    }

    fn say(&self, level: log::Level, tell: Tell, text: &str) {
        match tell {
            Tell::Say => log::log!(level, "{}{text}", self.prefix),
            Tell::Flaps(flaps) => {
                log::log!(level, "{}{text}; this comes and goes, {flaps}: counted from now on", self.prefix);
            }
            Tell::Nothing => log::debug!("{}{text}", self.prefix),
        }
    }

    /// Says what has become of what came and went.
    fn look(&mut self) {
        for (kind, fate, flaps) in self.damper.look(now()) {
            let last = self.texts.get(&kind).map(String::as_str).unwrap_or_default();
            let prefix = match &kind {
                Fault::Link | Fault::Down(_) | Fault::Unheard(..) | Fault::Event(..) => self.prefix.clone(),
                Fault::Table(table, _) => format!("{}table {table}: ", self.prefix),
            };
            let outages = flaps.of("outages");
            // What is gone may have made room for something else.
            let well = match &kind {
                Fault::Link | Fault::Down(_) => self.outage.is_none(),
                Fault::Table(table, _) => !self.tables.contains_key(table),
                Fault::Unheard(assembly, _) => self.listeners.hears(*assembly),
                Fault::Event(..) => false,
            };
            match fate {
                Fate::Gone if !well => log::info!("{prefix}not any more, after {flaps}: {last}"),
                Fate::Gone => log::info!("{prefix}recovered after {outages}"),
                Fate::Stays => log::error!("{prefix}stays as it is after {outages}: {last}"),
                Fate::Flaps => log::warn!("{prefix}still comes and goes, {flaps}: {last}"),
            }
        }
    }
}

impl Fault {
    /// What a gather that brought nothing is.
    fn of(failure: &Failure) -> Fault {
        // What a person has to change is said, whatever kept the meter away before it.
        let passes = failure.is_of_the_link() && failure.kind != FailureKind::Local;
        if passes { Fault::Link } else { Fault::Down(failure.kind) }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// "table realtime", "tables realtime, alarm".
fn named(tables: TableSet) -> String {
    format!("{} {tables}", if tables.len() == 1 { "table" } else { "tables" })
}

/// What an event is about: the same event of another field is another one.
fn fields(event: &Event) -> String {
    match (event.steps(), event) {
        (Some(steps), _) => steps.iter().map(|step| step.field.as_str()).collect::<Vec<_>>().join(","),
        (None, Event::SettingsChanged { field, .. }) => field.clone(),
        (None, _) => String::new(),
    }
}

fn uncapital(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}
