//! What can be wrong with the state file, in sentences for whoever looks after the host.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::file::FileError;

use super::stored::{Stored, Unusable};

/// Something that a person must know about the state file.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Another process has the file.
    #[error("Another process uses state file {}: {}; give each its own state_file", path.display(), Instead(instead))]
    Taken {
        /// The configured file.
        path: PathBuf,
        /// The file that is used instead, if any.
        instead: Option<PathBuf>,
    },
    /// Nobody can tell whether another process has the file.
    #[error("Cannot lock state file {}: {why}; it is used all the same, so let no other process use it", path.display())]
    Unlocked {
        /// The configured file.
        path: PathBuf,
        /// Why.
        why: FileError,
    },
    /// The file is of no use, and has another name now.
    #[error("Cannot use state file {}: {why}; it is kept as {}, and nothing before is known", path.display(), aside.display())]
    SetAside {
        /// The file.
        path: PathBuf,
        /// Its name from now on.
        aside: PathBuf,
        /// Why.
        why: Unusable,
    },
    /// The file is of no use, and stays where it is.
    #[error("Cannot use state file {}: {why}; nothing before is known, and nothing is kept", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: Unusable,
    },
    /// Records of some meters are of no use.
    #[error("State file {}: what it holds of {} cannot be used ({why}); nothing before is known there", path.display(), Meters(meters))]
    Records {
        /// The file.
        path: PathBuf,
        /// Their names.
        meters: Vec<String>,
        /// What is wrong with the first.
        why: serde_json::Error,
    },
    /// Some meters were read later than now.
    #[error("State file {}: times at which {} was read are ahead of this host's clock, and are not used", path.display(), Meters(meters))]
    Ahead {
        /// The file.
        path: PathBuf,
        /// Their names.
        meters: Vec<String>,
    },
    /// The disk is slow, or does not answer.
    #[error("State file {} was not read within {} s: nothing before is known", path.display(), within.as_secs())]
    Late {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        within: Duration,
    },
    /// The file cannot be written.
    #[error("Cannot write state file {}: {why}; tried again every minute", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// Why.
        why: FileError,
    },
    /// The disk has not answered for long.
    #[error(
        "State file {} cannot be written: its disk has not answered for {} s; meters are read all the same, and a restart \
         would know only what was saved before",
        path.display(), lasts.as_secs()
    )]
    Hangs {
        /// The file.
        path: PathBuf,
        /// For how long.
        lasts: Duration,
    },
    /// The disk did not answer at the end.
    #[error(
        "State file {} was not written within {} s, for its disk does not answer: the next start knows what was saved before, \
         and the system may keep this process until the disk answers",
        path.display(), within.as_secs()
    )]
    Unsaved {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        within: Duration,
    },
    /// The operating system gives no thread.
    #[error("Cannot use the state file: no thread, {0}; nothing before is known, and nothing is kept")]
    NoThread(io::Error),
}

impl Trouble {
    /// What the operating system calls it, where it has said something about writing.
    pub(super) fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            Trouble::Unwritten { why: FileError::System(error), .. } => Some(error.kind()),
            Trouble::Hangs { .. } => Some(io::ErrorKind::TimedOut),
            _ => None,
        }
    }

    /// What is wrong inside a file that can be used, each once.
    pub(super) fn of_records(path: &Path, stored: &mut Stored) -> Vec<Trouble> {
        let path = path.to_owned();
        let mut troubles = Vec::new();
        let (meters, mut reasons): (Vec<String>, Vec<_>) =
            std::mem::take(&mut stored.lost).into_iter().unzip();
        if !reasons.is_empty() {
            troubles.push(Trouble::Records { path: path.clone(), meters, why: reasons.swap_remove(0) });
        }
        if !stored.ahead.is_empty() {
            troubles.push(Trouble::Ahead { path, meters: std::mem::take(&mut stored.ahead) });
        }
        troubles
    }
}

struct Instead<'a>(&'a Option<PathBuf>);

impl fmt::Display for Instead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(path) => write!(f, "this one uses {}", path.display()),
            None => f.write_str("this one keeps nothing across a restart"),
        }
    }
}

/// `meter "a"`, `3 meters, the first "a",`.
struct Meters<'a>(&'a [String]);

impl fmt::Display for Meters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [one] => write!(f, "meter {one:?}"),
            [first, ..] => write!(f, "{} meters, the first {first:?},", self.0.len()),
            [] => f.write_str("no meter"),
        }
    }
}
