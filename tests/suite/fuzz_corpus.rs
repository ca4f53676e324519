//! Every seed of the fuzz targets, every truncation of it, and many single-byte changes, as ordinary tests: each input is
//! taken or refused, never a panic, and never a reservation of memory that a length field asks for.
//!
//! The targets and their seeds are in tests/fuzz, which also runs them with libFuzzer for as long as one wants. Each test
//! runs itself again with its address space bounded.

use std::path::Path;
use std::process::Command;

#[path = "../fuzz/targets/cip_reply.rs"]
mod cip_reply;
#[path = "../fuzz/targets/class1_frames.rs"]
mod class1_frames;
#[path = "../fuzz/targets/config.rs"]
mod config;
#[path = "../fuzz/targets/encapsulation.rs"]
mod encapsulation;
#[path = "../fuzz/targets/forward_open_reply.rs"]
mod forward_open_reply;
#[path = "../fuzz/targets/list_identity.rs"]
mod list_identity;
#[path = "../fuzz/targets/modbus.rs"]
mod modbus;
#[path = "../fuzz/targets/modbus_gather.rs"]
mod modbus_gather;
#[path = "../fuzz/targets/modbus_rtu.rs"]
mod modbus_rtu;
#[path = "../fuzz/targets/modbus_server.rs"]
mod modbus_server;
#[path = "../fuzz/targets/profile.rs"]
mod profile;
#[path = "../fuzz/targets/runtime.rs"]
mod runtime;
#[path = "../fuzz/targets/simulator.rs"]
mod simulator;
#[cfg(feature = "sparkplug")]
#[path = "../fuzz/targets/sparkplug_ncmd.rs"]
mod sparkplug_ncmd;
#[cfg(feature = "sparkplug")]
#[path = "../fuzz/targets/sparkplug_stdin.rs"]
mod sparkplug_stdin;
#[path = "../fuzz/targets/state_file.rs"]
mod state_file;
#[path = "../fuzz/targets/tag_reply.rs"]
mod tag_reply;
#[path = "../fuzz/targets/virtual_time.rs"]
mod virtual_time;

/// Set in the copy of a test whose memory is bounded.
const BOUNDED: &str = "PM500_TEST_BOUNDED";
/// Address space in KiB, the program and its threads included.
const MOST_KIB: u32 = 256 * 1024;
/// Single-byte changes of a seed; more positions than that are passed over evenly.
const MOST_POSITIONS: usize = 256;
/// The same where each input is a long conversation.
const MOST_TALKS: usize = 48;

/// Replays the seeds of a target.
fn replay(target: &str, run: fn(&[u8]), most: usize) {
    if std::env::var_os(BOUNDED).is_none() {
        let limit = format!("ulimit -v {MOST_KIB} && exec \"$0\" \"$@\"");
        let program = std::env::current_exe().expect("the test has a path");
        let mut command = Command::new("sh");
        command.args(["-c", &limit]).arg(program).args([
            &format!("fuzz_corpus::{target}"),
            "--exact",
            "--nocapture",
        ]);
        let ended = command.env(BOUNDED, "1").env("MALLOC_ARENA_MAX", "1").output().expect("sh is there");
        let said = String::from_utf8_lossy(&ended.stdout);
        let complained = String::from_utf8_lossy(&ended.stderr);
        assert!(
            said.contains("1 passed"),
            "{target} failed within {MOST_KIB} KiB, {}: {said}{complained}",
            ended.status
        );
        return;
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let seeds =
        std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut inputs = 0;
    for seed in seeds {
        let path = seed.expect("the directory can be read").path();
        let bytes = std::fs::read(&path).expect("a seed is a file");
        let step = (bytes.len() / most).max(1);
        // Printed in the copy only, and only shown when it fails.
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        eprintln!("{target}/{name}");
        run(&bytes);
        for length in (0..bytes.len()).step_by(if most == MOST_TALKS { step } else { 1 }) {
            run(&bytes[..length]);
        }
        for at in (0..bytes.len()).step_by(step) {
            for change in [0x01, 0x80, 0xFF] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                run(&changed);
                inputs += 1;
            }
        }
    }
    assert!(inputs > 0, "no seeds in {}", directory.display());
}

macro_rules! replayed {
    ($($target:ident: $most:expr),+ $(,)?) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), $target::run, $most);
        }
    )+};
}

replayed! {
    encapsulation: MOST_POSITIONS,
    cip_reply: MOST_POSITIONS,
    forward_open_reply: MOST_POSITIONS,
    class1_frames: MOST_POSITIONS,
    list_identity: MOST_POSITIONS,
    profile: MOST_POSITIONS,
    config: MOST_POSITIONS,
    state_file: MOST_POSITIONS,
    tag_reply: MOST_POSITIONS,
    modbus: MOST_POSITIONS,
    modbus_rtu: MOST_TALKS,
    simulator: MOST_TALKS,
}

#[cfg(feature = "sparkplug")]
replayed! {
    sparkplug_stdin: MOST_POSITIONS,
    sparkplug_ncmd: MOST_POSITIONS,
}
