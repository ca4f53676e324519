//! `discover` finds the meters, each once, and asks nobody more than it was told to.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use telegraf_pm500::meter::identity::Identity;
use telegraf_pm500::simulator::{Defects, Options};

use crate::common::peer::scratch;
use crate::common::program::{config, run};
use crate::common::simulated::{Simulated, own_network};

/// Three meters on one port, the last of them another device.
fn plant() -> (Simulated, [Ipv4Addr; 3], String) {
    let [_, b, c, _] = own_network().octets();
    let bind = Ipv4Addr::new(127, b, c, 8);
    let port = std::net::UdpSocket::bind((bind, 0)).unwrap().local_addr().unwrap().port();
    let simulated = Simulated::at(Options { bind, count: 3, eip_port: port, ..Options::default() });
    let other = Identity {
        product_code: 66,
        device_type: 0x0C,
        product_name: "1756-EN2T/D".to_owned(),
        ..simulated.meter(2).identity()
    };
    simulated.break_it(2, Defects { identity: Some(other), ..Defects::default() });
    let addresses = [0, 1, 2].map(|n| Ipv4Addr::from(u32::from(bind) + n));
    (simulated, addresses, port.to_string())
}

#[test]
fn a_range_is_asked_address_by_address_and_the_meters_in_it_are_marked() {
    let (simulated, [first, second, third], port) = plant();
    let network = format!("{first}/29");
    // Every address twice: by the network and by itself.
    let arguments =
        ["discover", &network, &second.to_string(), "--port", &port, "--rate", "200", "--timeout", "1s"];
    let found = run(&arguments);
    assert_eq!(found.code, Some(0), "{found:?}");
    let row = |address: Ipv4Addr| {
        let rows: Vec<&str> =
            found.out.lines().filter(|line| line.starts_with(&format!("{address} "))).collect();
        let [row] = rows[..] else { panic!("{address}: {}", found.out) };
        row.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let meter = ["PowerMonitor", "500", "1420-V2P-ENT", "4.11", "940000001", "operational", "yes"];
    // A /29 from .8 on has .9 to .14; the first was not in it.
    assert!(!found.out.contains(&format!("{first} ")), "{}", found.out);
    assert_eq!(row(second)[1..], meter);
    assert_eq!(row(third)[1..], ["1756-EN2T/D", "-", "4.11", "940000002", "operational", "no"]);
    // What is to be pasted is a configuration that the plugin accepts.
    let (_, skeleton) = found.out.split_once("A configuration to begin with:\n\n").unwrap();
    let path = config(&scratch("discover"), skeleton);
    let checked = run(&["--config", path.to_str().unwrap(), "--check-config"]);
    assert_eq!((checked.code, checked.out.contains("valid, 1 meter")), (Some(0), true), "{checked:?}");
    for meter in simulated.meters() {
        assert_eq!(
            (meter.record().sessions, meter.record().asked().count()),
            (0, 0),
            "nothing else was asked"
        );
    }
}

#[test]
fn scripts_get_json_with_stable_keys() {
    let (_simulated, [first, ..], port) = plant();
    let found = run(&["discover", &first.to_string(), "--port", &port, "--timeout", "500ms", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&found.out).unwrap();
    let expected = serde_json::json!([{
        "address": first.to_string(), "address_in_reply": null, "vendor": 1, "device_type": 146, "product_code": 8,
        "product_name": "PowerMonitor 500", "catalog_number": "1420-V2P-ENT", "revision": "4.11",
        "serial_number": 940_000_000, "state": "operational", "powermonitor_500": true, "controller": false,
    }]);
    assert_eq!(document["devices"], expected);
    assert!(document["configuration"].as_str().unwrap().contains(&first.to_string()));
}

#[test]
fn an_address_that_answers_on_tcp_only_is_found_if_it_was_named_alone() {
    // A meter behind a firewall that lets no UDP through.
    let (simulated, [first, ..], _) = plant();
    let relayed = tcp_only(&simulated);
    let port = relayed.port().to_string();
    let address = relayed.ip().to_string();
    let named = run(&["discover", &address, "--port", &port, "--timeout", "500ms"]);
    assert!(
        named.out.contains("PowerMonitor 500") && named.out.contains(&format!("(says {first})")),
        "{named:?}"
    );
    let ranged = run(&["discover", &format!("{address}-{address}"), "--port", &port, "--timeout", "500ms"]);
    assert_eq!((ranged.code, ranged.out.as_str()), (Some(2), ""), "{ranged:?}");
}

/// A TCP port that leads to the first meter.
fn tcp_only(simulated: &Simulated) -> std::net::SocketAddr {
    let meter = simulated.meter(0).eip();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = std::net::TcpStream::connect(meter).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (mut from, mut to) = (server, client);
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
    });
    address
}

#[test]
fn a_sweep_of_a_whole_network_and_nonsense_are_refused_in_one_sentence() {
    let cases = BTreeMap::from([
        ("10.0.0.0/16", "at most 1024 are asked in one run"),
        ("meter", "neither an IPv4 address nor a range"),
    ]);
    for (target, says) in cases {
        let refused = run(&["discover", target]);
        assert_eq!(refused.code, Some(1));
        assert!(refused.error().contains(says), "{refused:?}");
    }
    let nobody = run(&["discover", "127.0.0.1", "--port", "1", "--timeout", "200ms"]);
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.err.contains("No EtherNet/IP device answered"), "{nobody:?}");
}

#[test]
fn a_device_that_refuses_the_question_is_not_nobody() {
    let device = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = device.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        let mut request = [0; 64];
        while let Ok((length, from)) = device.recv_from(&mut request) {
            request[8] = 1;
            device.send_to(&request[..length], from).unwrap();
        }
    });
    let refused = run(&["discover", "127.0.0.1", "--port", &port, "--timeout", "200ms"]);
    assert_eq!(refused.code, Some(2));
    let says = "it refuses List Identity with encapsulation status 0x0001";
    assert!(refused.err.contains(says) && !refused.err.contains("No EtherNet/IP device"), "{refused:?}");
}
