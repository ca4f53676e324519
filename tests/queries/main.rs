//! The queries, the dashboard and the alert rules that are shipped under telegraf/ answer truthfully. Real engines
//! execute them as they stand in their files: InfluxDB 1 for InfluxQL and Flux, Apache DataFusion, the engine of
//! InfluxDB 3, for its SQL; Grafana's types and Docker Compose's loader read the other files. `tests/run.sh` sets
//! them up and runs this.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, its helpers too")]

mod alerts;
#[path = "../common/mod.rs"]
mod common;
mod dashboard;
mod engine;
mod files;
mod grafana;
mod history;
mod stack;
mod trouble;
