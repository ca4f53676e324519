//! Every metric that can be published, from the profile of the meter and the schema of the other measurements.
//!
//! ```text
//! powermonitor_500.toml → Profile ─┐
//! schema::FIELDS ──────────────────┴→ Catalog: folder/field, data type, unit
//! ```
//!
//! The suffix of a measurement is the folder (`realtime` for the one without), the field's name the metric's. There
//! is no list of names here: a row that is added to the table of the meter is a metric of the next birth.

use std::collections::HashMap;

use super::payload::DataType;
use crate::meter::element::Use;
use crate::meter::{Profile, Table};
use crate::schema::{self, EVENT_TAG, Type};

/// What all measurements of this project begin with.
const PREFIX: &str = "powermonitor_500";

/// What this program tells about itself: its version, and what it counts since start.
pub const OUTPUT: &str = "powermonitor_500_output";

/// Its counters: lines that did not fit in the store, lines that could not be used, lines that wait, sessions with the
/// broker.
pub const OUTPUT_COUNTERS: [&str; 4] = ["lines_dropped", "lines_refused", "lines_waiting", "sessions"];

/// The folder of the status lines, which tell a meter's fate.
pub const STATUS: &str = "status";

/// One metric: what is told of it in a birth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// `folder/field`.
    pub name: String,
    /// Type of its values.
    pub data_type: DataType,
    /// Unit; empty for none.
    pub unit: String,
    /// The group it belongs to.
    pub group: usize,
}

/// What the fields of one measurement have in common.
#[derive(Debug, Clone)]
pub struct Group {
    /// Folder of its metrics.
    pub folder: String,
    /// Whether it is a table of the meter: a field that is missing had no sound value. Elsewhere it has no meaning
    /// at the time, such as the end of a gap that has just begun.
    pub table: bool,
    /// The field of the status line that tells the age of the table's newest reading.
    pub age: Option<usize>,
    /// Its metrics, in the order of the birth.
    pub members: Vec<usize>,
    /// Metrics by field.
    fields: HashMap<String, usize>,
}

impl Group {
    /// The metric of a field.
    pub fn metric(&self, field: &str) -> Option<usize> {
        self.fields.get(field).copied()
    }
}

/// The metrics of a device, or of the node.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Metrics, in the order of the birth.
    pub definitions: Vec<Definition>,
    /// Groups, in the same order.
    pub groups: Vec<Group>,
}

impl Catalog {
    /// The metrics of a meter: its tables and what is told about reading them.
    pub fn of_meter() -> Catalog {
        let profile = Profile::built_in();
        let mut catalog = Catalog::default();
        for table in Table::ALL {
            let elements = profile.elements_of(table).filter(|(_, element)| element.usage == Use::Field);
            for (_, element) in elements {
                let group = catalog.group(table.measurement(), true);
                let data_type = if element.is_integer() { DataType::Int64 } else { DataType::Float };
                catalog.add(group, &element.name, data_type, &element.unit);
                if let Some((label, _)) = &element.labels {
                    catalog.add(group, label, DataType::Text, "");
                }
            }
        }
        for entry in schema::FIELDS.iter().filter(|entry| entry.measurement != schema::PLUGIN) {
            let group = catalog.group(entry.measurement, false);
            if entry.measurement == schema::EVENT && catalog.groups[group].metric(EVENT_TAG).is_none() {
                catalog.add(group, EVENT_TAG, DataType::Text, "");
            }
            catalog.entry(group, entry);
        }
        for table in Table::ALL {
            let age = catalog
                .find(schema::STATUS)
                .and_then(|status| catalog.groups[status].metric(table.age_field()));
            if let Some(group) =
                catalog.find(table.measurement()).filter(|group| catalog.groups[*group].table)
            {
                catalog.groups[group].age = age;
            }
        }
        catalog
    }

    /// The metrics of the node: what the plugin tells about itself, and this program.
    pub fn of_node() -> Catalog {
        let mut catalog = Catalog::default();
        for entry in schema::FIELDS.iter().filter(|entry| entry.measurement == schema::PLUGIN) {
            let group = catalog.group(entry.measurement, false);
            catalog.entry(group, entry);
        }
        let group = catalog.group(OUTPUT, false);
        catalog.add(group, "version", DataType::Text, "");
        for counted in OUTPUT_COUNTERS {
            catalog.add(group, counted, DataType::Int64, "");
        }
        catalog
    }

    /// The group of a measurement.
    pub fn find(&self, measurement: &str) -> Option<usize> {
        let folder = folder(measurement)?;
        self.groups.iter().position(|group| group.folder == folder)
    }

    /// Adds a metric to a group, also one that is in no table of ours, such as what a processor of Telegraf's computes.
    pub fn add(&mut self, group: usize, field: &str, data_type: DataType, unit: &str) -> usize {
        let index = self.definitions.len();
        let Some(Group { folder, members, fields, .. }) = self.groups.get_mut(group) else { return index };
        self.definitions.push(Definition {
            name: format!("{folder}/{field}"),
            data_type,
            unit: unit.to_owned(),
            group,
        });
        members.push(index);
        fields.insert(field.to_owned(), index);
        index
    }

    fn entry(&mut self, group: usize, entry: &schema::Entry) {
        if self.groups[group].metric(entry.field).is_none() {
            let data_type = match entry.kind {
                Type::Float => DataType::Double,
                Type::Integer => DataType::Int64,
                Type::Text => DataType::Text,
            };
            self.add(group, entry.field, data_type, unit_in(entry.field));
        }
    }

    /// The group of a measurement, which is added if need be.
    pub fn group(&mut self, measurement: &str, table: bool) -> usize {
        if let Some(group) = self.find(measurement) {
            return group;
        }
        let folder = folder(measurement).unwrap_or_default().to_owned();
        self.groups.push(Group { folder, table, age: None, members: Vec::new(), fields: HashMap::new() });
        self.groups.len() - 1
    }
}

/// The folder of a measurement's metrics; none for measurements of others.
pub fn folder(measurement: &str) -> Option<&str> {
    match measurement.strip_prefix(PREFIX)? {
        "" => Some(Table::Realtime.name()),
        suffix => suffix.strip_prefix('_').filter(|folder| !folder.is_empty()),
    }
}

/// The unit that a field of the schema has in its name.
fn unit_in(field: &str) -> &'static str {
    const UNITS: [(&str, &str); 7] =
        [("ms", "ms"), ("s", "s"), ("pct", "%"), ("w", "W"), ("wh", "Wh"), ("varh", "varh"), ("h", "h")];
    let last = field.rsplit_once('_').map_or("", |(_, last)| last);
    UNITS.iter().find(|(suffix, _)| *suffix == last).map_or("", |(_, unit)| unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_can_leave_the_plugin_is_a_metric_with_its_type_and_unit() {
        let (meter, node) = (Catalog::of_meter(), Catalog::of_node());
        for entry in schema::FIELDS {
            let catalog = if entry.measurement == schema::PLUGIN { &node } else { &meter };
            let group = &catalog.groups[catalog.find(entry.measurement).unwrap()];
            assert!(group.metric(entry.field).is_some(), "{} {}", entry.measurement, entry.field);
        }
        for element in Profile::built_in().elements.iter().filter(|element| element.usage == Use::Field) {
            let group = &meter.groups[meter.find(element.table.measurement()).unwrap()];
            let definition = &meter.definitions[group.metric(&element.name).unwrap()];
            assert_eq!(definition.unit, element.unit, "{}", definition.name);
        }
        let named = |name: &str| meter.definitions.iter().find(|definition| definition.name == name).unwrap();
        assert_eq!(named("realtime/active_power_total_w").data_type, DataType::Float);
        assert_eq!(named("realtime/active_power_total_w").unit, "W");
        assert_eq!(named("energy/active_import_wh").data_type, DataType::Int64);
        assert_eq!(named("status/response_time_ms").unit, "ms");
        assert_eq!(named("event/event").data_type, DataType::Text);
    }

    #[test]
    fn no_two_metrics_have_one_name_not_even_in_other_letters() {
        let mut names: Vec<_> = Catalog::of_meter()
            .definitions
            .into_iter()
            .map(|definition| definition.name.to_lowercase())
            .collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn measurements_of_others_have_no_folder() {
        assert_eq!(folder("powermonitor_500"), Some("realtime"));
        assert_eq!(folder("powermonitor_500_energy"), Some("energy"));
        assert_eq!(folder("powermonitor_5000"), None);
        assert_eq!(folder("powermonitor_500_"), None);
        assert_eq!(folder("cpu"), None);
    }
}
