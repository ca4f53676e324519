//! What happened, as lines of `powermonitor_500_event`.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::metric::{Batch, Field, schema, timestamp};

/// What an event line says; empty parts are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event {
    /// Value of the `event` tag.
    pub kind: &'static str,
    /// What happened, in one sentence.
    pub message: String,
    /// Why, as far as known.
    pub reason: Option<String>,
    /// Table or tables concerned.
    pub table: Option<String>,
    /// Field concerned.
    pub field: Option<String>,
    /// Before, when it is no number.
    pub before_text: Option<String>,
    /// After, when it is no number.
    pub after_text: Option<String>,
    /// Value before.
    pub before: Option<f64>,
    /// Value after.
    pub after: Option<f64>,
    /// Start and end of a gap. A gap is timestamped at its start, everything else at its detection.
    pub span: Option<(SystemTime, SystemTime)>,
}

/// Writes a meter's events, each at a time of its own: two events of one kind at the same time would
/// overwrite each other in a database.
#[derive(Debug, Default)]
pub struct EventLog {
    taken: HashMap<&'static str, VecDeque<i64>>,
}

/// Newest times of a kind that are remembered.
const MOST_TIMES: usize = 256;

impl EventLog {
    /// Appends the event's line.
    pub fn write(
        &mut self,
        event: &Event,
        now: SystemTime,
        batch: &mut Batch,
        tags: &[(String, String)],
        precision: Duration,
    ) {
        let at = timestamp(event.span.map_or(now, |(from, _)| from), precision);
        let step = i64::try_from(precision.as_nanos()).unwrap_or(1).max(1);
        let taken = self.taken.entry(event.kind).or_default();
        let mut at = at;
        while taken.contains(&at) {
            at += step;
        }
        if taken.len() == MOST_TIMES {
            taken.pop_front();
        }
        taken.push_back(at);
        let text = |name, value: &'_ Option<String>| value.clone().map(|value| (name, value));
        let texts: Vec<(&str, String)> = [
            Some(("message", event.message.clone())),
            text("reason", &event.reason),
            text("table", &event.table),
            text("field", &event.field),
            text("before_text", &event.before_text),
            text("after_text", &event.after_text),
        ]
        .into_iter()
        .flatten()
        .collect();
        let texts = texts.iter().map(|(name, value)| (*name, Field::Text(value)));
        let numbers = [("before", event.before), ("after", event.after)];
        let numbers = numbers.into_iter().filter_map(|(name, value)| Some((name, Field::Float(value?))));
        let span = event.span.into_iter().flat_map(|(from, to)| {
            let seconds = to.duration_since(from).unwrap_or_default().as_secs_f64();
            [
                ("duration_s", Field::Float((seconds * 1000.0).round() / 1000.0)),
                ("from_ms", Field::Integer(milliseconds(from))),
                ("to_ms", Field::Integer(milliseconds(to))),
            ]
        });
        batch.line(schema::EVENT, tags, Some(event.kind), texts.chain(numbers).chain(span), at);
    }
}

/// A REAL as a number that prints like it: 230.1, not 230.10000610351562.
pub fn decimal(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

/// Milliseconds since the epoch.
pub fn milliseconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_timestamped_at_its_start_and_two_never_share_a_time() {
        let from = UNIX_EPOCH + Duration::from_secs(100);
        let to = UNIX_EPOCH + Duration::from_millis(112_500);
        let event =
            Event { kind: "gap", message: "no data".to_owned(), span: Some((from, to)), ..Event::default() };
        let (mut log, mut batch) = (EventLog::default(), Batch::default());
        for _ in 0..3 {
            log.write(&event, to, &mut batch, &[], Duration::from_millis(1));
        }
        let expected = "powermonitor_500_event,event=gap message=\"no data\",duration_s=12.5,\
                        from_ms=100000i,to_ms=112500i";
        let text = [0, 1, 2].map(|later| format!("{expected} 10000{later}000000\n")).concat();
        assert_eq!(std::str::from_utf8(batch.bytes()).unwrap(), text);
    }
}
