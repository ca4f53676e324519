//! `verify` as it is typed: its exit codes, its files, and what is said first.

use telegraf_pm500::simulator::Options;

use crate::common::peer::scratch;
use crate::common::program::run;
use crate::common::simulated::Simulated;

#[test]
fn the_command_says_good_failed_or_contradicted_and_writes_a_record() {
    let simulated = Simulated::with(Options { count: 1, seed: 313, ..Options::default() });
    let directory = scratch("verify-command");
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (eip, port) = (simulated.eip(0), simulated.meter(0).modbus().port().to_string());
    let common = ["verify", &eip, "--interval", "200ms", "--readings", "3"];
    let beside = ["--may-interrupt-plc", "--modbus-port", &port];
    let (record, profile) = (path("record.md"), path("profile.toml"));
    let files = ["--report", &record, "--write-profile", &profile];
    let good = run(&[&common[..], &beside, &files].concat());
    assert_eq!(good.code, Some(0), "{good:?}");
    let first = good.out.split("\n\n").nth(1).unwrap();
    assert!(first.starts_with("Nothing contradicts the map."), "the result comes first: {}", good.out);
    let wide = |line: &&str| line.chars().count() > 100 && !line.contains(directory.to_str().unwrap());
    assert_eq!(good.out.lines().find(wide), None, "{}", good.out);
    assert!(good.out.contains(&format!("profile = {profile:?}")), "{}", good.out);
    let explained = run(&[&common[..], &["--explain"]].concat());
    assert!(explained.out.contains("energy.active_import_wh"), "{}", explained.out);
    let again = run(&[&common[..], &files].concat());
    assert_eq!((again.code, again.error().contains("--force")), (Some(1), true), "{again:?}");
    assert_eq!(run(&[&common[..], &files, &["--force"]].concat()).code, Some(0));
    assert_eq!(run(&[&common[..], &beside, &files, &["--force"]].concat()).code, Some(0));
    let record = std::fs::read_to_string(&record).unwrap();
    for says in ["| Serial number | SIM0000000000 |", "| CT ratio | 20 |", "| Electrical system | 3P.n |"] {
        assert!(record.contains(says), "{says}: {record}");
    }
    assert!(record.contains("no pause was seen"));
    let head = std::fs::read_to_string(&profile).unwrap();
    assert!(head.starts_with("# Written by telegraf-pm500 "), "{head}");
    assert!(head.contains("# Serial number: SIM0000000000."));

    let json = run(&[&common[..], &["--json", "--profile", &profile]].concat());
    let document: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, document["contradicted"].as_bool()), (Some(0), Some(false)));

    let expect = ["--expect", "frequency_hz=60"];
    assert_eq!(run(&[&common[..], &expect].concat()).code, Some(3));
    let modbus = format!("modbus://{}", simulated.modbus(0));
    let alone = run(&["verify", &modbus, "--interval", "200ms", "--readings", "3"]);
    assert_eq!(alone.code, Some(0), "{alone:?}");
    assert!(alone.out.contains("Word order over Modbus is low_first"), "{}", alone.out);
    assert_eq!(run(&["verify", "127.0.0.1:1", "--timeout", "1s"]).code, Some(2));
    let wrong = run(&["verify", &eip, "--expect", "current_l4_a=1"]);
    assert_eq!((wrong.code, wrong.error().contains("no such field")), (Some(1), true));
    assert!(simulated.meter(0).record().writes().is_empty());
}
