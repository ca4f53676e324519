//! What one meter's past says about its present: gaps, resets, changes, who it is, the load profile.
//!
//! ```text
//! readings, failures ─→ History ─→ events, intervals
//!                          │ gaps           from when to when which table is missing, and why
//!                          │ device         who is it, is it another one
//!                          │ counters       what is believed of energy: resets, glitches, jumps, returns
//!                          │ extremes       maximum and demand values that began anew
//!                          │ settings       ratios, wiring
//!                          └ load_profile   energy from boundary to boundary
//!                       Record              what survives a restart
//! ```
//!
//! Pure: no input, no output, and time is an argument.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::MeterConfig;
use crate::meter::reading::milliseconds;
use crate::meter::{Profile, Readings, Table, TableSet};
use crate::source::{Failure, Leftover};

pub mod advance;
pub mod counters;
pub mod device;
pub mod extremes;
pub mod gaps;
pub mod load_profile;
pub mod record;
pub mod settings;

pub use device::DeviceHistory;
pub use record::Record;

/// The setting that tells the meter's range.
const CT_RATIO: &str = "ct_ratio";

use super::event::{Cause, Event};
use super::judge::has_values;
use super::schedule::Due;
use counters::Counted;
use gaps::Gaps;
use load_profile::{Interval, LoadProfile, Reading, resolution};
use record::note;

/// What is known of one meter from gather to gather.
#[derive(Debug)]
pub struct History {
    record: Record,
    gaps: Gaps,
    load: Option<LoadProfile>,
    tables: TableSet,
}

impl History {
    /// Continues what is known of a meter of which these tables are read.
    pub fn new(known: Option<Record>, tables: TableSet, interval_energy: Option<Duration>) -> History {
        let mut record = known.unwrap_or_default();
        let mut gaps = Gaps::default();
        for (name, at) in &record.last_read_ms {
            let table = tables.iter().find(|table| table.name() == name);
            if let (Some(table), Ok(at)) = (table, u64::try_from(*at)) {
                gaps.restore(table, UNIX_EPOCH + Duration::from_millis(at));
            }
        }
        let load = interval_energy.map(|period| LoadProfile::new(period, record.interval.take()));
        // A profile that is switched off does not go on where it was when it is switched on again.
        record.interval = load.as_ref().and_then(LoadProfile::running).cloned();
        History { record, gaps, load, tables }
    }

    /// What survives a restart.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Class 1 connections that are open, and the packet intervals that were agreed; says whether that is news.
    pub fn hold(&mut self, open: Vec<Leftover>, intervals: BTreeMap<u16, Duration>) -> bool {
        let micros = |rpi: Duration| u64::try_from(rpi.as_micros()).unwrap_or(u64::MAX);
        let told = intervals.iter().map(|(assembly, rpi)| (*assembly, micros(*rpi)));
        let known = self.record.packet_intervals_us.iter().map(|(assembly, rpi)| (*assembly, *rpi));
        if self.record.open_connections == open && known.eq(told.clone()) {
            return false;
        }
        self.record.packet_intervals_us = told.collect();
        self.record.open_connections = open;
        true
    }

    /// Whether this map was found consistent with this meter before.
    pub fn has_proven(&self, map: u64) -> bool {
        self.record.proven_map == Some(map)
    }

    /// This map was found consistent with this meter.
    pub fn proved(&mut self, map: u64) {
        self.record.proven_map = Some(map);
    }

    /// The ratio of the meter's current transformers, if it was read.
    pub fn ct_ratio(&self) -> Option<f64> {
        self.record.settings.get(CT_RATIO).copied()
    }

    /// When Modbus was last used beside EtherNet/IP, milliseconds since the epoch.
    pub fn last_modbus_ms(&self) -> Option<i64> {
        self.record.last_modbus_ms
    }

    /// Modbus is used beside EtherNet/IP now.
    pub fn used_modbus(&mut self, at: SystemTime) {
        self.record.last_modbus_ms = Some(milliseconds(at));
    }

    /// The wall clock was set by this many ms: everything remembered by it was at another time than was thought.
    pub fn clock_stepped(&mut self, by: i64) {
        self.gaps.clock_stepped(by);
        if let Some(load) = &mut self.load {
            load.clock_stepped(by);
        }
        if let Some(last) = &mut self.record.last_modbus_ms {
            *last += by;
        }
        self.record.counter_tracks.values_mut().for_each(|track| track.clock_stepped(by));
    }

    /// Takes in which tables that were due were read, and which failed; gives the gaps that have ended;
    /// `exchanged` is that another meter answers since.
    pub fn follow_gaps(
        &mut self,
        config: &MeterConfig,
        due: Due,
        readings: &Readings,
        failures: &[(Table, Failure)],
        exchanged: bool,
    ) -> Vec<Event> {
        for table in due.tables.union(due.beside).iter() {
            // What the meter never gives leaves no gap in the rest of the table.
            let given = |failure: &Failure| failure.is_no() && has_values(&config.profile, readings, table);
            match failures.iter().find(|(failed, failure)| *failed == table && !given(failure)) {
                Some((_, failure)) => {
                    let partly = has_values(&config.profile, readings, table);
                    self.missed(table, Cause::from(failure), partly);
                }
                None => {
                    let Some(taken) = readings.taken(table) else { continue };
                    self.read(table, taken, (!due.triggered).then(|| config.period(table)));
                }
            }
        }
        let ended = self.gaps.ended().into_iter();
        ended.map(|gap| Event::Gap(super::event::Gap { exchanged, ..gap })).collect()
    }

    /// A table that was due was not read, or only `partly`.
    pub fn missed(&mut self, table: Table, cause: Cause, partly: bool) {
        self.gaps.broke(table, cause, partly);
    }

    /// A table was due, and nobody came to read it: the host stood still, or had too much to do.
    pub fn skipped(&mut self, table: Table) {
        self.gaps.skipped(table);
    }

    /// A table was read. `period` is how often it should be, if anything promises that.
    pub fn read(&mut self, table: Table, at: SystemTime, period: Option<Duration>) {
        self.gaps.read(table, at, period);
        note(&mut self.record.last_read_ms, table.name(), milliseconds(at));
    }

    /// When each table was last read, in their order.
    pub fn last_read(&self) -> [Option<SystemTime>; Table::ALL.len()] {
        let told = |table: Table| self.tables.contains(table) && table != Table::Info;
        Table::ALL.map(|table| self.gaps.last_read(table).filter(|_| told(table)))
    }

    /// Whether any counter is where it cannot be: another meter may answer.
    pub fn doubts(&self, profile: &Profile, readings: &Readings) -> bool {
        counters::any_odd(profile, readings, &self.record, false)
    }

    /// Whether any counter should be looked at once more, for nothing is known yet that would decide about it.
    pub fn is_puzzled(&self, profile: &Profile, readings: &Readings) -> bool {
        counters::any_odd(profile, readings, &self.record, true)
    }

    /// Takes the counters of a gather in, which looked at them once or twice.
    pub fn count(&mut self, profile: &Profile, looks: &[&Readings]) -> Counted {
        let counted = counters::follow(profile, looks, &mut self.record);
        let at = looks.last().and_then(|readings| readings.taken(Table::Energy));
        if let (true, Some(at)) = (counted.moved.contains(&true), at) {
            self.record.counting_since_ms = milliseconds(at);
        }
        counted
    }

    /// Since when differences of the energy counters are energy, milliseconds since the epoch: the level of one of them
    /// moved then, or another meter came. 0 when that never happened, as far as is known.
    pub fn counting_since_ms(&self) -> i64 {
        self.record.counting_since_ms
    }

    /// Compares who answers with who answered before. Nothing is compared across an exchange of meters.
    pub fn recognize(&mut self, device: &DeviceHistory, now: SystemTime) -> Option<Event> {
        let swapped = device.swapped(&mut self.record)?;
        self.record.counting_since_ms = milliseconds(now);
        self.record.counters.clear();
        self.record.counter_tracks.clear();
        self.record.largest_apparent_va = 0.0;
        self.record.settings.clear();
        self.record.maxima.clear();
        self.record.demand_runs = false;
        self.record.proven_map = None;
        if let Some(load) = &mut self.load {
            load.began_anew();
        }
        Some(swapped)
    }

    /// Tells what began anew or changed in the meter.
    pub fn follow(&mut self, profile: &Profile, readings: &Readings) -> Vec<Event> {
        let record = &mut self.record;
        counters::follow_size(profile, readings, record);
        let mut events = Vec::new();
        // Most gathers read none of these.
        let came = |table| readings.taken(table).is_some();
        if came(Table::Max) {
            events.extend(extremes::follow_max(profile, readings, &mut record.maxima));
        }
        if came(Table::Demand) {
            events.extend(extremes::follow_demand(profile, readings, &mut record.demand_runs));
        }
        if came(Table::Settings) {
            events.extend(settings::follow(profile, readings, &mut record.settings));
        }
        events
    }

    /// The intervals of the load profile that this gather ends; `moved` says of which energies the level did.
    pub fn intervals(
        &mut self,
        config: &MeterConfig,
        readings: &Readings,
        moved: [bool; 4],
    ) -> Vec<Interval> {
        let (profile, selected) = (&config.profile, &config.selected);
        let Some(load) = &mut self.load else { return Vec::new() };
        let believed = |name: &str| self.record.counters.get(name).copied();
        let Some(reading) = Reading::of(profile, selected, readings, believed) else { return Vec::new() };
        let reading = Reading { moved, ..reading };
        let mut ended = load.read(reading);
        // Over Modbus counters tell every unit.
        if !config.reads_over_modbus(Table::Energy) {
            let steps = resolution::steps(profile, readings);
            ended.iter_mut().for_each(|interval| resolution::judge(interval, steps));
        }
        self.record.interval = load.running().cloned();
        ended
    }
}
