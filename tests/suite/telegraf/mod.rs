//! A real Telegraf with the files of telegraf/, simulated meters before it and real servers behind it: what
//! operators copy works, and what is in their database is what was in the meter. `tests/run.sh` sets it up and
//! runs this.

pub(crate) mod broker;
pub(crate) mod certificates;
mod influxdb;
mod life;
mod mqtt;
mod newcomer;
mod node_red;
pub(crate) mod plant;
mod processors;
pub(crate) mod program;
mod prometheus;
mod shipped;
mod signals;
mod trouble;
mod victoria;
