//! Serial ports: options → how messages are framed, and how characters look on a line.

use std::time::Duration;

use super::address::{Location, Scheme};
use super::duration::show;
use super::options::Options;
use crate::host::serial::{Parity, Settings};
use crate::source::modbus::TransmissionMode;

/// The meter's own speed as it leaves the factory, as a sibling's manual has it (evidence: inferred); Telegraf's default,
/// too.
const BAUD_RATE: u32 = 9600;

/// A serial line that cannot be as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SerialLineError {
    /// Frames of a serial port, and no port.
    #[error(
        "transmission_mode = \"RTU\" is for serial ports, such as address = \"file:///dev/ttyUSB0\"; for a gateway that \
         passes frames on write \"RTUoverTCP\""
    )]
    NoPort,
    /// A port, and frames of something else.
    #[error("a serial port needs transmission_mode = \"RTU\" or none, not \"{0}\"")]
    OtherFrames(TransmissionMode),
    /// Characters that Modbus RTU does not have.
    #[error("data_bits = {0}: Modbus RTU needs 8 data bits")]
    DataBits(u16),
    /// Two meters of one port that describe its line differently.
    #[error(
        "baud_rate, parity and stop_bits differ from those of meter \"{other}\" on the same serial port {port}; a line \
         has one of each"
    )]
    Disagree {
        /// The port.
        port: String,
        /// The first meter.
        other: String,
    },
    /// More than a wire can carry.
    #[error(
        "the serial port {port} cannot carry this: at {baud_rate} baud {} on it would take at least {} of every {}; make \
         the interval longer, read fewer tables, or use a higher baud rate",
        match meters { 1 => "one meter".to_owned(), _ => format!("{meters} meters") },
        show(*busy),
        show(*interval)
    )]
    Busy {
        /// The port.
        port: String,
        /// Its speed.
        baud_rate: u32,
        /// Meters on it.
        meters: usize,
        /// What the wire takes at least.
        busy: Duration,
        /// In this time.
        interval: Duration,
    },
}

/// How a meter's messages are framed, and how characters look on its line if it is at a serial port.
pub(super) fn resolve(
    options: &Options,
    location: &Location,
) -> Result<(TransmissionMode, Option<Settings>), SerialLineError> {
    let at_port = location.scheme == Some(Scheme::Serial);
    let mode = match (at_port, options.transmission_mode) {
        (true, None | Some(TransmissionMode::Rtu)) => TransmissionMode::Rtu,
        (true, Some(other)) => return Err(SerialLineError::OtherFrames(other)),
        (false, Some(TransmissionMode::Rtu)) => return Err(SerialLineError::NoPort),
        (false, mode) => mode.unwrap_or_default(),
    };
    if let Some(bits) = options.data_bits.filter(|bits| bits.0 != 8) {
        return Err(SerialLineError::DataBits(bits.0));
    }
    let settings = at_port.then(|| Settings {
        baud_rate: options.baud_rate.map_or(BAUD_RATE, |rate| rate.0),
        parity: options.parity.unwrap_or(Parity::None),
        stop_bits: if options.stop_bits.is_some_and(|bits| bits.0 == 2) { 2 } else { 1 },
    });
    Ok((mode, settings))
}
