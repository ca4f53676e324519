//! Every crate that the programs and their tests are built from: under a license that a closed product may link, from
//! crates.io, and once. What is allowed stands in packaging/deny.toml, which `cargo deny` reads, too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// packaging/deny.toml, as far as it is judged here.
#[derive(Deserialize)]
struct Rules {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    skip: Vec<Skipped>,
}

#[derive(Deserialize)]
struct Skipped {
    #[serde(rename = "crate")]
    name: String,
}

/// What `cargo metadata` tells.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

fn rules() -> Rules {
    toml::from_str(include_str!("../../packaging/deny.toml")).unwrap()
}

/// Every crate for a target but our own.
fn crates(target: &str) -> Vec<Package> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--offline", "--locked", "--all-features", "--format-version", "1"]);
    command.args(["--filter-platform", target]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let mut metadata: Metadata = serde_json::from_slice(&ended.stdout).unwrap();
    metadata.packages.retain(|package| package.name != env!("CARGO_PKG_NAME"));
    metadata.packages
}

/// Whether one of the ways in which a crate may be used is allowed. `/` is an old way to write OR.
fn is_allowed(license: &str, allowed: &[String]) -> bool {
    let expression = spdx::Expression::parse_mode(license, spdx::ParseMode::LAX).unwrap();
    expression.evaluate(|wanted| allowed.contains(&wanted.to_string()))
}

#[test]
fn every_dependency_has_a_license_that_is_allowed_and_comes_from_crates_io_once() {
    let rules = rules();
    let skipped: BTreeSet<&str> = rules.bans.skip.iter().map(|skipped| skipped.name.as_str()).collect();
    for target in &rules.graph.targets {
        let crates = crates(target);
        assert!(crates.len() > 100, "{} crates for {target}", crates.len());
        let mut problems = Vec::new();
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for Package { name, version, license, source } in &crates {
            versions.entry(name).or_default().insert(version);
            if !license.as_ref().is_some_and(|license| is_allowed(license, &rules.licenses.allow)) {
                problems.push(format!("{name} {version} is under {license:?}"));
            }
            if !source.as_ref().is_some_and(|source| source.ends_with("crates.io-index")) {
                problems.push(format!("{name} {version} comes from {source:?}"));
            }
        }
        for (name, versions) in &versions {
            match (versions.len() > 1, skipped.contains(name)) {
                (true, false) => problems.push(format!("{name} comes in several versions: {versions:?}")),
                (false, true) => {
                    problems.push(format!("{name} comes in one version, and need not be skipped"))
                }
                _ => {}
            }
        }
        assert_eq!(problems, [""; 0], "for {target}; packaging/deny.toml says what is allowed");
    }
}

#[test]
fn a_license_that_is_not_allowed_is_seen_in_any_expression() {
    let allowed = rules().licenses.allow;
    for (license, is) in [
        ("MIT OR Apache-2.0", true),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0 OR Unlicense", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("MIT AND GPL-3.0", false),
        ("MPL-2.0", false),
        ("LGPL-2.1 OR GPL-2.0 WITH Classpath-exception-2.0", false),
    ] {
        assert_eq!(is_allowed(license, &allowed), is, "{license}");
    }
}
