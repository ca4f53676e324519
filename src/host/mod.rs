//! What the operating system gives: descriptors, name lookups, network interfaces, TCP connections, and pipes to whoever
//! started us. Nothing here makes the runtime's thread wait.

pub mod datagram;
pub mod descriptors;
pub mod interfaces;
pub mod names;
pub mod outlet;
pub mod tcp;
