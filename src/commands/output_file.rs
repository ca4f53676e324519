//! A file that a command writes at its end: whether it can be is known before anything is read.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A file to come. It is written beside its place and moved there, so that a command that fails leaves what was there.
#[derive(Debug)]
pub(super) struct OutputFile {
    path: PathBuf,
    beside: PathBuf,
    file: File,
    overwrites: bool,
}

impl OutputFile {
    /// Looks whether the file can be written.
    ///
    /// # Errors
    /// When it exists and `force` does not allow it to be replaced, and when its directory takes no file.
    pub(super) fn prepare(path: &Path, force: bool) -> anyhow::Result<OutputFile> {
        if path.is_dir() {
            bail!("cannot write {}: it is a directory, name a file", path.display());
        }
        if path.exists() && !force {
            bail!(
                "cannot write {}: it exists, name another file, or replace it with --force",
                path.display()
            );
        }
        let name = path.file_name().with_context(|| format!("{} is no name of a file", path.display()))?;
        let beside = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&beside)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(OutputFile { path: path.to_owned(), beside, file, overwrites: force })
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the disk does not take it, or somebody has put another file there meanwhile.
    pub(super) fn write(mut self, text: &str) -> anyhow::Result<()> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        let moved = written.and_then(|()| match self.overwrites {
            true => std::fs::rename(&self.beside, &self.path),
            // A link replaces nothing.
            false => std::fs::hard_link(&self.beside, &self.path),
        });
        moved.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // After a rename it is gone already.
        let _ = std::fs::remove_file(&self.beside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_by_force_and_a_command_that_fails_leaves_nothing() {
        let directory = std::env::temp_dir().join(format!("output-file-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("profile.toml");
        drop(OutputFile::prepare(&path, false).unwrap());
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "nothing was left");
        OutputFile::prepare(&path, false).unwrap().write("one").unwrap();
        let refused = OutputFile::prepare(&path, false).unwrap_err().to_string();
        assert!(refused.contains("--force"), "{refused}");
        OutputFile::prepare(&path, true).unwrap().write("two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert!(OutputFile::prepare(&directory.join("none/profile.toml"), false).is_err());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
