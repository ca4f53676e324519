//! The options of a `[[inputs.powermonitor_500]]` block, of one of its meters, or of the command line.
//!
//! One list for all, because nearly every option of the block is a default that a meter may override, and what
//! can be said by hand is said of a meter.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::address::Location;
use super::choice::{Accepted, Connection, Emit, IdentityPolicy, Listened, MapCheckPolicy, Requested, Timed};
use super::controller_tags::{FaultTags, Instance};
use super::names::{MeterName, TagValue};
use super::value::{BaudRate, Switchable, Within, optional};
use super::zone::Zone;
use crate::enip::tag::{Route, TagName};
use crate::host::serial::Parity;
use crate::meter::WordOrder;
use crate::source::modbus::TransmissionMode;

/// Declares [`Options`], and how a meter inherits each: an option that is not inherited cannot be declared.
macro_rules! options {
    (
        own { $($(#[$own_doc:meta])* $own:ident: $own_type:ty,)* }
        inherited { $($(#[$doc:meta])* $option:ident: $type:ty,)* }
        merged { $($(#[$merged_doc:meta])* $merged:ident: BTreeMap<$key:ty, $value:ty>,)* }
    ) => {
        /// What was written; nothing for what was not.
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Options {
            /// The meters of a block, each with the place of its table.
            pub(crate) meter: Option<Vec<Spanned<Options>>>,
            $($(#[$own_doc])* #[serde(default, deserialize_with = "optional")] pub $own: Option<$own_type>,)*
            $($(#[$doc])* #[serde(default, deserialize_with = "optional")] pub $option: Option<$type>,)*
            $($(#[$merged_doc])* #[serde(default, deserialize_with = "optional")]
              pub $merged: Option<BTreeMap<$key, $value>>,)*
        }

        impl Options {
            /// A meter's own options, completed by its block's; tables of options are merged key by key.
            pub(super) fn or(self, block: &Options) -> Options {
                Options {
                    meter: self.meter,
                    $($own: self.$own,)*
                    $($option: self.$option.or_else(|| block.$option.clone()),)*
                    $($merged: merge(self.$merged, block.$merged.as_ref()),)*
                }
            }

            /// The options that were written.
            pub(super) fn written(&self) -> Vec<&'static str> {
                let all = [
                    $((stringify!($own), self.$own.is_some()),)*
                    $((stringify!($option), self.$option.is_some()),)*
                    $((stringify!($merged), self.$merged.is_some()),)*
                ];
                all.into_iter().filter_map(|(name, written)| written.then_some(name)).collect()
            }

            /// Those of them that say something else than these do.
            pub(super) fn unlike(&self, others: &Options) -> Vec<&'static str> {
                let all = [
                    $((stringify!($own), self.$own.is_some() && self.$own != others.$own),)*
                    $((stringify!($option), self.$option.is_some() && self.$option != others.$option),)*
                    $((stringify!($merged), self.$merged.is_some() && self.$merged != others.$merged),)*
                ];
                all.into_iter().filter_map(|(name, unlike)| unlike.then_some(name)).collect()
            }
        }
    };
}

fn merge<K: Ord + Clone, V: Clone>(
    own: Option<BTreeMap<K, V>>,
    block: Option<&BTreeMap<K, V>>,
) -> Option<BTreeMap<K, V>> {
    let Some(mut merged) = block.cloned() else { return own };
    merged.extend(own.unwrap_or_default());
    Some(merged)
}

options! {
    own {
        /// The block only: which log lines are written.
        log_level: log::LevelFilter,
        /// The block only: where state is kept.
        state_file: String,
        /// A meter only: its name.
        name: MeterName,
        /// A meter only: where it is.
        address: Location,
    }
    inherited {
        /// How the meter is read.
        connection: Connection,
        /// Tables to read.
        tables: Vec<Requested>,
        /// How often the meter is gathered.
        interval: Duration,
        /// How often the counters since start are told.
        traffic_interval: Duration,
        /// Length of the load profile's intervals.
        interval_energy: Switchable,
        /// Whether gathers are aligned to the wall clock.
        round_interval: bool,
        /// Longest random delay before each gather.
        collection_jitter: Duration,
        /// Fixed delay before each gather.
        collection_offset: Duration,
        /// What timestamps are rounded to.
        precision: Duration,
        /// Longest time for a connect.
        connect_timeout: Duration,
        /// Longest time for one request.
        timeout: Duration,
        /// Longest time for one gather.
        gather_timeout: Duration,
        /// What to do with a different device.
        identity: IdentityPolicy,
        /// Weakest evidence accepted.
        evidence: Accepted,
        /// What to do with a contradicted map.
        map_check: MapCheckPolicy,
        /// Profile file.
        profile: String,
        /// Whether assembly 107 is stored undecoded.
        raw_energy: bool,
        /// Fields to emit.
        fieldinclude: Vec<glob::Pattern>,
        /// Fields not to emit.
        fieldexclude: Vec<glob::Pattern>,
        /// Tables to listen to.
        listen_tables: Vec<Listened>,
        /// The owner's packet interval.
        rpi: Switchable,
        /// Interval of our heartbeats.
        heartbeat_interval: Duration,
        /// Configuration instance of the connection path.
        config_instance: u8,
        /// Heartbeat instance of the connection path.
        heartbeat_instance: u8,
        /// Which frames become lines.
        emit: Emit,
        /// Tables read over Modbus beside EtherNet/IP.
        modbus_tables: Vec<Requested>,
        /// Whether Modbus may interrupt the PLC's I/O.
        modbus_may_interrupt: bool,
        /// TCP port of Modbus.
        modbus_port: NonZeroU16,
        /// How Modbus messages are framed.
        transmission_mode: TransmissionMode,
        /// Speed of a serial line.
        baud_rate: BaudRate,
        /// Data bits of a serial line.
        data_bits: Within<5, 8>,
        /// Parity of a serial line.
        parity: Parity,
        /// Stop bits of a serial line.
        stop_bits: Within<1, 2>,
        /// Time without a byte before each Modbus request.
        pause_between_requests: Duration,
        /// Modbus unit id.
        unit_id: u8,
        /// Word order of Modbus numbers.
        word_order: WordOrder,
        /// Whether a Modbus connection is closed after each gather.
        close_after_gather: bool,
        /// Registers in one Modbus request.
        max_registers: Within<4, 125>,
        /// From the address to the controller.
        route: Route,
        /// Tags that say whether the controller's connection to the meter is faulted.
        fault_tag: FaultTags,
        /// How long realtime values in a tag may stand still.
        frozen_after: Duration,
        /// Time zone of the meter's clock.
        timezone: Zone,
    }
    merged {
        /// How often single tables are read.
        intervals: BTreeMap<Timed, Duration>,
        /// The controller's tags, by assembly.
        logix_tags: BTreeMap<Instance, TagName>,
        /// Tags on every line.
        tags: BTreeMap<String, TagValue>,
    }
}
