//! Lines that the plugin itself wrote about three simulated meters: pump-1 is well; pump-2, over Modbus, had its
//! counters reset, was away for a moment, and is down now; the PLC that owned pump-3 has crashed.

use std::net::Ipv4Addr;
use std::sync::LazyLock;
use std::time::Duration;

use telegraf_pm500::meter::{Table, Value};
use telegraf_pm500::simulator::{Options, Owner, OwnerOptions};

use crate::common::line::Line;
use crate::common::peer::scratch;
use crate::common::program::{Program, config};
use crate::common::simulated::Simulated;
use crate::common::steady::undisturbed;

/// The meters as they are left, and all that was written about them.
pub(crate) struct Trouble {
    meters: Simulated,
    /// The plugin's stdout.
    pub(crate) lines: String,
}

impl Trouble {
    /// One for all tests, because a listener has UDP 2222 for itself.
    pub(crate) fn get() -> &'static Trouble {
        static TROUBLE: LazyLock<Trouble> = LazyLock::new(|| undisturbed(Trouble::make));
        &TROUBLE
    }

    fn make() -> Trouble {
        let mut meters =
            Simulated::with(Options { count: 3, frozen: true, io_port: 2222, ..Options::default() });
        let plc = own(&meters, 2);
        let mut program = start(&meters);
        let up =
            |meter: &'static str| move |line: &Line| line.is(meter, "_status") && line.integer("up") == 1;
        let listening =
            |line: &Line| line.is("pump-3", "_status") && line.text("connection") == "listen_only";
        program.wait_for_all(&[&up("pump-1"), &up("pump-2"), &listening]);

        meters.block_on(plc.crash());
        meters.meter(1).reset_counters();
        program.wait_for_all(&[
            &|line| line.is_event("pump-2", "counter_reset"),
            &|line| line.is_event("pump-3", "owner_lost"),
            &|line| line.is("pump-3", "_status") && line.text("connection") == "explicit",
        ]);
        let down = |line: &Line| line.is("pump-2", "_status") && line.integer("up") == 0;
        meters.stop(1);
        program.wait_for("pump-2 down", down);
        meters.restart(1);
        program.wait_for("the gap", |line| line.is_event("pump-2", "gap"));
        meters.stop(1);
        program.wait_for("pump-2 down again", down);
        Trouble { meters, lines: program.finish().out }
    }

    /// What a meter truly holds, as a database must have it.
    #[track_caller]
    pub(crate) fn truth(&self, meter: &str, field: &str) -> f64 {
        let index = meter.strip_prefix("pump-").and_then(|number| number.parse::<usize>().ok()).unwrap() - 1;
        match self.meters.meter(index).expected(Table::Realtime, field) {
            Some(Value::Real(value)) => value.to_string().parse().unwrap(),
            other => panic!("{field} is {other:?}"),
        }
    }

    /// Largest deviation of a meter's three phases from their average, in percent.
    #[track_caller]
    pub(crate) fn unbalance(&self, meter: &str, phases: [&str; 3]) -> f64 {
        let phases = phases.map(|field| self.truth(meter, field));
        let average = phases.iter().sum::<f64>() / 3.0;
        phases.iter().map(|phase| (phase - average).abs()).fold(0.0, f64::max) / average * 100.0
    }

    /// How many events of this kind were written.
    pub(crate) fn events(&self, event: &str) -> usize {
        let lines = Line::all(&self.lines);
        lines.iter().filter(|line| line.tags.get("event").is_some_and(|kind| kind == event)).count()
    }
}

/// A PLC that owns the voltages of a meter.
fn own(meters: &Simulated, index: usize) -> Owner {
    let options = OwnerOptions { rpi: Duration::from_millis(20), ..OwnerOptions::default() };
    meters.block_on(async {
        let plc = Owner::start(meters.meter(index).eip(), Ipv4Addr::new(127, 0, 1, 1), options).unwrap();
        plc.opened().await;
        plc.received(1).await;
        plc
    })
}

fn start(meters: &Simulated) -> Program {
    let text = format!(
        r#"
[[inputs.powermonitor_500]]
  state_file = ""
  interval = "500ms"
  intervals = {{ energy = "500ms" }}
  [[inputs.powermonitor_500.meter]]
    name = "pump-1"
    address = "{}"
  [[inputs.powermonitor_500.meter]]
    name = "pump-2"
    address = "{}"
    connection = "modbus"
  [[inputs.powermonitor_500.meter]]
    name = "pump-3"
    address = "{}"
    connection = "auto"
"#,
        meters.eip(0),
        meters.modbus(1),
        meters.eip(2)
    );
    let file = config(&scratch("queries_trouble"), &text);
    Program::start(&["--config", file.to_str().unwrap()])
}
