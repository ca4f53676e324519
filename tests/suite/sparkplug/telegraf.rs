//! Inside a real Telegraf, as it is shipped, with two simulated meters of which one dies and returns.

use telegraf_pm500::meter::Table;

use super::bench::{Judge, Message, count, sound, subscriber};
use crate::telegraf::broker::Broker;
use crate::telegraf::plant::{FEEDER, PRESS, Plant, number};
use crate::telegraf::program::Shipped;

#[test]
fn two_meters_are_devices_of_telegrafs_output_and_one_dies_and_returns() {
    let mut plant = Plant::start("sparkplug");
    let broker = Broker::plain(&plant.directory);
    let mut subscriber = subscriber(&broker);
    let configuration = plant.directory.join("sparkplug.toml");
    let text = format!(
        "[[outputs.sparkplug_b]]\nbroker = \"tcp://{}:1883\"\ngroup_id = \"plant\"\nedge_node_id = \"edge\"\n\
         state_file = \"spark.json\"\nbuffer_file = \"spark.buffer\"\n",
        broker.address
    );
    std::fs::write(&configuration, text).unwrap();
    let output = Shipped::file("outputs/sparkplug_b.conf")
        .with("/usr/bin/telegraf-pm500-sparkplug", env!("CARGO_BIN_EXE_telegraf-pm500-sparkplug"))
        .with("/etc/telegraf-pm500/sparkplug.toml\"]", &format!("{}\"]", configuration.display()));
    let mut telegraf = plant.telegraf(vec![output], &[]);
    let (press, feeder) = (format!("DBIRTH {PRESS}"), format!("DBIRTH {FEEDER}"));
    subscriber.wait_until(|printed| {
        count(printed, &press) > 0
            && count(printed, &feeder) > 0
            && count(printed, &format!("DDATA {FEEDER}")) > 1
    });
    // Information is information in Telegraf's log, and no error.
    telegraf.process.wait_for_log(" I! [outputs.execd] I! Connected to ");

    plant.meters.stop(0);
    let death = format!("DDEATH {PRESS}");
    subscriber.wait_until(|printed| count(printed, &death) == 1);
    let so_far = count(subscriber.wait_until(|_| true), &format!("DDATA {FEEDER}"));
    subscriber.wait_until(|printed| count(printed, &format!("DDATA {FEEDER}")) > so_far + 1);
    plant.meters.restart(0);
    let births = count(subscriber.wait_until(|_| true), &press);
    subscriber.wait_until(|printed| count(printed, &press) > births);
    telegraf.stop();
    let printed = subscriber.wait_until(|printed| count(printed, "NDEATH") == 1).to_owned();

    let messages = sound(&printed);
    assert_eq!(Judge::SparkplugPayload.messages(&printed).len(), messages.len());
    for (meter, tables) in
        [(PRESS, &[Table::Realtime, Table::Alarm][..]), (FEEDER, &[Table::Realtime, Table::Energy])]
    {
        for table in tables {
            for (field, value) in plant.expected(meter, *table) {
                let name = format!("{}/{field}", table.name());
                let of = messages.iter().filter(|message: &&Message| message.device == meter);
                let metric =
                    of.filter_map(|message| message.metric(&name)).find(|metric| metric.value.is_some());
                let said = metric.unwrap_or_else(|| panic!("{meter} {name}")).value.as_ref().unwrap();
                let said: f64 = said.parse().unwrap();
                assert_eq!(said as f32, number(&value) as f32, "{meter} {name}");
            }
        }
    }
}
