//! What a simulated meter was asked: counts, not a log, so that it stays small however long it runs.
//!
//! Its main use is to prove an absence: [`Record::writes`] is empty when nobody tried to change anything.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::enip::forward_open::{Application, Kind, Triad};

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// A CIP service on a path; `attribute` is `None` when the path names none.
    Cip {
        /// Service code.
        service: u8,
        /// Class.
        class: u16,
        /// Instance; 0 is the class itself.
        instance: u16,
        /// Attribute.
        attribute: Option<u16>,
    },
    /// A Modbus request.
    Modbus {
        /// Function code.
        function: u8,
        /// First PDU address; 0 for functions without one.
        address: u16,
        /// Registers or coils; 0 for functions without a count.
        count: u16,
    },
}

impl Asked {
    /// Whether the request could change something. Only what is known to read or to manage a connection is
    /// known to be harmless.
    pub fn writes(&self) -> bool {
        match self {
            // Get_Attributes_All, _List, _Single; Forward_Close, Unconnected_Send, Forward_Open, its large form.
            Asked::Cip { service, .. } => !matches!(service, 0x01 | 0x03 | 0x0E | 0x4E | 0x52 | 0x54 | 0x5B),
            // Reads of coils and registers, server ID, device identification.
            Asked::Modbus { function, .. } => !matches!(function, 0x01..=0x04 | 0x11 | 0x2B),
        }
    }
}

/// What happened to the class 1 connections of a meter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IoRecord {
    /// Who is connected now.
    pub open: Vec<OpenConnection>,
    /// Connections opened.
    pub opened: BTreeMap<Application, u64>,
    /// Connections closed by their originators.
    pub closed: BTreeMap<Application, u64>,
    /// Connections ended because their heartbeats stopped.
    pub timed_out: BTreeMap<Application, u64>,
    /// Forward Opens refused, by general and first extended status (0 without one).
    pub refused: BTreeMap<(u8, u16), u64>,
    /// Frames sent, by assembly.
    pub frames: BTreeMap<u16, u64>,
}

/// One class 1 connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenConnection {
    /// Listen-only or input-only.
    pub application: Application,
    /// Address of the session that opened it.
    pub originator: Ipv4Addr,
    /// Who opened it.
    pub triad: Triad,
    /// What is produced.
    pub assembly: u16,
    /// Multicast or point-to-point.
    pub kind: Kind,
    /// Interval of the frames.
    pub rpi: Duration,
    /// Interval of the heartbeats.
    pub heartbeat_rpi: Duration,
    /// Heartbeats received.
    pub heartbeats: u64,
    /// Its heartbeats have stopped, its slot is still taken.
    pub dead: bool,
}

/// Most kinds of harmless and most kinds of writing requests that are told apart.
const KINDS: usize = 2048;

/// What a simulated meter was asked so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// EtherNet/IP sessions registered.
    pub sessions: u64,
    /// EtherNet/IP sessions that their client ended with UnRegisterSession.
    pub unregistered: u64,
    /// Class 1 connections.
    pub io: IoRecord,
    /// Modbus clients served.
    pub modbus_clients: u64,
    /// Modbus clients turned away because the one socket was taken.
    pub modbus_rejected: u64,
    reads: BTreeMap<Asked, u64>,
    writes: BTreeMap<Asked, u64>,
}

impl Record {
    /// Counts one request.
    pub fn note(&mut self, asked: Asked) {
        let counts = if asked.writes() { &mut self.writes } else { &mut self.reads };
        if let Some(count) = counts.get_mut(&asked) {
            *count += 1;
        } else if counts.len() < KINDS {
            counts.insert(asked, 1);
        }
    }

    /// Every kind of request with its count.
    pub fn asked(&self) -> impl Iterator<Item = (Asked, u64)> {
        self.reads.iter().chain(&self.writes).map(|(asked, count)| (*asked, *count))
    }

    /// How often exactly this was asked.
    pub fn count(&self, asked: Asked) -> u64 {
        self.reads.get(&asked).or_else(|| self.writes.get(&asked)).copied().unwrap_or(0)
    }

    /// The requests that could have changed something, with their counts. All were refused.
    pub fn writes(&self) -> Vec<(Asked, u64)> {
        self.writes.iter().map(|(asked, count)| (*asked, *count)).collect()
    }

    /// Whether any Modbus request covered this register.
    pub fn touched(&self, register: u16) -> bool {
        self.asked().any(|(asked, _)| match asked {
            Asked::Modbus { address, count, .. } => {
                let first = u32::from(address);
                (first..first + u32::from(count)).contains(&u32::from(register))
            }
            Asked::Cip { .. } => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stays_small_and_never_loses_that_something_was_written() {
        let mut record = Record::default();
        for address in 0..u16::MAX {
            record.note(Asked::Modbus { function: 3, address, count: 2 });
        }
        record.note(Asked::Modbus { function: 6, address: 0x1000, count: 1 });
        assert_eq!(record.asked().count(), KINDS + 1);
        assert_eq!(record.writes(), [(Asked::Modbus { function: 6, address: 0x1000, count: 1 }, 1)]);
        assert!(record.touched(0x1000) && record.touched(1) && !record.touched(0xFFFF));
    }

    #[test]
    fn an_unknown_service_counts_as_a_write() {
        let reset = Asked::Cip { service: 0x05, class: 1, instance: 1, attribute: None };
        let vendor = Asked::Cip { service: 0x4B, class: 1, instance: 1, attribute: None };
        let read = Asked::Cip { service: 0x0E, class: 4, instance: 101, attribute: Some(3) };
        assert_eq!([reset, vendor, read].map(|asked| asked.writes()), [true, true, false]);
    }
}
