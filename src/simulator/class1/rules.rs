//! How a meter's class 1 behaves: limits and departures from the usual.

use std::time::Duration;

use super::frame_shape::RUN;
use crate::enip::forward_open::Application;
use crate::simulator::{Options, Variant};

/// How this meter behaves.
#[derive(Debug, Clone)]
pub(in crate::simulator) struct Rules {
    /// Where it departs from the usual.
    pub(super) variants: Vec<Variant>,
    /// Configuration instance that a path must name, if it names one.
    pub(super) configuration: u16,
    /// Connections at one time.
    pub(super) slots: usize,
    /// Listen-only connections at one time, if they have slots of their own.
    pub(super) listener_slots: Option<usize>,
    /// A sample is new after this time.
    pub(super) sample_period: Duration,
}

/// The first frame of a stream comes this soon after the reply, as adapters do that begin at once.
const FIRST_FRAME: Duration = Duration::from_millis(3);
/// Where the manual's 98 and 99 are read as hexadecimal, the configuration is next to them.
const HEX_CONFIGURATION: u8 = 0x97;

/// Slots of listen-only connections where dead ones keep theirs: few, so that it shows.
const LINGERING_SLOTS: usize = 3;

impl Rules {
    pub(in crate::simulator) fn new(options: &Options) -> Rules {
        let lingering = options.variants.contains(&Variant::Lingering);
        Rules {
            variants: options.variants.clone(),
            configuration: configuration(&options.variants).map_or(options.configuration, u16::from),
            slots: options.connections,
            listener_slots: options.listeners.or(lingering.then_some(LINGERING_SLOTS)),
            sample_period: options.sample_period,
        }
    }

    /// How long after the open a stream's first frame comes.
    pub(super) fn first_frame(&self, rpi: Duration) -> Duration {
        if self.has(Variant::FirstFrameAfterRpi) { rpi } else { FIRST_FRAME.min(rpi) }
    }

    /// The heartbeat instance of a kind of connection.
    pub(super) fn heartbeat_instance(&self, application: Application) -> u8 {
        heartbeat_instance(application, &self.variants)
    }

    /// Bytes of status before the data of a frame.
    pub(super) fn header_len(&self) -> u16 {
        if self.has(Variant::StatusHeader) { RUN.len() as u16 } else { 0 }
    }

    /// Whether a connection whose heartbeats stopped keeps its slot.
    pub(super) fn keeps_dead(&self, application: Application) -> bool {
        self.has(Variant::Lingering)
            || (self.has(Variant::KeepsDeadOwner) && application == Application::InputOnly)
    }

    pub(super) fn has(&self, variant: Variant) -> bool {
        self.variants.contains(&variant)
    }
}

/// The heartbeat instance of a kind of connection at meters with these variants.
pub(in crate::simulator) fn heartbeat_instance(application: Application, variants: &[Variant]) -> u8 {
    match application {
        Application::InputOnly if variants.contains(&Variant::HexInstances) => 0x98,
        Application::ListenOnly if variants.contains(&Variant::HexInstances) => 0x99,
        Application::InputOnly => 98,
        Application::ListenOnly => 99,
    }
}

/// The configuration instance of meters with these variants, where a variant decides.
pub(in crate::simulator) fn configuration(variants: &[Variant]) -> Option<u8> {
    variants.contains(&Variant::HexInstances).then_some(HEX_CONFIGURATION)
}
