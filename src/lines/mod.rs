//! A report → line protocol: what Telegraf reads.
//!
//! ```text
//! Report ─→ Lines ─→ tables, interval, info, event, status, traffic ─→ Batch ─→ stdout
//! ```
//!
//! One file per family of measurements. [`schema`] and the profile together are all that can leave the program.

use crate::collector::report::Report;

pub mod batch;
mod event;
mod info;
mod interval;
pub mod plugin;
pub mod schema;
mod status;
pub mod tables;
mod traffic;

pub use batch::{Batch, Field, timestamp};

use event::EventTimes;

/// Renders the reports of one meter.
#[derive(Debug, Default)]
pub struct Lines {
    events: EventTimes,
}

impl Lines {
    /// A report's lines.
    pub fn render(&mut self, report: &Report) -> Batch {
        let mut batch = Batch::roomy();
        tables::write(report, &mut batch);
        interval::write(report, &mut batch);
        if report.device_due {
            info::write(report, &mut batch);
        }
        for event in &report.events {
            event::write(report, event, &mut self.events, &mut batch);
        }
        if report.status_due {
            status::write(report, &mut batch);
        }
        if report.traffic_due {
            traffic::write(report, &mut batch);
        }
        batch
    }
}
