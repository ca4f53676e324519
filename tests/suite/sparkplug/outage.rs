//! Nothing is lost silently: the broker goes, the connection breaks, the program is killed, the store is too small.

use std::collections::BTreeSet;
use std::process::Command;

use rustix::process::Signal;

use super::bench::{Message, count, edge_node, power, sound, subscriber};
use crate::common::peer::scratch;
use crate::common::process::run;
use crate::telegraf::broker::Broker;
use crate::telegraf::plant::wait_for;

const T0: i64 = 1_700_000_000_000;
const POWER: &str = "realtime/active_power_total_w";

/// The times of every value of a device's power, and of those that came late.
fn times(messages: &[Message], device: &str) -> (BTreeSet<i64>, Vec<i64>) {
    let metrics =
        messages.iter().filter(|message| message.device == device).flat_map(|message| &message.metrics);
    let power: Vec<_> = metrics.filter(|metric| metric.name == POWER && metric.value.is_some()).collect();
    let late = power.iter().filter(|metric| metric.historical).map(|metric| metric.at);
    (power.iter().map(|metric| metric.at).collect(), late.collect())
}

#[test]
fn what_came_while_the_broker_was_away_outlives_a_kill_and_goes_out_late_in_order() {
    let directory = scratch("sparkplug_kill");
    let mut broker = Broker::plain(&directory);
    let mut first = edge_node(&directory, &broker, "");
    first.give(&power("a", 0.0, T0));
    first.wait_for("I! Connected to ");
    // What it cannot know to have arrived would come again.
    broker.wait_for_answer("plant-edge", "/DBIRTH/");
    broker.go();
    first.wait_for_log("; lines wait until the broker is back");
    for second in 1..=20 {
        first.give(&power("a", f64::from(second), T0 + i64::from(second) * 1000));
    }
    let buffer = directory.join("buffer");
    let kept = || std::fs::read_to_string(&buffer).unwrap_or_default();
    wait_for("the lines are on disk", || kept().contains(&format!(" {}000000\n", T0 + 20_000)).then_some(()));
    first.signal(Signal::KILL);
    drop(first);

    broker.come();
    let mut subscriber = subscriber(&broker);
    let mut second = edge_node(&directory, &broker, "");
    second.give(&power("a", 21.0, T0 + 21_000));
    second.wait_for(" lines of an earlier run wait to be delivered");
    let due: BTreeSet<i64> = (1..=21).map(|n| T0 + n * 1000).collect();
    let everything = |printed: &str| times(&sound(printed), "a").0.is_superset(&due);
    let printed = subscriber.wait_until(|printed| count(printed, "DDATA a") >= 20 && everything(printed));
    let (all, late) = times(&sound(printed), "a");
    assert_eq!(all, due, "nothing is lost, nothing comes twice, and nothing is made up");
    assert_eq!(late, (1..=20).map(|n| T0 + n * 1000).collect::<Vec<_>>());
    wait_for("the file is empty", || kept().is_empty().then_some(()));
    second.end("", 0);
}

#[test]
fn what_does_not_fit_is_counted_and_said() {
    let directory = scratch("sparkplug_full");
    let mut broker = Broker::plain(&directory);
    let mut node = edge_node(&directory, &broker, "buffer_size = \"64KiB\"");
    node.wait_for("I! Connected to ");
    broker.go();
    node.wait_for_log("; lines wait until the broker is back");
    let lines: i64 = 2000;
    (0..lines).for_each(|n| node.give(&power("a", n as f64, T0 + n * 1000)));
    node.wait_for_log(
        "W! 64 KiB of lines wait for the broker, as many as may; the oldest are dropped and counted",
    );
    broker.come();
    let mut subscriber = subscriber(&broker);
    let said = node.wait_for_log(" lines were dropped since the start of the program");
    let dropped: i64 = said.trim_start_matches("W! ").split(' ').next().unwrap().parse().unwrap();
    subscriber.wait_until(|printed| count(printed, "DDATA a") as i64 + 1 >= lines - dropped);
    node.end("", 0);
    let printed = subscriber.wait_until(|printed| count(printed, "NDEATH") == 1);
    let (all, _) = times(&sound(printed), "a");
    assert_eq!(all.len() as i64, lines - dropped);
    assert_eq!(all.last(), Some(&(T0 + (lines - 1) * 1000)), "the newest are kept");
}

#[test]
fn a_hundred_reconnects_count_by_one_and_lose_nothing() {
    let directory = scratch("sparkplug_reconnects");
    let mut broker = Broker::plain(&directory);
    let mut subscriber = subscriber(&broker);
    let mut node = edge_node(&directory, &broker, "");
    let mut given = 0i64;
    let mut give = |node: &mut crate::common::process::Process| {
        given += 1;
        node.give(&power("a", given as f64, T0 + given * 1000));
    };
    let connected = |printed: &str| printed.matches("I! Connected to ").count();
    for session in 1..=100 {
        give(&mut node);
        node.wait_until(|printed| connected(printed) >= session);
        give(&mut node);
        subscriber.wait_until(|printed| count(printed, "NBIRTH") >= session);
        if session < 100 {
            // Another client with the same identifier: the broker ends our session, and publishes its will.
            let mut thief = Command::new("mosquitto_pub");
            thief.args(["-h", &broker.address.to_string(), "-i", "plant-edge", "-t", "thief", "-n"]);
            run(&mut thief, "");
        }
    }
    let enough = |printed: &str| {
        let all = count(printed, "NBIRTH") == 100 && count(printed, "NDEATH") == 99;
        all && times(&sound(printed), "a").0.len() as i64 == given
    };
    let printed = subscriber.wait_until(enough).to_owned();
    let messages = sound(&printed);
    let births: Vec<_> =
        messages.iter().filter(|message| message.kind == "NBIRTH").map(Message::bd_seq).collect();
    assert_eq!(births, (0..100).collect::<Vec<i64>>());
    let deaths: Vec<_> =
        messages.iter().filter(|message| message.kind == "NDEATH").map(Message::bd_seq).collect();
    assert_eq!(deaths, (0..99).collect::<Vec<i64>>());

    // A broker that is not there spends no number.
    broker.go();
    node.wait_for("D! Cannot connect to ");
    broker.come();
    let mut again = super::bench::subscriber(&broker);
    let printed = again.wait_until(|printed| count(printed, "NBIRTH") == 1);
    let born = sound(printed).iter().find(|message| message.kind == "NBIRTH").unwrap().bd_seq();
    assert_eq!(born, 100);
    node.end("", 0);
}
