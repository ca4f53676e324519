//! The parts that text, record and JSON share: elements as rows, and sentences under heads.

use crate::meter::element::{Place, WireType};
use crate::meter::{Element, Table, Value};

use super::conclusion::Conclusion;
use crate::verify::Verdict;
use crate::verify::map::compare::show;
use crate::verify::reading::observation::{Observation, Pause};
use crate::verify::reading::observe::milliseconds;

/// Verdict, field, place, value and reason of every element; the undecoded ones are no fields to be judged.
pub(super) fn cells(conclusion: &Conclusion) -> impl Iterator<Item = [String; 5]> {
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

/// Everything that is said, under heads.
pub(super) fn sections(
    conclusion: &Conclusion,
    observation: &Observation,
) -> Vec<(&'static str, Vec<String>)> {
    let sentences = |lines: &[String]| lines.iter().map(|line| sentence(line)).collect::<Vec<_>>();
    let sections = [
        ("What is wrong", sentences(&conclusion.wrong)),
        ("What could not be read", sentences(&observation.failures)),
        ("What was found", sentences(&conclusion.said)),
        ("What the wiring looks like", sentences(&conclusion.hints)),
        ("What is odd and unexplained", sentences(&conclusion.odd)),
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
pub(super) fn counts(conclusion: &Conclusion) -> String {
    let decoded = |verdict: Verdict| {
        let judged = conclusion.judged.iter().filter(|judged| judged.verdict == verdict);
        judged.filter(|judged| conclusion.own.elements[judged.index].table != Table::Raw).count()
    };
    let counts: Vec<String> =
        Verdict::ALL.iter().map(|verdict| format!("{} {verdict}", decoded(*verdict))).collect();
    counts.join(", ")
}

/// A clause as a sentence.
pub(super) fn sentence(text: &str) -> String {
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
