//! What a conclusion is about, for the head of whatever is written.

use crate::meter::{Table, Value};

use super::conclusion::Conclusion;
use super::rows::sentence;
use crate::verify::Observation;

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

    /// What was read.
    pub fn transports(&self, observation: &Observation) -> &'static str {
        match (observation.before.is_empty(), observation.visits.is_empty()) {
            (false, false) => "EtherNet/IP and Modbus TCP",
            (false, true) => "EtherNet/IP",
            _ => "Modbus TCP",
        }
    }
}
