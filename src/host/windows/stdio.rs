//! stdout and stderr, as whoever started us gave them.

use std::io::{self, Write as _};

use crate::host::outlet::Sink;

/// What a pipe of Windows takes at once when it is empty, in bytes: as many as it holds where nobody says otherwise.
const PIPE: usize = 4096;

/// What a process has open from its start.
#[derive(Debug, Clone, Copy)]
pub enum Stream {
    /// The way out for lines.
    Stdout,
    /// The way out for what is logged.
    Stderr,
}

/// The way out for lines.
pub fn stdout() -> Stream {
    Stream::Stdout
}

/// The way out for what is logged.
pub fn stderr() -> Stream {
    Stream::Stderr
}

/// The pipes end with the process: Windows has nothing that could be put in their places.
pub fn let_go() {}

/// A write waits until all is taken. Only a process that is ended from outside while a reader has taken a part of a piece
/// leaves half of a line; the pieces are small, so that this is seldom.
impl Sink for Stream {
    fn room(&self, _: usize) -> usize {
        PIPE
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()?;
            }
            Stream::Stderr => io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn wait(&mut self) -> io::Result<()> {
        Ok(())
    }
}
