//! Writes what the package holds beside the program: man pages, shell completions and the copyright file.
//!
//! Nothing is told here. The pages of the program and the completions come from the declaration of its command line,
//! the page of its configuration from the sample, `packaging/config.toml`, the licenses from the crates. It is an example of the package and no
//! command of the program, so that nobody who reads meters carries it along.
//!
//! `cargo run --example generate -- DIRECTORY`; `packaging/build-deb.sh` does so.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap_complete::Shell;
use telegraf_pm500::commands;

mod config_page;
mod copyright;
mod program_pages;

/// What all man pages say in the middle of their first line.
const MANUAL: &str = "PowerMonitor 500 and Telegraf";

fn main() -> anyhow::Result<()> {
    let into = std::env::args_os().nth(1).context("Say into which directory: generate DIRECTORY")?;
    let (man, completions) = (Path::new(&into).join("man"), Path::new(&into).join("completions"));
    for directory in [&man, &completions] {
        fs::create_dir_all(directory).with_context(|| format!("Cannot make {}", directory.display()))?;
    }
    for (name, page) in program_pages::pages().into_iter().chain([config_page::page()]) {
        fs::write(man.join(&name), page).with_context(|| format!("Cannot write {name}"))?;
    }
    fs::write(Path::new(&into).join("copyright"), copyright::text()?).context("Cannot write copyright")?;
    let mut command = commands::declaration();
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, &name, &completions)
            .with_context(|| format!("Cannot write the completions of {shell}"))?;
    }
    Ok(())
}
