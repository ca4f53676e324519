//! Meters behind one address, as a gateway from Ethernet to RS-485 has them: one connection, each asked in its turn.

use std::net::SocketAddr;

use telegraf_pm500::meter::{Table, Value};
use telegraf_pm500::simulator::{Line, LineDefects, LineOptions, Options};
use tokio::runtime::{Builder, Runtime};

use crate::common::peer::scratch;
use crate::common::program::{Program, config, run};
use crate::common::simulated::own_network;

const UNITS: u8 = 6;
/// The one that is dead at first.
const DEAD: u8 = 4;

/// A simulated line behind a gateway.
fn start() -> (Runtime, Line) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let line = runtime.block_on(Line::start(LineOptions {
        units: UNITS,
        gateway: Some(SocketAddr::from((own_network(), 0))),
        meters: Options { frozen: true, ..Options::default() },
        ..LineOptions::default()
    }));
    (runtime, line.unwrap())
}

/// A block with a meter for each unit.
fn block(gateway: SocketAddr, units: impl IntoIterator<Item = u8>) -> String {
    let meter = |unit| {
        format!(
            "[[inputs.powermonitor_500.meter]]\nname = \"unit-{unit}\"\naddress = \"modbus://{gateway}\"\nunit_id = {unit}\n"
        )
    };
    let meters: String = units.into_iter().map(meter).collect();
    format!("[[inputs.powermonitor_500]]\nstate_file = \"\"\ninterval = \"1s\"\n{meters}")
}

#[test]
fn meters_behind_a_gateway_share_one_connection_and_a_dead_one_returns_without_harm_to_the_others() {
    let (_runtime, line) = start();
    line.set_defects(LineDefects { silent: [DEAD].into(), ..LineDefects::default() });
    let config = config(&scratch("gateway"), &block(line.gateway().unwrap(), 1..=UNITS));
    let mut program = Program::start(&["--config", config.to_str().unwrap()]);
    let names: Vec<(u8, String)> = (1..=UNITS).map(|unit| (unit, format!("unit-{unit}"))).collect();
    for _ in 0..4 {
        for (unit, name) in &names {
            let up = i64::from(*unit != DEAD);
            program.wait_for("each meter", |line| line.is(name, "_status") && line.integer("up") == up);
        }
    }
    program.wait_for_log("gateway target device failed to respond: check the unit id");
    line.set_defects(LineDefects::default());
    program.wait_for("the unit that is back", |line| line.is("unit-4", "_status") && line.integer("up") == 1);
    let ended = program.finish();
    for (unit, name) in &names {
        let lines = ended.lines();
        let down = lines.iter().filter(|line| line.is(name, "_status") && line.integer("up") == 0).count();
        assert_eq!(down > 0, *unit == DEAD, "{name} was down {down} times");
        let Some(Value::Real(true_power)) = line.expected(*unit, Table::Realtime, "active_power_total_w")
        else {
            panic!("{name} has no power")
        };
        let powers: Vec<f64> = lines
            .iter()
            .filter(|line| line.is(name, ""))
            .map(|line| line.float("active_power_total_w"))
            .collect();
        assert!(
            !powers.is_empty() && powers.iter().all(|power| (power - f64::from(true_power)).abs() < 0.05),
            "{name}: {powers:?}"
        );
    }
    let record = line.record();
    assert_eq!(
        (record.clients, line.writes()),
        ((0, 1), 0),
        "one connection at a time, and closed at the end"
    );
}

#[test]
fn one_unit_under_two_names_is_refused_and_says_what_meters_behind_a_gateway_need() {
    let gateway = SocketAddr::from(([192, 0, 2, 1], 502));
    let config = config(&scratch("gateway_twice"), &block(gateway, [1, 2]).replace("unit_id = 2", ""));
    let refused = run(&["--check-config", "--config", config.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1));
    let expected = "have the same address 192.0.2.1:502 and unit_id = 1";
    assert!(refused.error().contains(expected), "{}", refused.error());
    assert!(refused.error().contains("meters behind a gateway have a unit_id each"), "{}", refused.error());
}
