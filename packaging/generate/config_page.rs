//! The sample configurations → telegraf-pm500(5) and telegraf-pm500-sparkplug(5).
//!
//! The sample's own form is what is read: `## ---- Title ---` begins a section, other lines with `##` are text,
//! `# name = value` is an option with its default, a line in brackets a table. Text belongs to the options
//! right below it. In the text, a line that is indented is a choice if it begins with a quoted word, and else an
//! example.

use clap_mangen::roff::{Roff, bold, roman};
use telegraf_pm500::config::{Config, DEFAULT_PATH};

/// A sample configuration and what its page says besides.
struct Manual {
    /// Program.
    name: &'static str,
    /// What the configuration is of.
    title: &'static str,
    /// Where it is looked for.
    path: &'static str,
    sample: fn() -> &'static str,
    /// What the example is of.
    example: &'static str,
    /// Options without a default.
    needed: &'static [&'static str],
}

const PLUGIN: Manual = Manual {
    name: "telegraf-pm500",
    title: "configuration of the PowerMonitor 500 plugin",
    path: DEFAULT_PATH,
    sample: Config::sample,
    example: "Everything that one meter needs:",
    needed: &["address"],
};

#[cfg(feature = "sparkplug")]
const SPARKPLUG: Manual = Manual {
    name: "telegraf-pm500-sparkplug",
    title: "configuration of the Sparkplug B output",
    path: telegraf_pm500::sparkplug::config::DEFAULT_PATH,
    sample: telegraf_pm500::sparkplug::config::Config::sample,
    example: "Everything that an edge node needs:",
    needed: &["broker", "group_id", "edge_node_id"],
};

/// File names and texts of the pages; the second exists with the feature `sparkplug` only.
pub(crate) fn pages() -> Vec<(String, Vec<u8>)> {
    vec![
        page(&PLUGIN),
        #[cfg(feature = "sparkplug")]
        page(&SPARKPLUG),
    ]
}

fn page(manual: &Manual) -> (String, Vec<u8>) {
    let Manual { name, title, path, example: words, needed, .. } = manual;
    let sample = parse((manual.sample)());
    let mut roff = Roff::new();
    let source = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", [*name, "5", "", source, crate::MANUAL]);
    roff.control("SH", ["NAME"]).text([roman(format!("{name} - {title}"))]);
    roff.control("SH", ["SYNOPSIS"]).text([bold(*path)]);
    roff.control("SH", ["DESCRIPTION"]);
    for part in &sample {
        write(&mut roff, part);
    }
    roff.control("SH", ["EXAMPLE"]).text([roman(*words)]);
    example(&mut roff, &smallest(&sample, needed));
    roff.control("SH", ["SEE ALSO"]).control("BR", [*name, "(1)"]);
    (format!("{name}.5"), roff.render().into_bytes())
}

/// What stands between two empty lines of the sample.
#[derive(Debug, Default, PartialEq)]
struct Part {
    section: Option<String>,
    text: Vec<String>,
    /// Options with their defaults, and tables.
    lines: Vec<String>,
}

fn parse(sample: &str) -> Vec<Part> {
    let mut parts = vec![Part::default()];
    for line in sample.lines().map(str::trim_start) {
        let part = match parts.last_mut() {
            Some(part) if !line.is_empty() => part,
            _ => {
                parts.push(Part::default());
                continue;
            }
        };
        if let Some(text) = line.strip_prefix("##") {
            match text.strip_prefix(" ----") {
                Some(title) => part.section = Some(title.trim_matches(['-', ' ']).to_owned()),
                None => part.text.push(text.strip_prefix(' ').unwrap_or(text).to_owned()),
            }
            continue;
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        // The sentence above the table, which Telegraf's samples have, is said by the page's name.
        if line.starts_with('[') {
            part.lines.push(line.to_owned());
            // What follows is about the options in the table.
            parts.push(Part::default());
        } else if line.contains('=') {
            part.lines.push(line.to_owned());
        }
    }
    parts
}

/// The tables and the options that have no default.
fn smallest(sample: &[Part], needed: &[&str]) -> Vec<String> {
    let option = |line: &str| needed.iter().any(|option| line.starts_with(&format!("{option} ")));
    let wanted = |line: &&String| line.starts_with('[') || option(line);
    sample.iter().flat_map(|part| &part.lines).filter(wanted).cloned().collect()
}

fn write(roff: &mut Roff, part: &Part) {
    if let Some(title) = &part.section {
        // On a line of its own, because it may have quotes.
        roff.control("SH", []).text([roman(title.as_str())]);
    }
    let options: Vec<_> = part.lines.iter().filter(|line| !line.starts_with('[')).collect();
    for (index, option) in options.iter().enumerate() {
        roff.control(if index == 0 { "TP" } else { "TQ" }, []).text([bold(option.as_str())]);
    }
    let paragraph = if options.is_empty() { "PP" } else { "IP" };
    if options.is_empty() {
        roff.control(paragraph, []);
    }
    write_text(roff, &part.text, paragraph);
}

/// Writes text; `paragraph` begins a new paragraph where it stands.
fn write_text(roff: &mut Roff, text: &[String], paragraph: &str) {
    let mut choices = false;
    for line in text {
        let words = line.trim_start();
        let indented = words.len() < line.len();
        let choice = words.strip_prefix('"').and_then(|rest| rest.split_once('"')).filter(|_| indented);
        if choices && !indented {
            roff.control("RE", []).control(paragraph, []);
            choices = false;
        }
        match choice {
            Some((word, meaning)) => {
                if !choices {
                    roff.control("RS", []);
                    choices = true;
                }
                roff.control("TP", []).text([bold(format!("\"{word}\""))]).text([roman(meaning.trim())]);
            }
            None if words.is_empty() => {
                roff.control(paragraph, []);
            }
            None if choices || !indented => {
                roff.text([roman(words)]);
            }
            None => {
                example(roff, &[words.to_owned()]);
                roff.control(paragraph, []);
            }
        }
    }
    if choices {
        roff.control("RE", []);
    }
}

fn example(roff: &mut Roff, lines: &[String]) {
    roff.control("RS", []).control("nf", []);
    for line in lines {
        roff.text([roman(line.as_str())]);
    }
    roff.control("fi", []).control("RE", []);
}

#[cfg(test)]
mod tests {
    use telegraf_pm500::config::Overrides;

    use super::*;

    #[test]
    fn every_option_of_the_sample_has_its_place_in_the_page() {
        let page = String::from_utf8(page(&PLUGIN).1).unwrap();
        let mut options = 0;
        for line in Config::sample().lines().filter_map(|line| line.trim_start().strip_prefix("# ")) {
            if let Some((name, _)) = line.split_once(" = ") {
                assert!(page.contains(&format!("\\fB{name} = ")), "{name}");
                options += 1;
            }
        }
        assert!(options > 35, "{options}");
    }

    #[test]
    fn the_example_is_a_configuration_with_one_meter() {
        let example = smallest(&parse(Config::sample()), PLUGIN.needed).join("\n");
        let config = Config::parse(&example, &Overrides::default());
        assert_eq!(config.unwrap().meters.len(), 1, "{example}");
    }

    #[test]
    fn choices_and_examples_are_told_from_text() {
        let sample = "## ---- Reading ----\n\n## How:\n##   \"a\"   First,\n##         and more.\n##   \"b\" Second.\n## Example:\n##   how = \"b\"\n# how = \"a\"\n";
        let parts = parse(sample);
        assert_eq!(parts[0].section.as_deref(), Some("Reading"));
        assert_eq!(parts[1].lines, ["how = \"a\""]);
        let mut roff = Roff::new();
        write(&mut roff, &parts[1]);
        let page = roff.render();
        let lines: Vec<_> =
            page.lines().filter(|line| !line.contains("Aq") && !line.starts_with(".el")).collect();
        let body = [
            ".TP",
            "\\fBhow = \"a\"\\fR",
            "How:",
            ".RS",
            ".TP",
            "\\fB\"a\"\\fR",
            "First,",
            "and more.",
            ".TP",
            "\\fB\"b\"\\fR",
            "Second.",
            ".RE",
            ".IP",
            "Example:",
            ".RS",
            ".nf",
            "how = \"b\"",
            ".fi",
            ".RE",
            ".IP",
        ];
        assert_eq!(lines, body);
    }
}
