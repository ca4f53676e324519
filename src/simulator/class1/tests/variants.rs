//! How adapters differ, variant by variant.

use crate::enip::class1::Frame;
use crate::enip::forward_open::{Application, ForwardOpen};
use crate::enip::status::Refusal;
use crate::simulator::{FrameDefects, FrameShape, Variant};

use super::connections::{Bench, COLLECTOR, PLC, RPI, SECOND, request, unicast};

use Application::{InputOnly, ListenOnly};

#[test]
fn beside_a_unicast_owner_adapters_differ() {
    let mut usual = Bench::new(&[]);
    usual.open(&unicast(1), PLC).unwrap();
    assert_eq!(usual.refused(&request(ListenOnly, 2)), [0x0119]);
    let slower = ForwardOpen { t2o_rpi: SECOND, ..request(InputOnly, 3) };
    assert!(usual.open(&slower, COLLECTOR).is_ok());

    let mut second = Bench::new(&[Variant::SecondStream]);
    second.open(&unicast(1), PLC).unwrap();
    assert!(second.open(&request(ListenOnly, 2), COLLECTOR).unwrap().group.is_some());
    second.now += RPI;
    assert_eq!(second.frames(&mut FrameDefects::default()), [(1, 1), (1, 1)]);
    second.connections.close(unicast(1).triad).unwrap();
    assert_eq!(second.open_now(), [], "the listener ends with the unicast owner");

    let mut locks = Bench::new(&[Variant::UnicastLocksRpi, Variant::RpiWithoutValues]);
    locks.open(&unicast(1), PLC).unwrap();
    assert_eq!(locks.refused(&slower), [0x0112]);

    let mut blocks = Bench::new(&[Variant::UnicastBlocks]);
    blocks.open(&unicast(1), PLC).unwrap();
    assert_eq!(blocks.refused(&request(ListenOnly, 2)), [0x0119]);
    assert_eq!(blocks.refused(&request(InputOnly, 3)), [0x0106]);
}

#[test]
fn other_variants_change_what_is_said_and_what_a_close_or_a_timeout_does() {
    let mut old = Bench::new(&[Variant::OldSizeError, Variant::ConfigUnknown]);
    let mut open = request(InputOnly, 1);
    open.t2o.0 += 4;
    assert_eq!(old.refused(&open), [0x0109, 50]);
    open.path.configuration = 9;
    let unknown = old.open(&open, PLC).unwrap_err();
    assert_eq!(unknown, Refusal { general: 0x05, extended: Vec::new() });
    assert_eq!(old.record().refused, [((1, 0x0109), 1), ((5, 0), 1)].into());

    let mut stops = Bench::new(&[Variant::ListenerStopsOwner]);
    stops.open(&request(InputOnly, 1), PLC).unwrap();
    stops.open(&request(ListenOnly, 2), COLLECTOR).unwrap();
    stops.connections.close(request(ListenOnly, 2).triad).unwrap();
    stops.now += RPI;
    assert_eq!(stops.frames(&mut FrameDefects::default()), []);
    assert_eq!(stops.open_now(), [InputOnly]);

    let mut expels = Bench::new(&[Variant::TimeoutClosesSessions]);
    expels.open(&request(InputOnly, 1), PLC).unwrap();
    assert_eq!(expels.connections.expire(expels.now + 60 * SECOND), [PLC.address]);
}

#[test]
fn a_listener_with_a_stream_of_its_own_locks_the_returning_plc_out_where_it_survives_the_owner() {
    let mut bench = Bench::new(&[Variant::SecondStream, Variant::ListenerSurvivesOwner]);
    bench.open(&unicast(1), PLC).unwrap();
    bench.now += 10 * RPI;
    bench.open(&request(ListenOnly, 2), COLLECTOR).unwrap();
    bench.connections.close(unicast(1).triad).unwrap();
    assert_eq!(bench.open_now(), [ListenOnly]);
    bench.now += RPI;
    assert_eq!(bench.frames(&mut FrameDefects::default()), [(1, 1)], "it began with the listener's open");
    let returned = ForwardOpen { t2o_rpi: RPI / 2, ..request(InputOnly, 3) };
    assert_eq!(bench.refused(&returned)[0], 0x0112);
    bench.connections.close(request(ListenOnly, 2).triad).unwrap();
    assert!(bench.open(&returned, PLC).is_ok());
}

#[test]
fn a_listener_that_closes_stops_a_unicast_owner_as_well_until_the_owner_opens_anew() {
    let mut bench = Bench::new(&[Variant::SecondStream, Variant::ListenerStopsOwner]);
    bench.open(&unicast(1), PLC).unwrap();
    bench.open(&request(ListenOnly, 2), COLLECTOR).unwrap();
    bench.connections.close(request(ListenOnly, 2).triad).unwrap();
    bench.now += RPI;
    assert_eq!(bench.frames(&mut FrameDefects::default()), []);
    bench.connections.close(unicast(1).triad).unwrap();
    bench.open(&unicast(3), PLC).unwrap();
    bench.now += RPI;
    assert_eq!(bench.frames(&mut FrameDefects::default()), [(1, 1)]);
}

#[test]
fn a_dead_owner_that_is_kept_accepts_listeners_and_sends_nothing_until_it_returns() {
    let mut bench = Bench::new(&[Variant::KeepsDeadOwner]);
    bench.open(&request(InputOnly, 1), PLC).unwrap();
    bench.pass(60 * SECOND);
    bench.open(&request(ListenOnly, 2), COLLECTOR).unwrap();
    bench.now += RPI;
    assert_eq!(bench.frames(&mut FrameDefects::default()), []);
    bench.open(&request(InputOnly, 3), PLC).unwrap();
    bench.now += RPI;
    assert_eq!(bench.frames(&mut FrameDefects::default()).len(), 1);
    assert_eq!(bench.open_now(), [InputOnly], "its stream is another one, which the listener is not part of");
}

#[test]
fn other_instances_and_a_status_header_are_what_the_variants_say() {
    let mut hex = Bench::new(&[Variant::HexInstances]);
    let mut open = request(InputOnly, 1);
    open.path.configuration = 151;
    assert_eq!(hex.refused(&open), [0x012A]);
    open.path.consumed = 152;
    hex.open(&open, PLC).unwrap();
    let mut listener = request(ListenOnly, 2);
    (listener.path.configuration, listener.path.consumed) = (151, 153);
    hex.open(&listener, COLLECTOR).unwrap();

    let mut header = Bench::new(&[Variant::StatusHeader]);
    let mut open = request(InputOnly, 1);
    assert_eq!(header.refused(&open), [0x0128, 54]);
    open.t2o.0 += 4;
    header.open(&open, PLC).unwrap();
    header.now += RPI;
    let [bytes] = &header.datagrams(&mut FrameDefects::default())[..] else { panic!() };
    assert_eq!(Frame::decode(bytes).unwrap().data[..5], [1, 0, 0, 0, 7]);
}

#[test]
fn frames_are_put_together_as_the_fault_wants() {
    let shaped = |shape| {
        let mut bench = Bench::new(&[]);
        bench.open(&request(InputOnly, 1), PLC).unwrap();
        bench.now += RPI;
        bench.datagrams(&mut FrameDefects { shape, ..FrameDefects::default() }).remove(0)
    };
    let usual = shaped(FrameShape::Usual);
    let header = shaped(FrameShape::RunIdle);
    assert_eq!(Frame::decode(&header).unwrap().data.len(), Frame::decode(&usual).unwrap().data.len() + 4);
    let extra = shaped(FrameShape::ExtraItem);
    assert_eq!((extra[0], extra.len()), (3, usual.len() + 20));
    let swapped = shaped(FrameShape::SwappedItems);
    assert_eq!((swapped[2..4].to_vec(), swapped.len()), (vec![0xB1, 0], usual.len()));
}
