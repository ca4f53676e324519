//! May the values leave? Plausible, and not contradicted by physics.
//!
//! Pure: what it is asked about and what it answers are values.

use crate::config::MapCheckPolicy;
use crate::meter::{Profile, Readings, Table, TableSet, WordOrder};
use crate::source::{Failure, FailureKind};

pub mod fingerprint;
pub mod map;
pub mod standing;

use super::event::Event;
use super::report::Map;
use map::{MapJudge, Ruling};
use standing::Change;

/// Judges what is read of one meter.
#[derive(Debug)]
pub struct Judge {
    map: MapJudge,
    connections: u64,
}

/// What was judged.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Tables whose values must not leave.
    pub held: TableSet,
    /// Why, by table.
    pub failures: Vec<(Table, Failure)>,
    /// What is to be said about it.
    pub events: Vec<Event>,
}

impl Judge {
    /// A judge that has seen nothing; `word_order` is given where registers are read, and `proven` is that this map
    /// was found consistent with this meter before.
    pub fn new(
        policy: MapCheckPolicy,
        word_order: Option<WordOrder>,
        profile: &Profile,
        proven: bool,
    ) -> Judge {
        Judge { map: MapJudge::new(policy, word_order, profile, proven), connections: 0 }
    }

    /// Whether the numbers fit the map, so far.
    pub fn map(&self) -> Map {
        Map { check: self.map.state(), undecided: self.map.is_undecided() }
    }

    /// Whether the map is proven on this meter.
    pub fn is_proven(&self) -> bool {
        self.map.is_proven()
    }

    /// Another meter answers: nothing that was found holds for it.
    pub fn exchanged(&mut self) {
        self.map.exchanged();
    }

    /// Judges a gather by physics. `complete` is that no block of realtime failed, `connections` counts how often a
    /// connection was made, and `ct_ratio` is the ratio of the current transformers, if it is known.
    pub fn judge(
        &mut self,
        profile: &Profile,
        readings: &Readings,
        complete: bool,
        connections: u64,
        ct_ratio: Option<f64>,
    ) -> Judgement {
        if std::mem::replace(&mut self.connections, connections) != connections {
            self.map.reset();
        }
        let realtime = readings.taken(Table::Realtime);
        let realtime = realtime.map(|_| self.map.rule(readings, complete, ct_ratio));
        let energy = readings.taken(Table::Energy);
        let energy = energy.map(|_| self.map.rule_energy(profile, readings));
        let spoiled = |ruling: &Ruling| ruling.hold.is_some() && ruling.by_word_order;
        let all = realtime.as_ref().is_some_and(spoiled);
        let mut judgement = Judgement::default();
        let rulings = [(Table::Realtime, &realtime), (Table::Energy, &energy)];
        for (table, ruling) in rulings {
            let Some(Ruling { hold, change, reason, .. }) = ruling else { continue };
            if let Some(reason) = hold {
                judgement.hold(table, reason);
            }
            // Energy that is spoiled with everything else is not worth a word of its own.
            match change {
                Change::Contradicted if table == Table::Realtime || !all => {
                    judgement.events.push(Event::MapContradicted { table, reason: reason.clone() });
                }
                Change::Accepted if table == Table::Realtime || realtime.is_none() => {
                    judgement.events.push(Event::MapAccepted { table });
                }
                _ => {}
            }
        }
        // The other numbers that are longer than a word.
        if let Some(reason) =
            realtime.as_ref().filter(|ruling| spoiled(ruling)).and_then(|ruling| ruling.hold.as_ref())
            && readings.taken(Table::Settings).is_some()
        {
            judgement.hold(Table::Settings, reason);
        }
        judgement
    }

    /// Whether one sample of a listened assembly may leave.
    pub fn passes(&self, sample: &Readings) -> bool {
        self.map.passes(sample)
    }
}

impl Judgement {
    fn hold(&mut self, table: Table, reason: &str) {
        let text = format!(
            "the numbers contradict the register map: {reason}; nothing of it is emitted (map_check = \"warn\" \
             would)"
        );
        self.held.insert(table);
        self.failures.push((table, FailureKind::BadData.because(text)));
    }
}

/// Whether at least one plausible value of the table arrived.
pub fn has_values(profile: &Profile, readings: &Readings, table: Table) -> bool {
    let mut elements = profile.elements_of(table);
    readings.taken(table).is_some() && elements.any(|(index, _)| readings.get(index).is_some())
}

/// Whether the table was read: it has values, or says of all of them that they are not available here.
pub fn was_read(profile: &Profile, readings: &Readings, table: Table) -> bool {
    let absent = readings.dropped_of(table) == 0 && readings.absent_of(table) > 0;
    has_values(profile, readings, table) || (readings.taken(table).is_some() && absent)
}

/// The tables among these that were read.
pub fn read(profile: &Profile, readings: &Readings, tables: TableSet) -> TableSet {
    tables.iter().filter(|table| was_read(profile, readings, *table)).collect()
}

/// The tables among these that arrived without one plausible value, and for which no other failure is known: they
/// were not read.
pub fn empty(
    profile: &Profile,
    readings: &Readings,
    tables: TableSet,
    failures: &[(Table, Failure)],
) -> Vec<(Table, Failure)> {
    let failed: TableSet = failures.iter().map(|(table, _)| *table).collect();
    let arrived = tables.difference(failed).iter().filter(|table| readings.taken(*table).is_some());
    let text = "no value is plausible; over Modbus this is usually the word order";
    let empty = arrived.filter(|table| !was_read(profile, readings, *table));
    empty.map(|table| (table, FailureKind::BadData.because(text))).collect()
}
