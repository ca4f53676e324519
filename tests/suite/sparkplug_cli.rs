//! telegraf-pm500-sparkplug on the command line: what it answers, and what it refuses.

use std::path::Path;
use std::process::Command;

use crate::common::peer::scratch;
use crate::common::process::{Process, run};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telegraf-pm500-sparkplug"));
    command.args(arguments);
    command
}

fn write(directory: &Path, more: &str) -> String {
    let path = directory.join("sparkplug.toml");
    let text = format!(
        "[[outputs.sparkplug_b]]\nbroker = \"ssl://broker.invalid\"\ngroup_id = \"plant\"\nedge_node_id = \"edge\"\n{more}\n"
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn the_sample_is_a_valid_configuration() {
    let directory = scratch("sparkplug_sample");
    let path = directory.join("sparkplug.toml");
    std::fs::write(&path, run(&mut program(&["--sample-config"]), "")).unwrap();
    let path = path.display().to_string();
    let said = run(&mut program(&["--check-config", "--config", &path]), "");
    assert_eq!(said, format!("{path}: valid, edge node plant/power\n"));
    let version = run(&mut program(&["-version"]), "");
    assert_eq!(version, format!("telegraf-pm500-sparkplug {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_is_wrong_is_one_line_that_says_what_to_change_and_exit_code_1() {
    let directory = scratch("sparkplug_wrong");
    for (more, expected) in [
        ("primary_host_id = \"a/b\"", "primary_host_id \"a/b\" must not contain /"),
        ("brokr = \"x\"", "line 5: unknown option \"brokr\", did you mean \"broker\"?"),
        ("tls_ca = \"missing.pem\"", "missing.pem: "),
        ("username = \"u\"\npassword_file = \"missing\"", "password_file "),
    ] {
        let path = write(&directory, more);
        let said = Process::start(&mut program(&["--check-config", "--config", &path])).log_at_end(1);
        assert!(
            said.starts_with("E! ") && said.contains(expected) && said.lines().count() == 1,
            "{more}: {said}"
        );
    }
    let said = Process::start(&mut program(&["--config", "/nowhere/sparkplug.toml"])).log_at_end(1);
    assert!(said.starts_with("E! /nowhere/sparkplug.toml: ") && said.contains("--sample-config"), "{said}");
}

#[test]
fn two_processes_are_not_one_edge_node() {
    let directory = scratch("sparkplug_twice");
    let path = write(&directory, "state_file = \"state.json\"");
    let mut first = Process::start(&mut program(&["--config", &path, "--debug"]));
    first.wait_for_log("W! ");
    let lock = directory.join("state.lock");
    while !lock.exists() {
        std::thread::yield_now();
    }
    let said = Process::start(&mut program(&["--config", &path])).log_at_end(1);
    assert!(said.contains("Another process uses the state file"), "{said}");
    first.end("", 0);
}

#[test]
fn the_first_program_has_none_of_the_crates_of_the_second() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args([
        "tree",
        "--offline",
        "--locked",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--manifest-path",
    ]);
    tree.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let without = run(&mut tree, "");
    let with = run(tree.args(["--features", "sparkplug"]), "");
    for name in ["prost", "rumqttc", "tokio-rustls", "rustls", "ring", "rustls-native-certs"] {
        let has = |tree: &str| tree.lines().any(|line| line.starts_with(&format!("{name} v")));
        assert!(has(&with) && !has(&without), "{name}");
    }
}
