//! What a person is answered who slips in a configuration or on the command line: tests/answers/ holds the mistakes and the answers,
//! to be read as a whole. `ANSWERS=write` in the environment writes the answers of today into them.

use std::path::Path;

use telegraf_pm500::config::{Config, Overrides};

use crate::common::program::run;

const METER: &str =
    "[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\naddress = \"10.0.0.1\"\n";

/// Asks for each mistake of a file, and compares the answers with those that stand there.
fn keep(file: &str, answer: impl Fn(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, blocks) = text.split_once("\n\n").unwrap();
    let mut now = head.to_owned();
    for block in blocks.split("\n\n") {
        let (mistake, _) =
            block.trim_end().rsplit_once("\n=>").unwrap_or_else(|| panic!("no => below {block}"));
        let said = answer(mistake);
        assert!(!said.contains('\n'), "{mistake}: {said}");
        now += &format!("\n\n{mistake}\n=> {said}");
    }
    now += "\n";
    if std::env::var_os("ANSWERS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    for (kept, said) in text.lines().zip(now.lines()) {
        assert_eq!(said, kept, "tests/answers/{file} says otherwise");
    }
    assert_eq!(text.lines().count(), now.lines().count());
}

#[test]
fn a_mistake_in_the_configuration_is_answered_with_its_line_and_what_to_write() {
    keep("configuration.txt", |mistake| {
        let whole = mistake.starts_with(['[', '{', '<'])
            || mistake.starts_with("inputs:")
            || mistake == "address = \"10.0.0.1\"";
        let text = if whole { mistake.to_owned() } else { format!("{METER}{mistake}\n") };
        match Config::parse(&text, &Overrides::default()) {
            Ok(config) if config.warnings.is_empty() => "(accepted)".to_owned(),
            Ok(config) => format!("(accepted) {}", config.warnings.join("; and ")),
            Err(error) => error.to_string(),
        }
    });
}

#[test]
fn a_mistake_on_the_command_line_is_answered_with_what_was_meant_and_where_help_is() {
    keep("command_line.txt", |mistake| {
        let arguments: Vec<&str> = mistake.split(' ').collect();
        let ended = run(&arguments);
        assert_eq!(ended.code, Some(1), "{mistake}: {ended:#?}");
        let lines: Vec<&str> = ended.err.lines().collect();
        let [line] = lines[..] else { panic!("{mistake}: not one line: {ended:#?}") };
        line.strip_prefix("E! ").unwrap_or(line).to_owned()
    });
}
