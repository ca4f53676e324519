//! The package and the program are one release. What the package does when it is installed is tested by
//! `tests/package/run.sh`, which `tests/run.sh` calls.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[test]
fn the_changelog_begins_with_the_version_of_the_program() {
    let changelog = include_str!("../packaging/changelog");
    let first = changelog.lines().next().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(first.starts_with(&format!("telegraf-pm500 ({version}) ")), "packaging/changelog: {first}");
}
