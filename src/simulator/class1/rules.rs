//! How a meter's class 1 behaves: limits and departures from the usual.

use std::time::Duration;

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

/// Slots of listen-only connections where dead ones keep theirs: few, so that it shows.
const LINGERING_SLOTS: usize = 3;

impl Rules {
    pub(in crate::simulator) fn new(options: &Options) -> Rules {
        let lingering = options.variants.contains(&Variant::Lingering);
        Rules {
            variants: options.variants.clone(),
            configuration: options.configuration,
            slots: options.connections,
            listener_slots: options.listeners.or(lingering.then_some(LINGERING_SLOTS)),
            sample_period: options.sample_period,
        }
    }

    pub(super) fn has(&self, variant: Variant) -> bool {
        self.variants.contains(&variant)
    }
}
