//! Which options have an effect on a meter, by the way in which it is read: one that has none was meant for something
//! else, and whoever wrote it is told.
//!
//! A default that is written out says nothing. What stands above the meters counts for those that it fits, and is told
//! of where it fits none of them.

use std::sync::LazyLock;

use super::choice::Protocol;
use super::file;
use super::meter::MeterConfig;
use super::options::Options;
use super::sample;
use crate::meter::Table;
use crate::source::logix::Alive;

/// What an option needs to have an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The meter is asked or heard over EtherNet/IP itself.
    EtherNetIp,
    /// It is listened to.
    Listening,
    /// Registers are read, alone or beside EtherNet/IP.
    Modbus,
    /// They are read over a network.
    ModbusPort,
    /// They are read beside EtherNet/IP.
    ModbusTables,
    /// The meter is at a serial port.
    SerialPort,
    /// It is read out of a controller.
    Logix,
    /// Of a controller's tags one has no fault tag.
    NoFaultTag,
    /// Its clock is read.
    Settings,
}

/// What each option needs; the others always have an effect, or are refused where they cannot have one.
const NEEDS: [(&str, Need); 23] = [
    ("identity", Need::EtherNetIp),
    ("listen_tables", Need::Listening),
    ("rpi", Need::Listening),
    ("heartbeat_interval", Need::Listening),
    ("config_instance", Need::Listening),
    ("heartbeat_instance", Need::Listening),
    ("emit", Need::Listening),
    ("modbus_may_interrupt", Need::ModbusTables),
    ("modbus_port", Need::ModbusPort),
    ("baud_rate", Need::SerialPort),
    ("data_bits", Need::SerialPort),
    ("parity", Need::SerialPort),
    ("stop_bits", Need::SerialPort),
    ("transmission_mode", Need::Modbus),
    ("pause_between_requests", Need::Modbus),
    ("unit_id", Need::Modbus),
    ("word_order", Need::Modbus),
    ("close_after_gather", Need::Modbus),
    ("max_registers", Need::Modbus),
    ("route", Need::Logix),
    ("fault_tag", Need::Logix),
    ("frozen_after", Need::NoFaultTag),
    ("timezone", Need::Settings),
];

impl Need {
    fn is_met(self, meter: &MeterConfig) -> bool {
        let tables = meter.tables.union(meter.modbus_tables);
        let registers = tables.iter().any(|table| meter.reads_over_modbus(table));
        let at_port = meter.modbus.serial.is_some();
        match self {
            Need::EtherNetIp => meter.connection.protocol() == Protocol::EtherNetIp && meter.logix.is_none(),
            Need::Listening => meter.listening.is_some(),
            Need::Modbus => registers,
            Need::ModbusPort => registers && !at_port,
            Need::ModbusTables => !meter.modbus_tables.is_empty(),
            Need::SerialPort => at_port,
            Need::Logix => meter.logix.is_some(),
            Need::NoFaultTag => meter
                .logix
                .as_ref()
                .is_some_and(|logix| logix.held.values().any(|held| matches!(held.alive, Alive::Moves(_)))),
            Need::Settings => tables.contains(Table::Settings),
        }
    }

    /// What is missing.
    fn missing(self) -> &'static str {
        match self {
            Need::EtherNetIp => "a meter that is read over EtherNet/IP and not out of a controller",
            Need::Listening => "connection = \"auto\", \"listen_only\" or \"input_only\"",
            Need::Modbus => "connection = \"modbus\", or modbus_tables",
            Need::ModbusPort => "Modbus over a network (connection = \"modbus\", or modbus_tables)",
            Need::ModbusTables => "modbus_tables",
            Need::SerialPort => "a serial port, such as address = \"file:///dev/ttyUSB0\"",
            Need::Logix => "connection = \"logix\"",
            Need::NoFaultTag => "connection = \"logix\", and an assembly without a fault_tag",
            Need::Settings => "the table settings, which has the meter's clock",
        }
    }
}

/// Options that a meter's table or the block above it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Written(Vec<&'static (&'static str, Need)>);

impl Written {
    /// Those that may have no effect, and are not defaults written out.
    pub(super) fn of(options: &Options) -> Written {
        let written = options.written();
        let mut some = NEEDS.iter().filter(|(name, _)| written.contains(name)).peekable();
        // The sample is read only where it is asked.
        if some.peek().is_none() {
            return Written::default();
        }
        let unlike = options.unlike(&DEFAULTS);
        Written(some.filter(|(name, _)| unlike.contains(name)).collect())
    }

    /// Those that have no effect on any of these meters.
    pub(super) fn in_vain_for_all<'m>(
        &self,
        meters: impl IntoIterator<Item = &'m MeterConfig> + Clone,
    ) -> Written {
        let vain = |need: Need| !meters.clone().into_iter().any(|meter| need.is_met(meter));
        Written(self.0.iter().copied().filter(|(_, need)| vain(*need)).collect())
    }

    /// What a meter should be told of its own options, and of those above it that fit none; a sentence for each need.
    pub(super) fn notes(&self, meter: &MeterConfig, above: &Written) -> Vec<String> {
        let vain =
            |one: &&(&str, Need)| above.0.contains(one) || (self.0.contains(one) && !one.1.is_met(meter));
        let vain: Vec<_> = NEEDS.iter().filter(vain).collect();
        let mut needs: Vec<Need> = vain.iter().map(|(_, need)| *need).collect();
        needs.dedup();
        let sentence = |need: Need| {
            let names: Vec<&str> = vain.iter().filter(|(_, of)| *of == need).map(|(name, _)| *name).collect();
            match &names[..] {
                [name] => format!("{name} has no effect here, it needs {}", need.missing()),
                [rest @ .., last] => format!(
                    "{} and {last} have no effect here, they need {}",
                    rest.join(", "),
                    need.missing()
                ),
                [] => String::new(),
            }
        };
        needs.into_iter().map(sentence).collect()
    }
}

/// Every option with its default, as the sample has them.
static DEFAULTS: LazyLock<Options> = LazyLock::new(|| {
    let blocks = file::parse(&uncommented_sample()).unwrap_or_default();
    blocks.into_iter().next().map(|block| block.plugin.options).unwrap_or_default()
});

/// The sample with its options taken out of their comments.
pub(super) fn uncommented_sample() -> String {
    let uncomment = |line: &str| match line.trim_start().strip_prefix("# ") {
        Some(option) if option.starts_with("[[") || option.contains(" = ") => option.to_owned(),
        _ => line.to_owned(),
    };
    sample::text().lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Overrides};

    fn told(text: &str) -> Vec<String> {
        Config::parse(text, &Overrides::default()).unwrap().warnings
    }

    #[test]
    fn what_each_option_needs_is_said_of_options_that_there_are() {
        let known = file::option_names();
        for (name, need) in NEEDS {
            assert!(known.iter().any(|known| known == name), "{name}");
            assert!(!need.missing().is_empty());
        }
    }

    #[test]
    fn an_option_above_the_meters_is_told_of_where_it_fits_none_of_them() {
        let meter = |n: u8, options: &str| {
            format!("[[inputs.powermonitor_500.meter]]\naddress = \"10.0.0.{n}\"\n{options}\n")
        };
        let block = |options: &str, meters: &[String]| {
            told(&format!("[[inputs.powermonitor_500]]\n{options}\n{}", meters.concat()))
        };
        let (listened, asked) = (meter(1, "connection = \"auto\""), meter(2, ""));
        let rpi = "rpi = \"100ms\"";
        assert!(block(rpi, &[listened.clone(), asked.clone()]).is_empty());
        let said = block(rpi, &[asked.clone(), meter(3, "connection = \"modbus\"")]);
        let [said] = &said[..] else { panic!("{said:?}") };
        let whom =
            "2 meters (\"10.0.0.2\" to \"10.0.0.3\"): rpi has no effect here, it needs connection = \"auto\"";
        assert!(said.starts_with(whom), "{said}");
        // Written for the meter itself it is told of, whatever its neighbors are.
        let said = block("", &[listened, meter(2, rpi)]);
        assert!(said.len() == 1 && said[0].starts_with("Meter \"10.0.0.2\": rpi has no effect"), "{said:?}");
        // A default that is written out says nothing.
        assert!(block("unit_id = 1\nrpi = \"\"\nconfig_instance = 1", &[asked]).is_empty());
    }
}
