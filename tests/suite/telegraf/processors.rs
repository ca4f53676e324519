//! The processors that are shipped, in a running Telegraf.

use telegraf_pm500::meter::{Table, Value};

use super::plant::{FEEDER, PRESS, Plant, number};
use super::program::{Shipped, Telegraf};
use crate::common::line::{Line, Value as Field};

/// Every line so far of a meter's measurement.
fn lines(printed: &str, meter: &str, suffix: &str) -> Vec<Line> {
    Line::all(printed).into_iter().filter(|line| line.is(meter, suffix)).collect()
}

/// The first line of a meter's measurement.
fn first(telegraf: &mut Telegraf, meter: &str, suffix: &str) -> Line {
    let printed = telegraf.process.wait_until(|printed| !lines(printed, meter, suffix).is_empty());
    lines(printed, meter, suffix).remove(0)
}

/// Largest deviation from the average, in percent of the average.
fn unbalance(plant: &Plant, names: [&str; 3]) -> f64 {
    let values = plant.expected(PRESS, Table::Realtime);
    let values = names.map(|name| number(&values[name]));
    let average = values.iter().sum::<f64>() / 3.0;
    values.iter().map(|value| (value - average).abs()).fold(0.0, f64::max) / average * 100.0
}

#[test]
fn unbalance_is_the_largest_deviation_from_the_average_in_percent() {
    let plant = Plant::start("unbalance");
    let files = vec![Shipped::file("processors/unbalance.conf"), Shipped::stdout()];
    let mut telegraf = plant.telegraf(files, &[]);

    let line = first(&mut telegraf, PRESS, "");
    for (field, names) in [
        ("voltage_ll_unbalance_pct", ["voltage_l1_l2_v", "voltage_l2_l3_v", "voltage_l3_l1_v"]),
        ("voltage_ln_unbalance_pct", ["voltage_l1_n_v", "voltage_l2_n_v", "voltage_l3_n_v"]),
        ("current_unbalance_pct", ["current_l1_a", "current_l2_a", "current_l3_a"]),
    ] {
        let expected = unbalance(&plant, names);
        assert!(expected > 0.01 && (line.float(field) - expected).abs() <= 0.0005, "{field}: {line:?}");
    }
    // What the meter sent is still there.
    assert_eq!(line.fields.len(), plant.expected(PRESS, Table::Realtime).len() + 3);
    telegraf.stop();
}

#[test]
fn kilo_changes_names_and_numbers_of_power_and_energy_and_of_nothing_else() {
    let plant = Plant::start("kilo");
    let mut telegraf = plant.telegraf(vec![Shipped::file("processors/kilo.conf"), Shipped::stdout()], &[]);

    for (table, suffix, at_least) in [(Table::Realtime, "", 12), (Table::Energy, "_energy", 8)] {
        let line = first(&mut telegraf, FEEDER, suffix);
        let mut converted = 0;
        let fields = plant.expected(FEEDER, table).into_iter().map(|(name, value)| {
            for unit in ["w", "va", "var", "wh", "varh"] {
                if let Some(start) = name.strip_suffix(&format!("_{unit}")) {
                    converted += 1;
                    // As the decimal that is three places to the left.
                    let kilo: f64 = format!("{:.6}", number(&value) / 1000.0).parse().unwrap();
                    return (format!("{start}_k{unit}"), Field::Float(kilo));
                }
            }
            match value {
                Value::Integer(integer) => (name, Field::Integer(integer)),
                real => (name, Field::Float(number(&real))),
            }
        });
        assert_eq!(line.fields, fields.collect());
        assert_eq!(converted, at_least);
    }
    telegraf.stop();
}

#[test]
fn a_dead_band_passes_what_changes_at_once_and_nothing_that_stands_still() {
    let mut plant = Plant::start("dead_band");
    let mut telegraf =
        plant.telegraf(vec![Shipped::file("processors/dead_band.conf"), Shipped::stdout()], &[]);
    first(&mut telegraf, PRESS, "");
    // Energy is not thinned: five of its lines are five gathers of everything.
    telegraf.process.wait_until(|printed| lines(printed, FEEDER, "_energy").len() >= 5);
    plant.meters.stop(0);
    let down = |line: &Line| line.integer("up") == 0;
    let printed = telegraf.process.wait_until(|printed| lines(printed, PRESS, "_status").iter().any(down));
    assert_eq!(lines(printed, PRESS, "").len(), 1);
    assert_eq!(lines(printed, PRESS, "_alarm").len(), 1);
    assert_eq!(lines(printed, FEEDER, "_status").len(), 1);
    let states: Vec<_> = lines(printed, PRESS, "_status").iter().map(|line| line.integer("up")).collect();
    assert_eq!(states, [1, 0]);
    telegraf.stop();
}

#[test]
fn a_value_that_leaves_its_band_takes_its_whole_line_along() {
    let mut plant = Plant::start("dead_band_moves");
    // A load that is never still.
    plant.meters = crate::common::simulated::Simulated::with(telegraf_pm500::simulator::Options {
        count: 2,
        ..Default::default()
    });
    plant.configure("interval = \"1s\"");
    let mut telegraf =
        plant.telegraf(vec![Shipped::file("processors/dead_band.conf"), Shipped::stdout()], &[]);
    let printed = telegraf.process.wait_until(|printed| lines(printed, PRESS, "").len() >= 3);
    let whole = plant.expected(PRESS, Table::Realtime).len();
    assert!(lines(printed, PRESS, "").iter().all(|line| line.fields.len() == whole));
    telegraf.stop();
}
