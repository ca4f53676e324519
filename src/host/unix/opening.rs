//! How a file of ours is opened and locked.

use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

/// Through no link, and without waiting for whoever is at the other end of a FIFO.
pub(in crate::host) fn plainly(options: &mut OpenOptions) -> &mut OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed())
}

/// What something is that is neither a regular file, nor a link, nor a directory.
pub(in crate::host) fn kind(of: FileType) -> &'static str {
    match () {
        () if of.is_fifo() => "a FIFO",
        () if of.is_socket() => "a socket",
        () => "a device",
    }
}

/// What this name is for the system, wherever it stands, if it is no name of a file.
pub(in crate::host) fn reserved(_: &Path) -> Option<&'static str> {
    None
}

/// Locks an open file; `None` when somebody else holds it.
///
/// # Errors
/// When the file system has no locks.
pub(in crate::host) fn lock(file: File) -> io::Result<Option<File>> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Puts a file into the place of another one.
///
/// # Errors
/// What the operating system says.
pub(in crate::host) fn rename(path: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(path, to)
}
