//! When tables were read since the state file was last saved, in a file beside it.
//!
//! The state file is saved once a minute. After a kill or a power failure a gap would begin at what it says, over lines
//! that exist. So the times of readings are appended to a journal as they come, and merged at the next start. It is not
//! forced to the disk: a kill of the process loses none of it, and a host that loses power loses what the disk had not.
//!
//! A line is a JSON object: `{"press-4":{"alarm":1800000000123,"realtime":1800000000118}}`. The last one may be torn and
//! is then left out. The file is emptied whenever the state file is saved.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::host::file::{self, FileError};

/// When each table of a meter was read, by meter, in ms since the epoch.
pub(super) type Times = BTreeMap<String, BTreeMap<String, i64>>;

/// No journal grows larger, in bytes: a thousand meters that are read every second write 5 MiB in a minute.
const LARGEST: u64 = 16 << 20;

/// The journal of a state file.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Option<File>,
    size: u64,
}

impl Journal {
    /// The journal beside this state file.
    pub(super) fn beside(state: &Path) -> Journal {
        Journal { path: path(state), file: None, size: 0 }
    }

    /// Appends these times; says whether there is room for more.
    pub(super) fn append(&mut self, times: &Times) -> Result<bool, FileError> {
        if self.size > LARGEST {
            return Ok(false);
        }
        let mut line = Vec::new();
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = file::append_own(&self.path)?;
                self.size = file.metadata()?.len();
                // Whatever was torn before ends here.
                line.push(b'\n');
                none.insert(file)
            }
        };
        serde_json::to_writer(&mut line, times).map_err(std::io::Error::from)?;
        line.push(b'\n');
        if let Err(error) = file.write_all(&line) {
            self.file = None;
            return Err(error.into());
        }
        self.size += line.len() as u64;
        Ok(self.size <= LARGEST)
    }

    /// The state file knows all of it now.
    pub(super) fn clear(&mut self) -> Result<(), FileError> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(file::append_own(&self.path)?),
        };
        file.set_len(0)?;
        self.size = 0;
        Ok(())
    }
}

/// What the journal beside a state file says; the newest time of each table.
pub(super) fn read(state: &Path) -> Times {
    // Without it gaps begin where the state file says: nothing that a person could do anything about.
    let bytes = file::read(&path(state)).unwrap_or_default();
    let mut times = Times::new();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    for line in bytes[..whole].split(|byte| *byte == b'\n') {
        let line: Times = serde_json::from_slice(line).unwrap_or_default();
        for (meter, tables) in line {
            take_newer(times.entry(meter).or_default(), tables);
        }
    }
    times
}

/// Takes over the times that are newer.
pub(super) fn take_newer(known: &mut BTreeMap<String, i64>, tables: BTreeMap<String, i64>) {
    for (table, at) in tables {
        let newest = known.entry(table).or_insert(at);
        *newest = at.max(*newest);
    }
}

fn path(state: &Path) -> PathBuf {
    file::beside(state, ".log")
}
