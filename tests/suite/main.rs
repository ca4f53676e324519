//! Every integration test, in one program: a module per file, helpers in `tests/common`. tests/README.md says what the
//! tiers are; the features here are the tiers above plain `cargo test`.
//! They start, signal and trace processes as Unix does; on Windows the tests of the library run, and tests/windows/run.sh.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, its helpers too")]

#[path = "../common/mod.rs"]
mod common;

mod allocations;
mod answers;
mod attacks;
mod bad_input;
mod both_protocols;
mod check;
mod controller;
mod discover;
mod energy_layouts;
mod events;
mod execd;
mod exhibits;
mod explicit;
mod fuzz_corpus;
mod gateway;
mod interval;
mod log_volume;
mod map_check;
mod map_states;
mod modbus;
mod package;
mod pipes;
mod profile_matches_reference;
mod read_only;
mod readme;
mod schema;
mod show;
#[cfg(feature = "sparkplug")]
mod sparkplug_cli;
mod state_file;
mod verify;
mod verify_command;
mod watch_picture;

// UDP port 2222, in a network of their own where the system allows one.
#[cfg(feature = "wire-tests")]
mod chaos;
#[cfg(feature = "wire-tests")]
mod faults;
#[cfg(feature = "wire-tests")]
mod listen;
#[cfg(feature = "wire-tests")]
mod listen_end;
#[cfg(feature = "wire-tests")]
mod listen_events;
#[cfg(feature = "wire-tests")]
mod listen_frames;
#[cfg(feature = "wire-tests")]
mod listen_life;
#[cfg(feature = "wire-tests")]
mod listen_refusals;
#[cfg(feature = "wire-tests")]
mod listen_silence;
#[cfg(feature = "wire-tests")]
mod soak_faults;
#[cfg(feature = "wire-tests")]
mod soak_listen;

// Third-party programs, which tests/run.sh sets up.
#[cfg(feature = "peer-tests")]
mod aws;
#[cfg(feature = "peer-tests")]
mod clock;
// Where every crate has been fetched, those of all features included.
#[cfg(feature = "peer-tests")]
mod dependencies;
#[cfg(feature = "peer-tests")]
mod logix;
#[cfg(feature = "peer-tests")]
mod namespaces;
#[cfg(feature = "peer-tests")]
mod peers;
#[cfg(feature = "peer-tests")]
mod queries;
#[cfg(all(feature = "peer-tests", feature = "sparkplug"))]
mod sparkplug;
#[cfg(feature = "peer-tests")]
mod telegraf;
#[cfg(feature = "peer-tests")]
mod watch;
#[cfg(feature = "peer-tests")]
mod workflows;
