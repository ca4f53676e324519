//! A newcomer's path: the commands of the README's quick start, up to the first value in a database.

use std::path::Path;
use std::process::Command;

use crate::common::namespace::apart;
use crate::common::peer::{peer, scratch};
use crate::common::process::{Process, run};

#[test]
fn the_commands_of_the_quick_start_bring_a_first_value_into_a_database() {
    // They name ports, as a newcomer's machine has them free.
    apart(|| {
        let directory = scratch("telegraf_newcomer");
        let mut influxd = Command::new(peer("influxd"));
        influxd.env_clear().env("INFLUXDB_REPORTING_DISABLED", "true");
        for (name, part) in [("META_DIR", "meta"), ("DATA_DIR", "data"), ("DATA_WAL_DIR", "wal")] {
            influxd.env(format!("INFLUXDB_{name}"), directory.join(part));
        }
        let mut influxd = Process::start(&mut influxd);
        influxd.wait_for_log("Listening on HTTP");

        let ours = Path::new(env!("CARGO_BIN_EXE_telegraf-pm500")).parent().unwrap().to_owned();
        let others = peer("telegraf").parent().unwrap().to_owned();
        let system = std::env::var("PATH").unwrap();
        let path = format!("{}:{}:{system}", ours.display(), others.display());
        let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/newcomer.sh"));
        let shown = run(script.arg("--installed").env("PATH", path).env("HOME", &directory), "");

        println!("{shown}");
        assert!(shown.contains("tags: meter=") && shown.contains(" and 5 commands"), "{shown}");
    });
}
