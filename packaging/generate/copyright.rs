//! LICENSE.md and the crates that both programs are built from → the package's copyright file.
//!
//! The licenses of most crates ask that their text goes with every copy, the compiled program included. Cargo
//! knows the crates, and their text lies beside their source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

/// Which crates are counted for the package; the ones for arm64 are the same.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What every text of the MIT license has.
const MIT: &str = "Permission is hereby granted, free of charge";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: std::path::PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    root: String,
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// The text of the file for programs of this target.
pub(crate) fn text(target: &str) -> anyhow::Result<String> {
    let own = fs::read_to_string("LICENSE.md")
        .context("Cannot read LICENSE.md; run this at the top of the repository")?;
    let own = own.trim_start_matches("# ");
    let apache = if target.contains("windows") {
        "The text of Apache-2.0 is at\nhttps://www.apache.org/licenses/LICENSE-2.0.txt."
    } else {
        "On Debian systems the text of Apache-2.0 is in\n/usr/share/common-licenses/Apache-2.0."
    };
    let mut text = format!(
        "telegraf-pm500 is under this license:\n\n{own}\n\
         The programs contain the crates named below and Rust's standard library (MIT or Apache-2.0), and of LLVM the\n\
         library that unwinds the stack (Apache-2.0 with LLVM exception). {apache}\n"
    );
    for (license, crates) in by_license(&metadata(target)?)? {
        let rule = "-".repeat(78);
        let crates: Vec<_> = crates.into_iter().collect();
        text.push_str(&format!("\n{rule}\n{}\n\n{license}\n", crates.join("\n")));
    }
    Ok(text)
}

fn metadata(target: &str) -> anyhow::Result<Metadata> {
    let arguments =
        ["metadata", "--format-version=1", "--locked", "--features=sparkplug", "--filter-platform", target];
    let said = Command::new("cargo").args(arguments).output().context("Cannot run cargo")?;
    if !said.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&said.stderr));
    }
    serde_json::from_slice(&said.stdout).context("cargo metadata says what this program does not understand")
}

/// The crates that become part of the program, grouped by the words of their licenses.
fn by_license(metadata: &Metadata) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let packages: BTreeMap<_, _> = metadata.packages.iter().map(|package| (&package.id, package)).collect();
    let nodes: BTreeMap<_, _> = metadata.resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let (mut seen, mut ahead) = (BTreeSet::new(), vec![&metadata.resolve.root]);
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while let Some(id) = ahead.pop() {
        let (Some(package), Some(node)) = (packages.get(id), nodes.get(id)) else { continue };
        // A procedural macro works for the compiler and stays with it.
        if !seen.insert(id)
            || package.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
        {
            continue;
        }
        let becomes_part =
            |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        ahead.extend(node.deps.iter().filter(becomes_part).map(|dependency| &dependency.pkg));
        if *id != metadata.resolve.root {
            let license =
                package.license.as_deref().with_context(|| format!("{} names no license", package.name))?;
            let name = format!("{} {} ({license})", package.name, package.version);
            groups.entry(words(package, license)?).or_default().insert(name);
        }
    }
    Ok(groups)
}

/// The text that a crate comes with; where it lets choose, that of the MIT license.
fn words(package: &Package, license: &str) -> anyhow::Result<String> {
    let directory = package.manifest_path.parent().unwrap_or(Path::new("."));
    let mut texts = BTreeSet::new();
    for file in fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()? {
        let name = file.file_name().to_string_lossy().to_uppercase();
        let is_license = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"]
            .iter()
            .any(|word| name.starts_with(word));
        if is_license && file.file_type()?.is_file() {
            texts.insert(fs::read_to_string(file.path())?.trim().replace("\r\n", "\n"));
        }
    }
    if license.contains("MIT") && texts.iter().any(|text| text.contains(MIT)) {
        texts.retain(|text| text.contains(MIT));
    }
    // Debian has it.
    texts.retain(|text| !text.contains("Apache License"));
    Ok(match texts.len() {
        0 => "The license by its name; the crate has no other text.".to_owned(),
        _ => texts.into_iter().collect::<Vec<_>>().join("\n\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_that_are_part_of_the_program_are_named_and_no_others() {
        let text = text(TARGET).unwrap();
        for part in
            ["tokio ", "clap_builder ", "rust-ethernet-ip-protocol ", "serde_json ", "rustls ", "prost "]
        {
            assert!(text.contains(&format!("\n{part}")), "{part}");
        }
        for other in ["clap_mangen ", "serde_derive ", "csv "] {
            assert!(!text.contains(&format!("\n{other}")), "{other}");
        }
    }
}
