//! Pseudo terminals, of which Windows has none that a program could open like a serial port.

use std::io;
use std::path::Path;

use tokio::io::DuplexStream;

/// The end of the line that the simulator would have.
pub type Pty = DuplexStream;

/// The end that others would open; there is none.
#[derive(Debug)]
pub enum Port {}

/// Never a new line.
///
/// # Errors
/// Always, with what to do instead.
pub fn open_pair(_: Option<&Path>) -> io::Result<(Pty, Port)> {
    let reason =
        "Windows has no pseudo terminal to simulate a serial port with, run simulate --serial on Linux";
    Err(io::Error::new(io::ErrorKind::Unsupported, reason))
}

impl Port {
    /// What a program would open.
    pub fn path(&self) -> &Path {
        match *self {}
    }

    /// The speed that the program at the other end would have set, in baud.
    pub fn baud_rate(&self) -> Option<u32> {
        match *self {}
    }
}
