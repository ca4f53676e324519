//! Which way to read a meter that was found, and why: as a configuration with the reasons beside it.

use std::fmt::Write as _;

/// What is known of a meter that is to be configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Host, and port if it is not the usual one.
    pub address: String,
    /// How it was read.
    pub read_over: ReadOver,
    /// Whether it says that somebody has a connection to it.
    pub owned: bool,
}

/// How a meter was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOver {
    /// EtherNet/IP.
    EtherNetIp,
    /// Modbus TCP.
    Modbus,
    /// A serial port.
    SerialLine,
}

/// A configuration for these meters. What a program cannot see is for the person to decide: whether a PLC reads the
/// meter, and whether that one sends by multicast.
pub fn configuration<'a>(meters: impl IntoIterator<Item = &'a Found>) -> String {
    let mut out = "[[inputs.powermonitor_500]]\n".to_owned();
    for Found { name, address, read_over, owned } in meters {
        let _ = writeln!(
            out,
            "\n  [[inputs.powermonitor_500.meter]]\n    name = \"{name}\"\n    address = \"{address}\""
        );
        out += match (read_over, owned) {
            (ReadOver::SerialLine, _) => SERIAL,
            (ReadOver::Modbus, _) => MODBUS,
            (ReadOver::EtherNetIp, true) => OWNED,
            (ReadOver::EtherNetIp, false) => FREE,
        };
    }
    out
}

/// Somebody is connected: Modbus may hurt.
const OWNED: &str = "    \
    ## It says that it is owned, so a PLC probably reads it. Explicit reads,
    ## the default, take nothing from the PLC, and Modbus might stop it. If the
    ## PLC's connection is a multicast one, listening sends the meter no reads:
    # connection = \"auto\"
";

/// It was named as a Modbus meter.
const MODBUS: &str = "    \
    ## Modbus gives energy, too. If a PLC reads this meter over EtherNet/IP, it
    ## might stop that: take modbus:// off the address then.
";

/// It was named by its port.
const SERIAL: &str = "    \
    ## Every meter on this line has a unit_id of its own, and all have the same
    ## baud_rate and parity; Telegraf's user needs to be in the port's group:
    ## sudo usermod -aG dialout telegraf
";

/// Nobody seems to be connected: Modbus gives energy.
const FREE: &str = "    \
    ## Explicit reads, the default, are safe beside any PLC, and give no energy.
    ## If no PLC reads this meter, Modbus gives energy as well:
    # connection = \"modbus\"
";
