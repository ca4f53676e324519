//! What happens to a meter is said once, with the right name, also when it happened while nobody watched.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use telegraf_pm500::collector::Collector;
use telegraf_pm500::collector::state::State;
use telegraf_pm500::meter::{Table, Value};
use telegraf_pm500::simulator::{Options, SimulatedMeter};

use crate::common::lines::Lines;
use crate::common::peer::scratch;
use crate::common::reading::{config, frozen, gather, meter};
use crate::common::relay::{Answer, Framing, Relay};

const EVENT: &str = "powermonitor_500_event";

/// A collector with a state file, as a plugin that was just started has it.
fn started(options: &str, file: &Path) -> (Collector, State) {
    let config = Arc::new(config(options));
    let (state, troubles) = State::open(file, std::slice::from_ref(&config.name));
    assert!(troubles.is_empty(), "{troubles:?}");
    (Collector::new(config, state.clone()), state)
}

/// One run of the plugin: it starts, gathers these tables once, and ends.
async fn run(options: &str, file: &Path, tables: &[Table]) -> Lines {
    let (mut collector, state) = started(options, file);
    let lines = gather(&mut collector, tables).await;
    collector.close().await;
    state.save().unwrap();
    lines
}

fn modbus(meter: &SimulatedMeter) -> String {
    let tables = "tables = [\"realtime\", \"energy\", \"settings\"]";
    format!("address = \"{}\"\nconnection = \"modbus\"\n{tables}", meter.modbus())
}

fn kinds(lines: &Lines) -> Vec<String> {
    lines.all(EVENT).iter().map(|line| line.tags["event"].clone()).collect()
}

#[tokio::test]
async fn a_reset_of_the_counters_is_one_event_with_every_last_value_and_counts_once() {
    let meter = meter(frozen()).await;
    let mut collector = crate::common::reading::collector(&modbus(&meter));
    let before = gather(&mut collector, &[Table::Energy]).await;
    meter.reset_counters();
    let lines = gather(&mut collector, &[Table::Energy]).await;
    assert_eq!(kinds(&lines), ["counter_reset"]);
    let [event] = lines.events("counter_reset")[..] else { panic!("{lines:?}") };
    let counters = before.one("powermonitor_500_energy");
    for name in event.text("field").split(',') {
        let told = format!("{name}={}", counters.integer(name));
        assert!(event.text("before_text").split(',').any(|text| text == told), "{told}: {event:#?}");
        assert!(event.text("after_text").split(',').any(|text| text == format!("{name}=0")), "{event:#?}");
    }
    assert_eq!(event.text("field").split(',').count(), 8);
    let next = gather(&mut collector, &[Table::Energy]).await;
    assert_eq!(kinds(&next), [""; 0]);
    assert_eq!(next.one("powermonitor_500_traffic").integer("counter_resets"), 1);
}

#[tokio::test]
async fn one_wrong_reading_of_the_counters_costs_no_line_and_a_jump_that_is_undone_no_energy() {
    let meter = meter(frozen()).await;
    let mut collector = crate::common::reading::collector(&modbus(&meter));
    let tables = [Table::Realtime, Table::Energy, Table::Settings];
    let before = gather(&mut collector, &tables).await;
    let energy = before.one("powermonitor_500_energy").clone();
    for odd in [0, 9_000_000_000_000] {
        meter.show_counters(1, odd);
        let lines = gather(&mut collector, &tables).await;
        assert_eq!(kinds(&lines), ["counter_glitch"]);
        assert_eq!(lines.one("powermonitor_500_energy").fields, energy.fields, "the second reading leaves");
    }
    assert_eq!(
        gather(&mut collector, &tables).await.one("powermonitor_500_traffic").integer("values_dropped"),
        16
    );
    let import = energy.integer("active_import_wh");
    for (to, event) in [(import + 5_000_000_000, "counter_jumped"), (import + 3, "counter_returned")] {
        meter.set_counter("active_import_wh", to);
        let lines = gather(&mut collector, &tables).await;
        assert_eq!(kinds(&lines), [event]);
        assert_eq!(lines.events(event)[0].float("after"), to as f64);
        assert_eq!(kinds(&gather(&mut collector, &tables).await), [""; 0]);
    }
}

#[tokio::test]
async fn another_meter_is_swapped_and_never_reset_whether_or_not_anybody_watched() {
    let meter = meter(frozen()).await;
    let (options, file) = (modbus(&meter), scratch("events_swap").join("state.json"));
    let (mut collector, state) = started(&options, &file);
    gather(&mut collector, &[Table::Realtime, Table::Energy, Table::Settings]).await;
    // Its connections are closed after each gather, so that no session breaks with it.
    meter.exchange(41);
    meter.set_setting("ct_ratio", Value::Real(50.0));
    let lines = gather(&mut collector, &[Table::Energy, Table::Settings]).await;
    assert_eq!(kinds(&lines), ["meter_swapped"]);
    let [event] = lines.events("meter_swapped")[..] else { panic!("{lines:?}") };
    let told = (event.text("before_text"), event.text("after_text"));
    assert_eq!(told, ("SIM0000000000", "SIM0000000041"));
    assert_eq!(lines.one("powermonitor_500_traffic").integer("counter_resets"), 0);
    assert!(lines.has("powermonitor_500_info"), "who it is now is said at once");
    collector.close().await;
    state.save().unwrap();
    drop((collector, state));

    meter.exchange(42);
    assert_eq!(kinds(&run(&options, &file, &[Table::Energy, Table::Settings]).await), ["meter_swapped"]);
    assert_eq!(kinds(&run(&options, &file, &[Table::Energy, Table::Settings]).await), [""; 0]);
}

#[tokio::test]
async fn what_was_reset_or_changed_while_the_plugin_was_not_running_is_said_at_its_start() {
    let meter = meter(frozen()).await;
    let (options, file) = (modbus(&meter), scratch("events_restart").join("state.json"));
    let tables = [Table::Energy, Table::Settings];
    assert_eq!(kinds(&run(&options, &file, &tables).await), [""; 0]);
    meter.reset_counters();
    meter.set_setting("ct_ratio", Value::Real(40.3));
    meter.set_setting("wiring_code", Value::Integer(2));
    let lines = run(&options, &file, &tables).await;
    assert_eq!(kinds(&lines), ["counter_reset", "settings_changed", "settings_changed"]);
    let changed = lines.events("settings_changed");
    let of = |field: &str| *changed.iter().find(|event| event.text("field") == field).unwrap();
    assert_eq!((of("ct_ratio").float("before"), of("ct_ratio").float("after")), (20.0, 40.3));
    assert_eq!((of("wiring_code").float("before"), of("wiring_code").float("after")), (5.0, 2.0));
    assert_eq!(of("wiring_code").text("after_text"), lines.one("powermonitor_500_settings").text("wiring"));
    assert_ne!(changed[0].time, changed[1].time, "one would overwrite the other");
    assert_eq!(kinds(&run(&options, &file, &tables).await), [""; 0]);
}

#[tokio::test]
async fn maximum_and_demand_values_that_begin_anew_are_said_also_across_a_restart() {
    let meter = meter(Options::default()).await;
    let tables = [Table::Max, Table::Demand];
    let options =
        format!("address = \"{}\"\nevidence = \"guessed\"\ntables = [\"max\", \"demand\"]", meter.eip());
    let file = scratch("events_max").join("state.json");
    for _ in 0..2 {
        assert_eq!(kinds(&run(&options, &file, &tables).await), [""; 0]);
    }
    meter.reset_maxima();
    meter.reset_demand();
    let lines = run(&options, &file, &tables).await;
    assert_eq!(kinds(&lines), ["max_reset", "demand_reset"]);
    let event = lines.events("max_reset")[0];
    assert!(event.float("after") < event.float("before"), "{event:#?}");
    assert_eq!(event.float("after"), lines.one("powermonitor_500_max").float(event.text("field")));
    assert_eq!(kinds(&run(&options, &file, &tables).await), [""; 0]);
}

#[tokio::test]
async fn an_outage_that_begins_in_the_middle_of_a_gather_is_one_gap() {
    let meter = meter(frozen()).await;
    let relay = Relay::start(meter.eip(), Framing::EtherNetIp).await;
    let options = format!("address = \"{}\"\ninterval = \"200ms\"\ntimeout = \"200ms\"", relay.address);
    let mut collector = crate::common::reading::collector(&options);
    let tables = [Table::Realtime, Table::Alarm];
    assert_eq!(gather(&mut collector, &tables).await.result(), "success");
    // The first assembly is read, then the meter is gone in two different ways.
    let mut answered = 0;
    relay.spoil(move |_| {
        answered += 1;
        match answered {
            1 => Answer::True,
            2 => Answer::Late(Vec::new()),
            _ => Answer::Close,
        }
    });
    let lines = gather(&mut collector, &tables).await;
    assert_eq!(lines.one("powermonitor_500_status").integer("tables_failed"), 2, "{lines:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    relay.heal();
    let mut gaps = Vec::new();
    for _ in 0..200 {
        let lines = gather(&mut collector, &tables).await;
        gaps.extend(lines.events("gap").iter().map(|gap| gap.text("table").to_owned()));
        if lines.result() == "success" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(gaps, ["realtime,alarm"]);
}
