//! Small files of our own, read and written so that what is on the disk can neither hang nor mislead the program.
//!
//! Only regular files: a FIFO would block whoever opens it, a device never ends, and through a link anybody who may write
//! into the directory would choose what is overwritten. Everything here blocks as long as the disk does, and belongs into a
//! thread of its own.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::system::opening;

/// No file of ours is larger, in bytes: a thousand meters take less than 4 MiB.
pub const LARGEST: u64 = 64 << 20;

/// What a file that is on its way is called, behind the name it will have.
const ON_ITS_WAY: &str = ".new-";

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is something else than a regular file.
    #[error("it is {0}, and not a regular file")]
    Kind(&'static str),
    /// It is larger than [`LARGEST`].
    #[error("it is larger than {} MiB", LARGEST >> 20)]
    Large,
    /// What the operating system said.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> io::Error {
        match error {
            FileError::System(error) => error,
            other => io::Error::other(other.to_string()),
        }
    }
}

impl FileError {
    /// There is no such file.
    pub fn is_absence(&self) -> bool {
        matches!(self, FileError::System(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// It may not be written: another user has made it, such as the one who tried the program by hand.
    fn is_of_another(&self) -> bool {
        matches!(self, FileError::System(error) if error.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// A lock that this process holds until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks by this file, which is made and stays; `None` when somebody else holds it.
    ///
    /// # Errors
    /// When the file cannot be made or the file system has no locks.
    pub fn take(path: &Path) -> Result<Option<Lock>, FileError> {
        // Windows locks nothing that is only written to.
        let file = match open(path, OpenOptions::new().create(true).append(true).read(true)) {
            // Whoever may read it may lock it.
            Err(error) if error.is_of_another() => open(path, OpenOptions::new().read(true))?,
            opened => opened?,
        };
        Ok(opening::lock(file)?.map(|file| Lock { _file: file }))
    }
}

/// Reads a whole file.
///
/// # Errors
/// When there is none, it is too large, or not a regular file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    open(path, OpenOptions::new().read(true))?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST { Err(FileError::Large) } else { Ok(bytes) }
}

/// Puts this into the place of a file, as a whole: a crash leaves the old file or the new one.
///
/// # Errors
/// When what has the name is not a regular file, or the new one cannot be written; the old one stays.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    look(path)?;
    let new = beside(path, &format!("{ON_ITS_WAY}{:016x}", rand::random::<u64>()));
    let write = || {
        let mut file = open(&new, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        Ok(opening::rename(&new, path)?)
    };
    write().inspect_err(|_| _ = fs::remove_file(&new))
}

/// Opens a file to write behind what it holds; it is made if there is none.
///
/// # Errors
/// When it is not a regular file, or cannot be opened.
pub fn append(path: &Path) -> Result<File, FileError> {
    open(path, OpenOptions::new().create(true).append(true))
}

/// The same; one that another user has made is replaced by an empty one of our own, where the directory is ours.
///
/// # Errors
/// As [`append`].
pub fn append_own(path: &Path) -> Result<File, FileError> {
    match append(path) {
        Err(error) if error.is_of_another() => {
            look(path)?;
            fs::remove_file(path)?;
            append(path)
        }
        opened => opened,
    }
}

/// Gives a file another name; what had that name is lost.
///
/// # Errors
/// When either is not a regular file, or the file system refuses.
pub fn rename(path: &Path, to: &Path) -> Result<(), FileError> {
    look(path)?;
    look(to)?;
    Ok(opening::rename(path, to)?)
}

/// Removes what [`replace`] has left beside a file when the process was killed in the middle of it. Only for whoever has
/// locked the file: nobody else may be in the middle of it now.
pub fn sweep(path: &Path) {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let mut begin = name.to_owned();
    begin.push(ON_ITS_WAY);
    let begins = |name: &OsStr| name.as_encoded_bytes().starts_with(begin.as_encoded_bytes());
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| begins(&entry.file_name())) {
        if look(&entry.path()).is_ok() {
            // Whatever stays is a small file too much.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The file of this name with something behind it.
pub fn beside(path: &Path, behind: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(behind);
    PathBuf::from(name)
}

/// Opens a regular file, and nothing else.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File, FileError> {
    // Before, because opening a device may do something; and after, because it may be another one by then.
    look(path)?;
    let file = opening::plainly(options).open(path)?;
    regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// Refuses what has this name if it is not a regular file.
fn look(path: &Path) -> Result<(), FileError> {
    if let Some(kind) = opening::reserved(path) {
        return Err(FileError::Kind(kind));
    }
    match fs::symlink_metadata(path) {
        Ok(found) => regular(found.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn regular(kind: FileType) -> Result<(), FileError> {
    Err(FileError::Kind(match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_dir() => "a directory",
        () => opening::kind(kind),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("pm500-file-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_a_regular_file_is_neither_read_nor_written_nor_waited_for() {
        use rustix::fs::{CWD, Mode, mknodat};

        let folder = scratch("kinds");
        let [fifo, link, inner] = ["fifo", "link", "directory"].map(|name| folder.join(name));
        mknodat(CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        fs::write(folder.join("goal"), "goal").unwrap();
        std::os::unix::fs::symlink(folder.join("goal"), &link).unwrap();
        fs::create_dir(&inner).unwrap();
        for (path, kind) in [
            (fifo.as_path(), "a FIFO"),
            (&link, "a symbolic link"),
            (&inner, "a directory"),
            (Path::new("/dev/full"), "a device"),
        ] {
            let said = format!("it is {kind}, and not a regular file");
            assert_eq!(read(path).unwrap_err().to_string(), said);
            assert_eq!(replace(path, b"new").unwrap_err().to_string(), said);
            assert_eq!(rename(path, &folder.join("else")).unwrap_err().to_string(), said);
            assert_eq!(Lock::take(path).unwrap_err().to_string(), said);
        }
        assert_eq!(fs::read(folder.join("goal")).unwrap(), b"goal");
        assert_eq!(names(&folder), ["directory", "fifo", "goal", "link"]);
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let folder = scratch("replace");
        let path = folder.join("state.json");
        assert!(read(&path).unwrap_err().is_absence());
        for text in ["first", "second"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(read(&path).unwrap(), text.as_bytes());
        }
        // Killed in the middle of it; what belongs to another file stays.
        fs::write(folder.join("state.json.new-12"), "torn").unwrap();
        fs::write(folder.join("other.json.new-12"), "torn").unwrap();
        sweep(&path);
        assert_eq!(names(&folder), ["other.json.new-12", "state.json"]);
    }

    #[test]
    fn a_file_that_no_program_of_ours_writes_is_not_read_to_its_end() {
        let path = scratch("large").join("state.json");
        File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        assert_eq!(read(&path).unwrap_err().to_string(), "it is larger than 64 MiB");
    }

    #[cfg(unix)]
    #[test]
    fn files_that_root_has_made_in_a_trial_keep_nobody_from_locking_or_writing() {
        use rustix::process::{Gid, Uid, geteuid};
        use std::os::unix::fs::{PermissionsExt as _, chown};

        let folder = scratch("trial");
        let [lock, log] = ["state.json.lock", "state.json.log"].map(|name| folder.join(name));
        for path in [&lock, &log] {
            fs::write(path, "of another").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
        }
        let nobody = 65_534;
        chown(&folder, geteuid().is_root().then_some(nobody), None).unwrap();
        // Of this thread only.
        std::thread::spawn(move || {
            if geteuid().is_root() {
                rustix::thread::set_thread_gid(Gid::from_raw(nobody)).unwrap();
                rustix::thread::set_thread_uid(Uid::from_raw(nobody)).unwrap();
            }
            assert!(append(&log).unwrap_err().is_of_another());
            let held = Lock::take(&lock).unwrap();
            assert!(held.is_some() && Lock::take(&lock).unwrap().is_none());
            append_own(&log).unwrap().write_all(b"own").unwrap();
            assert_eq!(read(&log).unwrap(), b"own");
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_lock_is_held_by_one_and_free_when_that_one_is_gone() {
        let path = scratch("lock").join("state.json.lock");
        let first = Lock::take(&path).unwrap();
        assert!(first.is_some() && Lock::take(&path).unwrap().is_none());
        drop(first);
        assert!(Lock::take(&path).unwrap().is_some());
    }
}
