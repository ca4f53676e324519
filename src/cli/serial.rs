//! The arguments of commands that may read meters on a serial line, here or behind a gateway.

use clap::Args;

use crate::config::{BaudRate, Options, Within, argument};
use crate::host::serial::Parity;
use crate::source::modbus::TransmissionMode;

/// How frames and characters look on the line.
#[derive(Debug, Clone, Default, Args)]
pub struct SerialArgs {
    /// Frames of Modbus: TCP, RTUoverTCP for a gateway that passes frames on, RTU at a serial port
    #[arg(long, value_name = "MODE", value_parser = argument::<TransmissionMode>, help_heading = "Serial lines")]
    pub transmission_mode: Option<TransmissionMode>,
    /// Speed of a serial port [default: 9600]
    #[arg(long, value_name = "BAUD", value_parser = clap::value_parser!(u32).range(1200..=115_200), help_heading = "Serial lines")]
    pub baud_rate: Option<u32>,
    /// Parity of a serial port: N, E or O [default: N]
    #[arg(long, value_name = "PARITY", value_parser = argument::<Parity>, help_heading = "Serial lines")]
    pub parity: Option<Parity>,
    /// Stop bits of a serial port: 1 or 2 [default: 1]
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u16).range(1..=2), help_heading = "Serial lines")]
    pub stop_bits: Option<u16>,
}

impl SerialArgs {
    /// The same as options of a configuration, added to `options`.
    pub fn options(&self, options: Options) -> Options {
        Options {
            transmission_mode: self.transmission_mode,
            baud_rate: self.baud_rate.map(BaudRate),
            parity: self.parity,
            stop_bits: self.stop_bits.map(Within),
            ..options
        }
    }
}
