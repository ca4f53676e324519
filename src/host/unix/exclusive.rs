//! A serial port that no other program has: a lock for those that ask for one, and the terminal's own exclusive mode for
//! those that do not.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::termios::{ioctl_tiocexcl, ioctl_tiocnxcl, isatty};

use crate::host::serial::{SerialError, refused};

/// The hold on a port; it ends when this is dropped.
#[derive(Debug)]
pub(in crate::host) struct Hold(File);

impl Hold {
    /// Takes hold of a port, which can be opened then, once more by us.
    ///
    /// # Errors
    /// Nothing there, no permission, another program that has it, no serial port.
    pub(in crate::host) fn on(path: &Path) -> Result<Hold, SerialError> {
        // It waits for no carrier, and becomes nobody's terminal.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let port = File::options().read(true).write(true).custom_flags(flags).open(path);
        let port = port.map_err(|error| refused(path.to_owned(), error))?;
        if !isatty(&port) {
            return Err(SerialError::NotAPort(path.to_owned()));
        }
        match flock(&port, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(SerialError::InUse(path.to_owned())),
            // A file system without locks has its ports all the same.
            _ => Ok(Hold(port)),
        }
    }

    /// Keeps those out who ask for no lock; the port is open by now.
    pub(in crate::host) fn exclude(&self) {
        // A driver without it is used without it.
        let _ = ioctl_tiocexcl(&self.0);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // It would outlive us where another program has the port open since before.
        let _ = ioctl_tiocnxcl(&self.0);
    }
}
