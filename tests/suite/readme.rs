//! The README tells the truth: what it generates, quotes and shows is what the program does today.
//!
//! `UPDATE_README=1 cargo test --test suite generated_sections` writes the generated sections anew.

use std::path::{Path, PathBuf};

use clap::Parser;
use influxdb_line_protocol::parse_lines;
use telegraf_pm500::cli::Cli;
use telegraf_pm500::commands::fields;
use telegraf_pm500::config::{Config, Overrides};
use telegraf_pm500::meter::Profile;

const REGENERATE: &str = "write it anew with: UPDATE_README=1 cargo test --test suite generated_sections";

fn in_repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(in_repository(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The text between `<!-- name -->` and `<!-- /name -->`, and what stands around it.
fn section<'a>(readme: &'a str, name: &str) -> (&'a str, &'a str, &'a str) {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let start = readme.find(&begin).unwrap_or_else(|| panic!("README.md has no {begin}")) + begin.len();
    let length = readme[start..].find(&end).unwrap_or_else(|| panic!("README.md has no {end}"));
    (&readme[..start], &readme[start..start + length], &readme[start + length..])
}

/// Holds a section against what it must be, or writes it.
fn assert_section(name: &str, wanted: &str) {
    let readme = read("README.md");
    let (before, found, after) = section(&readme, name);
    if found == wanted {
        return;
    }
    if std::env::var_os("UPDATE_README").is_some() {
        let anew = format!("{before}{wanted}{after}");
        let written = std::fs::write(in_repository("README.md"), anew);
        return written.unwrap_or_else(|error| panic!("README.md cannot be written: {error}"));
    }
    let differs = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    panic!("the section <!-- {name} --> of README.md is out of date, first at {differs:?}; {REGENERATE}");
}

/// The lines of all fenced blocks of a Markdown text, without indentation; a line that ends in a backslash
/// is one with the next.
fn code(markdown: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in markdown.replace("\\\n", " ").lines().map(str::trim_start) {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            lines.push(line.to_owned());
        }
    }
    lines
}

#[test]
fn the_generated_sections_are_what_the_program_says() {
    // One test, for all sections are in one file that may be written.
    assert_section("config", &format!("\n```toml\n{}```\n\n", short(Config::sample())));
    assert_section("fields", &format!("\n{}\n", by_default(&fields::markdown(&Profile::built_in()))));
}

/// Of a sample configuration the opening, and what is said of the options that most plants need.
fn short(sample: &str) -> String {
    const WANTED: [&str; 11] = [
        "## Settings",
        "## Every option",
        "[[inputs.powermonitor_500]]",
        "# interval",
        "# connection",
        "# tables",
        "# intervals",
        "# interval_energy",
        "# tags",
        "# address",
        "# name",
    ];
    let is_wanted = |line: &str| {
        let line = line.trim_start();
        WANTED.iter().any(|wanted| line == *wanted || line.starts_with(&format!("{wanted} ")))
    };
    let paragraphs = sample.trim_end().split("\n\n").filter(|paragraph| paragraph.lines().any(is_wanted));
    // A section's title is left out, and what it says below a table is about options that are not here.
    let is_title = |line: &str| line.trim_start().starts_with("## ----");
    let told = paragraphs.map(|paragraph| {
        let lines = paragraph.lines().skip_while(|line| is_title(line)).take_while(|line| !is_title(line));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    });
    told.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_configuration_shown_is_complete_once_its_meter_is_taken_out_of_the_comments() {
    let readme = read("README.md");
    let (_, shown, _) = section(&readme, "config");
    let named = code(shown).join("\n").replace("# [[", "[[").replace("# address", "address");
    let config = Config::parse(&named, &Overrides::default()).expect("the configuration of README.md");
    assert_eq!(config.meters.len(), 1);
}

/// The lists of the measurements that come without being asked for.
fn by_default(markdown: &str) -> String {
    const ASKED_FOR: [&str; 5] = ["_max", "_demand", "_settings", "_raw", "_interval"];
    let lists = markdown.split("### ").filter(|list| {
        let name = list.lines().next().unwrap_or_default().trim_matches('`');
        !ASKED_FOR.iter().any(|asked| name.ends_with(asked))
    });
    lists.collect::<Vec<_>>().join("### ")
}

#[test]
fn every_command_that_the_readmes_show_is_one() {
    for (readme, least) in [("README.md", 7), ("telegraf/README.md", 1)] {
        let mut seen = 0;
        for line in code(&read(readme)) {
            let command = line.strip_prefix("sudo -u telegraf ").unwrap_or(&line).trim_end_matches(" &");
            let ours = match command.strip_prefix("cargo run --release -- ") {
                Some(arguments) => format!("telegraf-pm500 {arguments}"),
                None => command.to_owned(),
            };
            if ours.split(' ').next() != Some("telegraf-pm500") {
                continue;
            }
            seen += 1;
            if let Err(wrong) = Cli::try_parse_from(ours.split_whitespace()) {
                panic!("{readme} shows a command that is none: {line}\n{wrong}\nCorrect the README.");
            }
        }
        assert!(seen >= least, "{readme} shows {seen} commands; has the form of its code blocks changed?");
    }
}

#[test]
fn the_execd_block_to_paste_is_the_one_to_copy_and_its_command_is_one() {
    let file: toml::Table = toml::from_str(&read("telegraf/execd.conf")).expect("telegraf/execd.conf");
    let lines = code(&read("README.md"));
    let block = lines.iter().skip_while(|line| *line != "[[inputs.execd]]").take(4).cloned();
    let pasted: toml::Table = toml::from_str(&block.collect::<Vec<_>>().join("\n")).expect("README.md");
    assert_eq!(pasted, file, "make the execd block of README.md that of telegraf/execd.conf");
    let command = file["inputs"]["execd"][0]["command"].as_array().expect("a list");
    let words = command.iter().map(|word| word.as_str().expect("texts"));
    Cli::try_parse_from(words).expect("the command of telegraf/execd.conf");
}

#[test]
fn the_metrics_shown_are_line_protocol() {
    let shown: Vec<_> = code(&read("README.md"))
        .into_iter()
        .filter(|line| line.starts_with("powermonitor_500") && line.contains('='))
        .collect();
    assert!(shown.len() >= 8, "README.md shows {} metrics; where is its example output?", shown.len());
    for line in &shown {
        for parsed in parse_lines(line) {
            let parsed = parsed.unwrap_or_else(|error| panic!("{error}: {line}\nTake it from a real dump."));
            assert!(parsed.timestamp.is_some(), "no time: {line}");
        }
    }
}
