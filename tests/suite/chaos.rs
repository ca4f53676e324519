//! The plugin among meters, PLCs, a controller, gateways and a serial line, each in a process of its own that is killed,
//! stopped or spoiled at random, the plugin among them: every gather that was due is a line or declared lost. Judged from
//! what came out alone, by a program that shares no code with ours.
//!
//! The smoke test runs for half a minute of faults. The real one, whose result is in tests/results/chaos.txt, is
//!
//! ```text
//! CHAOS_SECONDS=3600 cargo test --features wire-tests --test suite chaos:: -- --nocapture
//! ```

use std::process::Command;

use crate::common::namespace::apart;

#[test]
fn whatever_dies_or_stands_still_what_came_out_has_no_hole_that_is_not_declared() {
    apart(|| {
        let seconds = std::env::var("CHAOS_SECONDS").unwrap_or("30".to_owned());
        let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
        // Whatever an earlier run has left.
        let _ = std::fs::remove_dir_all(&directory);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chaos/run.py");
        let mut run = Command::new("python3");
        run.args(["-B", script, env!("CARGO_BIN_EXE_telegraf-pm500")]).arg(&directory).arg(seconds);
        let ended = run.status().expect("python3 is installed");
        assert!(
            ended.success(),
            "the judge's words stand above; what was written is in {}",
            directory.display()
        );
    });
}
