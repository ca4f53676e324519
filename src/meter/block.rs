//! What is asked of a meter in one piece, what came, and which readings that makes.
//!
//! ```text
//! tables ── spans ──→ a source asks ──→ blocks, as they came ── read ──→ readings
//! ```
//!
//! Sources ask for [`Span`]s and bring [`Block`]s; they know neither tables nor elements. This file is the
//! only place that knows both.

use std::collections::BTreeSet;
use std::fmt;
use std::time::SystemTime;

use super::assembly::{Assembly, WrongSize};
use super::decode;
use super::element::{Element, Use};
use super::profile::Profile;
use super::reading::Readings;
use super::table::{Table, TableSet};
use super::word_order::WordOrder;

/// How a way to the meter addresses what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whole assemblies, by instance: EtherNet/IP, or a controller that holds them.
    Assemblies,
    /// Registers, by address: Modbus.
    Registers,
}

/// One thing that must be got in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// The data of an assembly instance.
    Assembly(u16),
    /// Registers from a PDU address on.
    Registers {
        /// First PDU address.
        start: u16,
        /// Number of registers.
        count: u16,
    },
}

impl Span {
    /// The instance of an assembly.
    pub fn instance(self) -> Option<u16> {
        match self {
            Span::Assembly(instance) => Some(instance),
            Span::Registers { .. } => None,
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Span::Assembly(instance) => write!(f, "assembly {instance}"),
            Span::Registers { start, count } => {
                write!(f, "0x{start:04X} to 0x{:04X}", start.saturating_add(count.saturating_sub(1)))
            }
        }
    }
}

/// Bytes as they came: an assembly's data (little-endian), or registers (big-endian words).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What they are. Registers that were asked for one by one may come in one block.
    pub span: Span,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// When they arrived.
    pub at: SystemTime,
}

impl Block {
    /// The words of registers.
    pub fn words(&self) -> Vec<u16> {
        self.bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    }
}

/// What must be asked for these tables, each thing once.
pub fn spans(profile: &Profile, tables: TableSet, access: Access) -> Vec<Span> {
    match access {
        Access::Assemblies => tables
            .iter()
            .flat_map(|table| profile.assemblies_of(table).map(|assembly| Span::Assembly(assembly.instance)))
            .collect(),
        Access::Registers => {
            let elements = tables.iter().flat_map(|table| profile.elements_of(table));
            let spans =
                elements.filter(|(_, element)| element.usage != Use::None).filter_map(|(_, element)| {
                    Some(Span::Registers { start: element.modbus?, count: element.wire.words() })
                });
            // Several bits stand in one register.
            spans.collect::<BTreeSet<_>>().into_iter().collect()
        }
    }
}

/// The tables, among these, that have something in a span.
pub fn tables_of(profile: &Profile, span: Span, among: TableSet) -> TableSet {
    match span {
        Span::Assembly(instance) => {
            let table = profile.assembly(instance).map(|assembly| assembly.table);
            table.filter(|table| among.contains(*table)).into_iter().collect()
        }
        Span::Registers { start, count } => {
            let first = u32::from(start);
            let end = first + u32::from(count);
            let touches = |table: &Table| {
                profile.elements_of(*table).any(|(_, element)| {
                    element.modbus.is_some_and(|own| u32::from(own) < end)
                        && element.usage != Use::None
                        && element.registers().is_some_and(|own| first < own.end)
                })
            };
            among.iter().filter(touches).collect()
        }
    }
}

/// Puts what a block says of these tables into `readings`; the oldest block gives a table its time.
///
/// # Errors
/// [`WrongSize`] when an assembly's length is not one that the profile accepts; nothing is stored then.
pub fn read(
    profile: &Profile,
    block: &Block,
    tables: TableSet,
    order: WordOrder,
    readings: &mut Readings,
) -> Result<(), WrongSize> {
    match block.span {
        Span::Assembly(instance) => decode::assembly(profile, instance, &block.bytes, readings)?,
        Span::Registers { start, .. } => {
            let end = u32::from(start) + (block.bytes.len() / 2) as u32;
            let inside = |element: &Element| {
                // Most elements stand before or behind the block: that is seen first.
                let after = element.modbus.is_some_and(|own| start <= own && u32::from(own) < end);
                after && element.usage != Use::None && element.registers().is_some_and(|own| own.end <= end)
            };
            let elements = tables.iter().flat_map(|table| profile.elements_of(table));
            let elements = elements.filter(|(_, element)| inside(element)).map(|(index, _)| index);
            decode::registers(profile, elements, start, &block.words(), order, readings);
        }
    }
    for table in tables_of(profile, block.span, tables).iter() {
        readings.arrived(table, block.at);
    }
    Ok(())
}

/// The lengths in bytes that a profile accepts, by assembly instance: all that a source knows of assemblies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sizes(Vec<Assembly>);

impl Sizes {
    /// Those of a profile.
    pub fn of(profile: &Profile) -> Sizes {
        Sizes(profile.assemblies.clone())
    }

    /// Checks a length that a meter reports or has sent; of an assembly that nobody has described any is right.
    ///
    /// # Errors
    /// [`WrongSize`] when it is not among them.
    pub fn check(&self, instance: u16, actual: usize) -> Result<(), WrongSize> {
        self.assembly(instance).map_or(Ok(()), |assembly| assembly.check_size(actual))
    }

    /// The smallest one: every element lies within it.
    pub fn smallest(&self, instance: u16) -> Option<u16> {
        self.assembly(instance).map(Assembly::min_size)
    }

    /// Every length that an assembly may have.
    pub fn all(&self, instance: u16) -> Vec<u16> {
        self.assembly(instance).map(|assembly| assembly.sizes.clone()).unwrap_or_default()
    }

    fn assembly(&self, instance: u16) -> Option<&Assembly> {
        self.0.iter().find(|assembly| assembly.instance == instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Value;

    #[test]
    fn a_table_is_asked_for_as_whole_assemblies_or_as_its_registers_each_once() {
        let profile = Profile::built_in();
        let tables = TableSet::from_iter([Table::Realtime, Table::Alarm]);
        let assemblies = spans(&profile, tables, Access::Assemblies);
        assert_eq!(assemblies, [101, 102, 108].map(Span::Assembly));
        let registers = spans(&profile, tables, Access::Registers);
        assert_eq!(registers.first(), Some(&Span::Registers { start: 0x0050, count: 2 }));
        let bits = registers.iter().filter(|span| matches!(span, Span::Registers { count: 1, .. }));
        assert_eq!(bits.count(), 2, "alarms and outputs are bits of two registers");
    }

    #[test]
    fn a_block_says_something_of_every_table_in_it_that_was_asked_for_and_of_no_other() {
        let profile = Profile::built_in();
        let alarm = TableSet::from_iter([Table::Alarm]);
        let span = Span::Registers { start: 0x4000, count: 2 };
        assert_eq!(tables_of(&profile, span, alarm), alarm);
        assert_eq!(tables_of(&profile, span, TableSet::from_iter([Table::Energy])), TableSet::EMPTY);
        let mut readings = Readings::new(profile.elements.len());
        let at = SystemTime::UNIX_EPOCH;
        let block = Block { span, bytes: vec![0, 1, 0, 0], at };
        read(&profile, &block, alarm, WordOrder::LowFirst, &mut readings).unwrap();
        let first = profile.index_of(Table::Alarm, "alarm_1").unwrap();
        assert_eq!(readings.get(first), Some(&Value::Integer(1)));
        assert_eq!((readings.taken(Table::Alarm), readings.taken(Table::Energy)), (Some(at), None));
    }
}
