//! How a file of ours is opened, locked and moved.

use std::fs::{File, FileType, OpenOptions, TryLockError};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// `FILE_FLAG_OPEN_REPARSE_POINT`: a link is opened itself, and not what it leads to.
const REPARSE_POINT: u32 = 0x0020_0000;
/// `ERROR_SHARING_VIOLATION`: somebody has the file open and lets nobody else do this.
const SHARING_VIOLATION: i32 = 32;
/// How often a file is moved once more, and how long after.
const ATTEMPTS: u32 = 10;
const APART: Duration = Duration::from_millis(20);

/// Through no link.
pub(in crate::host) fn plainly(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(REPARSE_POINT)
}

/// What something is that is neither a regular file, nor a link, nor a directory.
pub(in crate::host) fn kind(_: FileType) -> &'static str {
    "a device"
}

/// What this name is for the system, wherever it stands, if it is no name of a file: `nul.json` is the device NUL.
pub(in crate::host) fn reserved(path: &Path) -> Option<&'static str> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let first = name.split(['.', ':']).next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |name: &str| matches!(name.as_bytes(), [b'0'..=b'9']);
    let port = ["COM", "LPT"].iter().filter_map(|port| first.strip_prefix(port)).any(numbered);
    (port || ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&&*first)).then_some("a device")
}

/// Locks an open file; `None` when somebody else holds it.
///
/// # Errors
/// When the file system has no locks.
#[expect(clippy::incompatible_msrv, reason = "only a build for Windows needs Rust 1.89")]
pub(in crate::host) fn lock(file: File) -> io::Result<Option<File>> {
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Puts a file into the place of another one. Scanners for viruses open a file that was just written, for a moment.
///
/// # Errors
/// What the operating system says.
pub(in crate::host) fn rename(path: &Path, to: &Path) -> io::Result<()> {
    let held = |error: &io::Error| {
        error.raw_os_error() == Some(SHARING_VIOLATION) || error.kind() == io::ErrorKind::PermissionDenied
    };
    for _ in 1..ATTEMPTS {
        match std::fs::rename(path, to) {
            Err(error) if held(&error) => sleep(APART),
            moved => return moved,
        }
    }
    std::fs::rename(path, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_by_its_name_is_no_file_whatever_follows_the_name() {
        for device in [r"C:\x\nul", "COM3.json", "aux.state.json", r"C:\con ", "lpt1:"] {
            assert_eq!(reserved(Path::new(device)), Some("a device"), "{device}");
        }
        for file in [r"C:\nul\state.json", "com.json", "COM10", "console.json"] {
            assert_eq!(reserved(Path::new(file)), None, "{file}");
        }
    }
}
