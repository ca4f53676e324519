//! On a switch that snoops IGMP, where a group is heard only after its join has got through.

use super::plant::{Plant, collect, is_connected};
use crate::common::line::Line;
use crate::common::network::{Network, isolated};

#[test]
fn a_stream_that_began_for_us_beside_a_unicast_plc_is_given_back_and_locks_nobody_out() {
    isolated(|| {
        // Beside a unicast owner this adapter gives a listener a stream of its own, which outlives the owner.
        let habits = ["--variant", "second-stream", "--variant", "listener-survives-owner"];
        let plant = Plant::on(Network::snooping(), "snooping", &habits);
        let plc = plant.own_as(&["101", "102"], "100ms", &["--owner-unicast"]);
        let mut auto = collect(plant.a, &plant.config("a", "connection = \"auto\""));

        // The first look and the second one: both streams began with us, and both are given back.
        auto.wait_for_log("began to send for us alone, twice");
        auto.wait_for("explicit reads", |line| is_connected(line, "explicit") && line.integer("up") == 1);
        let (owned, refused) = plc.end();
        assert!(!refused && owned.iter().all(|[opened, _, lost]| (*opened, *lost) == (1, 0)), "{owned:?}");

        // It returns as multicast, at another packet interval.
        let plc = plant.own(&["101", "102"], "250ms");
        let values = |line: &Line| line.is("m", "") && line.fields.contains_key("voltage_l1_n_v");
        for _ in 0..3 {
            auto.wait_for("values", values);
        }
        auto.finish();
        let (owned, refused) = plc.end();
        assert!(!refused, "the PLC that returned was refused");
        assert!(owned.iter().all(|[opened, _, lost]| (*opened, *lost) == (1, 0)), "{owned:?}");
    });
}

#[test]
fn a_multicast_plc_is_heard_through_it_without_losing_a_frame_to_either() {
    isolated(|| {
        let plant = Plant::on(Network::snooping(), "snooping-multicast", &[]);
        let plc = plant.own(&["101", "102"], "100ms");
        let mut auto = collect(plant.a, &plant.config("a", "connection = \"auto\""));
        auto.wait_for("listening", |line| is_connected(line, "listen_only"));
        let from = auto.wait_for("the counters", |line| line.is("m", "_traffic"));
        let status = auto.wait_for("more frames", |line| {
            line.is("m", "_traffic")
                && line.integer("frames_received") >= from.integer("frames_received") + 100
        });
        assert_eq!((status.integer("frames_lost"), status.integer("frames_dropped")), (0, 0));
        auto.finish();
        let owned = plc.stop();
        assert!(owned.iter().all(|[opened, _, lost]| (*opened, *lost) == (1, 0)), "{owned:?}");
    });
}
