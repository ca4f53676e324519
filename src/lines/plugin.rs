//! The process itself: how long it runs, how many meters are up, what was lost on the way out.

use std::time::{Duration, SystemTime};

use super::{Batch, Field, Head, schema, timestamp};

/// What the process knows of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Process {
    /// Since the start.
    pub uptime: Duration,
    /// Meters configured.
    pub meters: u64,
    /// Meters whose last gather read at least one table.
    pub meters_up: u64,
    /// Lines dropped because nobody read them, since start.
    pub lines_dropped: u64,
    /// Gathers that began late, since start.
    pub gathers_late: u64,
}

impl Process {
    /// The line.
    pub fn render(&self) -> Batch {
        let integer = |value: u64| Field::Integer(i64::try_from(value).unwrap_or(i64::MAX));
        let fields = [
            ("version", Field::Text(env!("CARGO_PKG_VERSION"))),
            ("uptime_s", integer(self.uptime.as_secs())),
            ("meters", integer(self.meters)),
            ("meters_up", integer(self.meters_up)),
            ("lines_dropped", integer(self.lines_dropped)),
            ("gathers_late", integer(self.gathers_late)),
        ];
        let mut batch = Batch::default();
        let at = timestamp(SystemTime::now(), Duration::from_millis(1));
        batch.line(&Head::new(schema::PLUGIN, &[], None), fields, at);
        batch
    }
}
