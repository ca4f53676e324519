//! Class 1: the meter's side of Forward Open, heartbeats and frames.
//!
//! ```text
//! manager       Forward Open and Close, bytes ↔ requests
//!   ↓
//! path          connection path in any legal shape → heartbeat instance, assembly
//! admission     what a request may ask for, whoever else is connected
//!   ↓
//! connections   who is connected, what fits together, when it ends
//! producer      one stream of frames: sequence, count, sample
//! frame_shape   a frame's bytes
//!   ↑
//! udp           heartbeats in, frames out
//! ```
//!
//! `refusal` has the reasons of all of them. All but `udp` is pure: time is an argument. Sources: CIP Vol. 1 chapter 3 (connections, extended status),
//! Vol. 2 chapters 2 and 3 (socket address items, multicast address allocation), 1420-UM001D p78.

mod admission;
mod connections;
mod frame_shape;
pub(super) mod manager;
mod path;
mod producer;
mod refusal;
mod rules;
pub(super) mod udp;

#[cfg(test)]
mod tests;

pub(super) use connections::{Connections, Originator};
pub(super) use rules::{Rules, configuration, heartbeat_instance};
