//! `fields`: every element of the meter, where it is read, and how sure that is.
//!
//! Generated from the profile, so that what is printed is what is decoded. Three forms of the same rows:
//! [`text`] for a terminal, [`json`] for programs, [`markdown`] for the README.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::FieldsArgs;
use crate::display::{Page, TextTable};
use crate::meter::element::{Form, Kind};
use crate::meter::{Element, Profile, Table, Use};
use crate::schema;

use super::{GOOD, answer};

/// First printed Modbus address: printed = PDU address + 300001.
const PRINTED_BASE: u32 = 300_001;

/// Prints the built-in profile, or a file's, in the form that was asked for.
///
/// # Errors
/// What is wrong with the profile file.
pub fn fields(args: &FieldsArgs) -> anyhow::Result<u8> {
    let profile = match &args.profile {
        Some(path) => Profile::load(path)?,
        None => Profile::built_in(),
    };
    let text = match (args.json, args.markdown) {
        (true, _) => json(&profile)?,
        (_, true) => markdown(&profile),
        _ => text(&profile, Page::of_stdout()),
    };
    answer::print(text.as_bytes()).map(|_| GOOD)
}

/// A table for the terminal: one section per measurement, then the sources in full.
pub fn text(profile: &Profile, page: Page) -> String {
    let mut out = format!("{}\n", profile.title);
    for (measurement, rows) in sections(profile) {
        let head =
            ["field", "type", "unit", "kind", "assembly", "modbus", "wire", "evidence", "source", "label"];
        let mut table = TextTable::new(head);
        rows.iter().for_each(|row| table.row(columns(row)));
        let _ = write!(out, "\n{measurement}\n{}", table.print(page));
    }
    let _ = writeln!(
        out,
        "\nassembly: instance (class 4, attribute 3) + byte offset; modbus: PDU address, printed address\n\
         evidence: documented by the manual; inferred from a sibling meter; guessed by analogy; unknown: only the \
         size; verified on a meter"
    );
    out.push_str("\nsources\n");
    for (key, citation) in &profile.sources {
        let _ = writeln!(out, "  {key:<5} {citation}");
    }
    out
}

/// One JSON document; its keys are stable, new ones may be added.
///
/// # Errors
/// None that a profile can cause; `serde_json`'s are passed on.
pub fn json(profile: &Profile) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Document<'a> {
        profile: &'a str,
        title: &'a str,
        elements: Vec<Row<'a>>,
    }
    let elements = sections(profile).into_iter().flat_map(|(_, rows)| rows).collect();
    let document = Document { profile: &profile.name, title: &profile.title, elements };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

/// One section with a table per measurement: first the meter's own tables, then what is said about the
/// reading. What is never read is left out.
pub fn markdown(profile: &Profile) -> String {
    let mut out = String::new();
    for (measurement, rows) in sections(profile) {
        let read: Vec<_> = rows.iter().filter(|row| row.read && row.table != Table::Info.name()).collect();
        if read.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "### `{measurement}`\n");
        let _ = writeln!(out, "| field | type | unit | read from | evidence | meter's label |");
        let _ = writeln!(out, "|---|---|---|---|---|---|");
        for row in read {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} | {} | {} |",
                row.field,
                row.r#type,
                row.unit,
                places(row),
                row.evidence,
                row.label.replace('|', "\\|")
            );
        }
        for entry in schema::FIELDS.iter().filter(|entry| entry.measurement == measurement) {
            let _ = writeln!(out, "| `{}` | {} | | | | {} |", entry.field, entry.kind.name(), entry.meaning);
        }
    }
    let mut last = "";
    for entry in schema::FIELDS.iter().filter(|entry| entry.measurement != schema::ENERGY) {
        if entry.measurement != last {
            last = entry.measurement;
            let _ = writeln!(out, "\n### `{last}`\n\n| field | type | meaning |\n|---|---|---|");
        }
        let _ = writeln!(out, "| `{}` | {} | {} |", entry.field, entry.kind.name(), entry.meaning);
    }
    out
}

/// One field of one measurement.
#[derive(Serialize)]
struct Row<'a> {
    measurement: &'static str,
    table: &'static str,
    field: &'a str,
    r#type: &'static str,
    unit: &'a str,
    kind: &'static str,
    label: &'a str,
    /// Class 4 instance.
    assembly: Option<u16>,
    /// Byte offset in the assembly.
    offset: Option<u16>,
    /// PDU address.
    modbus_pdu: Option<String>,
    /// The address as manuals print it.
    modbus_address: Option<u32>,
    wire: String,
    /// How it is written in the assembly, if not as `wire`.
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<String>,
    /// Smallest and largest value that leaves the program; none for text.
    range: Option<(f64, f64)>,
    evidence: &'static str,
    source: &'a str,
    citation: &'a str,
    /// Whether the program ever reads it.
    read: bool,
}

/// The rows of each measurement, in the order in which lines are written.
fn sections(profile: &Profile) -> Vec<(&'static str, Vec<Row<'_>>)> {
    let rows = |table: Table| profile.elements_of(table).flat_map(|(_, element)| rows_of(profile, element));
    let sections = Table::ALL.into_iter().map(|table| (table.measurement(), rows(table).collect::<Vec<_>>()));
    sections.filter(|(_, rows)| !rows.is_empty()).collect()
}

/// A row for the element, and one for the words of its codes if it has any.
fn rows_of<'a>(profile: &'a Profile, element: &'a Element) -> impl Iterator<Item = Row<'a>> {
    let number = if element.is_integer() { "integer" } else { "float" };
    let own = row(profile, element, &element.name, if element.wire.is_text() { "string" } else { number });
    let words =
        element.labels.as_ref().map(|(name, _)| Row { range: None, ..row(profile, element, name, "string") });
    std::iter::once(own).chain(words)
}

fn row<'a>(profile: &'a Profile, element: &'a Element, field: &'a str, kind: &'static str) -> Row<'a> {
    let citation = profile.sources.iter().find(|(key, _)| *key == element.source);
    Row {
        measurement: element.table.measurement(),
        table: element.table.name(),
        field,
        r#type: kind,
        unit: &element.unit,
        kind: element.kind.name(),
        label: &element.label,
        assembly: element.place.map(|place| place.instance),
        offset: element.place.map(|place| place.offset),
        modbus_pdu: element.modbus.map(|address| format!("0x{address:04X}")),
        modbus_address: element.modbus.map(|address| PRINTED_BASE + u32::from(address)),
        wire: element.wire.to_string(),
        form: element.place.map(|place| form(element, place.form)).filter(|form| !form.is_empty()),
        range: (!element.wire.is_text()).then_some(element.range),
        evidence: element.evidence.name(),
        source: &element.source,
        citation: citation.map_or("", |(_, citation)| citation),
        read: element.usage != Use::None,
    }
}

/// How it is written in the assembly, with the steps in which a counter in one REAL counts.
fn form(element: &Element, form: Form) -> String {
    let steps = |size: f64| format!("{} at {size:.0e}", form.step_at(size));
    match form {
        Form::Scaled(_) if element.kind == Kind::Counter => {
            format!("{form}, steps of 1 to 1.6e7, {}, {}", steps(1e9), steps(1e11))
        }
        _ => form.to_string(),
    }
}

fn columns(row: &Row<'_>) -> [String; 10] {
    let dash = || "-".to_owned();
    let modbus =
        row.modbus_pdu.as_ref().zip(row.modbus_address).map(|(pdu, printed)| format!("{pdu} {printed}"));
    [
        row.field.to_owned(),
        row.r#type.to_owned(),
        if row.unit.is_empty() { dash() } else { row.unit.to_owned() },
        row.kind.to_owned(),
        in_assembly(row).unwrap_or_else(dash),
        modbus.unwrap_or_else(dash),
        row.form.clone().unwrap_or_else(|| row.wire.clone()),
        row.evidence.to_owned(),
        row.source.to_owned(),
        if row.read { row.label.to_owned() } else { format!("{} (never read)", row.label) },
    ]
}

/// "101+4, 0x0052": where the row is read, whichever ways there are; bits of a word with their number.
fn places(row: &Row<'_>) -> String {
    let places: Vec<_> = in_assembly(row).into_iter().chain(row.modbus_pdu.clone()).collect();
    let bit = row.wire.strip_prefix("BIT ").map(|bit| format!(" bit {bit}"));
    places.join(", ") + &bit.unwrap_or_default()
}

fn in_assembly(row: &Row<'_>) -> Option<String> {
    row.assembly.zip(row.offset).map(|(instance, offset)| format!("{instance}+{offset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_listed_with_its_place_evidence_and_page() {
        let profile = Profile::built_in();
        let text = text(&profile, Page::default());
        let line = |field: &str| {
            let line = text.lines().find(|line| line.split_whitespace().next() == Some(field)).expect(field);
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            line("voltage_l2_n_v"),
            "voltage_l2_n_v float V gauge 101+4 0x0052 300083 REAL inferred WM30 V L2-N"
        );
        assert_eq!(
            line("run_time_s"),
            "run_time_s integer s counter - 0x0520 301313 ULINT documented E57 Hours counter"
        );
        assert_eq!(
            line("wiring"),
            "wiring string - state - 0x1001 304098 UINT documented E57 Electrical system"
        );
        assert!(line("backlight_min").ends_with("(never read)"));
        assert!(text.contains("E57   1420-UM001E p57"));
        for element in &profile.elements {
            line(&element.name);
        }
    }

    #[test]
    fn programs_get_stable_keys() {
        let profile = Profile::built_in();
        let document: serde_json::Value =
            serde_json::from_str(&json(&profile).expect("json")).expect("valid json");
        let elements = document["elements"].as_array().expect("elements");
        let find = |field: &str| elements.iter().find(|row| row["field"] == field).expect(field);
        assert_eq!(
            *find("active_import_wh"),
            serde_json::json!({
                "measurement": "powermonitor_500_energy", "table": "energy", "field": "active_import_wh",
                "type": "integer", "unit": "Wh", "kind": "counter", "label": "Total kWh+",
                "assembly": null, "offset": null, "modbus_pdu": "0x0500", "modbus_address": 301281,
                "wire": "ULINT", "range": [0.0, 1.0e13], "evidence": "documented", "source": "E57",
                "citation": "1420-UM001E p57, energy and base configuration", "read": true
            })
        );
        assert_eq!(find("backlight_min")["read"], false);
        assert_eq!(find("serial_number")["type"], "string");
    }

    #[test]
    fn the_readme_shows_what_is_read_and_nothing_else() {
        let markdown = markdown(&Profile::built_in());
        assert!(markdown.starts_with("### `powermonitor_500`\n\n| field |"), "{markdown}");
        assert!(markdown.contains("| `voltage_l2_n_v` | float | V | 101+4, 0x0052 | inferred | V L2-N |"));
        assert!(markdown.contains("| `output_2` | integer |  | 108+2, 0x4001 bit 1 | documented |"));
        assert!(markdown.contains("### `powermonitor_500_status`\n\n| field | type | meaning |"));
        assert!(!markdown.contains("backlight_min"));
    }
}
