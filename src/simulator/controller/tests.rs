//! The controller as its clients see it: messages and replies, without a session around them.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::meter::{Table, Value};
use crate::simulator::class1::Originator;
use crate::simulator::encapsulation::Host;
use crate::simulator::{Options, Simulator};

const WAIT: Duration = Duration::from_secs(20);
const WHO: Originator = Originator { address: Ipv4Addr::LOCALHOST, port: 2222 };

/// A meter, and a controller that has it, on addresses of their own.
async fn plant(options: ControllerOptions) -> (Simulator, Controller) {
    static HOST: AtomicU8 = AtomicU8::new(1);
    let host = HOST.fetch_add(1, Ordering::Relaxed);
    let bind = Ipv4Addr::new(127, 0, 4, host);
    let simulator = Simulator::start(Options { bind, frozen: true, ..Options::default() }).await.unwrap();
    let meters = [simulator.meters[0].eip()];
    let bind = Ipv4Addr::new(127, 0, 5, host);
    let controller = Controller::start(&meters, ControllerOptions { bind, ..options }).await.unwrap();
    timeout(WAIT, controller.connected()).await.unwrap();
    (simulator, controller)
}

fn path(name: &str) -> Vec<u8> {
    let mut path = Vec::new();
    for part in name.split('.') {
        path.extend([0x91, part.len() as u8]);
        path.extend(part.as_bytes());
        path.resize(path.len().next_multiple_of(2), 0);
    }
    path
}

fn message(service: u8, path: &[u8], data: &[u8]) -> Vec<u8> {
    [&[service, (path.len() / 2) as u8], path, data].concat()
}

fn read(name: &str, elements: u16) -> Vec<u8> {
    message(0x4C, &path(name), &elements.to_le_bytes())
}

fn route(inside: &[u8], route: &[u8]) -> Vec<u8> {
    let mut data = vec![7, 249];
    data.extend((inside.len() as u16).to_le_bytes());
    data.extend(inside);
    data.resize(data.len() + inside.len() % 2, 0);
    data.extend([(route.len() / 2) as u8, 0]);
    data.extend(route);
    message(0x52, &[0x20, 6, 0x24, 1], &data)
}

fn ask(controller: &Controller, message: &[u8]) -> Vec<u8> {
    controller.services.answer(message, WHO).unwrap().0.to_vec()
}

/// General status of a reply, and the additional one.
fn status(controller: &Controller, message: &[u8]) -> Vec<u8> {
    let reply = ask(controller, message);
    let words = usize::from(reply[3]);
    [&reply[2..3], &reply[4..4 + 2 * words]].concat()
}

#[tokio::test]
async fn each_form_of_a_tag_holds_what_the_meter_has() {
    let (simulator, controller) = plant(ControllerOptions::default()).await;
    let Some(Value::Real(volts)) = simulator.meters[0].expected(Table::Realtime, "voltage_l1_n_v") else {
        panic!()
    };
    for name in ["PM1_101:I.Data", "pm1_101", "Program:Main.PM1_101"] {
        let reply = ask(&controller, &read(name, 12));
        assert_eq!((reply[..6].to_vec(), reply.len()), (vec![0xCC, 0, 0, 0, 0xCA, 0], 6 + 48), "{name}");
        assert_eq!(reply[6..10], volts.to_le_bytes(), "{name}");
    }
    let bytes = ask(&controller, &read("PM1_101S:I.Data", 48));
    assert_eq!((bytes[4..6].to_vec(), &bytes[6..10]), (vec![0xC2, 0], &volts.to_le_bytes()[..]));
    let whole = ask(&controller, &read("PM1_101:I", 1));
    assert_eq!((whole[4..8].to_vec(), &whole[8..12]), (vec![0xA0, 2, 12, 0x40], &volts.to_le_bytes()[..]));
    let element = [&path("PM1_101:I.Data")[..], &[0x28, 1]].concat();
    assert_eq!(ask(&controller, &message(0x4C, &element, &[1, 0])).len(), 6 + 4);
    assert_eq!(ask(&controller, &read("PM1_Fault", 1)), [0xCC, 0, 0, 0, 0xC4, 0, 0, 0, 0, 0]);
    assert_eq!(ask(&controller, &read("PM1_Faulted", 1)), [0xCC, 0, 0, 0, 0xC1, 0, 0]);
    assert!(controller.record().writes().is_empty());
}

#[tokio::test]
async fn what_does_not_fit_is_cut_and_fetched_in_fragments() {
    let (_simulator, controller) = plant(ControllerOptions::default()).await;
    let first = ask(&controller, &read("PM1_101_Long", 500));
    assert!(first[2] == 0x06 && first.len() <= 504, "{} {}", first[2], first.len());
    let mut data: Vec<u8> = Vec::new();
    loop {
        let offset = (data.len() as u32).to_le_bytes();
        let reply =
            ask(&controller, &message(0x52, &path("PM1_101_Long"), &[&[0xF4, 1], &offset[..]].concat()));
        data.extend(&reply[6..]);
        if reply[2] == 0 {
            break;
        }
        assert_eq!(reply[2], 0x06);
    }
    assert_eq!((data.len(), &data[..48]), (2000, &data[48..96]));
    let two = [read("PM1_101", 12), read("PM1_102", 18)];
    let head = [2u16, 6, 6 + two[0].len() as u16].map(u16::to_le_bytes).concat();
    let reply = ask(&controller, &message(0x0A, &[0x20, 2, 0x24, 1], &[head, two.concat()].concat()));
    assert_eq!((reply[2], reply[4..10].to_vec()), (0, vec![2, 0, 6, 0, 60, 0]));
    assert_eq!(reply.len(), 4 + 6 + 54 + 6 + 72);
    let much = [2u16, 6, 6 + 18].map(u16::to_le_bytes).concat();
    let long = [read("PM1_101_Long", 500), read("PM1_101", 12)].concat();
    let reply = ask(&controller, &message(0x0A, &[0x20, 2, 0x24, 1], &[much, long].concat()));
    assert_eq!(reply[2], 0x1E, "one of them did not fit");
}

#[tokio::test]
async fn refusals_are_those_of_the_manual_and_writes_are_recorded() {
    let (_simulator, controller) = plant(ControllerOptions { slot: 3, ..Default::default() }).await;
    assert_eq!(status(&controller, &read("Nothing", 1)), [0x04]);
    assert_eq!(status(&controller, &read("PM1_101:I.Dato", 1)), [0x05]);
    assert_eq!(status(&controller, &read("PM1_101", 13)), [0xFF, 0x05, 0x21]);
    assert_eq!(status(&controller, &message(0x4C, &path("PM1_101"), &[1])), [0x13]);
    assert_eq!(status(&controller, &route(&read("PM1_101", 12), &[1, 3])), [0]);
    assert_eq!(status(&controller, &route(&read("PM1_101", 12), &[1, 0])), [0x01, 0x12, 0x03]);
    assert_eq!(status(&controller, &route(&read("PM1_101", 12), &[2, 0])), [0x01, 0x11, 0x03]);
    for service in [0x4D, 0x53, 0x4E, 0x10, 0x05] {
        assert_eq!(status(&controller, &message(service, &path("PM1_101"), &[0xCA, 0, 1, 0])), [0x0F]);
    }
    assert_eq!(status(&controller, &route(&message(0x4D, &path("x"), &[]), &[1, 3])), [0x0F]);
    assert_eq!(controller.record().writes().len(), 6);

    let (_other, bridge) = plant(ControllerOptions { bridge: true, ..Default::default() }).await;
    assert_eq!(status(&bridge, &read("PM1_101", 12)), [0x08]);
    assert_eq!(status(&bridge, &route(&read("PM1_101", 12), &[1, 0])), [0]);
}

#[tokio::test]
async fn a_faulted_module_keeps_its_last_values_and_only_the_fault_tag_tells() {
    let (mut simulator, controller) = plant(ControllerOptions::default()).await;
    let before = ask(&controller, &read("PM1_101:I.Data", 12));
    simulator.meters[0].exchange(7);
    let inhibited = ControllerDefects { modules_faulted: true, ..ControllerDefects::default() };
    controller.set_defects(inhibited.clone());
    assert_eq!(ask(&controller, &read("PM1_101:I.Data", 12)), before);
    assert_ne!(ask(&controller, &read("PM1_Fault", 1))[6..], [0; 4]);
    controller.set_defects(ControllerDefects { fault_tags_lie: true, ..inhibited });
    assert_eq!(ask(&controller, &read("PM1_Fault", 1))[6..], [0; 4]);
    controller.set_defects(ControllerDefects::default());
    let changed = async {
        while ask(&controller, &read("PM1_101:I.Data", 12)) == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(WAIT, changed).await.unwrap();
    // The meter itself is gone: the connection times out, the values stay.
    let last = ask(&controller, &read("PM1_101:I.Data", 12));
    simulator.meters[0].stop().await;
    let told = async {
        while ask(&controller, &read("PM1_Faulted", 1))[6] == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(WAIT, told).await.unwrap();
    assert_eq!(ask(&controller, &read("PM1_101:I.Data", 12)), last);
}

#[tokio::test]
async fn tags_are_deleted_retyped_shortened_and_hidden_and_a_download_takes_them_all() {
    let (_simulator, controller) = plant(ControllerOptions::default()).await;
    let one = || ["PM1_101".to_owned()].into();
    let none = ControllerDefects::default;
    let with = |defects| {
        controller.set_defects(defects);
        status(&controller, &read("PM1_101", 12))
    };
    assert_eq!(with(ControllerDefects { deleted: one(), ..none() }), [0x04]);
    assert_eq!(with(ControllerDefects { shortened: one(), ..none() }), [0xFF, 0x05, 0x21]);
    assert_eq!(with(ControllerDefects { hidden: one(), ..none() }), [0x0F]);
    assert_eq!(with(ControllerDefects { downloading: true, ..none() }), [0x10]);
    controller.set_defects(ControllerDefects { retyped: one(), ..none() });
    assert_eq!(ask(&controller, &read("PM1_101", 12))[4..6], [0xC4, 0]);
    controller.set_defects(ControllerDefects { status_truncated: true, ..none() });
    assert_eq!(ask(&controller, &read("PM1_101", 12)), [0xCC, 0, 0, 1]);
}

#[tokio::test]
async fn connections_of_class_3_carry_requests_until_they_are_closed_and_sessions_are_limited() {
    let (_simulator, controller) = plant(ControllerOptions { sessions: 1, ..Default::default() }).await;
    let triad = [1, 0, 0x09, 0x10, 9, 0x10, 0x19, 0x71];
    let open = [
        &[0x0A, 0x0E, 0, 0, 0, 0, 9, 0, 0, 0][..],
        &triad,
        &[3, 0, 0, 0],
        &[0x01, 0x40, 0x20, 0, 0xF4, 0x43],
        &[0x01, 0x40, 0x20, 0, 0xF4, 0x43],
        &[0xA3, 3, 1, 0, 0x20, 2, 0x24, 1],
    ]
    .concat();
    let manager = [0x20, 6, 0x24, 1];
    let reply = ask(&controller, &message(0x54, &manager, &open));
    assert_eq!((reply[2], &reply[8..12], &reply[12..20]), (0, &[9, 0, 0, 0][..], &triad[..]));
    let id = u32::from_le_bytes(reply[4..8].try_into().unwrap());
    let (to, answer) = controller.services.answer_connected(id, &read("PM1_101", 12)).unwrap();
    assert_eq!((to, answer[2], answer.len()), (9, 0, 6 + 48));
    let close = [&[0x0A, 0x0E][..], &triad, &[3, 0, 1, 0, 0x20, 2, 0x24, 1]].concat();
    assert_eq!(status(&controller, &message(0x4E, &manager, &close)), [0]);
    assert_eq!(status(&controller, &message(0x4E, &manager, &close)), [0x01, 0x07, 0x01]);
    assert!(controller.services.answer_connected(id, &read("PM1_101", 12)).is_none());

    let register = crate::enip::Session::register;
    let connect = || tokio::net::TcpStream::connect(controller.address());
    let session = register(connect().await.unwrap(), WAIT).await.unwrap();
    assert!(register(connect().await.unwrap(), WAIT).await.is_err());
    session.close().await;
    assert_eq!(controller.record().sessions_refused, 1);
    controller.end().await;
}
