//! The frames of a PLC and a listener, as Wireshark understands them, and how a listener says good-bye.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use super::plant::{A, B, METER, PLC, Plant, collect, hear, is_connected};
use crate::common::capture::{Capture, Packets};
use crate::common::network::isolated;
use crate::common::program::Program;

/// A way to end a program.
type End = fn(&mut Program);

const ENDS: [(&str, End); 3] = [
    ("stdin EOF", |listener| listener.close_stdin()),
    ("SIGTERM", |listener| listener.signal(Signal::TERM)),
    ("SIGINT", |listener| listener.signal(Signal::INT)),
];

const LISTEN: &str = "connection = \"listen_only\"";

/// The promise for the end.
const GOODBYE_S: f64 = 2.0;

const NONE: [&str; 0] = [];

#[test]
fn wireshark_knows_every_frame_and_each_way_to_end_says_good_bye_within_two_seconds() {
    isolated(|| {
        let plant = Plant::start("wire");
        let capture = Capture::of_network();
        let plc = plant.own(&["101", "102"], "100ms");
        // Beside a PLC that has only just connected, a listener looks twice: another one waits for those to be over.
        let mut first = collect(plant.b, &plant.config("b", LISTEN));
        hear(&mut first, 40);
        assert_eq!(first.finish().code, Some(0));
        let config = plant.config("a", LISTEN);
        let mut ended = Vec::new();
        for (how, end) in ENDS {
            let mut listener = collect(plant.a, &config);
            listener.wait_for("listening", |line| is_connected(line, "listen_only"));
            listener.wait_for("values", |line| line.is("m", ""));
            ended.push((how, now()));
            end(&mut listener);
            assert_eq!(listener.end().code, Some(0), "{how}");
        }
        assert!(plc.stop().iter().all(|[opened, _, lost]| (*opened, *lost) == (1, 0)));
        let packets = capture.finish(&plant.scratch);

        assert_dissected(&packets);
        let mut took = Vec::new();
        for (index, (how, at)) in ended.iter().enumerate() {
            let next = ended.get(index + 1).map_or(at + 60.0, |(_, at)| *at);
            took.push((*how, assert_goodbye(&packets, how, *at, next)));
        }
        println!("good-byes, in seconds: {took:?}");
    });
}

/// Wireshark finds nothing wrong, and knows of each frame which Forward Open it belongs to.
fn assert_dissected(packets: &Packets) {
    // 0x600000 is "warning".
    let complaints = "_ws.malformed || _ws.expert.severity >= 0x600000";
    assert_eq!(packets.frames(complaints, &["frame.number", "_ws.expert.message"]), NONE);
    let eip = packets.eip_data();
    assert_eq!(packets.frames(&format!("{eip} && !enip"), &["frame.number"]), NONE);
    assert_eq!(packets.frames(&format!("{eip} && enip.status != 0"), &["frame.number"]), NONE);

    let opens = |more: &str| packets.frames(&format!("cip.sc == 0x54 && {more}"), &["ip.src"]).len();
    assert_eq!(opens("cip.rr == 0 && cip.cm.torpi && cip.connpoint == 101") * 2, opens("cip.rr == 0"));
    assert_eq!(opens("cip.rr == 1"), opens("cip.rr == 0"));
    let accepted = |more: &str| opens(&format!("cip.rr == 1 && cip.genstat == 0 && cip.cm.toapi {more}"));
    for (originator, times) in [(PLC[0], 1), (PLC[1], 1), (A, 2 * ENDS.len())] {
        assert_eq!(accepted(&format!("&& ip.dst == {originator}")), times, "{originator} opens each once");
    }
    let closes = packets.frames("cip.sc == 0x4e && cip.rr == 1 && cip.genstat == 0", &["ip.src"]).len();
    assert_eq!(closes, accepted(""), "whatever is opened is closed");

    let io = |more: &str| packets.frames(&format!("udp.port == 2222 {more}"), &["frame.number"]);
    assert_eq!(io("&& !(cipio && enip.fwd_open_in)"), NONE, "each belongs to a Forward Open");
    // UDP's header of 8, the frame's of 18, the count of 2, and the data.
    for (source, lengths) in [(METER, "76, 100"), (A, "28"), (B, "28"), (PLC[0], "28"), (PLC[1], "28")] {
        let source = format!("&& ip.src == {source}");
        assert!(!io(&source).is_empty(), "{source}");
        let other = format!("{source} && !(udp.length in {{{lengths}}})");
        assert_eq!(io(&other), NONE, "another length");
    }
}

/// A listener that was told to end at a time has closed both connections and its session; the seconds it took.
fn assert_goodbye(packets: &Packets, how: &str, at: f64, next: f64) -> f64 {
    let between = format!("ip.src == {A} && frame.time_epoch > {at:.6} && frame.time_epoch < {next:.6}");
    let times = |what: &str| -> Vec<f64> {
        let found = packets.frames(&format!("{between} && {what}"), &["frame.time_epoch"]);
        found.iter().map(|time| time.parse().unwrap()).collect()
    };
    let closes = times("cip.sc == 0x4e && cip.rr == 0");
    let sessions = times("enip.command == 0x66");
    assert_eq!((closes.len(), sessions.len()), (2, 1), "{how}");
    let last = closes.into_iter().chain(sessions).fold(at, f64::max);
    assert!(last - at < GOODBYE_S, "{how} took {} s", last - at);
    last - at
}

/// Seconds since the epoch, as in a capture.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}
