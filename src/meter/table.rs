//! The tables a person asks for by name, and small sets of them.

use std::fmt;

use crate::words;

/// A group of elements that is read, scheduled and emitted together.
///
/// The table's name is the suffix of its measurement; `realtime` has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Assemblies 101 and 102: what the meter measures now.
    Realtime,
    /// Assemblies 103 and 104: maximum values.
    Max,
    /// Assemblies 105 and 106: demand values.
    Demand,
    /// Energy counters and run hours.
    Energy,
    /// Assembly 108: virtual alarms and output ports.
    Alarm,
    /// Configuration registers, Modbus only.
    Settings,
    /// Assembly 100: what the meter is. Read at connect, part of `powermonitor_500_info`.
    Info,
    /// Assembly 107 undecoded. Read when `raw_energy` asks for it.
    Raw,
}

impl Table {
    /// The tables that `tables = […]` may name; `info` is always read and `raw` has its own option.
    pub const REQUESTABLE: [Table; 6] =
        [Table::Realtime, Table::Max, Table::Demand, Table::Energy, Table::Alarm, Table::Settings];

    /// The measurement that carries this table's fields.
    pub const fn measurement(self) -> &'static str {
        match self {
            Table::Realtime => "powermonitor_500",
            Table::Max => "powermonitor_500_max",
            Table::Demand => "powermonitor_500_demand",
            Table::Energy => "powermonitor_500_energy",
            Table::Alarm => "powermonitor_500_alarm",
            Table::Settings => "powermonitor_500_settings",
            Table::Info => "powermonitor_500_info",
            Table::Raw => "powermonitor_500_raw",
        }
    }

    /// The status field that carries the age of this table's newest reading.
    pub const fn age_field(self) -> &'static str {
        match self {
            Table::Realtime => "realtime_age_ms",
            Table::Max => "max_age_ms",
            Table::Demand => "demand_age_ms",
            Table::Energy => "energy_age_ms",
            Table::Alarm => "alarm_age_ms",
            Table::Settings => "settings_age_ms",
            Table::Info => "info_age_ms",
            Table::Raw => "raw_age_ms",
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

// In the order in which lines are written.
words!(Table, "table": Realtime = "realtime", Max = "max", Demand = "demand", Energy = "energy", Alarm = "alarm",
    Settings = "settings", Info = "info", Raw = "raw");

/// A set of tables; iterates in the order in which lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableSet(u16);

impl TableSet {
    /// The set without a table.
    pub const EMPTY: TableSet = TableSet(0);

    /// Adds a table.
    pub fn insert(&mut self, table: Table) {
        self.0 |= table.bit();
    }

    /// Takes a table out.
    pub fn remove(&mut self, table: Table) {
        self.0 &= !table.bit();
    }

    /// Whether the table is in the set.
    pub fn contains(self, table: Table) -> bool {
        self.0 & table.bit() != 0
    }

    /// Whether no table is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many tables are in the set.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The tables that are in both sets.
    pub fn intersection(self, other: TableSet) -> TableSet {
        TableSet(self.0 & other.0)
    }

    /// The tables that are in this set and not in the other.
    pub fn difference(self, other: TableSet) -> TableSet {
        TableSet(self.0 & !other.0)
    }

    /// The tables that are in either set.
    pub fn union(self, other: TableSet) -> TableSet {
        TableSet(self.0 | other.0)
    }

    /// The tables of the set.
    pub fn iter(self) -> impl Iterator<Item = Table> + Clone {
        Table::ALL.into_iter().filter(move |table| self.contains(*table))
    }
}

impl From<Table> for TableSet {
    fn from(table: Table) -> TableSet {
        TableSet(table.bit())
    }
}

impl FromIterator<Table> for TableSet {
    fn from_iter<I: IntoIterator<Item = Table>>(tables: I) -> Self {
        let mut set = TableSet::EMPTY;
        for table in tables {
            set.insert(table);
        }
        set
    }
}

impl fmt::Display for TableSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, table) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(table.name())?;
        }
        Ok(())
    }
}
