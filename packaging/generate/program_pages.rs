//! The declaration of the command line → telegraf-pm500(1), and a page of its own for every command.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use telegraf_pm500::commands::{self, EXIT_CODES};
use telegraf_pm500::config::{DEFAULT_PATH, DEFAULT_STATE_FILE};

/// File names and texts of all pages.
pub(crate) fn pages() -> Vec<(String, Vec<u8>)> {
    let mut program = commands::declaration().disable_help_subcommand(true);
    program.build();
    let name = program.get_name().to_owned();
    let mut pages: Vec<_> = program
        .get_subcommands()
        .map(|command| page(command.clone(), see_also(&[(&name, "1"), (&name, "5")])))
        .collect();
    let mut end = exit_codes(&EXIT_CODES);
    end.extend([files(&[
        (DEFAULT_PATH, "Meters and settings. Telegraf must not load it."),
        (DEFAULT_STATE_FILE, "What survives a restart, where the directory exists."),
        (
            "/usr/share/doc/telegraf-pm500/examples",
            "What a Telegraf administrator copies: execd.conf and others.",
        ),
    ])]);
    let mut others: Vec<_> =
        program.get_subcommands().map(|command| (format!("{name}-{}", command.get_name()), "1")).collect();
    others.push((name, "5"));
    let others: Vec<_> = others.iter().map(|(name, section)| (name.as_str(), *section)).collect();
    end.extend([see_also(&others)]);
    pages.push(page(program, end));
    #[cfg(feature = "sparkplug")]
    pages.push(sparkplug());
    pages
}

/// The page of the second program.
#[cfg(feature = "sparkplug")]
fn sparkplug() -> (String, Vec<u8>) {
    use telegraf_pm500::sparkplug::{cli, config};

    let mut end = exit_codes(&EXIT_CODES[..2]);
    end.extend([files(&[
        (config::DEFAULT_PATH, "Broker, names and settings. Telegraf must not load it."),
        ("/var/lib/telegraf/telegraf-pm500-sparkplug.state.json", "bdSeq, where the directory exists."),
        (
            "/var/lib/telegraf/telegraf-pm500-sparkplug.buffer",
            "What waits for the broker, where the directory exists.",
        ),
    ])]);
    end.extend([see_also(&[("telegraf-pm500-sparkplug", "5"), ("telegraf-pm500", "1")])]);
    page(cli::declaration(), end)
}

fn page(command: Command, end: Roff) -> (String, Vec<u8>) {
    // The last line of a page names the program and its version, also on the pages of commands.
    let man = Man::new(command)
        .source(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")))
        .manual(crate::MANUAL);
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = man.render(&mut text);
    text.extend(end.render().into_bytes());
    (man.get_filename(), text)
}

fn exit_codes(codes: &[(u8, &str)]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in codes {
        roff.control("TP", []).text([bold(code.to_string())]).text([roman(*meaning)]);
    }
    roff
}

fn files(files: &[(&str, &str)]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["FILES"]);
    for (path, what) in files {
        roff.control("TP", []).text([bold(*path)]).text([roman(*what)]);
    }
    roff
}

fn see_also(pages: &[(&str, &str)]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    for (index, (name, section)) in pages.iter().enumerate() {
        let comma = if index + 1 < pages.len() { "," } else { "" };
        roff.control("BR", [*name, &format!("({section}){comma}")]);
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_option_has_its_place_in_a_page() {
        let pages = pages();
        let text = |name: &str| {
            let page =
                pages.iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("no page {name}"));
            String::from_utf8(page.1.clone()).unwrap()
        };
        let mut program = commands::declaration();
        program.build();
        let mut options = 0;
        for command in
            program.get_subcommands().filter(|command| command.get_name() != "help").chain([&program])
        {
            let name = command.get_display_name().unwrap_or(command.get_name());
            let text = text(&format!("{name}.1"));
            for long in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(text.contains(&format!("\\-\\-{}", long.replace('-', "\\-"))), "{name} --{long}");
                options += 1;
            }
        }
        assert!(options > 40, "{options}");
    }
}
