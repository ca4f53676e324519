//! What the operating system gives: descriptors, files, name lookups, network interfaces, TCP connections, serial
//! ports, and pipes to whoever started us. Nothing here makes the runtime's thread wait; [`file`](mod@file) is for threads that may.
//!
//! What differs between systems stands in a directory for each, with the same modules and functions in all of them, and
//! nowhere else in the program.

pub mod file;
pub mod interfaces;
pub mod names;
pub mod outlet;
mod own_ports;
pub mod serial;
pub mod tcp;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

#[cfg(all(test, unix))]
pub use system::broken;
use system::exclusive;
pub use system::{clock, datagram, descriptors, places, pty, signals, sockets, stdio};
