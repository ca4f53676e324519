//! A serial port that no other program has, as every open one is on Windows.

use std::path::Path;

use crate::host::serial::SerialError;

/// The hold on a port, which its opening is.
#[derive(Debug)]
pub(in crate::host) struct Hold;

impl Hold {
    /// Takes hold of a port.
    ///
    /// # Errors
    /// None.
    pub(in crate::host) fn on(_path: &Path) -> Result<Hold, SerialError> {
        Ok(Hold)
    }

    /// Keeps others out.
    pub(in crate::host) fn exclude(&self) {}
}
