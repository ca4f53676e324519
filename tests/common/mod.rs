//! What tests of the built program share.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod bench;
pub(crate) mod capture;
pub(crate) mod controlled;
pub(crate) mod cores;
pub(crate) mod fake;
pub(crate) mod influxdb;
pub(crate) mod ledger;
pub(crate) mod line;
pub(crate) mod lines;
pub(crate) mod listening;
pub(crate) mod meter;
pub(crate) mod namespace;
pub(crate) mod network;
pub(crate) mod peer;
pub(crate) mod plant;
pub(crate) mod points;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod reading;
pub(crate) mod relay;
pub(crate) mod simulated;
pub(crate) mod states;
pub(crate) mod steady;
pub(crate) mod trouble;
pub(crate) mod truth;
pub(crate) mod usage;
