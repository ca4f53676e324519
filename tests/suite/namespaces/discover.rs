//! Everybody on the network is asked by one broadcast, and each meter is found once.

use std::net::Ipv4Addr;
use std::process::Stdio;

use crate::common::network::{Network, isolated};
use crate::common::process::Process;
use crate::common::program::Program;

/// Three meters on one host.
const METERS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(10, 1, 1, 21), Ipv4Addr::new(10, 1, 1, 22), Ipv4Addr::new(10, 1, 1, 23)];

#[test]
fn a_broadcast_finds_every_meter_on_the_network_once() {
    isolated(|| {
        let network = Network::start();
        let meters = network.host("meters", &METERS);
        let us = network.host("us", &[Ipv4Addr::new(10, 1, 1, 11)]);
        let mut simulate = meters.telegraf_pm500(&["simulate", "--bind", "10.1.1.21", "--count", "3"]);
        let mut simulated = Process::start(&mut simulate);
        simulated.wait_until(|printed| printed.matches("simulated PowerMonitor 500").count() == 3);

        let discover = |arguments: &[&str]| {
            let command = us.telegraf_pm500(&[&["discover", "--json"], arguments].concat());
            Program::from_command(command, Stdio::piped()).finish()
        };
        let found = discover(&[]);
        assert_eq!(found.code, Some(0), "{found:?}");
        assert!(found.err.contains("Asking everybody on eth0 (10.1.1.255)"), "{found:?}");
        let document: serde_json::Value = serde_json::from_str(&found.out).unwrap();
        let devices = document["devices"].as_array().unwrap();
        let addresses: Vec<&str> = devices.iter().filter_map(|device| device["address"].as_str()).collect();
        assert_eq!(addresses, METERS.map(|address| address.to_string()), "{found:?}");
        assert!(devices.iter().all(|device| device["powermonitor_500"] == true));

        let elsewhere = discover(&["--interface", "eth9"]);
        assert_eq!(elsewhere.code, Some(1), "{elsewhere:?}");
    });
}
