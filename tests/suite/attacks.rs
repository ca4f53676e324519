//! The page of attacks says what holds each row: those tests are there.

use std::collections::BTreeSet;
use std::path::Path;

/// The names of all tests in a folder and those in it.
fn tests(folder: &Path, names: &mut BTreeSet<String>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            tests(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let attributed = text.split("#[test]").chain(text.split("#[tokio::test")).skip(1);
            let functions = attributed.filter_map(|after| after.split_once("fn ")?.1.split_once('('));
            names.extend(functions.map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn each_attack_of_the_page_is_held_by_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    ["src", "tests/suite"].iter().for_each(|folder| tests(&root.join(folder), &mut known));
    let page = std::fs::read_to_string(root.join("tests/results/attacks.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Attack"));
    for row in rows.clone() {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, _, _, held] = cells[..] else { panic!("not four cells: {row}") };
        let named: Vec<_> = held.split(", ").map(|name| name.trim_matches('`')).collect();
        assert!(named.iter().all(|name| known.contains(*name)), "{row}");
    }
    assert!(rows.count() > 30);
}
