//! A network of the test's own: UDP port 2222 exists once per address, and every listener of this host wants it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Set in the copy of the test that has its own network.
const INSIDE: &str = "PM500_TEST_NETWORK";
/// Brings loopback up and becomes the test.
const ENTER: &str = r#"ip link set lo up && exec "$0" "$@""#;

/// Runs this test again in a network namespace that has nothing but loopback, and says whether that was done;
/// if not, the caller goes on here: it is inside already, or the system does not allow namespaces.
#[track_caller]
pub(crate) fn ran_apart(test: &str) -> bool {
    ran_apart_with(&[test, "--exact", "--nocapture"])
}

/// The same for a program with these arguments.
#[track_caller]
pub(crate) fn ran_apart_with(arguments: &[&str]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    run_apart(arguments, &[], |line| println!("{line}"))
}

/// Runs this program again in a network of its own, with these arguments and these variables set, and hands on what it
/// prints; whether that was possible.
#[track_caller]
pub(crate) fn run_apart(
    arguments: &[&str],
    variables: &[(&str, String)],
    printed: impl FnMut(String),
) -> bool {
    // As root, or as an ordinary user who is root in a namespace.
    let ways = [&["--net"][..], &["--user", "--map-root-user", "--net"]];
    let Some(way) = ways.into_iter().find(|way| is_possible(way)) else { return false };
    let program = std::env::current_exe().expect("the test has a path");
    let mut command = Command::new("unshare");
    command.args(way).args(["sh", "-c", ENTER]).arg(program).args(arguments);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let mut child = command.env(INSIDE, "1").stdout(Stdio::piped()).spawn().expect("unshare was there");
    let output = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    output.lines().map_while(Result::ok).for_each(printed);
    let status = child.wait().expect("the test can be awaited");
    assert!(status.success(), "{arguments:?} failed in its own network: {status}");
    true
}

fn is_possible(way: &[&str]) -> bool {
    let mut command = Command::new("unshare");
    command.args(way).args(["sh", "-c", ENTER, "true"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
