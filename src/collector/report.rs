//! What one gather found, as a value: everything that leaves a collector.
//!
//! `lines` renders it for Telegraf, commands for people. A report owns what it says, so that it can be kept, sent
//! to another task and shown later.

use std::sync::Arc;
use std::time::SystemTime;

use crate::config::MeterConfig;
use crate::meter::identity::Identity;
use crate::meter::physics::MapCheck;
use crate::meter::{Evidence, Readings, Table, TableSet, Value};
use crate::source::{Failure, Notice};

use super::event::Event;
use super::health::Health;
use super::history::load_profile::Interval;

/// What one gather of one meter found.
#[derive(Debug, Clone)]
pub struct Report {
    /// The meter's settings: its name, tags, profile, and what is selected.
    pub config: Arc<MeterConfig>,
    /// When the gather ended.
    pub at: SystemTime,
    /// The tables that were due.
    pub due: TableSet,
    /// Whether the status was due, too.
    pub status_due: bool,
    /// Whether the counters since start were due, too.
    pub traffic_due: bool,
    /// The values, without those that must not leave.
    pub readings: Arc<Readings>,
    /// The tables of which at least one value may leave.
    pub read: TableSet,
    /// Every new sample of listened assemblies, where the configuration wants every frame.
    pub samples: Vec<Sample>,
    /// The assemblies whose values stand in `samples`, whether or not there is a new one.
    pub sampled: Vec<u16>,
    /// What failed, by table.
    pub failures: Vec<(Table, Failure)>,
    /// What the meter is, as far as known.
    pub device: Arc<Device>,
    /// Whether that is to be said now: at connect, when something in it changed, and hourly.
    pub device_due: bool,
    /// Whether the numbers fit the map.
    pub map: Map,
    /// What happened to a listener.
    pub notices: Vec<Notice>,
    /// What happened.
    pub events: Vec<Event>,
    /// The intervals of the load profile that have ended.
    pub intervals: Vec<Interval>,
    /// How the meter is doing, and counters since start.
    pub health: Health,
    /// When each table was last read, in their order.
    pub last_read: [Option<SystemTime>; Table::ALL.len()],
    /// Since when differences of the energy counters are energy; 0 for as long as is known.
    pub counting_since_ms: i64,
}

/// Failures of tables in sentences; what failed alike is one.
pub fn in_words(failures: &[(Table, Failure)]) -> Vec<String> {
    let mut said: Vec<(TableSet, String)> = Vec::new();
    for (table, failure) in failures {
        let text = failure.to_string();
        match said.iter_mut().find(|(_, known)| *known == text) {
            Some((tables, _)) => tables.insert(*table),
            None => said.push(((*table).into(), text)),
        }
    }
    said.into_iter().map(|(tables, text)| format!("{tables}: {text}")).collect()
}

/// The values of one assembly at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its table.
    pub table: Table,
    /// When it arrived.
    pub at: SystemTime,
    /// The values by their index in the profile, in its order.
    pub values: Vec<(usize, Value)>,
}

/// What is known of a meter's identity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Device {
    /// Host and port it is read from.
    pub address: String,
    /// What it says over CIP.
    pub identity: Option<Identity>,
    /// The controller that has its values, where they do not come from the meter itself.
    pub controller: Option<Identity>,
    /// The letters of the info table, by field.
    pub texts: Vec<(String, String)>,
    /// Modules fitted, bits as in the manual.
    pub hardware: Option<i64>,
    /// Weakest evidence among the emitted elements.
    pub basis: Option<Evidence>,
}

/// Whether the numbers fit the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Outcome of the physics checks.
    pub check: MapCheck,
    /// Whether a reading contradicted the map and the next one will tell more.
    pub undecided: bool,
}

impl Report {
    /// What failed, in sentences; tables that failed for the same reason share one.
    pub fn failures_in_words(&self) -> Vec<String> {
        in_words(&self.failures)
    }

    /// The device in a few words: catalog number, serial number, firmware.
    pub fn device_in_words(&self) -> Option<String> {
        let mut parts = Vec::new();
        if let Some(identity) = &self.device.identity {
            let catalog = self.config.profile.catalog(identity.product_code);
            parts.push(catalog.unwrap_or(&identity.product_name).to_owned());
            parts.push(format!("revision {}.{}", identity.revision.0, identity.revision.1));
        }
        for (name, text) in &self.device.texts {
            match name.as_str() {
                "serial_number" => parts.push(format!("serial {text}")),
                "firmware" => parts.push(format!("firmware {text}")),
                _ => {}
            }
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl Device {
    /// One of the letters of the info table.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }
}
