//! What the operating system gives: descriptors, network interfaces, TCP connections.

pub mod descriptors;
pub mod interfaces;
pub mod tcp;
