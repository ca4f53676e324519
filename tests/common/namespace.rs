//! A network of the test's own: UDP port 2222 exists once per address, and every listener of this host wants it.
//!
//! A test that wants one runs again, alone in a process of its own in a network namespace that has nothing but loopback.

use std::any::type_name_of_val;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::steady::steady;

/// Set in the copy of the test that has its own network.
const INSIDE: &str = "PM500_TEST_NETWORK";
/// Brings loopback up and becomes the test.
const ENTER: &str = r#"ip link set lo up && exec "$0" "$@""#;

/// Runs a test in a network of its own, or, where the system does not allow namespaces, here while no other such test
/// of this program runs.
pub(crate) fn apart(test: impl FnOnce()) {
    apart_as(&name_of(&test), test);
}

/// The same for a test that awaits something.
pub(crate) fn alone(test: impl Future<Output = ()>) {
    apart_as(&name_of(&test), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("the host has a poller").block_on(test);
    });
}

fn apart_as(name: &str, test: impl FnOnce()) {
    static THIS_NETWORK: Mutex<()> = Mutex::new(());
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let mut passed = false;
    let ran = run_apart(&[name, "--exact", "--nocapture"], &[], |line| {
        passed |= line.starts_with("test result: ok. 1 passed");
        println!("{line}");
    });
    if ran {
        assert!(passed, "there is no test {name}");
    } else {
        let _alone = THIS_NETWORK.lock().unwrap_or_else(PoisonError::into_inner);
        test();
    }
}

/// The name of the test that a closure or a future was written in, as the test program knows it.
pub(crate) fn name_of<T: ?Sized>(written_in_test: &T) -> String {
    let path = type_name_of_val(written_in_test);
    let path = path.split_once("::{{closure}}").map_or(path, |(before, _)| before);
    path.split_once("::").map_or(path, |(_program, name)| name).to_owned()
}

/// Runs this program again in a network of its own, and says whether that was done; if not, the caller goes on here: it
/// is inside already, or the system does not allow namespaces.
#[track_caller]
pub(crate) fn ran_apart_with(arguments: &[&str]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    run_apart(arguments, &[], |line| println!("{line}"))
}

/// Runs this program again in a network of its own, with these arguments and these variables set, and hands on what it
/// prints; whether that was possible. Once more if it failed on a host that stood still.
#[track_caller]
pub(crate) fn run_apart(
    arguments: &[&str],
    variables: &[(&str, String)],
    mut printed: impl FnMut(String),
) -> bool {
    let Some(way) = way_in() else { return false };
    let program = std::env::current_exe().expect("the test has a path");
    let mut command = Command::new("unshare");
    command.args(way).args(["sh", "-c", ENTER]).arg(program).args(arguments);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.env(INSIDE, "1").stdout(Stdio::piped());
    steady(|| {
        let mut child = command.spawn().expect("unshare was there");
        let output = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        output.lines().map_while(Result::ok).for_each(&mut printed);
        let status = child.wait().expect("the test can be awaited");
        assert!(status.success(), "{arguments:?} failed in its own network: {status}");
    });
    true
}

/// How `unshare` makes a network here, if it can: as root, or as an ordinary user who is root in a namespace.
fn way_in() -> Option<&'static [&'static str]> {
    static WAY: LazyLock<Option<&[&str]>> = LazyLock::new(|| {
        let ways = [&["--net"][..], &["--user", "--map-root-user", "--net"]];
        ways.into_iter().find(|way| is_possible(way))
    });
    *WAY
}

fn is_possible(way: &[&str]) -> bool {
    let mut command = Command::new("unshare");
    command.args(way).args(["sh", "-c", ENTER, "true"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
