//! What is known of a meter → text for a terminal or a pipe.

use std::time::SystemTime;

use super::latest::Latest;
use super::mood::Mood;
use super::page::Page;
use super::sections::{Section, sections};
use super::table::TextTable;
use crate::collector::health::Outcome;
use crate::meter::physics::MapCheck;

/// One meter: what it is and how it is, then its values, then what is wrong.
pub fn text(meter: &Latest, now: SystemTime, page: Page) -> String {
    let mut out = head(meter, page);
    for section in sections(meter, now) {
        out.push('\n');
        out += &page.mood(&section.title, Mood::Head);
        out.push('\n');
        out += &rows(&section, page);
    }
    let failures = meter.failures();
    if !failures.is_empty() {
        out.push('\n');
    }
    for failure in &failures {
        out += &page.mood(&page.fold("", failure, "  "), Mood::Bad);
        out.push('\n');
    }
    out
}

/// Name, address, connection, result and verdict, and the device below them.
fn head(meter: &Latest, page: Page) -> String {
    let mut table = TextTable::new(["METER", "ADDRESS", "CONNECTION", "RESULT", "MAP"]);
    table.moods([
        (meter.config.name.clone(), Mood::Plain),
        (meter.address.clone(), Mood::Plain),
        (meter.link.code().1.to_owned(), Mood::Plain),
        (meter.outcome.code().1.to_owned(), of_outcome(meter.outcome)),
        (meter.verdict().to_owned(), of_map(meter.map)),
    ]);
    let mut out = table.print(page);
    if let Some(device) = &meter.device {
        out += &page.fold("", device, "  ");
        out.push('\n');
    }
    out
}

/// How a result is meant.
pub fn of_outcome(outcome: Outcome) -> Mood {
    match outcome {
        Outcome::Success => Mood::Good,
        Outcome::Partial | Outcome::Suspended | Outcome::Starting => Mood::Doubtful,
        _ => Mood::Bad,
    }
}

/// How a verdict is meant.
pub fn of_map(map: MapCheck) -> Mood {
    match map {
        MapCheck::Consistent => Mood::Good,
        MapCheck::NotChecked | MapCheck::NotProvable => Mood::Plain,
        MapCheck::Contradicted => Mood::Bad,
    }
}

/// A section's rows below each other.
fn rows(section: &Section, page: Page) -> String {
    let heads = (!section.heads.is_empty()).then(|| std::iter::once("").chain(section.heads.iter().copied()));
    let mut table = TextTable::new(heads.into_iter().flatten());
    for row in &section.rows {
        let cells = row.cells.iter().cloned();
        table.moods(std::iter::once((row.name.clone(), Mood::Plain)).chain(cells));
    }
    (1..=section.heads.len()).for_each(|column| table.right(column));
    table.print(page)
}
