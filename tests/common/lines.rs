//! The lines of one gather.

use telegraf_pm500::collector::report::Report;
use telegraf_pm500::lines;

use super::line::Line;

/// What a collector handed on.
#[derive(Debug, Clone)]
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    #[track_caller]
    pub(crate) fn of(report: &Report) -> Lines {
        let batch = lines::Lines::default().render(report, lines::Batch::default());
        Lines(Line::all(std::str::from_utf8(batch.bytes()).unwrap()))
    }

    /// The lines themselves.
    pub(crate) fn into_lines(self) -> Vec<Line> {
        self.0
    }

    /// Whether the measurement has a line.
    pub(crate) fn has(&self, measurement: &str) -> bool {
        self.0.iter().any(|line| line.measurement == measurement)
    }

    /// Every line of a measurement.
    pub(crate) fn all(&self, measurement: &str) -> Vec<&Line> {
        self.0.iter().filter(|line| line.measurement == measurement).collect()
    }

    /// The one line of a measurement.
    #[track_caller]
    pub(crate) fn one(&self, measurement: &str) -> &Line {
        let found = self.all(measurement);
        let [line] = found[..] else { panic!("{} lines of {measurement} in {self:?}", found.len()) };
        line
    }

    /// `result` of the status line.
    #[track_caller]
    pub(crate) fn result(&self) -> &str {
        self.one("powermonitor_500_status").text("result")
    }

    /// The events of one kind.
    pub(crate) fn events(&self, kind: &str) -> Vec<&Line> {
        let is = |line: &&Line| line.tags.get("event").is_some_and(|event| event == kind);
        self.0.iter().filter(is).collect()
    }
}
