//! The stack file: Docker Compose's own loader takes it, no secret has a default, what it mounts exists and fits
//! together, and its broker lets in who knows the password. No container is started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::grafana::{read, shipped};
use crate::common::peer::{peer, scratch};
use crate::common::process::{Process, run};

const SECRETS: [&str; 4] = ["INFLUXDB_PASSWORD", "INFLUXDB_TOKEN", "MQTT_PASSWORD", "GRAFANA_PASSWORD"];

/// The shipped environment file with its secrets filled in, all but one.
fn environment(directory: &Path, missing: Option<&str>) -> PathBuf {
    let mut text = read("stack/.env.example");
    for secret in SECRETS {
        let empty = format!("\n{secret}=\n");
        assert!(text.contains(&empty), "{secret} has a value in the shipped file");
        if missing != Some(secret) {
            text = text.replace(&empty, &format!("\n{secret}=secret of {secret}\n"));
        }
    }
    let file = directory.join("env");
    std::fs::write(&file, text).unwrap();
    file
}

/// Loads the stack, as "docker compose config" does.
fn loader(environment: &Path) -> Command {
    let mut command = Command::new(peer("compose"));
    // What this machine's environment holds must not count.
    command.arg(shipped("stack/compose.yaml")).arg(environment).env_clear();
    command
}

/// The services of the stack with all secrets.
fn services(test: &str) -> Value {
    let project = run(&mut loader(&environment(&scratch(test), None)), "");
    let project: Value = serde_json::from_str(&project).unwrap();
    project["services"].clone()
}

/// Host path → path in the container, of what a service takes from this host.
fn mounts(service: &Value) -> BTreeMap<PathBuf, String> {
    let volumes = service["volumes"].as_array().into_iter().flatten();
    let bound = volumes.filter(|volume| volume["type"] == "bind");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    bound.map(|volume| (PathBuf::from(text(&volume["source"])), text(&volume["target"]))).collect()
}

#[test]
fn the_stack_is_refused_while_a_secret_is_missing_and_the_message_names_it() {
    let directory = scratch("stack_secrets");
    for secret in SECRETS {
        let refused = Process::start(&mut loader(&environment(&directory, Some(secret)))).log_at_end(1);
        assert!(refused.contains(&format!("required variable {secret} is missing a value")), "{refused}");
    }
    let text = read("stack/compose.yaml");
    for secret in SECRETS {
        let uses = text.matches(&format!("${{{secret}")).count();
        let required = text.matches(&format!("${{{secret}:?")).count();
        assert!(uses > 0 && uses == required, "{secret} has a default somewhere");
    }
}

#[test]
fn the_stack_is_valid_reachable_from_this_host_only_and_of_named_releases() {
    let services = services("stack_valid");
    let services = services.as_object().unwrap();
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, ["grafana", "influxdb", "mosquitto", "state", "telegraf"]);
    for (name, service) in services {
        let image = service["image"].as_str().unwrap();
        let (_, release) = image.split_once(':').unwrap_or_else(|| panic!("{image} is any release"));
        assert!(release.starts_with(|first: char| first.is_ascii_digit()), "{image} is any release");
        for port in service["ports"].as_array().into_iter().flatten() {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name} is open to the network");
        }
        assert_ne!(service["privileged"], true, "{name}");
    }
    let influxdb = &services["influxdb"]["environment"];
    assert_eq!(influxdb["DOCKER_INFLUXDB_INIT_BUCKET"], "power");
    assert_eq!(influxdb["DOCKER_INFLUXDB_INIT_RETENTION"], "0");
    assert_eq!(influxdb["DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"], "secret of INFLUXDB_TOKEN");
    assert_eq!(services["telegraf"]["network_mode"], "host");
}

#[test]
fn what_the_stack_mounts_is_shipped_and_its_variables_are_given() {
    let services = services("stack_mounts");
    let telegraf = mounts(&services["telegraf"]);
    let own =
        ["/usr/bin/telegraf-pm500", "/usr/bin/telegraf-pm500-sparkplug", "/etc/telegraf-pm500/config.toml"];
    assert!(own.iter().all(|own| telegraf.values().any(|target| target == own)), "{telegraf:?}");
    for (name, service) in services.as_object().unwrap() {
        let given = service["environment"].as_object().cloned().unwrap_or_default();
        for (source, target) in mounts(service) {
            if own.contains(&target.as_str()) {
                continue;
            }
            let text = std::fs::read_to_string(&source).unwrap_or_else(|error| panic!("{source:?}: {error}"));
            let settings = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            // The dashboard's variables are its own.
            let settings = settings.filter(|_| !target.ends_with(".json"));
            for used in settings.flat_map(|line| line.split("${").skip(1)) {
                let name_of =
                    used.split(|end: char| !end.is_ascii_alphanumeric() && end != '_').next().unwrap();
                let optional = used[name_of.len()..].starts_with(":-");
                assert!(optional || given.contains_key(name_of), "{name} lacks {name_of} of {source:?}");
            }
        }
    }
}

#[test]
fn telegraf_takes_the_files_together_in_the_environment_of_the_stack() {
    let telegraf = &services("stack_telegraf")["telegraf"];
    let mut command = Command::new(peer("telegraf"));
    command.args(["config", "check", "--strict-env-handling"]);
    command.env_clear().env("HOME", env!("CARGO_TARGET_TMPDIR"));
    for (name, value) in telegraf["environment"].as_object().unwrap() {
        command.env(name, value.as_str().unwrap());
    }
    let files: Vec<_> =
        mounts(telegraf).into_iter().filter(|(_, target)| target.starts_with("/etc/telegraf/")).collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for (source, _) in files {
        command.arg("--config").arg(source);
    }
    let said = Process::start(&mut command).log_at_end(0);
    assert!(!said.contains("E! "), "{said}");
}

#[cfg(feature = "sparkplug")]
#[test]
fn the_sparkplug_program_takes_its_file_in_the_environment_of_the_stack() {
    let telegraf = &services("stack_sparkplug")["telegraf"];
    let inside = "/etc/telegraf-pm500/sparkplug.toml";
    let (source, _) = mounts(telegraf).into_iter().find(|(_, target)| target == inside).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_telegraf-pm500-sparkplug"));
    command.arg("--check-config").arg("--config").arg(source).env_clear();
    for (name, value) in telegraf["environment"].as_object().unwrap() {
        command.env(name, value.as_str().unwrap());
    }
    run(&mut command, "");
}

#[test]
fn the_broker_lets_in_who_knows_the_password_and_nobody_else() {
    let directory = scratch("stack_broker");
    let broker = &services("stack_broker_services")["mosquitto"];
    let place = directory.to_str().unwrap();
    // Any port, and the test's directory instead of the container's.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = read("stack/mosquitto.conf").replace("/run/mosquitto", place);
    let settings = settings.replace("listener 1883", &format!("listener {port} 127.0.0.1"));
    // Started by root it would become a user who cannot read the test's files.
    std::fs::write(directory.join("mosquitto.conf"), format!("user root\n{settings}")).unwrap();
    let command: Vec<&str> =
        broker["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let [shell, option, script] = command[..] else { panic!("{command:?}") };
    let script =
        script.replace("$$", "$").replace("/run/mosquitto", place).replace("/mosquitto/config", place);
    let programs = peer("mosquitto").parent().unwrap().to_str().unwrap().to_owned();
    let mut command = Command::new(shell);
    command.args([option, &script]).env_clear().env("PATH", format!("{programs}:/usr/bin:/bin"));
    for name in ["MQTT_USERNAME", "MQTT_PASSWORD"] {
        command.env(name, broker["environment"][name].as_str().unwrap());
    }
    let mut process = Process::start(&mut command);
    process.wait_for_log(" running");

    let publish = |login: &[&str], status: i32| {
        let port = port.to_string();
        let mut client = Command::new("mosquitto_pub");
        client.args(["-h", "127.0.0.1", "-p", &port, "-t", "power", "-m", "1"]).args(login);
        Process::start(&mut client).end("", status);
    };
    publish(&["-u", "telegraf", "-P", "secret of MQTT_PASSWORD"], 0);
    // 5: not authorized.
    publish(&["-u", "telegraf", "-P", "another"], 5);
    publish(&[], 5);
}
