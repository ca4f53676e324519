//! The options of `verify`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::duration;
use super::serial::SerialArgs;
use crate::config::DurationError;
use crate::meter::WordOrder;

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The meter: `HOST` or `eip://HOST` for EtherNet/IP, `modbus://HOST` for a meter without it, with `:PORT` if need
    /// be; `file:///dev/ttyUSB0` for one at a serial port
    #[arg(value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Read nothing: solve the energy counters from what a database has stored, as line protocol with the measurements
    /// powermonitor_500 and powermonitor_500_raw
    #[arg(long, value_name = "FILE", conflicts_with_all = ["address", "may_interrupt_plc", "duration", "readings"])]
    pub from: Option<PathBuf>,
    /// Which meter of the stored lines, where they are of several
    #[arg(long, value_name = "NAME", requires = "from", conflicts_with = "address")]
    pub meter: Option<String>,
    /// Read Modbus beside EtherNet/IP, once and briefly. The maker is reported to say that this stops EtherNet/IP, the
    /// PLC's own I/O included: for a maintenance window
    #[arg(long)]
    pub may_interrupt_plc: bool,
    /// Read for so long, and find the energy counters of assembly 107 by what moves as the integral of power does
    #[arg(long, value_name = "DURATION", value_parser = lasting, conflicts_with = "readings")]
    pub duration: Option<Duration>,
    /// What the meter's display or a clamp meter shows now: a field, = and a number with its unit, as in
    /// active_import_wh=1234567.8kWh or max.current_l1_a=91.2A; may be repeated
    #[arg(long, value_name = "FIELD=VALUE")]
    pub expect: Vec<Expect>,
    /// Write the profile that follows
    #[arg(long, value_name = "FILE")]
    pub write_profile: Option<PathBuf>,
    /// Write a commissioning record, in Markdown, with every element and its reason
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    pub force: bool,
    /// Print every element and its reason
    #[arg(long, conflicts_with = "json")]
    pub explain: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Verify this profile file instead of the built-in profile
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
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
    #[arg(long, value_name = "PORT", default_value_t = crate::config::MODBUS_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub modbus_port: u16,
    /// Modbus unit id
    #[arg(long, value_name = "ID", default_value_t = 1)]
    pub unit_id: u8,
    /// How it is on a serial line.
    #[command(flatten)]
    pub serial: SerialArgs,
    /// Word order of Modbus numbers that is to be proven: low_first or high_first [default: the profile's]
    #[arg(long, value_name = "ORDER")]
    pub word_order: Option<WordOrder>,
}

/// The maker has tested explicit reads at this interval.
const SHORTEST: Duration = Duration::from_millis(200);

/// What is wrong with a time.
#[derive(Debug, thiserror::Error)]
enum TimeError {
    #[error(transparent)]
    Duration(#[from] DurationError),
    #[error("the maker has tested explicit reads every 200 ms, so the interval is 200ms at least")]
    TooShort,
    #[error("write how long to read, such as 10m")]
    None,
}

fn interval(text: &str) -> Result<Duration, TimeError> {
    Some(duration(text)?).filter(|interval| *interval >= SHORTEST).ok_or(TimeError::TooShort)
}

fn lasting(text: &str) -> Result<Duration, TimeError> {
    Some(duration(text)?).filter(|time| !time.is_zero()).ok_or(TimeError::None)
}

/// A value that a person read somewhere else, as it was typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// The field, with its table before it where that is not realtime or energy.
    pub field: String,
    /// The number.
    pub number: f64,
    /// What its last digit is worth.
    pub grain: f64,
    /// The unit behind it; empty for the field's own.
    pub unit: String,
}

impl FromStr for Expect {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Expect, Self::Err> {
        const FORM: &str = "write a field, = and a number, with its unit if it is not the field's: current_l1_a=81.5 or \
                            active_import_wh=1234567.8kWh";
        let (field, value) = text.split_once('=').ok_or(FORM)?;
        let value: String = value.chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
        let end = value.find(|c: char| !(c.is_ascii_digit() || ".-+".contains(c))).unwrap_or(value.len());
        let (digits, unit) = value.split_at(end);
        let number: f64 = digits.parse().map_err(|_| FORM)?;
        let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let grain = 10f64.powi(-i32::try_from(decimals).map_err(|_| FORM)?);
        match field.trim() {
            "" => Err(FORM),
            field => Ok(Expect { field: field.to_owned(), number, grain, unit: unit.to_owned() }),
        }
    }
}

impl Expect {
    /// Number and grain in a field's unit; `None` for a unit that is none of it.
    pub fn in_unit(&self, unit: &str) -> Option<(f64, f64)> {
        let prefix = if self.unit.is_empty() { "" } else { self.unit.strip_suffix(unit)? };
        let factor = match prefix {
            "" => 1.0,
            "m" => 1e-3,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            _ => return None,
        };
        Some((self.number * factor, self.grain * factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_from_the_display_is_understood_with_its_unit_and_its_last_digit() {
        let read = |text: &str| text.parse::<Expect>().unwrap();
        let near = |text: &str, unit: &str, value: f64, grain: f64| {
            let (found, worth) = read(text).in_unit(unit).unwrap();
            assert!(
                (found - value).abs() < 1e-6 * value.abs() && (worth - grain).abs() < 1e-6 * grain,
                "{text}"
            );
        };
        near("active_import_wh=1234567.8kWh", "Wh", 1_234_567_800.0, 100.0);
        near("active_import_wh = 1_234 MWh", "Wh", 1_234e6, 1e6);
        near("current_l1_a=81.5", "A", 81.5, 0.1);
        near("max.active_power_total_w=-1.25kW", "W", -1250.0, 10.0);
        assert_eq!(read("current_l1_a=81.5V").in_unit("A"), None);
        near("power_factor_l1=0.93", "", 0.93, 0.01);
        for wrong in ["current_l1_a", "=5", "current_l1_a=", "current_l1_a=high"] {
            assert!(wrong.parse::<Expect>().is_err(), "{wrong}");
        }
    }
}
