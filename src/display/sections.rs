//! What is known of a meter → sections of rows, in the order of the meter's own display. `show` prints them, `watch`
//! draws them.

use std::time::SystemTime;

use super::figures;
use super::latest::Latest;
use super::mood::Mood;
use crate::meter::names::{
    self, ACTIVE_EXPORT, ACTIVE_IMPORT, CURRENT, FREQUENCY, GROUPS, PHASE_SEQUENCE, REACTIVE_EXPORT,
    REACTIVE_IMPORT, RUN_TIME,
};
use crate::meter::{Element, Table, Use, Value};

/// The values of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The table.
    pub table: Table,
    /// Its name, its age and where it comes from.
    pub title: String,
    /// Heads of the columns after the first; empty for rows of a name and a value.
    pub heads: Vec<&'static str>,
    /// Rows.
    pub rows: Vec<Row>,
}

/// A name and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Its values, with how they are meant.
    pub cells: Vec<(String, Mood)>,
}

/// The groups of [`GROUPS`] as a display calls them, with the unit of each.
const QUANTITIES: [(&str, &str); 7] = [
    ("Voltage L-N", "V"),
    ("Voltage L12/23/31", "V"),
    ("Current", "A"),
    ("Active power", "W"),
    ("Apparent power", "VA"),
    ("Reactive power", "var"),
    ("Power factor", ""),
];
/// Phases that differ by more than this are worth a look, in voltage and in current.
const UNBALANCED: [f64; 3] = [0.03, 0.03, 0.3];
/// The groups whose unbalance is shown: voltages and currents.
const BALANCED: usize = 3;

/// Everything that was read, table by table.
pub fn sections(meter: &Latest, now: SystemTime) -> Vec<Section> {
    meter.tables().filter(|table| *table != Table::Info).map(|table| section(meter, table, now)).collect()
}

/// One table.
fn section(meter: &Latest, table: Table, now: SystemTime) -> Section {
    let age = meter.age(table, now).map(figures::age).unwrap_or_default();
    let title = format!("{table}, {age} ago, {}", meter.source(table));
    let (heads, rows) = match table {
        Table::Realtime | Table::Max | Table::Demand => {
            (vec!["L1", "L2", "L3", "SYSTEM", "UNBALANCE"], phases(meter, table))
        }
        Table::Energy => (vec!["IMPORT", "EXPORT"], energies(meter)),
        Table::Alarm => (vec!["1", "2", "3", "4"], switches(meter)),
        _ => (Vec::new(), plain(meter, table)),
    };
    Section { table, title, heads, rows }
}

/// The quantities of three phases, then what has no phase.
fn phases(meter: &Latest, table: Table) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, (group, (name, unit))) in GROUPS.iter().zip(QUANTITIES).enumerate() {
        let values = group.elements.map(|element| meter.number(table, element));
        if values.iter().all(Option::is_none) {
            continue;
        }
        let show = |value: f64| match unit {
            "" => figures::power_factor(value),
            unit => figures::figure(value, unit),
        };
        let mut cells: Vec<(String, Mood)> = values.iter().map(|value| shown(value.map(show))).collect();
        let share =
            values[..3].iter().copied().collect::<Option<Vec<f64>>>().and_then(|phases| unbalance(&phases));
        if group.elements == CURRENT
            && let Some((neutral, _)) = cells.last_mut()
        {
            *neutral = format!("N {neutral}");
        }
        if let Some(share) = share.filter(|_| index < BALANCED) {
            let mood = if share > UNBALANCED[index] { Mood::Doubtful } else { Mood::Plain };
            cells.push((figures::percent(share), mood));
        }
        rows.push(Row { name: name.to_owned(), cells });
    }
    let alone = |text: String| {
        vec![
            (String::new(), Mood::Plain),
            (String::new(), Mood::Plain),
            (String::new(), Mood::Plain),
            (text, Mood::Plain),
        ]
    };
    if let Some(frequency) = meter.number(table, FREQUENCY) {
        rows.push(Row { name: "Frequency".to_owned(), cells: alone(figures::figure(frequency, "Hz")) });
    }
    if let Some(sequence) = meter.number(table, PHASE_SEQUENCE) {
        let turns = if sequence == 0.0 { "L1-L2-L3" } else { "L1-L3-L2" };
        rows.push(Row { name: "Phase sequence".to_owned(), cells: alone(turns.to_owned()) });
    }
    rows
}

/// The largest departure from the mean of three phases, as a share of it; none without a mean to speak of.
pub fn unbalance(phases: &[f64]) -> Option<f64> {
    let mean = phases.iter().sum::<f64>() / phases.len() as f64;
    let departure = phases.iter().map(|value| (value - mean).abs()).fold(0.0, f64::max);
    (mean > 0.0 && departure.is_finite()).then_some(departure / mean)
}

fn energies(meter: &Latest) -> Vec<Row> {
    let [partial_import, partial_export, partial_reactive_import, partial_reactive_export] =
        names::PARTIAL_ENERGIES;
    let pairs = [
        ("Active", ACTIVE_IMPORT, ACTIVE_EXPORT, "Wh"),
        ("Reactive", REACTIVE_IMPORT, REACTIVE_EXPORT, "varh"),
        ("Partial active", partial_import, partial_export, "Wh"),
        ("Partial reactive", partial_reactive_import, partial_reactive_export, "varh"),
    ];
    let mut rows = Vec::new();
    for (name, import, export, unit) in pairs {
        let values = [import, export].map(|element| meter.number(Table::Energy, element));
        if values.iter().any(Option::is_some) {
            let cells =
                values.iter().map(|value| shown(value.map(|value| figures::figure(value, unit)))).collect();
            rows.push(Row { name: name.to_owned(), cells });
        }
    }
    if let Some(seconds) = meter.number(Table::Energy, RUN_TIME) {
        rows.push(Row {
            name: "Running".to_owned(),
            cells: vec![(figures::figure(seconds, "s"), Mood::Plain)],
        });
    }
    rows
}

/// Alarms and outputs, by their numbers.
fn switches(meter: &Latest) -> Vec<Row> {
    let kinds = [("Alarm", "alarm_", Mood::Bad), ("Output", "output_", Mood::Plain)];
    let row = |(name, prefix, on): (&str, &str, Mood)| {
        let states = (1..=4).map_while(|number| meter.number(Table::Alarm, &format!("{prefix}{number}")));
        let cells: Vec<_> = states
            .map(|state| if state == 0.0 { ("off".to_owned(), Mood::Plain) } else { ("on".to_owned(), on) })
            .collect();
        (!cells.is_empty()).then(|| Row { name: name.to_owned(), cells })
    };
    kinds.into_iter().filter_map(row).collect()
}

/// A row for each element, by the meter's own label.
fn plain(meter: &Latest, table: Table) -> Vec<Row> {
    let fields = meter.config.profile.elements_of(table).filter(|(_, element)| element.usage == Use::Field);
    let row = |(index, element): (usize, &Element)| {
        let value = meter.value(index)?;
        let word = match (value, &element.labels) {
            (Value::Integer(code), Some((_, labels))) => {
                usize::try_from(*code).ok().and_then(|code| labels.get(code))
            }
            _ => None,
        };
        let text = word.cloned().unwrap_or_else(|| figures::value(value, &element.unit));
        Some(Row { name: element.label.clone(), cells: vec![(text, Mood::Plain)] })
    };
    fields.filter_map(row).collect()
}

fn shown(text: Option<String>) -> (String, Mood) {
    match text {
        Some(text) => (text, Mood::Plain),
        None => ("-".to_owned(), Mood::Faint),
    }
}
