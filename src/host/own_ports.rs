//! The serial ports that this process has open, by what they are: a port that has two names, as adapters have, is opened
//! by one of them at a time.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Each with the name that it was opened by.
static OPEN: Mutex<Vec<(PathBuf, PathBuf)>> = Mutex::new(Vec::new());

/// A port that is open, or about to be, until this is dropped.
#[derive(Debug)]
pub(super) struct OwnPort {
    device: PathBuf,
    name: PathBuf,
}

impl OwnPort {
    /// Enters the port that a name leads to.
    ///
    /// # Errors
    /// The other name by which it is open.
    pub(super) fn enter(device: PathBuf, name: &Path) -> Result<OwnPort, PathBuf> {
        // Nothing panics while it is locked.
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, other)) = open.iter().find(|(of, by)| *of == device && by != name) {
            return Err(other.clone());
        }
        open.push((device.clone(), name.to_owned()));
        Ok(OwnPort { device, name: name.to_owned() })
    }
}

impl Drop for OwnPort {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|(device, name)| *device == self.device && *name == self.name)
        {
            open.swap_remove(at);
        }
    }
}
