//! What a person can ask for, one file per thing.

pub mod fields;
