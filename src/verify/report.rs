//! The result for people (text, Markdown) and for programs (JSON).

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::meter::element::{Place, WireType};
use crate::meter::{Element, Table, Value};

use super::compare::show;
use super::conclusion::Conclusion;
use super::observation::{Observation, Pause};
use super::observe::milliseconds;
use super::verdict::Verdict;

/// What the conclusion is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The meter's address, as it was given.
    pub address: String,
    /// The profile: built in, or the file.
    pub profile: String,
    /// When it was read, in RFC 3339.
    pub date: String,
    /// What the catalog number and the CIP identity say.
    pub device: Option<String>,
    /// The version of this program.
    pub version: &'static str,
}

impl Subject {
    /// The comment at the head of a written profile.
    pub fn head(&self, conclusion: &Conclusion, observation: &Observation) -> Vec<String> {
        let mut head = vec![
            format!(
                "Written by telegraf-pm500 {} verify on {} for the meter at {}.",
                self.version, self.date, self.address
            ),
            format!("Device: {}.", self.device.as_deref().unwrap_or("not identified over EtherNet/IP")),
        ];
        if let Some(Value::Text(serial)) = conclusion.value(Table::Info, "serial_number") {
            head.push(format!("Serial number: {serial}."));
        }
        head.push(format!(
            "Read over {}. Rows whose evidence is \"verified\" were proven there; the others keep the evidence of the profile it was \
             compared with ({}).",
            self.transports(observation),
            self.profile
        ));
        head.extend(conclusion.wrong.iter().map(|wrong| format!("Put right: {}", sentence(wrong))));
        head.extend(conclusion.said.iter().map(|said| sentence(said)));
        head
    }

    fn transports(&self, observation: &Observation) -> &'static str {
        match (observation.before.is_empty(), observation.visits.is_empty()) {
            (false, false) => "EtherNet/IP and Modbus TCP",
            (false, true) => "EtherNet/IP",
            _ => "Modbus TCP",
        }
    }
}

/// The table for a terminal.
pub fn text(subject: &Subject, conclusion: &Conclusion, observation: &Observation) -> String {
    let mut out = format!("{} {}\n", subject.address, subject.device.as_deref().unwrap_or_default())
        .replace(" \n", "\n");
    let mut rows = vec![["VERDICT", "FIELD", "READ FROM", "VALUE", "WHY"].map(str::to_owned)];
    rows.extend(cells(conclusion));
    let widths: Vec<usize> =
        (0..4).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(out, "{}  {}", cells.collect::<Vec<_>>().join("  "), row[4]);
    }
    for (title, lines) in sections(conclusion, observation) {
        let _ = writeln!(out, "\n{title}");
        for line in lines {
            let _ = writeln!(out, "  {line}");
        }
    }
    let _ = writeln!(out, "\n{}", summary(conclusion));
    out
}

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
        ("Result", Some(summary(conclusion))),
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

/// One JSON document; its keys are stable, new ones may be added.
pub fn json(subject: &Subject, conclusion: &Conclusion, observation: &Observation) -> Json {
    let elements = conclusion.judged.iter().map(|judged| {
        let element = &conclusion.own.elements[judged.index];
        let value = conclusion.values.get(judged.index).and_then(Option::as_ref).map(|value| match value {
            Value::Real(value) => json!(value),
            Value::Integer(value) => json!(value),
            Value::Text(text) => json!(text),
        });
        json!({
            "table": element.table.name(), "field": element.name, "verdict": judged.verdict, "reason": judged.reason,
            "value": value, "unit": element.unit,
        })
    });
    let sizes = conclusion.sizes.iter().map(|size| {
        json!({ "assembly": size.instance, "reported": size.reported, "received": size.received, "wrong": size.wrong })
    });
    let count = |verdict: Verdict| conclusion.count(verdict);
    json!({
        "address": subject.address, "profile": subject.profile, "date": subject.date, "device": subject.device,
        "contradicted": conclusion.is_contradicted(),
        "counts": {
            "proven": count(Verdict::Proven), "consistent": count(Verdict::Consistent),
            "contradicted": count(Verdict::Contradicted), "not_provable": count(Verdict::NotProvable),
        },
        "wrong": conclusion.wrong, "hints": conclusion.hints, "found": conclusion.said, "limits": conclusion.limits,
        "failures": observation.failures,
        "sizes": sizes.collect::<Vec<_>>(),
        "modbus_pause": observation.pause.map(|pause| json!({
            "modbus_ms": pause.modbus.as_millis() as u64,
            "ethernet_ip_answered_meanwhile": pause.answered_meanwhile,
            "ethernet_ip_back_after_ms": pause.back_after.map(|after| after.as_millis() as u64),
        })),
        "elements": elements.collect::<Vec<_>>(),
    })
}

/// Verdict, field, place, value and reason of every element; the undecoded ones are no fields to be judged.
fn cells(conclusion: &Conclusion) -> impl Iterator<Item = [String; 5]> {
    let rows = conclusion.judged.iter().map(|judged| (judged, &conclusion.own.elements[judged.index]));
    rows.filter(|(_, element)| element.table != Table::Raw).map(|(judged, element)| {
        let value = conclusion.values.get(judged.index).and_then(Option::as_ref);
        let value = value.map_or_else(
            || "-".to_owned(),
            |value| match (element.wire, value) {
                (WireType::Clock, Value::Integer(seconds)) => clock(*seconds),
                _ => show(value, &element.unit),
            },
        );
        let field = match element.table {
            Table::Realtime => element.name.clone(),
            table => format!("{table}.{}", element.name),
        };
        [judged.verdict.name().to_owned(), field, places(element), value, judged.reason.clone()]
    })
}

/// The meter's date and time, which is of its own time zone.
fn clock(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).ok();
    time.map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn places(element: &Element) -> String {
    let place = element.place.map(|Place { instance, offset, .. }| format!("{instance}+{offset}"));
    let register = element.modbus.map(|address| format!("0x{address:04X}"));
    place.into_iter().chain(register).collect::<Vec<_>>().join(" ")
}

fn sections(conclusion: &Conclusion, observation: &Observation) -> Vec<(&'static str, Vec<String>)> {
    let sentences = |lines: &[String]| lines.iter().map(|line| sentence(line)).collect::<Vec<_>>();
    let sections = [
        ("What is wrong", sentences(&conclusion.wrong)),
        ("What could not be read", sentences(&observation.failures)),
        ("What was found", sentences(&conclusion.said)),
        ("What the wiring looks like", sentences(&conclusion.hints)),
        ("What Modbus did to EtherNet/IP", observation.pause.map(pause).into_iter().collect()),
        ("What cannot be proven, and why", sentences(&conclusion.limits)),
    ];
    sections.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}

/// What was measured about the pause.
fn pause(pause: Pause) -> String {
    let lasted = milliseconds(pause.modbus);
    let explicit = "Explicit reads were watched; a PLC's own connection was not";
    match (pause.answered_meanwhile, pause.back_after) {
        (true, Some(_)) => format!(
            "Modbus was connected for {lasted}, an EtherNet/IP read was answered meanwhile: no pause was seen. {explicit}."
        ),
        (false, Some(after)) => format!(
            "Modbus was connected for {lasted}, and EtherNet/IP did not answer until {} after that: using Modbus stops \
             EtherNet/IP on this meter. {explicit}.",
            milliseconds(after)
        ),
        (_, None) => {
            format!(
                "Modbus was connected for {lasted}, and EtherNet/IP had not come back a minute later. {explicit}."
            )
        }
    }
}

/// The verdicts, counted.
pub fn summary(conclusion: &Conclusion) -> String {
    let decoded = |verdict: Verdict| {
        let judged = conclusion.judged.iter().filter(|judged| judged.verdict == verdict);
        judged.filter(|judged| conclusion.own.elements[judged.index].table != Table::Raw).count()
    };
    let counts: Vec<String> =
        Verdict::ALL.iter().map(|verdict| format!("{} {verdict}", decoded(*verdict))).collect();
    counts.join(", ")
}

fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = text.split(' ').next().unwrap_or_default();
    // A field keeps its name.
    let text = if first.contains('_') {
        text.to_owned()
    } else {
        rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
    };
    if text.ends_with('.') { text } else { text + "." }
}
