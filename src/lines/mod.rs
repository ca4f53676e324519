//! A report → line protocol: what Telegraf reads.
//!
//! ```text
//! Report ─→ Lines ─→ tables, interval, info, event, status, traffic ─→ Batch ─→ stdout
//! ```
//!
//! One file per family of measurements. [`crate::schema`] and the profile together are all that can leave the program.

use crate::collector::report::Report;
use crate::schema;

pub mod batch;
mod event;
mod head;
mod info;
mod interval;
pub mod plugin;
mod status;
pub mod tables;
mod traffic;

pub use batch::{Batch, Field, timestamp};
pub use head::Head;

use event::EventTimes;
use head::Heads;

/// Renders the reports of one meter.
#[derive(Debug, Default)]
pub struct Lines {
    heads: Heads,
    events: EventTimes,
}

impl Lines {
    /// A report's lines, in the room of a batch that is no longer wanted.
    pub fn render(&mut self, report: &Report, room: Batch) -> Batch {
        let Lines { heads, events } = self;
        let mut batch = room.emptied();
        tables::write(report, heads, &mut batch);
        interval::write(report, heads, &mut batch);
        if report.device_due {
            info::write(report, heads, &mut batch);
        }
        for event in &report.events {
            event::write(report, event, events, &mut batch);
        }
        if report.status_due {
            status::write(report, heads, &mut batch);
        }
        if report.traffic_due {
            traffic::write(report, heads, &mut batch);
        }
        batch
    }
}
