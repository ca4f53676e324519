//! The result for a terminal: first whether the map is right and what to do, then a line per group of elements.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::display::{Mood, Page, TextTable};
use crate::meter::names::{self, GROUPS};
use crate::meter::{Element, Table, Value};

use super::conclusion::Conclusion;
use super::rows::{cells, sections, sentence};
use super::subject::Subject;
use crate::verify::verdict::Gap;
use crate::verify::{Observation, Verdict};

/// Sentences of one kind that are shown without `--explain`.
const FEW: usize = 4;

/// The whole text.
pub fn text(page: Page, subject: &Subject, conclusion: &Conclusion, observation: &Observation) -> String {
    let subject = format!("{}  {}", subject.address, subject.device.as_deref().unwrap_or_default());
    let mut out = format!("{}\n\n", page.fold("", subject.trim_end(), ""));
    for line in result(conclusion, observation) {
        let _ = writeln!(out, "{}", page.fold("", &line, ""));
    }
    let mut list = |head: &str, sentences: &[String]| {
        if sentences.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n{head}");
        for text in sentences.iter().take(FEW) {
            let _ = writeln!(out, "{}", page.fold("  ", &sentence(text), "    "));
        }
        if sentences.len() > FEW {
            let _ = writeln!(out, "  and {} more: --explain, or --report FILE", sentences.len() - FEW);
        }
    };
    list("What is wrong", &conclusion.wrong);
    list("What could not be read", &observation.failures);
    list("What the wiring looks like", &conclusion.hints);
    list("What is odd and unexplained", &conclusion.odd);
    list("What was found", &conclusion.said);
    list("What to do next", &next(conclusion, observation));
    let _ = write!(out, "\n{}", table(conclusion).print(page));
    out
}

/// Every element with its reason, and every sentence: `--explain`.
pub fn reasons(page: Page, conclusion: &Conclusion, observation: &Observation) -> String {
    let mut table = TextTable::new(["VERDICT", "FIELD", "READ FROM", "VALUE", "WHY"]);
    for [verdict, field, from, value, why] in cells(conclusion) {
        table.row([verdict, field, from, value, why]);
    }
    let mut out = format!("\n{}", table.print(page));
    for (head, lines) in sections(conclusion, observation) {
        let _ = writeln!(out, "\n{head}");
        for line in lines {
            let _ = writeln!(out, "{}", page.fold("  ", &line, "    "));
        }
    }
    out
}

/// The result in one or two sentences.
fn result(conclusion: &Conclusion, observation: &Observation) -> Vec<String> {
    let of = |table: Table, verdict: Verdict| {
        let judged = conclusion.judged.iter().filter(|judged| judged.verdict == verdict);
        judged.filter(|judged| conclusion.own.elements[judged.index].table == table).count()
    };
    let realtime: usize = Verdict::ALL.iter().map(|verdict| of(Table::Realtime, *verdict)).sum();
    let (proven, consistent) =
        (of(Table::Realtime, Verdict::Proven), of(Table::Realtime, Verdict::Consistent));
    let wrong = conclusion.count(Verdict::Contradicted);
    let mut lines = Vec::new();
    if conclusion.is_contradicted() {
        lines.push(match wrong {
            0 => "The map or a setting is wrong for this meter.".to_owned(),
            1 => "The map is wrong for this meter: 1 element is contradicted.".to_owned(),
            many => format!("The map is wrong for this meter: {many} elements are contradicted."),
        });
    } else if realtime > 0 && proven + consistent > 0 {
        lines.push(format!(
            "Nothing contradicts the map. Of {realtime} realtime elements {proven} are proven, and {consistent} fit with \
             something left open."
        ));
    } else if realtime > 0 {
        lines.push("Nothing contradicts the map, and under this load nothing proves it.".to_owned());
    }
    let energy = of(Table::Energy, Verdict::Proven);
    let counters = conclusion.own.elements_of(Table::Energy).count();
    if energy > 0 || observation.recording.is_some() {
        lines.push(format!("Of {counters} energy counters {energy} are proven."));
    }
    lines
}

/// What a person can do about it, the most useful first.
fn next(conclusion: &Conclusion, observation: &Observation) -> Vec<String> {
    let mut next = Vec::new();
    if conclusion.is_contradicted() && conclusion.profile_differs() {
        next.push(
            "write the map that fits with --write-profile FILE, and run verify again with --profile FILE"
                .to_owned(),
        );
    }
    let open = |table: Table| {
        let judged =
            conclusion.judged.iter().filter(|judged| conclusion.own.elements[judged.index].table == table);
        judged.filter(|judged| judged.verdict != Verdict::Proven).count()
    };
    if open(Table::Energy) > 0 && observation.visits.is_empty() && !conclusion.is_contradicted() {
        next.push(
            "for energy over EtherNet/IP: run it with --duration 10m under load, and give what the display shows, as in --expect \
             active_import_wh=1234567.8kWh"
                .to_owned(),
        );
    }
    if conclusion.judged.iter().any(|judged| judged.gap == Some(Gap::PhaseNames)) {
        next.push(
            "no number tells which phase is called L1: read two currents from the display and give them with --expect \
             current_l1_a=… --expect current_l2_a=…"
                .to_owned(),
        );
    }
    if conclusion.judged.iter().any(|judged| judged.gap == Some(Gap::Still)) {
        next.push("run it again under a load that moves, or with a longer --interval".to_owned());
    }
    next
}

/// The groups of a table that people think in, and which elements belong to each.
fn group(element: &Element) -> &'static str {
    let name = element.name.as_str();
    match element.table {
        Table::Realtime => match GROUPS.iter().find(|group| group.elements.contains(&name)) {
            Some(group) => group.name,
            None => "frequency, phase sequence",
        },
        Table::Energy if names::PARTIAL_ENERGIES.contains(&name) => "partial energy counters",
        Table::Energy => "energy counters, hours",
        Table::Max => "maximum values",
        Table::Demand => "demand values",
        Table::Alarm => "alarms and outputs",
        Table::Settings => "settings",
        Table::Info => "product information",
        Table::Raw => "assembly 107, undecoded",
    }
}

/// A line per group: how its elements are judged, and the values of the first ones.
fn table(conclusion: &Conclusion) -> TextTable {
    let mut order: Vec<&'static str> = Vec::new();
    let mut counts: BTreeMap<&'static str, [usize; 4]> = BTreeMap::new();
    let mut values: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let mut units: BTreeMap<&'static str, &str> = BTreeMap::new();
    for judged in &conclusion.judged {
        let element = &conclusion.own.elements[judged.index];
        if element.table == Table::Raw {
            continue;
        }
        let name = group(element);
        if !order.contains(&name) {
            order.push(name);
        }
        let at = Verdict::ALL.iter().position(|verdict| *verdict == judged.verdict).unwrap_or(0);
        counts.entry(name).or_default()[at] += 1;
        if element.table == Table::Realtime {
            let value = match conclusion.values.get(judged.index).and_then(Option::as_ref) {
                Some(Value::Real(value)) => short(f64::from(*value)),
                Some(Value::Integer(value)) => value.to_string(),
                Some(Value::Text(_)) | None => "-".to_owned(),
            };
            values.entry(name).or_default().push(value);
            let unit = units.entry(name).or_insert(&element.unit);
            // One unit can stand behind all values, several cannot.
            if *unit != element.unit {
                *unit = "";
            }
        }
    }
    let mut table = TextTable::new(["GROUP", "VERDICT", "READS"]);
    // A number is not to be folded.
    let longest = values.values().flatten().map(|value| value.chars().count()).max().unwrap_or_default();
    table.at_least(2, u16::try_from(longest).unwrap_or_default());
    for name in order {
        let counts = counts.get(name).copied().unwrap_or_default();
        let said = Verdict::ALL.iter().zip(counts).filter(|(_, count)| *count > 0);
        let said: Vec<String> = said.map(|(verdict, count)| format!("{count} {verdict}")).collect();
        let worst = Verdict::ALL
            .iter()
            .zip(counts)
            .find(|(verdict, count)| *count > 0 && **verdict == Verdict::Contradicted);
        let mood = match (worst, counts[0] + counts[1]) {
            (Some(_), _) => Mood::Bad,
            (None, 0) => Mood::Doubtful,
            (None, _) => Mood::Good,
        };
        let unit = units.get(name).copied().unwrap_or_default();
        let reads =
            values.get(name).map(|values| format!("{} {unit}", values.join("  "))).unwrap_or_default();
        table.moods([(name.to_owned(), Mood::Plain), (said.join(", "), mood), (reads, Mood::Plain)]);
    }
    table
}

/// A number with the digits that a person wants to see.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        100_000.0.. => format!("{value:.0}"),
        100.0.. => format!("{value:.1}"),
        0.01.. => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}
