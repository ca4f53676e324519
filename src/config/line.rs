//! The meters of one serial line: whether they agree on it, whether it has the time for what they are asked, and whether
//! they name its port alike.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::meter::MeterConfig;
use super::resolve::Resolved;
use super::serial::SerialLineError;
use crate::host::serial::Settings;
use crate::meter::block::{Access, Span, spans};
use crate::meter::{Table, TableSet};

/// Characters of a request: unit, function, first register UINT, count UINT, CRC.
const REQUEST: u32 = 8;
/// Characters of an answer without its registers: unit, function, byte count, CRC.
const ANSWER: u32 = 5;

/// Meters whose serial port another meter names by another path, by their numbers, and what to tell of each. They are read
/// all the same, and a path may lead elsewhere tomorrow: nothing is refused for it.
pub(super) fn other_paths(resolved: &[Resolved]) -> Vec<(usize, String)> {
    let mut ports: HashMap<&Path, &MeterConfig> = HashMap::new();
    let mut notes = Vec::new();
    for (number, Resolved { meter, .. }) in resolved.iter().enumerate() {
        let Some(device) = &meter.modbus.device else { continue };
        let first = ports.entry(device).or_insert(meter);
        if first.address.host != meter.address.host {
            let (path, other) = (&meter.address.host, &first.address.host);
            notes.push((
                number,
                format!("the serial port {path} is {other}; write the same path for all meters on one line"),
            ));
        }
    }
    notes
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

    #[cfg(unix)]
    #[test]
    fn two_paths_of_one_port_are_told_and_refuse_nothing() {
        let block = |one: &str, two: &str| {
            let text = format!(
                "[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\nname = \"a\"\naddress = \"file://{one}\"\n\
                 [[inputs.powermonitor_500.meter]]\nname = \"b\"\naddress = \"file://{two}\"\nunit_id = 2\n"
            );
            Config::parse(&text, &Overrides::default()).unwrap().warnings
        };
        // What is there at all is enough: whether it is a serial port, its opening tells.
        let told = "Meter \"b\": the serial port /dev/../dev/null is /dev/null; write the same path";
        let said = block("/dev/null", "/dev/../dev/null");
        assert!(matches!(&said[..], [said] if said.starts_with(told)), "{said:?}");
        assert!(
            block("/dev/null", "/dev/zero").is_empty() && block("/dev/nowhere", "/dev/nothing").is_empty()
        );
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
