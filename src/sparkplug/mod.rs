//! Sparkplug B: the output that Telegraf lacks, a program of its own (`telegraf-pm500-sparkplug`).
//!
//! Telegraf starts it through `outputs.execd` and writes line protocol to its stdin; it is an edge node of Sparkplug
//! 3.0, and each meter one of its devices.
//!
//! ```text
//! stdin ─→ line ─→ node ─→ MQTT
//!                   │ catalog   every metric: name, type, unit, from the tables of the meter and the schema
//!                   │ device    newest values, what the host knows, life
//!                   │ refusal   what cannot be used of a line, and why
//!                   │ store     what waits: broker away, host offline, meter without a birth
//!                   │ unconfirmed   what the broker has perhaps not got
//!                   │ message   topics and payloads; payload: the protobuf
//!                   └ host      the state of the primary host
//! ```
//!
//! The node does no input and output and has no clock.

pub mod catalog;
pub mod cli;
pub mod config;
pub mod connect;
pub mod device;
pub mod host;
pub mod journal;
pub mod line;
pub mod link;
pub mod memory;
pub mod message;
pub mod names;
pub mod node;
pub mod payload;
pub mod program;
pub mod refusal;
pub mod session;
pub mod stdin;
pub mod store;
mod unconfirmed;

#[cfg(test)]
mod tests;
