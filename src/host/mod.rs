//! What the operating system gives: descriptors, files, name lookups, network interfaces, TCP connections, and pipes to
//! whoever started us. Nothing here makes the runtime's thread wait; [`file`](mod@file) is for threads that may.

pub mod datagram;
pub mod descriptors;
pub mod file;
pub mod interfaces;
pub mod names;
pub mod outlet;
pub mod tcp;
