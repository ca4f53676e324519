//! What was read since the state file was last saved, in a file beside it: when, and where the counters were.
//!
//! The state file is saved once a minute. After a kill or a power failure a gap would begin at what it says, over lines
//! that exist, and a meter that restarted meanwhile would be compared with a reading of up to a minute before. So what was
//! read is appended to a journal as it comes, and merged at the next start. It is not forced to the disk: a kill of the
//! process loses none of it, and a host that loses power loses what the disk had not.
//!
//! A line is a JSON object: the times of readings, or the counters that changed, each with its value and its time.
//!
//! ```text
//! {"counters":{"press-4":{"counters":{"active_import_wh":[4711,1800000000120]}}}}
//! {"press-4":{"alarm":1800000000123,"realtime":1800000000118}}
//! ```
//!
//! A line that makes no sense is left out, as the last one is that may be torn; the first version wrote times only. The
//! file is emptied whenever the state file is saved.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::noted::{Noted, Times};
use crate::collector::history::advance::Advance;
use crate::host::file::{self, FileError};

/// No journal grows larger, in bytes; one that would makes the state file be saved sooner. A thousand meters whose
/// values are read every second and whose energy every ten write 8 MiB in a minute.
const LARGEST: u64 = 16 << 20;

/// A line about counters, by meter.
#[derive(Debug, Serialize, Deserialize)]
struct Counters<T = BTreeMap<String, Advance>> {
    counters: T,
}

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

    /// Appends this; says whether there is room for more.
    pub(super) fn append(&mut self, noted: &Noted) -> Result<bool, FileError> {
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
        let Noted { times, counters } = noted;
        if !counters.is_empty() {
            serde_json::to_writer(&mut line, &Counters { counters }).map_err(std::io::Error::from)?;
            line.push(b'\n');
        }
        if !times.is_empty() {
            serde_json::to_writer(&mut line, times).map_err(std::io::Error::from)?;
            line.push(b'\n');
        }
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

/// What the journal beside a state file says: the newest of each.
pub(super) fn read(state: &Path) -> Noted {
    // Without it the state file must do: nothing that a person could do anything about.
    let bytes = file::read(&path(state)).unwrap_or_default();
    let mut noted = Noted::default();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    for line in bytes[..whole].split(|byte| *byte == b'\n') {
        if let Ok(times) = serde_json::from_slice::<Times>(line) {
            times.into_iter().for_each(|(meter, tables)| noted.were_read(meter, tables));
        } else if let Ok(Counters { counters }) = serde_json::from_slice::<Counters>(line) {
            counters.into_iter().for_each(|(meter, advance)| noted.counted(meter, advance));
        }
    }
    noted
}

fn path(state: &Path) -> PathBuf {
    file::beside(state, ".log")
}
