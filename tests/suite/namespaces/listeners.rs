//! What two listeners hear, and that the PLC never notices them.

use std::net::Ipv4Addr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::plant::{A, B, METER, Plant, collect, hear, is_connected};
use crate::common::capture::{Capture, Packets};
use crate::common::line::Line;
use crate::common::network::isolated;
use crate::common::program::Program;

const LISTEN: &str = "connection = \"listen_only\"";

/// An accepted Forward Open.
struct Open {
    /// When the meter answered, in seconds.
    answered: f64,
    originator: String,
    o2t: String,
    t2o: String,
}

fn opens(packets: &Packets) -> Vec<Open> {
    let accepted = "cip.sc == 0x54 && cip.rr == 1 && cip.genstat == 0";
    let replies =
        packets.frames(accepted, &["frame.time_epoch", "ip.dst", "cip.cm.ot_connid", "cip.cm.to_connid"]);
    let open = |reply: &String| {
        let [answered, originator, o2t, t2o] =
            reply.split(' ').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
        Open { answered: answered.parse().unwrap(), originator, o2t, t2o }
    };
    replies.iter().map(open).collect()
}

/// When frames with this connection ID left an address, in seconds.
fn sent(packets: &Packets, from: Ipv4Addr, connection: &str) -> Vec<f64> {
    let filter = format!("udp && ip.src == {from} && enip.cpf.sai.connid == {connection}");
    packets.frames(&filter, &["frame.time_epoch"]).iter().map(|at| at.parse().unwrap()).collect()
}

/// When the meter sent a frame, and with which connection ID.
fn frames(packets: &Packets) -> Vec<(f64, String)> {
    let filter = format!("udp.port == 2222 && ip.src == {METER}");
    let frames = packets.frames(&filter, &["frame.time_epoch", "enip.cpf.sai.connid"]);
    let frame = |frame: &String| {
        let (at, connection) = frame.split_once(' ').unwrap();
        (at.parse().unwrap(), connection.to_owned())
    };
    frames.iter().map(frame).collect()
}

#[test]
fn every_listener_hears_every_frame_and_none_disturbs_the_plc_by_coming_going_or_dying() {
    isolated(|| {
        let plant = Plant::start("listeners");
        let capture = Capture::of_network();
        let plc = plant.own(&["101", "102"], "200ms");
        let config = plant.config("b", LISTEN);
        // Beside a PLC that has only just connected, a listener looks twice: another one waits for those to be over.
        let mut b = collect(plant.b, &config);
        hear(&mut b, 40);
        assert_eq!(b.finish().code, Some(0));

        let mut a = collect(plant.a, &plant.config("a", LISTEN));
        a.wait_for("listening", |line| is_connected(line, "listen_only"));
        let mut b = collect(plant.b, &config);
        b.wait_for("listening", |line| is_connected(line, "listen_only"));
        assert_eq!(b.finish().code, Some(0));
        hear(&mut a, 20);

        let mut b = collect(plant.b, &config);
        b.wait_for("listening", |line| is_connected(line, "listen_only"));
        // Killed without a word; the meter ends its connections 1.6 s later.
        drop(b);
        hear(&mut a, 40);

        let mut b = collect(plant.b, &config);
        hear(&mut b, 40);

        let stopped = seconds_now();
        let owned = plc.stop();
        let heard = [a, b].map(|mut listener| {
            listener.wait_for("the owner's end", |line| line.is_event("m", "owner_lost"));
            listener.wait_for("the owner's end", |line| line.is_event("m", "owner_lost"));
            let status = listener.wait_for("the counters", |line| line.is("m", "_traffic"));
            listener.finish();
            ["frames_received", "frames_lost", "frames_dropped"].map(|name| status.integer(name))
        });
        let packets = capture.finish(&plant.scratch);
        let (opens, frames) = (opens(&packets), frames(&packets));
        println!("frames sent {}; PLC {owned:?}; listeners {heard:?}", frames.len());

        for [opened, _, lost] in &owned {
            assert_eq!((*opened, *lost), (1, 0), "the PLC opened once and missed nothing");
        }
        // The last frames may leave the meter while the PLC says good-bye; all those before have arrived.
        let received = owned.iter().map(|[_, received, _]| *received as usize).sum::<usize>();
        let owed = frames.iter().filter(|(at, _)| *at < stopped).count();
        assert!((owed..=frames.len()).contains(&received), "{received} of {owed} to {}", frames.len());
        for ([received, lost, dropped], listener) in heard.into_iter().zip([A, B]) {
            assert_eq!((lost, dropped), (0, 0));
            // The group is joined after the meter's answer and before the first heartbeat.
            let own = opens.iter().filter(|open| open.originator == listener.to_string());
            let connections: Vec<_> = own.rev().take(2).collect();
            let since = |open: &Open, from: f64| {
                frames.iter().filter(|(at, connection)| *connection == open.t2o && *at > from).count() as i64
            };
            let sure = connections.iter().map(|open| since(open, sent(&packets, listener, &open.o2t)[0]));
            let possible = connections.iter().map(|open| since(open, open.answered));
            let (sure, possible) = (sure.sum::<i64>(), possible.sum::<i64>());
            assert!((sure..=possible).contains(&received), "{listener}: {received} of {sure} to {possible}");
        }
    });
}

#[test]
fn an_owner_that_crashes_is_noticed_survived_and_found_again_at_another_interval() {
    isolated(|| {
        let plant = Plant::start("crash");
        let plc = plant.own(&["101"], "100ms");
        let mut auto = collect(plant.a, &plant.config("a", "connection = \"auto\""));
        let mut only = collect(plant.b, &plant.config("b", LISTEN));
        for listener in [&mut auto, &mut only] {
            let status = listener.wait_for("listening", |line| is_connected(line, "listen_only"));
            assert_eq!(status.float("rpi_ms"), 100.0);
        }

        drop(plc);
        let crashed = now();
        // Its own dead connection is in its way until the meter has noticed, nothing of ours.
        let plc = plant.own(&["101"], "250ms");

        for listener in [&mut auto, &mut only] {
            let lost = listener.wait_for("the loss", |line| line.is_event("m", "owner_lost"));
            // Two watchdogs of sixteen intervals; the collector looks once a second. Generous: a busy machine.
            let took = (lost.time - crashed) / 1_000_000;
            println!("noticed after {took} ms");
            assert!(took < 2 * 16 * 100 + 5_000, "noticed after {took} ms");
        }
        auto.wait_for("explicit reads", |line| is_connected(line, "explicit"));
        let whole = |line: &Line| line.is("m", "") && line.fields.contains_key("voltage_l1_n_v");
        auto.wait_for("values all the same", whole);
        let status = only.wait_for("a status", |line| is_connected(line, "none"));
        assert_eq!((status.text("result"), status.integer("up")), ("no_owner", 0));

        for listener in [&mut auto, &mut only] {
            find_again(listener);
            let status = listener.wait_for("listening", |line| is_connected(line, "listen_only"));
            assert_eq!(status.float("rpi_ms"), 250.0);
        }
        let owned = plc.stop();
        assert_eq!(owned[0][0], 1, "the PLC opened once and kept its connection: {owned:?}");
        assert_eq!(owned[0][2], 0, "the PLC missed no frame: {owned:?}");
    });
}

/// Waits for the owner's return: we look once a minute at first, and a status comes every second.
fn find_again(listener: &mut Program) {
    for _ in 0..150 {
        let line = listener.wait_for("a status or the return", |line| {
            line.is("m", "_status") || line.is_event("m", "owner_back")
        });
        if line.is_event("m", "owner_back") {
            return;
        }
    }
    panic!("the owner returned and was not found");
}

/// Nanoseconds since the epoch, as in line protocol.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_nanos()).unwrap()
}

/// Seconds since the epoch, as in a capture.
fn seconds_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}
