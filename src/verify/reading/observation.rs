//! What was read from one meter, undecoded, with the times: everything a conclusion is drawn from.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::meter::decode::real;
use crate::meter::element::REAL_BYTES;
use crate::meter::identity::Identity;
use crate::verify::energy::track::Recording;

/// One reading of some assemblies over EtherNet/IP.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When it began.
    pub at: SystemTime,
    /// Data by instance.
    pub assemblies: BTreeMap<u16, Vec<u8>>,
}

impl Moment {
    /// The REALs of an assembly.
    pub fn reals(&self, instance: u16) -> Option<Vec<f32>> {
        let data = self.assemblies.get(&instance)?;
        let count = u16::try_from(data.len()).ok()? / REAL_BYTES;
        (0..count).map(|n| real(data, n * REAL_BYTES)).collect()
    }
}

/// One reading of registers over Modbus.
#[derive(Debug, Clone)]
pub struct Visit {
    /// When it began.
    pub at: SystemTime,
    /// First PDU address and registers of each block.
    pub blocks: Vec<(u16, Vec<u16>)>,
}

impl Visit {
    /// Registers that were read in one block.
    pub fn words(&self, registers: std::ops::Range<u32>) -> Option<&[u16]> {
        self.blocks.iter().find_map(|(start, words)| {
            let first = registers.start.checked_sub(u32::from(*start))? as usize;
            words.get(first..first + registers.len())
        })
    }
}

/// What EtherNet/IP did while Modbus was used and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// How long the Modbus connection was open.
    pub modbus: Duration,
    /// An EtherNet/IP read was answered while the Modbus connection was open.
    pub answered_meanwhile: bool,
    /// From the end of Modbus to the first answer over EtherNet/IP; `None` if none came.
    pub back_after: Option<Duration>,
}

/// What one reading brought.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The assemblies that were given.
    pub moment: Moment,
    /// Those that the meter refused, in sentences.
    pub refused: Vec<String>,
}

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// The Identity object, over EtherNet/IP.
    pub identity: Option<Identity>,
    /// What attribute 4 said of each assembly; `None` where it was refused.
    pub sizes: BTreeMap<u16, Option<u16>>,
    /// Readings over EtherNet/IP before Modbus was used.
    pub before: Vec<Moment>,
    /// Readings over EtherNet/IP after.
    pub after: Vec<Moment>,
    /// Readings over Modbus.
    pub visits: Vec<Visit>,
    /// Whether Modbus was tried, answered or not.
    pub modbus_tried: bool,
    /// What the use of Modbus did to EtherNet/IP.
    pub pause: Option<Pause>,
    /// What a database has stored of assembly 107 and of power, where nothing was read.
    pub recording: Option<Recording>,
    /// What could not be read, in sentences.
    pub failures: Vec<String>,
}

impl Observation {
    /// Adds what was read later.
    pub fn also(&mut self, later: Observation) {
        let Observation { identity, sizes, before, after, visits, modbus_tried, pause, recording, failures } =
            later;
        self.identity = identity.or(self.identity.take());
        self.sizes.extend(sizes);
        self.before.extend(before);
        self.after.extend(after);
        self.visits.extend(visits);
        self.modbus_tried |= modbus_tried;
        self.pause = pause.or(self.pause);
        self.recording = recording.or(self.recording.take());
        failures.into_iter().for_each(|failure| self.note(failure));
    }

    /// Notes what could not be read, once.
    pub fn note(&mut self, failure: String) {
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    /// Notes what the meter refused of a reading, and gives the rest.
    pub fn note_refused(&mut self, asked: Asked) -> Moment {
        asked.refused.into_iter().for_each(|refused| self.note(refused));
        asked.moment
    }

    /// All readings over EtherNet/IP, in order.
    pub fn moments(&self) -> impl Iterator<Item = &Moment> {
        self.before.iter().chain(&self.after)
    }

    /// The newest data of an assembly.
    pub fn newest(&self, instance: u16) -> Option<&[u8]> {
        let mut all = self.before.iter().chain(&self.after).rev();
        all.find_map(|moment| moment.assemblies.get(&instance)).map(Vec::as_slice)
    }
}
