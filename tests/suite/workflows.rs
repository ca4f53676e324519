//! The workflows of .github: actionlint finds nothing in them, and they call scripts that are there.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::peer::{peer, scratch};
use crate::common::process::{Process, run};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every workflow.
fn workflows() -> Vec<PathBuf> {
    let files = std::fs::read_dir(root().join(".github/workflows")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

/// actionlint, which looks into scripts with shellcheck.
fn actionlint(files: &[PathBuf]) -> Command {
    let mut command = Command::new(peer("actionlint"));
    command.args(["-shellcheck", "shellcheck", "-pyflakes", ""]).args(files).current_dir(root());
    command
}

#[test]
fn actionlint_finds_nothing_in_the_workflows_and_does_find_what_is_wrong() {
    let files = workflows();
    assert_eq!(files.len(), 3, "{files:?}");
    assert_eq!(run(&mut actionlint(&files), ""), "");
    let directory = scratch("workflows_wrong");
    let tests = std::fs::read_to_string(root().join(".github/workflows/tests.yml")).unwrap();
    for (right, wrong, complaint) in [
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-42.04", "label \"ubuntu-42.04\" is unknown"),
        ("run: rustup default stable", "run: cd $HOME && rustup default stable", "shellcheck reported issue"),
        ("${{ github.ref }}", "${{ github.reference }}", "property \"reference\" is not defined"),
    ] {
        assert!(tests.contains(right), "{right}");
        let file = directory.join("wrong.yml");
        std::fs::write(&file, tests.replacen(right, wrong, 1)).unwrap();
        let found = Process::start(&mut actionlint(&[file])).end("", 1);
        assert!(found.contains(complaint), "{wrong}: {found}");
    }
}

#[test]
fn the_workflows_call_the_scripts_that_there_are() {
    let mut called = 0;
    for file in workflows() {
        let text = std::fs::read_to_string(&file).unwrap();
        let words = text.lines().filter_map(|line| line.split("run: ").nth(1)?.split_whitespace().next());
        for script in words.filter(|word| word.contains('/')) {
            assert!(root().join(script).is_file(), "{}: {script}", file.display());
            called += 1;
        }
    }
    assert!(called >= 3, "{called}");
}
