//! The result for programs.

use serde_json::{Value as Json, json};

use crate::meter::Value;

use super::conclusion::Conclusion;
use super::subject::Subject;
use crate::verify::{Observation, Verdict};

/// One JSON document; its keys are stable, new ones may be added.
pub fn document(subject: &Subject, conclusion: &Conclusion, observation: &Observation) -> Json {
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
        "wrong": conclusion.wrong, "hints": conclusion.hints, "odd": conclusion.odd, "found": conclusion.said, "limits": conclusion.limits,
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
