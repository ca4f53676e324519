//! Writes what the package holds beside the program: man pages, shell completions, documents, changelog and copyright file.
//!
//! Nothing is told here. The pages of the program and the completions come from the declaration of its command line,
//! the page of its configuration from the sample, `packaging/config.toml`, the documents from README.md and telegraf/, the
//! changelog from `packaging/CHANGELOG.md`, the licenses from the crates. It is an example of the package and no command
//! of the program, so that nobody who reads meters carries it along.
//!
//! `cargo run --example generate -- DIRECTORY`; `packaging/build-deb.sh` does so.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap_complete::Shell;
use telegraf_pm500::commands;

mod changelog;
mod config_page;
mod copyright;
mod documents;
mod program_pages;

/// What all man pages say in the middle of their first line.
const MANUAL: &str = "PowerMonitor 500 and Telegraf";

fn main() -> anyhow::Result<()> {
    let into = std::env::args_os().nth(1).context("Say into which directory: generate DIRECTORY [TARGET]")?;
    if let Some(target) = std::env::args().nth(2) {
        // What goes with the programs of another system.
        let text = copyright::text(&target)?;
        fs::write(Path::new(&into).join("COPYRIGHT.txt"), text).context("Cannot write COPYRIGHT.txt")?;
        return documents::write(Path::new(&into), documents::ZIP);
    }
    let (man, completions) = (Path::new(&into).join("man"), Path::new(&into).join("completions"));
    for directory in [&man, &completions] {
        fs::create_dir_all(directory).with_context(|| format!("Cannot make {}", directory.display()))?;
    }
    for (name, page) in program_pages::pages().into_iter().chain(config_page::pages()) {
        fs::write(man.join(&name), page).with_context(|| format!("Cannot write {name}"))?;
    }
    fs::write(Path::new(&into).join("copyright"), copyright::text(copyright::TARGET)?)
        .context("Cannot write copyright")?;
    let changes = fs::read_to_string("packaging/CHANGELOG.md").context("Cannot read the changelog")?;
    let changes = changelog::text(&changes, &maintainer()?)?;
    fs::write(Path::new(&into).join("changelog"), changes).context("Cannot write the changelog")?;
    documents::write(&Path::new(&into).join("documents"), documents::DEBIAN)?;
    for mut command in declarations() {
        let name = command.get_name().to_owned();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            clap_complete::generate_to(shell, &mut command, &name, &completions)
                .with_context(|| format!("Cannot write the completions of {shell}"))?;
        }
    }
    Ok(())
}

/// Whoever maintains the package, as Cargo.toml says.
fn maintainer() -> anyhow::Result<String> {
    let manifest: toml::Table =
        fs::read_to_string("Cargo.toml").context("Cannot read Cargo.toml")?.parse()?;
    let deb = manifest.get("package").and_then(|package| package.get("metadata")?.get("deb"));
    let maintainer = deb.and_then(|deb| deb.get("maintainer")?.as_str());
    maintainer.map(str::to_owned).context("Cargo.toml names no maintainer of the package")
}

/// The command lines of the programs; the second exists with the feature `sparkplug` only.
fn declarations() -> Vec<clap::Command> {
    vec![
        commands::declaration(),
        #[cfg(feature = "sparkplug")]
        telegraf_pm500::sparkplug::cli::declaration(),
    ]
}
