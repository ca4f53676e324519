//! Every file that is shipped is one that Telegraf takes, and says what it lacks.

use std::path::{Path, PathBuf};

use super::certificates::Certificates;
use super::plant::loopback;
use super::program::{folder, telegraf};
use crate::common::peer::scratch;
use crate::common::process::Process;

/// The settings that have no default.
const SETTINGS: [(&str, &str); 5] = [
    ("INFLUXDB3_AUTH_TOKEN", "token"),
    ("INFLUX_TOKEN", "token"),
    ("INFLUX_ORG", "plant"),
    ("AWS_IOT_ENDPOINT", "example-ats.iot.eu-central-1.amazonaws.com"),
    ("AWS_IOT_CLIENT_ID", "plant-vienna"),
];

/// Every *.conf below a folder that is Telegraf's; systemd and Mosquitto call theirs so as well.
fn configurations(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(configurations(&path));
        } else if path.extension().is_some_and(|extension| extension == "conf")
            && !path.ends_with("mosquitto.conf")
            && !path.iter().any(|part| part == "systemd")
        {
            found.push(path);
        }
    }
    found
}

#[test]
fn telegraf_takes_every_file_and_complains_about_nothing() {
    let certificates = Certificates::make(&scratch("telegraf_shipped"), loopback());
    let directory = certificates.aws_directory();
    let environment = [&SETTINGS[..], &[("AWS_IOT_DIRECTORY", directory.to_str().unwrap())]].concat();
    let files = configurations(&folder());
    assert!(files.len() >= 11, "{files:?}");
    for file in files {
        let path = file.to_str().unwrap();
        // What runs is strict about the environment; what checks is so only when told.
        let check = ["config", "check", "--strict-env-handling", "--config", path];
        let mut checked = Process::start(&mut telegraf(&check, &environment));
        checked.wait_for_log("Loading config: ");
        let said = checked.log_at_end(0);
        let of_ours = |line: &&str| {
            (line.contains("E! ") || line.contains("W! "))
                && !line.contains("skip_processors_after_aggregators")
        };
        assert_eq!(said.lines().find(of_ours), None, "{path}");
    }
}

#[test]
fn a_missing_secret_stops_telegraf_with_its_name_and_its_place() {
    for (file, missing) in [
        ("outputs/influxdb_v3.conf", "INFLUXDB3_AUTH_TOKEN"),
        ("outputs/influxdb_v2.conf", "INFLUX_TOKEN"),
        ("outputs/influxdb_v2.conf", "INFLUX_ORG"),
        ("outputs/aws_iot_core.conf", "AWS_IOT_ENDPOINT"),
        ("outputs/aws_iot_core.conf", "AWS_IOT_CLIENT_ID"),
    ] {
        let path = folder().join(file);
        let environment: Vec<_> = SETTINGS.iter().copied().filter(|(name, _)| *name != missing).collect();
        let process = Process::start(&mut telegraf(&["--config", path.to_str().unwrap()], &environment));
        let said = process.log_at_end(1);
        let told = format!("required variable {missing} is missing a value: set it in /etc/default/telegraf");
        assert!(said.contains(&told), "{file}: {said}");
    }
}
