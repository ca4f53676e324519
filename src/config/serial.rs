//! Serial ports: how characters look on their lines, and whether a line has the time for what its meters are asked.

use std::collections::HashMap;
use std::time::Duration;

use super::address::{Location, Scheme};
use super::duration::show;
use super::meter::{MeterConfig, Resolved};
use super::options::Options;
use crate::host::serial::{Parity, Settings};
use crate::meter::block::{Access, Span, spans};
use crate::meter::{Table, TableSet};
use crate::source::modbus::TransmissionMode;

/// The meter's own speed as it leaves the factory, as a sibling's manual has it (evidence: inferred); Telegraf's default,
/// too.
const BAUD_RATE: u32 = 9600;
/// Characters of a request: unit, function, first register UINT, count UINT, CRC.
const REQUEST: u32 = 8;
/// Characters of an answer without its registers: unit, function, byte count, CRC.
const ANSWER: u32 = 5;

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

/// Holds the meters of each port against each other and against what a wire can carry.
///
/// # Errors
/// What cannot be, and the number of the meter that it is said of.
pub(super) fn check(resolved: &[Resolved]) -> Result<(), (usize, SerialLineError)> {
    let mut ports: HashMap<&str, Vec<(usize, &MeterConfig, Settings)>> = HashMap::new();
    for (number, Resolved { meter, .. }) in resolved.iter().enumerate() {
        let Some(settings) = meter.modbus.serial else { continue };
        let on_it = ports.entry(&meter.address.host).or_default();
        if let Some((_, first, _)) = on_it.first().filter(|(_, _, others)| *others != settings) {
            let (port, other) = (meter.address.host.clone(), first.name.clone());
            return Err((number, SerialLineError::Disagree { port, other }));
        }
        on_it.push((number, meter, settings));
    }
    for (port, on_it) in ports {
        let load: f64 = on_it.iter().map(|(_, meter, settings)| load(meter, *settings)).sum();
        let interval = on_it.iter().map(|(_, meter, _)| meter.interval).min();
        let (Some(interval), Some((number, _, settings))) = (interval, on_it.last()) else { continue };
        if load > 1.0 {
            let busy = interval.mul_f64(load.min(1e6));
            return Err((
                *number,
                SerialLineError::Busy {
                    port: port.to_owned(),
                    baud_rate: settings.baud_rate,
                    meters: on_it.len(),
                    busy: Duration::from_millis(u64::try_from(busy.as_millis()).unwrap_or(u64::MAX)),
                    interval,
                },
            ));
        }
    }
    Ok(())
}

/// The part of its line's time that a meter takes at least: the characters and silences of the fewest requests that
/// cover its tables, and no time for its answers.
fn load(meter: &MeterConfig, settings: Settings) -> f64 {
    let takes = |table: Table| {
        let spans = spans(&meter.profile, TableSet::from_iter([table]), Access::Registers);
        let registers: u32 = spans
            .iter()
            .map(|span| match span {
                Span::Registers { count, .. } => u32::from(*count),
                Span::Assembly(_) => 0,
            })
            .sum();
        let requests = registers.div_ceil(u32::from(meter.modbus.settings.max_registers).max(1));
        let characters = settings.characters(requests * (REQUEST + ANSWER) + 2 * registers);
        characters + requests * (settings.silence() + meter.modbus.settings.pause)
    };
    meter.tables.iter().map(|table| takes(table).as_secs_f64() / meter.period(table).as_secs_f64()).sum()
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Overrides};

    /// What is said of two meters of one port with these options.
    fn refused(one: &str, two: &str) -> String {
        let meter = |unit: u8, options: &str| {
            format!(
                "[[inputs.powermonitor_500.meter]]\nname = \"{unit}\"\naddress = \"file:///dev/ttyS0\"\nunit_id = {unit}\n\
                 {options}\n"
            )
        };
        let text = format!("[[inputs.powermonitor_500]]\n{}{}", meter(1, one), meter(2, two));
        Config::parse(&text, &Overrides::default()).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn meters_of_one_port_agree_on_its_line_and_leave_room_on_it_for_each_other() {
        assert_eq!(refused("", "baud_rate = 9600"), "");
        for (one, two, said) in [
            ("parity = \"E\"", "", "differ from those of meter \"1\" on the same serial port /dev/ttyS0"),
            ("", "stop_bits = 2", "a line has one of each"),
            ("", "transmission_mode = \"TCP\"", "a serial port needs transmission_mode = \"RTU\" or none"),
            ("", "connection = \"explicit\"", "name two protocols"),
            (
                "interval = \"200ms\"",
                "interval = \"200ms\"",
                "at 9600 baud 2 meters on it would take at least",
            ),
            ("pause_between_requests = \"6s\"", "", "cannot carry this"),
        ] {
            let refusal = refused(one, two);
            assert!(refusal.contains(said), "{one} {two}: {refusal}");
        }
    }
}
