//! The package and the program are one release, of which one file says what has changed. What the package does when it is
//! installed is tested by `tests/package/run.sh`, which `tests/run.sh` calls.

use std::path::Path;
use std::process::Command;

use crate::common::process::{Process, run};

/// A command of packaging/.
fn changes(version: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/changes.sh"));
    command.arg(version);
    command
}

#[test]
fn the_changelog_begins_with_the_version_of_the_program_and_a_release_says_what_is_new() {
    let changelog = include_str!("../../packaging/CHANGELOG.md");
    let version = env!("CARGO_PKG_VERSION");
    let first = changelog.lines().find(|line| line.starts_with("## ")).unwrap();
    assert!(first.starts_with(&format!("## {version} - ")), "packaging/CHANGELOG.md: {first}");
    let notes = run(&mut changes(version), "");
    assert!(notes.starts_with("- ") && !notes.contains("## "), "{notes}");
    let said = Process::start(&mut changes("0.0.1")).log_at_end(1);
    assert!(said.contains("0.0.1 is wanted, and Cargo.toml has"), "{said}");
}
