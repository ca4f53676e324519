//! What is remembered of one meter across a restart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::source::Leftover;

use super::counters::track::Track;
use super::load_profile::Running;

/// What is remembered of one meter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Serial letters, or "" when never read.
    pub serial_number: String,
    /// CIP serial number, or 0 when never read.
    pub cip_serial_number: u32,
    /// When each table was last read, milliseconds since the epoch.
    pub last_read_ms: BTreeMap<String, i64>,
    /// Last value of every counter that is believed.
    pub counters: BTreeMap<String, i64>,
    /// When those were read, and what is not decided about them.
    pub counter_tracks: BTreeMap<String, Track>,
    /// When the level of an energy counter moved last or another meter came, milliseconds since the epoch; 0 when that
    /// never happened, as far as is known.
    pub counting_since_ms: i64,
    /// Largest apparent power that was seen, in VA; 0 when none was.
    pub largest_apparent_va: f64,
    /// Last value of every setting that is a number.
    pub settings: BTreeMap<String, f64>,
    /// Last maximum values.
    pub maxima: BTreeMap<String, f64>,
    /// Whether the last demand values were not all 0.
    pub demand_runs: bool,
    /// The interval of the load profile that is under way.
    pub interval: Option<Running>,
    /// Class 1 connections that are open; after a crash they are closed at the next start.
    pub open_connections: Vec<Leftover>,
    /// The map that was found consistent with this meter, by its [fingerprint](crate::meter::profile::Profile).
    pub proven_map: Option<u64>,
    /// The packet intervals that were agreed last, by assembly, in microseconds: a restart begins with them.
    pub packet_intervals_us: BTreeMap<u16, u64>,
    /// When Modbus was last used beside EtherNet/IP, milliseconds since the epoch.
    pub last_modbus_ms: Option<i64>,
}

impl Record {
    /// Takes over a newer state of the same meter. What stays keeps its room: this happens after every gather.
    pub fn become_like(&mut self, newer: &Record) {
        // Named one by one, so that none can be forgotten.
        let Record {
            serial_number,
            cip_serial_number,
            last_read_ms,
            counters,
            counter_tracks,
            counting_since_ms,
            largest_apparent_va,
            settings,
            maxima,
            demand_runs,
            interval,
            open_connections,
            proven_map,
            packet_intervals_us,
            last_modbus_ms,
        } = newer;
        self.serial_number.clone_from(serial_number);
        self.cip_serial_number = *cip_serial_number;
        become_like(&mut self.last_read_ms, last_read_ms);
        become_like(&mut self.counters, counters);
        become_like(&mut self.counter_tracks, counter_tracks);
        self.counting_since_ms = *counting_since_ms;
        self.largest_apparent_va = *largest_apparent_va;
        become_like(&mut self.settings, settings);
        become_like(&mut self.maxima, maxima);
        self.demand_runs = *demand_runs;
        if self.interval != *interval {
            self.interval.clone_from(interval);
        }
        self.open_connections.clone_from(open_connections);
        self.proven_map = *proven_map;
        become_like(&mut self.packet_intervals_us, packet_intervals_us);
        self.last_modbus_ms = *last_modbus_ms;
    }
}

/// The same for a map: where the names are the same, only the values are taken over.
fn become_like<K: Ord + Clone, V: Clone>(known: &mut BTreeMap<K, V>, newer: &BTreeMap<K, V>) {
    if known.keys().eq(newer.keys()) {
        known.values_mut().zip(newer.values()).for_each(|(known, newer)| known.clone_from(newer));
    } else {
        known.clone_from(newer);
    }
}

/// Remembers a value by its name; returns the one before.
pub fn note<V>(map: &mut BTreeMap<String, V>, name: &str, value: V) -> Option<V> {
    match map.get_mut(name) {
        Some(known) => Some(std::mem::replace(known, value)),
        None => map.insert(name.to_owned(), value),
    }
}
