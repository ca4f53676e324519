//! `bdSeq`, which ties a death to its birth, kept across restarts in a small file.
//!
//! A number is spent by a session, not by an attempt. The file is one ahead as soon as a CONNECT may be sent: a process that
//! is killed then does not use the number again, whose death may still come from the broker.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::host::file::Lock;

/// The format that this program reads and writes.
const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    format: u32,
    group_id: String,
    edge_node_id: String,
    next_bd_seq: u8,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Another process has it.
    #[error("another process uses the state file {}; give each its own, and its own edge_node_id", .0.display())]
    Taken(PathBuf),
    /// It cannot be read or written.
    #[error("cannot use the state file {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

/// The number of the next session.
#[derive(Debug)]
pub struct Memory {
    path: Option<Box<Path>>,
    stored: Stored,
    /// What is in the file.
    written: Option<u8>,
    /// Held as long as the process lives.
    _lock: Option<Lock>,
}

impl Memory {
    /// Memory that ends with the process.
    pub fn forgetful(group_id: &str, edge_node_id: &str) -> Memory {
        let (group_id, edge_node_id) = (group_id.to_owned(), edge_node_id.to_owned());
        let stored = Stored { format: FORMAT, group_id, edge_node_id, next_bd_seq: 0 };
        Memory { path: None, stored, written: None, _lock: None }
    }

    /// Reads the file and locks it. What is in it of another node does not count. A file that cannot be read is not
    /// fatal, and told in the second value.
    ///
    /// # Errors
    /// When another process has the file, or it can never be written.
    pub fn open(
        path: &Path,
        group_id: &str,
        edge_node_id: &str,
    ) -> Result<(Memory, Option<String>), MemoryError> {
        let unusable = |reason| MemoryError::Unusable { path: path.to_owned(), reason };
        let lock_path = path.with_extension("lock");
        let lock = match Lock::take(&lock_path) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Err(MemoryError::Taken(path.to_owned())),
            Err(error) => return Err(unusable(error.into())),
        };
        let mut memory = Memory { path: Some(path.into()), ..Memory::forgetful(group_id, edge_node_id) };
        memory._lock = Some(lock);
        let problem = match fs::read(path).and_then(|bytes| Ok(serde_json::from_slice::<Stored>(&bytes)?)) {
            Ok(Stored { format: FORMAT, group_id: group, edge_node_id: node, next_bd_seq }) => {
                if (group.as_str(), node.as_str()) == (group_id, edge_node_id) {
                    memory.stored.next_bd_seq = next_bd_seq;
                    memory.written = Some(next_bd_seq);
                }
                None
            }
            Ok(Stored { format, .. }) => Some(format!("it has format {format}, and {FORMAT} is known")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(error.to_string()),
        };
        let said =
            |problem| format!("Cannot use the state file {}: {problem}; bdSeq begins at 0", path.display());
        Ok((memory, problem.map(said)))
    }

    /// The number of the next session.
    pub fn bd_seq(&self) -> u8 {
        self.stored.next_bd_seq
    }

    /// A CONNECT with the number is about to be sent: the file must not offer it again. Blocks.
    ///
    /// # Errors
    /// What the file system said.
    pub fn reserve(&mut self) -> Result<(), MemoryError> {
        self.write(self.stored.next_bd_seq.wrapping_add(1))
    }

    /// A session has used the number, or may have.
    pub fn spend(&mut self) {
        self.stored.next_bd_seq = self.stored.next_bd_seq.wrapping_add(1);
    }

    /// The end: a number that was reserved and not spent is offered again. Blocks.
    ///
    /// # Errors
    /// What the file system said.
    pub fn close(&mut self) -> Result<(), MemoryError> {
        self.write(self.stored.next_bd_seq)
    }

    fn write(&mut self, next: u8) -> Result<(), MemoryError> {
        let Some(path) = self.path.as_ref().filter(|_| self.written != Some(next)) else { return Ok(()) };
        let stored = Stored { next_bd_seq: next, ..self.stored.clone() };
        let new = path.with_extension("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(&stored)?)?;
            file.sync_all()?;
            fs::rename(&new, path)
        };
        write().map_err(|reason| MemoryError::Unusable { path: path.to_path_buf(), reason })?;
        self.written = Some(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("pm500-sparkplug-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder.join("state.json")
    }

    fn open(path: &Path) -> Memory {
        let (memory, problem) = Memory::open(path, "g", "e").unwrap();
        assert_eq!(problem, None);
        memory
    }

    #[test]
    fn sessions_count_and_failed_attempts_do_not() {
        let path = scratch("count");
        let mut memory = open(&path);
        assert_eq!(memory.bd_seq(), 0);
        memory.reserve().unwrap();
        memory.reserve().unwrap();
        assert_eq!(memory.bd_seq(), 0, "attempts that failed");
        memory.close().unwrap();
        drop(memory);
        let mut memory = open(&path);
        assert_eq!(memory.bd_seq(), 0);
        memory.reserve().unwrap();
        memory.spend();
        assert_eq!(memory.bd_seq(), 1);
        memory.reserve().unwrap();
        // Killed while it was connecting.
        drop(memory);
        assert_eq!(open(&path).bd_seq(), 2);
    }

    #[test]
    fn zero_follows_the_last_number_and_another_node_begins_anew() {
        let path = scratch("wrap");
        let mut memory = open(&path);
        (0..256).for_each(|_| memory.spend());
        assert_eq!(memory.bd_seq(), 0);
        (0..7).for_each(|_| memory.spend());
        memory.close().unwrap();
        drop(memory);
        assert_eq!(Memory::open(&path, "g", "other").unwrap().0.bd_seq(), 0);
        assert_eq!(open(&path).bd_seq(), 7);
    }

    #[test]
    fn a_second_process_is_told_and_a_garbled_file_is_no_reason_to_stop() {
        let path = scratch("shared");
        let memory = open(&path);
        assert!(matches!(Memory::open(&path, "g", "e"), Err(MemoryError::Taken(_))));
        drop(memory);
        fs::write(&path, "{\"format\":1,").unwrap();
        let (memory, problem) = Memory::open(&path, "g", "e").unwrap();
        assert!(memory.bd_seq() == 0 && problem.unwrap().contains("state.json"));
    }
}
