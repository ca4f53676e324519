//! The options of `discover`.

use std::time::Duration;

use clap::Args;

use super::duration;

/// Options of `discover`.
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// Ask these instead of everybody: `192.168.1.50`, `192.168.1.10-192.168.1.50`, `192.168.1.10-50` or
    /// `192.168.1.0/24`; at most 1024 addresses
    #[arg(value_name = "ADDRESS|RANGE", conflicts_with = "interface")]
    pub targets: Vec<String>,
    /// Broadcast on this interface only; may be repeated
    #[arg(long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// Addresses asked in a second
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub rate: u32,
    /// How long answers are awaited
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub timeout: Duration,
    /// UDP and TCP port of EtherNet/IP
    #[arg(long, value_name = "PORT", default_value_t = crate::enip::packet::PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
