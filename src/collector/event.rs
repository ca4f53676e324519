//! What happened to a meter, as values: what code decides on is typed, what a person reads is in words.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::meter::{Table, TableSet};
use crate::source::{Failure, Link};

use super::clock::in_words;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The plugin started reading the meter; `continued` is that something before is known.
    Started {
        /// Whether the state file knows the meter.
        continued: bool,
    },
    /// Data that is missing.
    Gap(Gap),
    /// Counters began anew.
    CounterReset(Vec<Step>),
    /// Counters passed their top and went on at their bottom.
    CounterRollover(Vec<Step>),
    /// Counters were read wrong, and the next reading went on from before.
    CounterGlitch(Vec<Step>),
    /// Counters stepped back by so little that it is noise, for the first time.
    CounterWavered(Vec<Step>),
    /// Counters are again where they were before they fell or jumped.
    CounterReturned(Vec<Step>),
    /// Counters rose faster than the meter can measure.
    CounterJumped(Vec<Step>),
    /// The maximum values were reset.
    MaxReset {
        /// The value that tells it best.
        field: String,
        /// That value before.
        before: f64,
        /// And now.
        after: f64,
        /// How many values fell.
        fell: usize,
        /// How many could have.
        compared: usize,
    },
    /// The demand values began anew.
    DemandReset,
    /// A setting of the meter is another one.
    SettingsChanged {
        /// Which one.
        field: String,
        /// Before and now.
        values: [f64; 2],
        /// The same in words, where the setting has words.
        labels: [Option<String>; 2],
    },
    /// Another meter answers.
    MeterSwapped {
        /// Who answered before.
        before: Who,
        /// Who answers now.
        after: Who,
    },
    /// A listened assembly is not heard any more.
    OwnerLost {
        /// Instance.
        assembly: u16,
        /// Why.
        reason: String,
    },
    /// A listened assembly is heard again.
    OwnerBack {
        /// How, in words.
        how: String,
    },
    /// The meter is read in another way than before.
    ConnectionChanged {
        /// The way before.
        before: Link,
        /// The way now.
        after: Link,
    },
    /// The meter does not give all of a table.
    BlockRefused {
        /// The table.
        table: Table,
        /// What it said.
        failure: Failure,
    },
    /// The numbers contradict the map.
    MapContradicted {
        /// The table whose numbers do.
        table: Table,
        /// What contradicts what, and what would fit.
        reason: String,
    },
    /// A contradiction was lifted.
    MapAccepted {
        /// The table whose numbers fit again.
        table: Table,
    },
}

/// A stretch of time without data.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// The tables that miss it.
    pub tables: TableSet,
    /// Those of them that miss a part only.
    pub partly: TableSet,
    /// The last reading before.
    pub from: SystemTime,
    /// The first reading after.
    pub to: SystemTime,
    /// Why.
    pub cause: Cause,
    /// Whether another meter answers since.
    pub exchanged: bool,
}

/// Why a table was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It was read too late or not at all, and nothing failed: a suspended host.
    NoGather,
    /// Gathers took place, and nothing newer came: a meter that is listened to was silent.
    Silence,
    /// The plugin was not running.
    NotRunning,
    /// The meter was left alone, for it did not answer before.
    NoAnswer,
    /// For a reason that concerns the whole meter; how each table met it differs in words only.
    Meter(String),
    /// For a reason of its own.
    Table(String),
    /// It was: the timestamps have a hole, for the clock was set forward by this many ms.
    Clock(i64),
}

/// A counter before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The field.
    pub field: String,
    /// Its value before.
    pub before: i64,
    /// And now.
    pub after: i64,
}

/// A meter by its numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Who {
    /// Serial letters, or "" when never read.
    pub serial_number: String,
    /// CIP serial number, or 0 when never read.
    pub cip_serial_number: u32,
}

impl Event {
    /// What happened to counters, if it is about counters of the table energy.
    pub fn steps(&self) -> Option<&[Step]> {
        match self {
            Event::CounterReset(steps)
            | Event::CounterRollover(steps)
            | Event::CounterGlitch(steps)
            | Event::CounterWavered(steps)
            | Event::CounterReturned(steps)
            | Event::CounterJumped(steps) => Some(steps),
            _ => None,
        }
    }

    /// Whether counters go on from another level than before: what is saved must not be older than that, or a crash would
    /// have it told once more.
    pub fn tells_of_another_level(&self) -> bool {
        matches!(
            self,
            Event::CounterReset(_)
                | Event::CounterRollover(_)
                | Event::CounterReturned(_)
                | Event::CounterJumped(_)
                | Event::MeterSwapped { .. }
        )
    }

    /// The word in the data: the tag `event`.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Started { .. } => "started",
            Event::Gap(_) => "gap",
            Event::CounterReset(_) => "counter_reset",
            Event::CounterRollover(_) => "counter_rollover",
            Event::CounterGlitch(_) | Event::CounterWavered(_) => "counter_glitch",
            Event::CounterReturned(_) => "counter_returned",
            Event::CounterJumped(_) => "counter_jumped",
            Event::MaxReset { .. } => "max_reset",
            Event::DemandReset => "demand_reset",
            Event::SettingsChanged { .. } => "settings_changed",
            Event::MeterSwapped { .. } => "meter_swapped",
            Event::OwnerLost { .. } => "owner_lost",
            Event::OwnerBack { .. } => "owner_back",
            Event::ConnectionChanged { .. } => "connection_changed",
            Event::BlockRefused { .. } => "block_refused",
            Event::MapContradicted { .. } => "map_contradicted",
            Event::MapAccepted { .. } => "map_accepted",
        }
    }

    /// Why, as far as known.
    pub fn reason(&self) -> Option<String> {
        match self {
            Event::Started { continued: true } => Some("continued from the state file".to_owned()),
            Event::Started { continued: false } => Some("nothing before is known".to_owned()),
            Event::Gap(gap) if gap.exchanged => {
                Some(format!("{}; since then another meter answers", gap.cause))
            }
            Event::Gap(gap) => Some(gap.cause.to_string()),
            Event::MaxReset { fell, compared, .. } => {
                Some(format!("{fell} of {compared} maximum values fell at once"))
            }
            Event::DemandReset => {
                Some("all of them are 0, as after a reset or a restart of the meter".to_owned())
            }
            Event::CounterGlitch(_) => Some(
                "the next reading went on from before; the value was dropped, and is in no interval"
                    .to_owned(),
            ),
            Event::CounterWavered(_) => {
                Some("so little is noise of the meter and no reset; it is said once".to_owned())
            }
            Event::CounterReturned(_) => {
                Some("it was there before it fell or jumped; the step is nobody's consumption".to_owned())
            }
            Event::CounterJumped(_) => {
                Some("no load of this meter is that large; the step is nobody's consumption".to_owned())
            }
            Event::OwnerLost { reason, .. } | Event::MapContradicted { reason, .. } => Some(reason.clone()),
            Event::BlockRefused { failure, .. } => Some(failure.to_string()),
            _ => None,
        }
    }

    /// The tables concerned.
    pub fn tables(&self) -> TableSet {
        match self {
            Event::Gap(gap) => gap.tables,
            Event::CounterReset(_)
            | Event::CounterRollover(_)
            | Event::CounterGlitch(_)
            | Event::CounterWavered(_)
            | Event::CounterReturned(_)
            | Event::CounterJumped(_) => Table::Energy.into(),
            Event::MaxReset { .. } => Table::Max.into(),
            Event::DemandReset => Table::Demand.into(),
            Event::SettingsChanged { .. } => Table::Settings.into(),
            Event::BlockRefused { table, .. } => (*table).into(),
            Event::MapContradicted { table, .. } | Event::MapAccepted { table } => (*table).into(),
            _ => TableSet::EMPTY,
        }
    }
}

/// What happened, in one sentence.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Started { .. } => f.write_str("The plugin started reading this meter"),
            Event::Gap(gap) => {
                let (wholly, partly) = (joined(gap.tables.difference(gap.partly)), joined(gap.partly));
                match (wholly.is_empty(), partly.is_empty()) {
                    (_, true) => write!(f, "No data of {wholly}")?,
                    (true, false) => write!(f, "Not all data of {partly}")?,
                    (false, false) => write!(f, "No data of {wholly}, and not all of {partly},")?,
                }
                write!(f, " for {:.1} s", gap.length().as_secs_f64())
            }
            Event::CounterReset(steps) => moved(f, steps, ["was reset", "were reset"]),
            Event::CounterRollover(steps) => moved(f, steps, ["rolled over"; 2]),
            Event::CounterGlitch(steps) => moved(f, steps, ["was read wrong", "were read wrong"]),
            Event::CounterWavered(steps) => moved(f, steps, ["stepped back a little"; 2]),
            Event::CounterReturned(steps) => moved(f, steps, ["returned"; 2]),
            Event::CounterJumped(steps) => moved(f, steps, ["jumped"; 2]),
            Event::MaxReset { field, before, after, .. } => {
                write!(f, "The maximum values were reset: {field} fell from {before} to {after}")
            }
            Event::DemandReset => f.write_str("The demand values began anew"),
            Event::SettingsChanged { field, values: [before, after], labels } => {
                let told = |label: &Option<String>, value: &f64| label.clone().unwrap_or(value.to_string());
                let (before, after) = (told(&labels[0], before), told(&labels[1], after));
                write!(f, "{field} changed from {before} to {after}")
            }
            Event::MeterSwapped { .. } => {
                f.write_str("Another meter answers at this address; its counters are not the old one's")
            }
            Event::OwnerLost { assembly, .. } => write!(f, "Assembly {assembly} is not heard any more"),
            Event::OwnerBack { how } => f.write_str(&capital(how)),
            Event::ConnectionChanged { before, after } => {
                let (before, after) = (before.code().1, after.code().1);
                write!(f, "The meter is read in another way: {after} instead of {before}")
            }
            Event::BlockRefused { table, .. } => write!(f, "The meter does not give all of table {table}"),
            Event::MapContradicted { .. } => f.write_str("The numbers contradict the register map"),
            Event::MapAccepted { .. } => f.write_str("The numbers fit the register map again"),
        }
    }
}

impl Gap {
    /// How long.
    pub fn length(&self) -> Duration {
        self.to.duration_since(self.from).unwrap_or_default()
    }
}

impl Cause {
    /// Whether two tables missed their data for one cause.
    pub fn is_one_with(&self, other: &Cause) -> bool {
        let of_the_meter = |cause: &Cause| !matches!(cause, Cause::Table(_) | Cause::Clock(_));
        (of_the_meter(self) && of_the_meter(other)) || self == other
    }
}

impl From<&Failure> for Cause {
    fn from(failure: &Failure) -> Cause {
        let text = failure.to_string();
        if failure.is_of_the_link() { Cause::Meter(text) } else { Cause::Table(text) }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::NoGather => f.write_str("no gather took place"),
            Cause::Silence => f.write_str("the meter sent no newer frame"),
            Cause::NotRunning => f.write_str("the plugin was not running"),
            Cause::NoAnswer => f.write_str("the meter did not answer"),
            Cause::Meter(text) | Cause::Table(text) => f.write_str(text),
            Cause::Clock(by) => {
                write!(f, "the clock of this host was set {}; nothing was missed", in_words(*by))
            }
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.serial_number.as_str(), self.cip_serial_number) {
            ("", cip) => write!(f, "CIP serial number {cip}"),
            (serial, 0) => f.write_str(serial),
            (serial, cip) => write!(f, "{serial} (CIP serial number {cip})"),
        }
    }
}

/// The tables' names as the data lists them: "realtime,alarm".
pub fn joined(tables: TableSet) -> String {
    tables.iter().map(Table::name).collect::<Vec<_>>().join(",")
}

fn moved(f: &mut fmt::Formatter<'_>, steps: &[Step], [one, several]: [&str; 2]) -> fmt::Result {
    let Some(Step { field, before, after }) = steps.first() else { return f.write_str("No counter moved") };
    let how = if after < before { "fell" } else { "rose" };
    match steps.len() {
        1 => write!(f, "A counter {one}: {field} {how} from {before} to {after}"),
        count => write!(f, "{count} counters {several}: {field} {how} from {before} to {after}"),
    }
}

fn capital(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
