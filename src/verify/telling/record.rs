//! The commissioning record, in Markdown: everything that was found, for the file of the installation.

use std::fmt::Write as _;

use crate::meter::{Table, Value};

use super::conclusion::Conclusion;
use super::rows::{cells, counts, sections};
use super::subject::Subject;
use crate::verify::Observation;
use crate::verify::map::compare::show;

/// The commissioning record.
pub fn markdown(subject: &Subject, conclusion: &Conclusion, observation: &Observation) -> String {
    let mut out = format!("# Commissioning record of the meter at {}\n\n", subject.address);
    let setting = |name: &str| conclusion.value(Table::Settings, name).map(|value| show(value, ""));
    let info = |name: &str| conclusion.value(Table::Info, name).map(|value| show(value, ""));
    let wiring = || {
        let index = conclusion.own.index_of(Table::Settings, "wiring_code")?;
        let code = match conclusion.values.get(index)?.as_ref()? {
            Value::Integer(code) => usize::try_from(*code).ok()?,
            _ => return None,
        };
        conclusion.own.elements[index].labels.as_ref()?.1.get(code).cloned()
    };
    let facts = [
        ("Date", Some(subject.date.clone())),
        ("Device", subject.device.clone()),
        ("Serial number", info("serial_number")),
        ("Firmware", info("firmware")),
        ("Module firmware", info("module_firmware")),
        ("Electrical system", wiring()),
        ("CT ratio", setting("ct_ratio")),
        ("VT ratio", setting("vt_ratio")),
        ("Demand period, s", setting("demand_period_s")),
        ("Profile", Some(subject.profile.clone())),
        ("Read over", Some(subject.transports(observation).to_owned())),
        ("Readings", Some((observation.moments().count() + observation.visits.len()).to_string())),
        ("Program", Some(format!("telegraf-pm500 {}", subject.version))),
        ("Result", Some(counts(conclusion))),
    ];
    out.push_str("| | |\n|---|---|\n");
    for (name, fact) in facts {
        let _ = writeln!(out, "| {name} | {} |", cell(fact.as_deref().unwrap_or("not read")));
    }
    for (title, lines) in sections(conclusion, observation) {
        let _ = writeln!(out, "\n## {title}\n");
        for line in lines {
            let _ = writeln!(out, "- {line}");
        }
    }
    out.push_str("\n## Elements\n\n| verdict | field | read from | value | why |\n|---|---|---|---|---|\n");
    for row in cells(conclusion) {
        let _ = writeln!(out, "| {} |", row.map(|text| cell(&text)).join(" | "));
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
