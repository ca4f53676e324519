//! A real Telegraf with the files of telegraf/, simulated meters before it and real servers behind it: what
//! operators copy works, and what is in their database is what was in the meter. `tests/run.sh` sets it up and
//! runs this.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, its helpers too")]

#[path = "../common/mod.rs"]
mod common;

mod broker;
mod certificates;
mod influxdb;
mod life;
mod mqtt;
mod newcomer;
mod plant;
mod processors;
mod program;
mod prometheus;
mod shipped;
mod signals;
mod trouble;
mod victoria;
