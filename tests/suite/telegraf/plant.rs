//! Two simulated meters whose values stand still, the plugin's configuration for them, and what a database must hold.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use telegraf_pm500::meter::element::Use;
use telegraf_pm500::meter::{Profile, Table, Value};
use telegraf_pm500::schema::COUNTING_SINCE;

use super::program::{Shipped, Telegraf};
use crate::common::peer::scratch;
use crate::common::simulated::{Simulated, own_network};

/// Read over EtherNet/IP.
pub(crate) const PRESS: &str = "press-4";
/// Read over Modbus TCP.
pub(crate) const FEEDER: &str = "feeder";

/// Longest wait for anything; only a broken program reaches it.
const DEADLINE: Duration = Duration::from_secs(60);

/// The meters, and a directory of the test's own.
pub(crate) struct Plant {
    pub(crate) meters: Simulated,
    pub(crate) directory: PathBuf,
}

impl Plant {
    /// Starts both meters, and writes a configuration that reads them every second; `name` is the test's.
    pub(crate) fn start(name: &str) -> Plant {
        let plant = Plant { meters: Simulated::start(2), directory: scratch(&format!("telegraf_{name}")) };
        plant.configure("interval = \"1s\"");
        plant
    }

    /// Writes the plugin's configuration anew, with these lines above the meters.
    pub(crate) fn configure(&self, options: &str) {
        let (eip, modbus) = (self.meters.eip(0), self.meters.modbus(1));
        let text = format!(
            "[[inputs.powermonitor_500]]\nstate_file = \"\"\n{options}\n\
             [[inputs.powermonitor_500.meter]]\nname = \"{PRESS}\"\naddress = \"{eip}\"\n\
             tags = {{ site = \"Vienna, north\" }}\n\
             [[inputs.powermonitor_500.meter]]\nname = \"{FEEDER}\"\naddress = \"{modbus}\"\n\
             connection = \"modbus\"\nintervals = {{ energy = \"1s\" }}\n"
        );
        std::fs::write(self.configuration(), text).unwrap();
    }

    /// The plugin's configuration file.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.directory.join("config.toml")
    }

    /// The shipped execd block with the paths of this machine.
    pub(crate) fn execd(&self) -> Shipped {
        execd(&self.configuration())
    }

    /// Starts Telegraf with the execd block and these files.
    pub(crate) fn telegraf(&self, files: Vec<Shipped>, environment: &[(&str, &str)]) -> Telegraf {
        let files = [vec![self.execd()], files].concat();
        Telegraf::start(&self.directory, &files, environment, &[])
    }

    /// Every value of a table that a meter's line must carry.
    pub(crate) fn expected(&self, meter: &str, table: Table) -> BTreeMap<String, Value> {
        let index = usize::from(meter == FEEDER);
        let profile = Profile::built_in();
        let fields = profile.elements_of(table).filter(|(_, element)| element.usage == Use::Field);
        let value = |name: &str| self.meters.meter(index).expected(table, name);
        // A level that never moved.
        let since = (table == Table::Energy).then(|| (COUNTING_SINCE.to_owned(), Value::Integer(0)));
        let fields = fields.filter_map(|(_, element)| Some((element.name.clone(), value(&element.name)?)));
        fields.chain(since).collect()
    }
}

/// The shipped execd block for a configuration elsewhere.
pub(crate) fn execd(configuration: &Path) -> Shipped {
    Shipped::file("execd.conf")
        .with("/usr/bin/telegraf-pm500", env!("CARGO_BIN_EXE_telegraf-pm500"))
        .with("/etc/telegraf-pm500/config.toml\"]", &format!("{}\"]", configuration.display()))
}

/// A number as a database gives it back: an f32 is the shortest decimal that reads back as the same f32.
pub(crate) fn number(value: &Value) -> f64 {
    match value {
        Value::Real(real) => real.to_string().parse().unwrap(),
        Value::Integer(integer) => *integer as f64,
        Value::Text(text) => panic!("{text} is no number"),
    }
}

/// An address of loopback that no other test uses, so that every port on it is free.
pub(crate) fn loopback() -> Ipv4Addr {
    own_network()
}

/// Asks again until there is an answer.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
