//! How simulated meters are, and where they listen.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::device::{CounterHistory, EnergyLayout};
use super::installation::{Absent, State, SystemVoltage, Wiring};
use super::variant::Variant;
use crate::meter::{Profile, WordOrder};

/// How the meters are and where they listen.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the first meter; the next ones follow it.
    pub bind: Ipv4Addr,
    /// Number of meters.
    pub count: u32,
    /// EtherNet/IP port, TCP and UDP; 0 takes any free one.
    pub eip_port: u16,
    /// UDP port of class 1 I/O, the meter's own and that of its groups; 0 takes any free one.
    pub io_port: u16,
    /// Modbus TCP port; 0 takes any free one.
    pub modbus_port: u16,
    /// All values stand still; only the calendar clock goes on.
    pub frozen: bool,
    /// Word order over Modbus.
    pub word_order: WordOrder,
    /// Size of assembly 100 in bytes: 20 or 40.
    pub info_size: u16,
    /// EtherNet/IP keeps silent while a Modbus client is connected and 2 s after. Reported of the real
    /// meter, not proven.
    pub modbus_suspends_eip: bool,
    /// The registers between frequency and phase sequence (0x008A to 0x008D) do not exist.
    pub hole: bool,
    /// The same seed gives the same load.
    pub seed: u64,
    /// An EtherNet/IP connection without traffic is closed after this time.
    pub inactivity: Duration,
    /// Configuration instance that a connection path must name. The meter's own is not documented.
    pub configuration: u16,
    /// Class 1 connections at one time; nine were tested by the maker.
    pub connections: usize,
    /// Listen-only connections at one time, where they have slots of their own.
    pub listeners: Option<usize>,
    /// A frame carries a new sample after this time.
    pub sample_period: Duration,
    /// Where the meters depart from the usual.
    pub variants: Vec<Variant>,
    /// Supply and load.
    pub state: State,
    /// How the meters are wired.
    pub wiring: Wiring,
    /// Mean active power of the system in W, instead of the state's own.
    pub power: Option<f64>,
    /// What is shown as the system's voltage against neutral.
    pub system_voltage: SystemVoltage,
    /// How the meters say that there is no such element.
    pub absent: Absent,
    /// What assembly 107 has, where the profile does not say it.
    pub energy_layout: EnergyLayout,
    /// The partial counters were reset at the start.
    pub partials_reset: bool,
    /// The counters of export are at 0.
    pub no_export: bool,
    /// What happens to the energy counters …
    pub counters: CounterHistory,
    /// … and how often.
    pub counters_every: Duration,
    /// Where the values stand on the wire.
    pub profile: Arc<Profile>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            bind: Ipv4Addr::LOCALHOST,
            count: 1,
            eip_port: 0,
            io_port: 0,
            modbus_port: 0,
            frozen: false,
            word_order: WordOrder::default(),
            info_size: 20,
            modbus_suspends_eip: false,
            hole: false,
            seed: 1,
            inactivity: Duration::from_secs(120),
            configuration: 1,
            connections: 9,
            listeners: None,
            sample_period: Duration::from_millis(100),
            variants: Vec::new(),
            state: State::default(),
            wiring: Wiring::default(),
            power: None,
            system_voltage: SystemVoltage::default(),
            absent: Absent::default(),
            energy_layout: EnergyLayout::default(),
            partials_reset: false,
            no_export: false,
            counters: CounterHistory::default(),
            counters_every: Duration::from_secs(60),
            profile: Profile::built_in(),
        }
    }
}
