//! Arguments as people write them → arguments as they are declared.

use std::ffi::OsString;

/// Long names that may come with one dash, as Go's flag package accepts both.
const ONE_DASH: [&str; 9] = [
    "config",
    "poll_interval",
    "poll_interval_disabled",
    "once",
    "test",
    "check-config",
    "sample-config",
    "version",
    "help",
];

/// Options before a command whose value is an argument of its own.
const WITH_VALUE: [&str; 3] = ["--config", "-c", "--poll_interval"];

/// Long names with two dashes, and what stands before a command behind it: `--config F check` is `check --config F`.
pub(crate) fn declared(arguments: impl IntoIterator<Item = OsString>, commands: &[&str]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().map(two_dashes).collect();
    if let Some(at) = command_at(&arguments, commands) {
        let command = arguments.remove(at);
        arguments.insert(1, command);
    }
    arguments
}

/// Where the command stands, if one is named.
pub(super) fn command_at(arguments: &[OsString], commands: &[&str]) -> Option<usize> {
    let mut at = 1;
    while let Some(argument) = arguments.get(at) {
        let argument = argument.to_str()?;
        if !argument.starts_with('-') {
            return commands.contains(&argument).then_some(at);
        }
        at += if WITH_VALUE.contains(&argument) { 2 } else { 1 };
    }
    None
}

/// `-config` → `--config`.
pub(crate) fn two_dashes(argument: OsString) -> OsString {
    let long = argument.to_str().and_then(|text| text.strip_prefix('-')).is_some_and(|name| {
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        ONE_DASH.contains(&name)
    });
    if !long {
        return argument;
    }
    let mut dashed = OsString::from("-");
    dashed.push(argument);
    dashed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_a_command_counts_for_it() {
        for (written, meant) in [
            ("x --config F check", "x check --config F"),
            ("x -config=F --debug check --probe", "x check --config=F --debug --probe"),
            ("x --debug dump 10.0.0.1", "x dump --debug 10.0.0.1"),
            ("x -c check check", "x check -c check"),
            ("x dump check", "x dump check"),
            ("x -poll_interval 5s", "x --poll_interval 5s"),
        ] {
            let arguments = written.split(' ').map(OsString::from);
            let declared = declared(arguments, &["check", "dump"]);
            assert_eq!(declared.join(&OsString::from(" ")), OsString::from(meant));
        }
    }
}
