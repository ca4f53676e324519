//! The queries, the dashboard and the alert rules that are shipped under telegraf/ answer truthfully. Real engines
//! execute them as they stand in their files: InfluxDB 1 and 2 for InfluxQL, InfluxDB 2 for Flux and its tasks, Apache
//! DataFusion, the engine of InfluxDB 3, for its SQL; Grafana's types and Docker Compose's loader read the other files. `tests/run.sh` sets
//! them up and runs this.

mod alerts;
mod counters;
mod dashboard;
mod engine;
mod files;
pub(crate) mod grafana;
mod history;
mod stack;
mod tasks;
mod trouble;
