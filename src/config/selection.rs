//! Which tables are read and which of their fields are emitted.
//!
//! Three things can keep a field back: the meter does not offer it over the connection, its evidence is
//! weaker than accepted, or `fieldinclude` and `fieldexclude` leave it out. A table that was asked for by
//! name and has no field left is an error; a table of the default list is quietly not read.

use std::collections::BTreeMap;

use super::choice::{Connection, Protocol};
use crate::meter::element::Form;
use crate::meter::{Element, Evidence, Kind, Profile, Table, TableSet, Use};
use crate::source::logix::Held;
use crate::words::UnknownWord;

/// Data that cannot be had as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// A pattern that no field has.
    #[error("fieldinclude or fieldexclude: {0}")]
    Pattern(UnknownWord),
    /// A table that would be read in two ways.
    #[error("the table {0} is in tables and in modbus_tables, read it one way and take it out of the other")]
    Twice(Table),
    /// Nothing at all.
    #[error("nothing would be read: tables, fieldinclude, fieldexclude and evidence together leave no field")]
    Nothing,
    /// A table whose fields are all weaker than accepted.
    #[error(
        "the table {table} has no field whose evidence is {accepted} or better, its layout is {best}; to read it all \
         the same set evidence = \"{best}\" for this meter, or give a profile with better evidence"
    )]
    Weak {
        /// The table.
        table: Table,
        /// What is accepted.
        accepted: Evidence,
        /// The best there is.
        best: Evidence,
    },
    /// A table whose fields are all filtered out.
    #[error("fieldinclude and fieldexclude leave no field of the table {0}, change them or take {0} out")]
    Filtered(Table),
    /// A table that the profile does not describe.
    #[error("the profile describes no field of the table {0}")]
    Undescribed(Table),
    /// A table whose assemblies no tag holds.
    #[error(
        "logix_tags names no tag for the table {table}, which the controller would need to hold as assembly {}; name one, or \
         take {table} out of tables",
        assemblies.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ")
    )]
    NoTag {
        /// The table.
        table: Table,
        /// Its assemblies.
        assemblies: Vec<u16>,
    },
    /// A table without registers.
    #[error(
        "no Modbus address of the table {0} is known; it is read over EtherNet/IP, with connection = \"explicit\""
    )]
    NotOverModbus(Table),
    /// A table without an assembly.
    #[error(
        "the table {0} comes over Modbus only; set connection = \"modbus\", or read it beside EtherNet/IP with \
         modbus_tables = [\"{0}\"] and modbus_may_interrupt = true, after reading what these say{found}",
        found = match .0 {
            Table::Energy => "; \"telegraf-pm500 verify ADDRESS --duration 10m --write-profile FILE\" may find it on EtherNet/IP",
            _ => "",
        }
    )]
    OverModbusOnly(Table),
}

/// What a meter's options say about its data.
pub(super) struct Wanted<'a> {
    pub(super) profile: &'a Profile,
    pub(super) connection: Connection,
    /// The assemblies that a controller has, where the meter is read out of one.
    pub(super) held: Option<&'a BTreeMap<u16, Held>>,
    /// `tables`, if it was written.
    pub(super) tables: Option<TableSet>,
    pub(super) modbus_tables: TableSet,
    pub(super) raw_energy: bool,
    pub(super) evidence: Evidence,
    pub(super) include: Vec<&'a glob::Pattern>,
    pub(super) exclude: Vec<&'a glob::Pattern>,
    pub(super) has_timezone: bool,
}

/// What follows from it.
pub(super) struct Selection {
    pub(super) tables: TableSet,
    pub(super) selected: Vec<bool>,
    /// What was held back for its evidence, in sentences.
    pub(super) notes: Vec<String>,
}

impl Wanted<'_> {
    /// Decides, or says which table cannot be read and how to get it.
    pub(super) fn select(&self) -> Result<Selection, SelectionError> {
        for pattern in self.include.iter().chain(&self.exclude) {
            self.check_pattern(pattern)?;
        }
        let beside = self.modbus_tables.iter().map(|table| (table, Connection::Modbus, true));
        let mut tables = TableSet::EMPTY;
        let mut selected: Vec<bool> = self.elements_of_info().collect();
        // Energy comes over EtherNet/IP once a profile says where it stands there.
        let default = TableSet::from_iter([Table::Realtime, Table::Energy, Table::Alarm]);
        let named = self.tables.is_some();
        let wanted = self.tables.unwrap_or_else(|| default.difference(self.modbus_tables));
        if let Some(both) = wanted.intersection(self.modbus_tables).iter().next() {
            return Err(SelectionError::Twice(both));
        }
        let mut notes = Vec::new();
        for (table, over, named) in wanted.iter().map(|table| (table, self.connection, named)).chain(beside) {
            notes.extend(self.held_back(table));
            match self.select_table(table, over) {
                Ok(indices) => {
                    notes.extend(self.coarse(table, over, &indices));
                    indices.into_iter().for_each(|index| selected[index] = true);
                    if !self.modbus_tables.contains(table) {
                        tables.insert(table);
                    }
                }
                Err(reason) if named => return Err(reason),
                Err(_) => {}
            }
        }
        if self.raw_energy {
            let raw = self.profile.elements_of(Table::Raw).filter(|(_, element)| element.place.is_some());
            let before = selected.iter().filter(|selected| **selected).count();
            raw.for_each(|(index, _)| selected[index] = true);
            if selected.iter().filter(|selected| **selected).count() > before {
                tables.insert(Table::Raw);
            } else {
                notes.push(
                    "raw_energy stores nothing, for the profile says what assembly 107 holds: take it out"
                        .to_owned(),
                );
            }
        }
        if tables.is_empty() && self.modbus_tables.is_empty() {
            return Err(SelectionError::Nothing);
        }
        Ok(Selection { tables, selected, notes })
    }

    /// The info table is part of every connect; it is filtered by evidence only.
    fn elements_of_info(&self) -> impl Iterator<Item = bool> {
        self.profile.elements.iter().map(|element| {
            element.usage == Use::Info
                && element.evidence >= self.evidence
                && self.is_offered(element, self.connection)
        })
    }

    fn select_table(&self, table: Table, over: Connection) -> Result<Vec<usize>, SelectionError> {
        let fields = || self.profile.elements_of(table).filter(|(_, element)| element.usage == Use::Field);
        if !fields().any(|(_, element)| self.is_offered(element, over)) {
            let assemblies: Vec<u16> = self.profile.assemblies_of(table).map(|of| of.instance).collect();
            return Err(match (over, assemblies.is_empty()) {
                (Connection::Logix, false) => SelectionError::NoTag { table, assemblies },
                _ => unreachable_table(self.profile, table, over),
            });
        }
        let accepted: Vec<_> = fields()
            .filter(|(_, element)| self.is_offered(element, over) && element.evidence >= self.evidence)
            .collect();
        if accepted.is_empty() {
            let best = fields().map(|(_, element)| element.evidence).max().unwrap_or(Evidence::Unknown);
            return Err(SelectionError::Weak { table, accepted: self.evidence, best });
        }
        let left: Vec<_> = accepted
            .into_iter()
            .filter(|(_, element)| self.passes(element))
            .map(|(index, _)| index)
            .collect();
        if left.is_empty() {
            return Err(SelectionError::Filtered(table));
        }
        Ok(left)
    }

    /// Counters that the meter itself tells in steps larger than their unit.
    fn coarse(&self, table: Table, over: Connection, indices: &[usize]) -> Option<String> {
        let places = indices.iter().filter_map(|index| self.profile.elements[*index].place);
        let alone = indices.iter().map(|index| &self.profile.elements[*index]).find_map(|element| {
            let form = element.place?.form;
            (element.kind == Kind::Counter && matches!(form, Form::Scaled(_))).then_some((element, form))
        });
        if let (Some((element, form)), true) = (alone, over.protocol() != Protocol::Modbus) {
            let (unit, size) = (&element.unit, 1_000_000_000.0);
            return Some(format!(
                "the table {table} comes in one REAL per counter over EtherNet/IP, with 24 bits: from 16,777,216 of them \
                 on a counter steps by more than one; at {size} {unit} it steps by {} {unit}; over Modbus it is exact",
                form.step_at(size)
            ));
        }
        let steps = places.filter_map(|place| place.form.step()).filter(|step| *step > 1.0);
        let step = steps.filter(|_| over.protocol() != Protocol::Modbus).max_by(f64::total_cmp)?;
        Some(format!(
            "the table {table} comes in steps of up to {step} over EtherNet/IP, as the meter writes it there in \
             REALs; over Modbus it is exact"
        ))
    }

    fn held_back(&self, table: Table) -> Option<String> {
        let weak = |element: &Element| element.usage == Use::Field && element.evidence < self.evidence;
        let count = self.profile.elements_of(table).filter(|(_, element)| weak(element)).count();
        (count > 0).then(|| {
            format!(
                "{count} fields of the table {table} are not emitted, for their evidence is not {} or better",
                self.evidence
            )
        })
    }

    fn passes(&self, element: &Element) -> bool {
        let matches = |pattern: &&glob::Pattern| pattern.matches(&element.name);
        // The clock's offset is a difference of local times, unknown without the meter's time zone.
        let computable = self.has_timezone || element.wire != crate::meter::element::WireType::Clock;
        computable
            && (self.include.is_empty() || self.include.iter().any(matches))
            && !self.exclude.iter().any(matches)
    }

    /// Whether an element has a place there.
    fn is_offered(&self, element: &Element, over: Connection) -> bool {
        let held = |instance| self.held.is_none_or(|held| held.contains_key(&instance));
        match over.protocol() {
            Protocol::Modbus => element.modbus.is_some(),
            Protocol::EtherNetIp => element.place.is_some_and(|place| held(place.instance)),
        }
    }

    fn check_pattern(&self, pattern: &glob::Pattern) -> Result<(), SelectionError> {
        let fields = || self.profile.elements.iter().filter(|element| element.usage == Use::Field);
        if fields().any(|element| pattern.matches(&element.name)) {
            return Ok(());
        }
        let names = fields().map(|element| element.name.as_str());
        let unknown =
            UnknownWord::new("field", pattern.as_str(), names, "a name or pattern that a field has");
        Err(SelectionError::Pattern(unknown))
    }
}

fn unreachable_table(profile: &Profile, table: Table, over: Connection) -> SelectionError {
    let fields = || profile.elements_of(table).filter(|(_, element)| element.usage == Use::Field);
    let elsewhere = fields().any(|(_, element)| element.place.is_some() || element.modbus.is_some());
    match over.protocol() {
        _ if !elsewhere => SelectionError::Undescribed(table),
        Protocol::Modbus => SelectionError::NotOverModbus(table),
        Protocol::EtherNetIp => SelectionError::OverModbusOnly(table),
    }
}
