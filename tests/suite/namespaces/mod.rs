//! Listening beside a PLC on a network with separate addresses: a meter, its PLC and two collectors, each in a
//! network namespace of its own. `tests/run.sh` runs this; the table of who locks whom out is printed by
//! `cargo test --features peer-tests --test suite namespaces::table -- --nocapture`.

mod discover;
mod listeners;
mod plant;
mod scanner;
mod silence;
mod snooping;
mod table;
mod wire;
