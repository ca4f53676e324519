//! The options of `verify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::duration;
use crate::meter::decode::WordOrder;

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The meter: `HOST` or `eip://HOST` for EtherNet/IP, `modbus://HOST` for a meter without it, with `:PORT` if need be
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// Read Modbus beside EtherNet/IP, once and briefly. The maker is reported to say that this stops EtherNet/IP, the
    /// PLC's own I/O included: for a maintenance window
    #[arg(long)]
    pub may_interrupt_plc: bool,
    /// Write the profile that follows
    #[arg(long, value_name = "FILE")]
    pub write_profile: Option<PathBuf>,
    /// Write a commissioning record, in Markdown
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Verify this profile file instead of the built-in profile
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// What the meter's display or a clamp meter shows now for a realtime field; may be repeated
    #[arg(long, value_name = "FIELD=VALUE", value_parser = expected)]
    pub expect: Vec<(String, f64)>,
    /// How often the realtime values are read
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub readings: u32,
    /// Time between two readings, 200ms at least
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// Longest time for a connect and for one request
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration)]
    pub timeout: Duration,
    /// What to do with a device that is not a PowerMonitor 500: require or warn
    #[arg(long, value_name = "POLICY", default_value = "require", value_parser = ["require", "warn"])]
    pub identity: String,
    /// TCP port of Modbus beside EtherNet/IP
    #[arg(long, value_name = "PORT", default_value_t = crate::config::MODBUS_PORT)]
    pub modbus_port: u16,
    /// Modbus unit id
    #[arg(long, value_name = "ID", default_value_t = 1)]
    pub unit_id: u8,
    /// Word order of Modbus numbers that is to be proven: low_first or high_first [default: the profile's]
    #[arg(long, value_name = "ORDER")]
    pub word_order: Option<WordOrder>,
}

/// The maker has tested explicit reads at this interval.
const SHORTEST: Duration = Duration::from_millis(200);

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    (interval >= SHORTEST).then_some(interval).ok_or_else(|| {
        "the maker has tested explicit reads every 200 ms, so the interval is 200ms at least".to_owned()
    })
}

fn expected(text: &str) -> Result<(String, f64), String> {
    let parts =
        text.split_once('=').and_then(|(field, value)| Some((field.trim(), value.trim().parse().ok()?)));
    match parts {
        Some((field, value)) if f64::is_finite(value) => Ok((field.to_owned(), value)),
        _ => Err("write a realtime field, = and a number: current_l1_a=81.5".to_owned()),
    }
}
