//! The commands: one file per thing a person can ask for.

pub mod simulate;
