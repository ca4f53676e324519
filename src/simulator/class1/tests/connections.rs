//! Who may connect, what fits together, when it ends: without sockets, on a clock of the test's own.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use tokio::time::Instant;

use crate::enip::class1::Frame;
use crate::enip::forward_open::{Application, ForwardOpen, Parameters, Priority, Triad};
use crate::enip::status::Refusal;
use crate::meter::identity::Identity;
use crate::simulator::class1::connections::{Connections, Granted, Originator};
use crate::simulator::class1::path::Points;
use crate::simulator::class1::rules::Rules;
use crate::simulator::{FrameDefects, IoRecord, Options, Variant};

use Application::{InputOnly, ListenOnly};

const METER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 5), 2222);
pub(super) const PLC: Originator = Originator { address: Ipv4Addr::new(10, 0, 0, 1), port: 2222 };
pub(super) const COLLECTOR: Originator = Originator { address: Ipv4Addr::new(10, 0, 0, 2), port: 2222 };
const SIZE: u16 = 48;
pub(super) const RPI: Duration = Duration::from_millis(100);
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A meter's connections, and the time.
pub(super) struct Bench {
    pub(super) connections: Connections,
    pub(super) now: Instant,
}

impl Bench {
    pub(super) fn new(variants: &[Variant]) -> Bench {
        let options = Options { variants: variants.to_vec(), ..Options::default() };
        let mut connections = Connections::new(Rules::new(&options));
        connections.restart(METER);
        Bench { connections, now: Instant::now() }
    }

    pub(super) fn open(&mut self, open: &ForwardOpen, who: Originator) -> Result<Granted, Refusal> {
        let path = open.path;
        let points = Points {
            configuration: Some(path.configuration.into()),
            consumed: path.consumed.into(),
            produced: path.produced.into(),
        };
        self.connections.open(open, &points, SIZE, who, self.now)
    }

    /// The extended status, or the first word and what follows.
    pub(super) fn refused(&mut self, open: &ForwardOpen) -> Vec<u16> {
        let refusal = self.open(open, COLLECTOR).unwrap_err();
        assert_eq!(refusal.general, 1);
        refusal.extended
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.connections.expire(self.now);
    }

    pub(super) fn record(&self) -> IoRecord {
        self.connections.record()
    }

    pub(super) fn open_now(&self) -> Vec<Application> {
        self.record().open.iter().map(|connection| connection.application).collect()
    }

    /// Sequence and count of the frames that are due now.
    pub(super) fn frames(&mut self, defects: &mut FrameDefects) -> Vec<(u32, u16)> {
        let datagrams = self.datagrams(defects);
        let frames = datagrams.iter().map(|bytes| Frame::decode(bytes).unwrap());
        frames.map(|frame| (frame.sequence, frame.count)).collect()
    }

    /// The bytes of the frames that are due now.
    pub(super) fn datagrams(&mut self, defects: &mut FrameDefects) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        let read = |_, size: u16| vec![7; usize::from(size)];
        self.connections.produce(self.now, defects, read, |bytes, _| sent.push(bytes.to_vec()));
        sent
    }
}

pub(super) fn request(application: Application, connection: u16) -> ForwardOpen {
    let serial = if application == InputOnly { 1 } else { 2 };
    let triad = Triad { connection, vendor: 1, serial };
    ForwardOpen { t2o_id: 77, ..ForwardOpen::new(application, 101, 1, triad, (SECOND, RPI), SIZE) }
}

pub(super) fn unicast(connection: u16) -> ForwardOpen {
    let open = request(InputOnly, connection);
    ForwardOpen { t2o: Parameters(open.t2o.0 & !(3 << 13) | 2 << 13), ..open }
}

#[test]
fn each_wrong_parameter_has_its_own_refusal() {
    let mut bench = Bench::new(&[]);
    let good = request(InputOnly, 1);
    let with = |change: fn(&mut ForwardOpen)| {
        let mut open = good.clone();
        change(&mut open);
        open
    };
    type Case = (fn(&mut ForwardOpen), &'static [u16]);
    let cases: [Case; 13] = [
        (|o| o.transport = 0xA3, &[0x0103]),
        (|o| o.transport = 0x21, &[0x0103]),
        (|o| o.t2o_rpi = Duration::ZERO, &[0x0111]),
        (|o| o.o2t = Parameters(0x2802), &[0x0123]),
        (|o| o.t2o = Parameters(0x0832), &[0x0124]),
        (|o| o.t2o.0 |= 1 << 15, &[0x0125]),
        (|o| o.o2t.0 += 4, &[0x0127, 2]),
        (|o| o.t2o.0 += 4, &[0x0128, 50]),
        (|o| o.path.consumed = 97, &[0x012A]),
        (|o| o.multiplier = 8, &[0x0133]),
        (|o| o.path.configuration = 2, &[0x0315]),
        (|o| o.path.consumed = 99, &[0x0119]),
        (|o| *o = unicast(1), &[]),
    ];
    for (change, expected) in cases {
        let open = with(change);
        match bench.open(&open, PLC) {
            Ok(_) => assert!(expected.is_empty(), "{open:?}"),
            Err(refusal) => assert_eq!(refusal.extended, expected, "{open:?}"),
        }
    }
    let mut listener = unicast(2);
    listener.path.consumed = 99;
    assert_eq!(bench.refused(&listener), [0x0124], "listening is multicast only");
}

#[test]
fn the_first_multicast_connection_fixes_what_all_others_must_ask_for() {
    let mut bench = Bench::new(&[]);
    let first = bench.open(&request(InputOnly, 1), PLC).unwrap();
    assert_eq!(first.group, Some(SocketAddrV4::new(Ipv4Addr::new(239, 192, 1, 4 * 32 + 1), 2222)));
    assert_eq!((first.heartbeat, first.opened.t2o_api), (METER, RPI));
    let other = |change: fn(&mut ForwardOpen)| {
        let mut open = request(ListenOnly, 2);
        change(&mut open);
        open
    };
    assert_eq!(bench.refused(&other(|o| o.t2o_rpi = SECOND)), [0x0112, 0x0400, 0x4240, 15, 0x86A0, 1]);
    assert_eq!(bench.refused(&other(|o| o.t2o = o.t2o.variable())), [0x0135]);
    assert_eq!(bench.refused(&other(|o| o.t2o = o.t2o.with(Priority::High))), [0x0136]);
    assert_eq!(bench.refused(&other(|o| o.transport = 0x11)), [0x0138]);
    assert_eq!(bench.refused(&request(InputOnly, 1)), [0x0100], "the same triad again");
    let second = bench.open(&request(ListenOnly, 2), COLLECTOR).unwrap();
    assert_eq!((second.group, second.opened.t2o_id), (first.group, first.opened.t2o_id));
    assert_ne!(second.opened.o2t_id, first.opened.o2t_id);

    // A unicast connection has its own pace and fixes nothing.
    let alone = bench.open(&ForwardOpen { t2o_rpi: SECOND, ..unicast(3) }, PLC).unwrap();
    assert_eq!((alone.group, alone.opened.t2o_id, alone.opened.t2o_api), (None, 77, SECOND));
}

#[test]
fn listeners_end_silently_with_the_last_owner() {
    let mut bench = Bench::new(&[]);
    bench.open(&request(InputOnly, 1), PLC).unwrap();
    bench.open(&request(InputOnly, 2), PLC).unwrap();
    bench.open(&request(ListenOnly, 3), COLLECTOR).unwrap();
    bench.connections.close(request(InputOnly, 1).triad).unwrap();
    assert_eq!(bench.open_now(), [InputOnly, ListenOnly]);
    bench.connections.close(request(InputOnly, 2).triad).unwrap();
    assert_eq!(bench.open_now(), []);
    bench.now += SECOND;
    assert_eq!(bench.frames(&mut FrameDefects::default()), []);
    assert_eq!(bench.connections.close(request(ListenOnly, 3).triad).unwrap_err().extended, [0x0107]);
    assert_eq!(bench.refused(&request(ListenOnly, 4)), [0x0119]);
    let record = bench.record();
    assert_eq!((record.closed.get(&InputOnly), record.closed.get(&ListenOnly)), (Some(&2), None));
}

#[test]
fn the_first_heartbeat_has_ten_seconds_and_only_the_originators_own_count() {
    let mut bench = Bench::new(&[]);
    // Watchdog: 100 ms × 16.
    let quick = ForwardOpen { o2t_rpi: RPI, ..request(InputOnly, 1) };
    let id = bench.open(&quick, PLC).unwrap().opened.o2t_id;
    bench.pass(9 * SECOND);
    assert_eq!(bench.open_now(), [InputOnly]);
    bench.connections.heartbeat(id, PLC.address, bench.now);
    bench.pass(RPI * 15);
    bench.connections.heartbeat(id, PLC.address, bench.now);
    bench.pass(RPI * 15);
    bench.connections.heartbeat(id, COLLECTOR.address, bench.now);
    bench.connections.heartbeat(id + 1, PLC.address, bench.now);
    assert_eq!(bench.record().open[0].heartbeats, 2);
    assert_eq!(bench.connections.next_wake().map(|at| at <= bench.now), Some(true), "frames are due");
    bench.pass(RPI);
    assert_eq!(bench.open_now(), []);
    assert_eq!(bench.record().timed_out.get(&InputOnly), Some(&1));
}

#[test]
fn the_tenth_connection_is_refused_and_listeners_may_have_slots_of_their_own() {
    let mut bench = Bench::new(&[]);
    for connection in 0..9 {
        bench.open(&request(InputOnly, connection), PLC).unwrap();
    }
    assert_eq!(bench.refused(&request(InputOnly, 9)), [0x0113]);
    assert_eq!(bench.refused(&request(ListenOnly, 10)), [0x0113]);

    let mut bench = Bench::new(&[Variant::Lingering]);
    bench.open(&request(InputOnly, 0), PLC).unwrap();
    for connection in 1..4 {
        bench.open(&request(ListenOnly, connection), COLLECTOR).unwrap();
    }
    assert_eq!(bench.refused(&request(ListenOnly, 4)), [0x0113]);
    assert!(bench.open(&request(InputOnly, 5), PLC).is_ok());
}

#[test]
fn lingering_connections_hold_their_slot_until_their_originator_returns() {
    let mut bench = Bench::new(&[Variant::Lingering]);
    let owner = bench.open(&request(InputOnly, 0), PLC).unwrap().opened.o2t_id;
    bench.open(&request(ListenOnly, 1), COLLECTOR).unwrap();
    for _ in 0..5 {
        bench.connections.heartbeat(owner, PLC.address, bench.now);
        bench.pass(4 * SECOND);
    }
    let dead: Vec<bool> = bench.record().open.iter().map(|connection| connection.dead).collect();
    assert_eq!(dead, [false, true]);
    let stranger = |connection| {
        let open = request(ListenOnly, connection);
        ForwardOpen { triad: Triad { serial: 99, ..open.triad }, ..open }
    };
    bench.open(&stranger(2), COLLECTOR).unwrap();
    bench.open(&stranger(3), COLLECTOR).unwrap();
    assert_eq!(bench.refused(&stranger(4)), [0x0113]);
    bench.open(&request(ListenOnly, 5), COLLECTOR).unwrap();
    assert_eq!(bench.record().open.iter().filter(|connection| connection.dead).count(), 0);

    // A dead owner keeps its interval locked, produces nothing, and leaves no owner.
    bench.pass(60 * SECOND);
    assert_eq!(bench.frames(&mut FrameDefects::default()), []);
    assert_eq!(bench.refused(&request(ListenOnly, 6)), [0x0119]);
    let other = ForwardOpen { t2o_rpi: SECOND, ..request(InputOnly, 7) };
    let other = ForwardOpen { triad: Triad { serial: 98, ..other.triad }, ..other };
    assert_eq!(bench.refused(&other)[0], 0x0112);
    assert!(bench.open(&request(InputOnly, 8), PLC).is_ok(), "the PLC itself returns");
}

#[test]
fn the_first_frame_comes_within_six_milliseconds_of_the_reply_and_the_next_after_one_interval() {
    let mut bench = Bench::new(&[]);
    bench.open(&request(InputOnly, 1), PLC).unwrap();
    let mut healthy = FrameDefects::default();
    bench.now += Duration::from_millis(6);
    assert_eq!(bench.frames(&mut healthy), [(1, 1)]);
    bench.now += RPI - Duration::from_millis(4);
    assert_eq!(bench.frames(&mut healthy), []);
    bench.now += Duration::from_millis(4);
    assert_eq!(bench.frames(&mut healthy), [(2, 2)]);

    let mut older = Bench::new(&[Variant::FirstFrameAfterRpi]);
    older.open(&request(InputOnly, 1), PLC).unwrap();
    older.now += RPI - Duration::from_millis(1);
    assert_eq!(older.frames(&mut healthy), []);
    older.now += Duration::from_millis(1);
    assert_eq!(older.frames(&mut healthy), [(1, 1)]);
}

#[test]
fn every_frame_has_a_new_sequence_number_and_every_sample_a_new_count() {
    let mut bench = Bench::new(&[]);
    let fast = ForwardOpen { t2o_rpi: RPI / 2, ..request(InputOnly, 1) };
    bench.open(&fast, PLC).unwrap();
    let (mut frames, mut healthy) = (Vec::new(), FrameDefects::default());
    for _ in 0..4 {
        bench.now += RPI / 2;
        frames.extend(bench.frames(&mut healthy));
    }
    assert_eq!(frames, [(1, 1), (2, 1), (3, 2), (4, 2)]);
    // A late meter does not make up for what it has missed.
    bench.now += SECOND;
    assert_eq!(bench.frames(&mut healthy), [(5, 3)]);

    let mut defects = FrameDefects { drop_next: 1, repeat_next: true, jump_next: Some(9), ..healthy };
    bench.now += RPI;
    assert_eq!(bench.frames(&mut defects), []);
    bench.now += RPI;
    assert_eq!(bench.frames(&mut defects), [(16, 5), (16, 5)]);
    assert_eq!(defects, FrameDefects::default());
}

#[test]
fn paths_are_read_in_every_shape_that_originators_send() {
    let identity = Identity {
        vendor: 1,
        device_type: 0x92,
        product_code: 8,
        revision: (4, 11),
        status: 0,
        serial: 1,
        product_name: String::new(),
    };
    let parse = |path: &[u8]| Points::parse(path, &identity);
    let whole = Points { configuration: Some(1), consumed: 98, produced: 101 };
    let key = |bytes: [u8; 8]| {
        let path = [0x20, 4, 0x24, 1, 0x2C, 98, 0x2C, 101];
        parse(&[&[0x34, 4], &bytes[..], &path].concat())
    };
    for path in [
        &[0x20, 4, 0x24, 1, 0x2C, 98, 0x2C, 101][..],
        &[0x20, 4, 0x2C, 1, 0x2C, 98, 0x2C, 101],
        &[0x20, 4, 0x24, 1, 0x24, 98, 0x24, 101],
        &[0x20, 4, 0x24, 1, 0x2D, 0, 98, 0, 0x2D, 0, 101, 0],
        &[0x20, 4, 0x24, 1, 0x2C, 98, 0x2C, 101, 0x80, 0],
    ] {
        assert_eq!(parse(path), Ok(whole), "{path:02X?}");
    }
    assert_eq!(parse(&[0x20, 4, 0x2C, 98, 0x2C, 101]), Ok(Points { configuration: None, ..whole }));
    assert_eq!(key([0; 8]), Ok(whole));
    assert_eq!(key([1, 0, 0x92, 0, 8, 0, 0x84, 3]), Ok(whole), "compatible with an older revision");
    let code = |outcome: Result<Points, Refusal>| outcome.unwrap_err().extended[0];
    assert_eq!(code(key([2, 0, 0x92, 0, 8, 0, 0, 0])), 0x0114);
    assert_eq!(code(key([1, 0, 0x0C, 0, 8, 0, 0, 0])), 0x0115);
    assert_eq!(code(key([1, 0, 0x92, 0, 8, 0, 5, 1])), 0x0116);
    assert_eq!(code(parse(&[0x20, 4, 0x24, 1, 0x2C, 98, 0x2C, 101, 0x80, 1, 0, 0])), 0x0126);
    for path in [&[][..], &[0x20, 2, 0x24, 1], &[0x34, 4, 0], &[0x20, 4, 0x24], &[0x01, 0x00]] {
        assert_eq!(code(parse(path)), 0x0315, "{path:02X?}");
    }
}
