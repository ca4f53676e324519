//! What happened, as lines of `powermonitor_500_event`.

use std::collections::{HashMap, VecDeque};

use crate::collector::event::{Event, Step, joined};
use crate::collector::report::Report;
use crate::meter::reading::milliseconds;

use super::{Batch, Field, Head, schema, timestamp};

/// Newest times of a kind that are remembered.
const MOST_TIMES: usize = 256;

/// The times of a meter's events: each has one of its own, for two events of one kind at the same time would
/// overwrite each other in a database.
#[derive(Debug, Default)]
pub(super) struct EventTimes {
    taken: HashMap<&'static str, VecDeque<i64>>,
}

impl EventTimes {
    /// This time, or the next one that is free for this kind.
    fn take(&mut self, kind: &'static str, mut at: i64, step: i64) -> i64 {
        let taken = self.taken.entry(kind).or_default();
        while taken.contains(&at) {
            at += step;
        }
        if taken.len() == MOST_TIMES {
            taken.pop_front();
        }
        taken.push_back(at);
        at
    }
}

/// What an event's line says beside its message, reason and tables; empty parts are left out.
#[derive(Debug, Default)]
struct Details {
    field: Option<String>,
    before_text: Option<String>,
    after_text: Option<String>,
    before: Option<f64>,
    after: Option<f64>,
}

/// Appends the event's line: a gap's at its start, everything else's at its detection.
pub(super) fn write(report: &Report, event: &Event, times: &mut EventTimes, batch: &mut Batch) {
    let precision = report.config.precision;
    let gap = match event {
        Event::Gap(gap) => Some(gap),
        _ => None,
    };
    let at = timestamp(gap.map_or(report.at, |gap| gap.from), precision);
    let step = i64::try_from(precision.as_nanos()).unwrap_or(1).max(1);
    let at = times.take(event.kind(), at, step);
    let tables = Some(event.tables()).filter(|tables| !tables.is_empty());
    let details = details(event);
    let texts = [
        ("message", Some(event.to_string())),
        ("reason", event.reason()),
        ("table", tables.map(joined)),
        ("field", details.field),
        ("before_text", details.before_text),
        ("after_text", details.after_text),
    ];
    let texts = texts.iter().filter_map(|(name, text)| Some((*name, Field::Text(text.as_deref()?))));
    let numbers = [("before", details.before), ("after", details.after)];
    let numbers = numbers.into_iter().filter_map(|(name, value)| Some((name, Field::Float(value?))));
    let span = gap.into_iter().flat_map(|gap| {
        let seconds = gap.length().as_secs_f64();
        [
            ("duration_s", Field::Float((seconds * 1000.0).round() / 1000.0)),
            ("from_ms", Field::Integer(milliseconds(gap.from))),
            ("to_ms", Field::Integer(milliseconds(gap.to))),
        ]
    });
    let fields = texts.chain(numbers).chain(span);
    let head = Head::new(schema::EVENT, &report.config.tags, Some(event.kind()));
    batch.line(&head, fields, at);
}

fn details(event: &Event) -> Details {
    if let Some(steps) = event.steps() {
        return counters(steps);
    }
    match event {
        Event::MaxReset { field, before, after, .. } => Details {
            field: Some(field.clone()),
            before: Some(*before),
            after: Some(*after),
            ..Details::default()
        },
        Event::SettingsChanged { field, values: [before, after], labels: [before_text, after_text] } => {
            Details {
                field: Some(field.clone()),
                before_text: before_text.clone(),
                after_text: after_text.clone(),
                before: Some(*before),
                after: Some(*after),
            }
        }
        Event::MeterSwapped { before, after } => Details {
            before_text: Some(before.to_string()),
            after_text: Some(after.to_string()),
            ..Details::default()
        },
        Event::ConnectionChanged { before, after } => Details {
            before_text: Some(before.code().1.to_owned()),
            after_text: Some(after.code().1.to_owned()),
            ..Details::default()
        },
        _ => Details::default(),
    }
}

/// Numbers for one counter, text for several.
fn counters(steps: &[Step]) -> Details {
    let list = |value: fn(&Step) -> i64| {
        let values = steps.iter().map(|step| format!("{}={}", step.field, value(step)));
        Some(values.collect::<Vec<_>>().join(","))
    };
    let names: Vec<&str> = steps.iter().map(|step| step.field.as_str()).collect();
    let field = Some(names.join(","));
    match steps {
        [Step { before, after, .. }] => {
            Details { field, before: Some(*before as f64), after: Some(*after as f64), ..Details::default() }
        }
        _ => Details {
            field,
            before_text: list(|step| step.before),
            after_text: list(|step| step.after),
            ..Details::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_events_of_one_kind_never_share_a_time() {
        let mut times = EventTimes::default();
        let at = |times: &mut EventTimes| times.take("gap", 100, 10);
        assert_eq!([at(&mut times), at(&mut times), at(&mut times)], [100, 110, 120]);
        assert_eq!(times.take("started", 100, 10), 100);
    }
}
