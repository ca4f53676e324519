//! The plugin as it is measured: its configuration, and the program on the core of the one that is measured.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::common::cores;
use crate::common::peer::scratch;
use crate::plant::MODBUS_PORT;

/// What is read of each meter, how and how often.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) connection: &'static str,
    pub(crate) tables: &'static [&'static str],
    pub(crate) interval: Duration,
    /// At whole multiples of the interval on the wall clock, as by default. Energy is then read at that very time
    /// and the other tables a little later, spread over the meters: two gathers in each interval.
    pub(crate) rounded: bool,
}

impl Default for Reading {
    /// What a configuration of three lines reads, every second.
    fn default() -> Reading {
        Reading {
            connection: "explicit",
            tables: &["realtime", "alarm"],
            interval: Duration::from_secs(1),
            rounded: true,
        }
    }
}

impl Reading {
    /// What Telegraf's own Modbus input can read as well, in one gather as it does.
    pub(crate) fn modbus() -> Reading {
        Reading {
            connection: "modbus",
            tables: &crate::telegraf::TABLES,
            rounded: false,
            ..Reading::default()
        }
    }

    /// The configuration of meters that are read like this, in a file.
    pub(crate) fn configuration(&self, meters: impl Iterator<Item = Ipv4Addr>) -> PathBuf {
        let path = scratch("bench-plugin").join("config.toml");
        std::fs::write(&path, self.text(meters)).expect("the target directory can be written");
        path
    }

    /// The same as text.
    pub(crate) fn text(&self, meters: impl Iterator<Item = Ipv4Addr>) -> String {
        let interval = humantime::format_duration(self.interval);
        let every_time: Vec<_> =
            self.tables.iter().map(|table| format!("{table} = \"{interval}\"")).collect();
        let mut text = format!(
            "[[inputs.powermonitor_500]]\nstate_file = \"\"\nlog_level = \"error\"\ninterval = \"{interval}\"\n\
             round_interval = {}\nconnection = \"{}\"\ntables = {:?}\nintervals = {{ {} }}\nevidence = \"guessed\"\n\
             modbus_port = {MODBUS_PORT}\nclose_after_gather = false\n",
            self.rounded,
            self.connection,
            self.tables,
            every_time.join(", ")
        );
        for meter in meters {
            let _ = write!(text, "[[inputs.powermonitor_500.meter]]\naddress = \"{meter}\"\n");
        }
        text
    }
}

/// The plugin with this configuration.
pub(crate) fn command(configuration: &Path) -> Command {
    let mut command = cores::on_the_measured_one(env!("CARGO_BIN_EXE_telegraf-pm500"));
    command.arg("--config").arg(configuration);
    command
}
