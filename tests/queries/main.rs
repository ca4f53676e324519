//! The queries, the dashboard and the alert rules that are shipped under telegraf/ answer truthfully. A real
//! InfluxDB executes them as they stand in their files. `tests/run.sh` sets it up and runs this.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, its helpers too")]

#[path = "../common/mod.rs"]
mod common;
mod database;
