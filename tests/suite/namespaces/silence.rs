//! Silence that is ours, and silence that is the owner's.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::plant::{METER, Plant, collect, hear, is_connected};
use crate::common::line::Line;
use crate::common::network::isolated;
use crate::common::process::Process;

fn is_reading(line: &Line) -> bool {
    line.is("m", "") && line.fields.contains_key("voltage_l1_n_v")
}

#[test]
fn a_stall_of_our_own_is_not_taken_for_an_owner_that_left() {
    isolated(|| {
        let plant = Plant::start("stall");
        let plc = plant.own(&["101", "102"], "100ms");
        let path = plant.config("a", "connection = \"listen_only\"");
        // The meter keeps our connections during the stalls.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("heartbeat_interval = \"100ms\"", "heartbeat_interval = \"1s\""))
            .unwrap();
        let mut listener = collect(plant.a, &path);
        hear(&mut listener, 40);
        for _ in 0..5 {
            listener.signal(Signal::STOP);
            // 18 packet intervals: two more than silence may last.
            thread::sleep(Duration::from_millis(1800));
            listener.signal(Signal::CONT);
            hear(&mut listener, 40);
        }
        let lines = listener.finish().lines();
        let lost: Vec<&Line> = lines.iter().filter(|line| line.is_event("m", "owner_lost")).collect();
        assert!(lost.is_empty(), "{lost:?}");
        assert!(plc.stop().iter().all(|[opened, _, lost]| (*opened, *lost) == (1, 0)));
    });
}

#[test]
fn after_the_owners_good_bye_an_old_sample_is_not_shown_for_long_and_the_gap_says_why() {
    isolated(|| {
        let plant = Plant::start("good-bye");
        // At this packet interval silence lasts 16 s before the connection counts as dead.
        let plc = plant.own(&["101", "102"], "1s");
        let mut auto = collect(plant.a, &plant.config("a", "connection = \"auto\""));
        auto.wait_for("listening", |line| is_connected(line, "listen_only"));
        auto.wait_for("values", is_reading);
        plc.stop();
        // By now every sample of the owner's time is too old to be shown.
        auto.wait_for("explicit reads", |line| is_connected(line, "explicit"));
        let from = auto.wait_for("values", is_reading).time;
        for _ in 0..5 {
            auto.wait_for("values", is_reading);
        }
        let lines = auto.finish().lines();
        let mut times: Vec<i64> =
            lines.iter().filter(|line| is_reading(line)).map(|line| line.time).collect();
        times.retain(|time| *time >= from);
        assert!(times.len() > 5 && times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        // Four packet intervals at most without a new sample; the gap says why, for gathers took place.
        let gaps: Vec<(f64, &str)> = lines
            .iter()
            .filter(|line| line.is_event("m", "gap"))
            .map(|line| (line.float("duration_s"), line.text("reason")))
            .collect();
        let known = |(seconds, why): &(f64, &str)| *seconds < 7.0 && *why == "the meter sent no newer frame";
        assert!(gaps.iter().all(known), "{gaps:?}");
    });
}

#[test]
fn one_look_beside_a_slow_plc_waits_for_its_frames() {
    isolated(|| {
        let plant = Plant::start("slow");
        for rpi in ["1s", "2s"] {
            let plc = plant.own(&["101", "102"], rpi);
            // Beside a PLC that has only just connected there is a second look, which is not what is tried here.
            let mut first = collect(plant.b, &plant.config("b", "connection = \"listen_only\""));
            hear(&mut first, 10);
            first.finish();
            let mut dump = plant.a.telegraf_pm500(&["dump", "--listen", &METER.to_string()]);
            let printed = Process::start(&mut dump).end("", 0);
            let lines = Line::all(&printed);
            assert!(lines.iter().any(|line| line.measurement == "powermonitor_500"), "at {rpi}: {printed}");
            plc.stop();
        }
    });
}
