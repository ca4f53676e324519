//! A pipe in memory in place of a network: for tests in virtual time and for fuzzing, which open no socket.

use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::transport::{Connect, Wire};
use super::{Failure, FailureKind};

/// Holds more than any packet.
const CAPACITY: usize = 64 * 1024;

/// Leads to whoever holds the other end.
#[derive(Debug, Clone)]
pub struct Memory(UnboundedSender<DuplexStream>);

impl Memory {
    /// A way, and where its connections arrive. When that is gone, connections are refused.
    pub fn new() -> (Memory, UnboundedReceiver<DuplexStream>) {
        let (ours, theirs) = unbounded_channel();
        (Memory(ours), theirs)
    }
}

impl Connect for Memory {
    type Stream = DuplexStream;

    async fn connect(&self, _within: Duration) -> Result<Wire<DuplexStream>, Failure> {
        let (stream, theirs) = tokio::io::duplex(CAPACITY);
        match self.0.send(theirs) {
            Ok(()) => Ok(Wire { stream, ends: None }),
            Err(_) => Err(FailureKind::Connection.because("nobody is at the other end")),
        }
    }
}
