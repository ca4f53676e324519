//! A meter that is read out of a controller: its assemblies are tags, which module connections keep fresh.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use telegraf_pm500::simulator::{Controller, ControllerOptions, OwnerOptions};

use super::simulated::{DEADLINE, Simulated};

/// What the plugin is told of the controller's first meter: every assembly that has values, in two types, and how it is
/// seen that a module is faulted.
pub(crate) const OPTIONS: &str = "connection = \"logix\"\nroute = \"1,0\"\nfault_tag = \"PM1_Fault\"\n\
     logix_tags = { 101 = \"PM1_101:I.Data\", 102 = \"PM1_102:I.Data\", 108 = \"PM1_108S:I.Data\" }\n";
/// The tags of realtime values.
pub(crate) const REALTIME: [&str; 2] = ["PM1_101:I", "PM1_102:I"];

/// Starts a controller that has connections to the meter at this address, and waits for their data.
pub(crate) fn controller(
    simulated: &Simulated,
    meter: SocketAddr,
    bind: Ipv4Addr,
    port: u16,
    rpi: Duration,
) -> Controller {
    let options = ControllerOptions {
        bind,
        port,
        assemblies: vec![101, 102, 108],
        modules: OwnerOptions { rpi, ..OwnerOptions::default() },
        ..ControllerOptions::default()
    };
    simulated.block_on(async {
        let controller = Controller::start(&[meter], options).await.expect("the address is free");
        let connected = tokio::time::timeout(DEADLINE, controller.connected()).await;
        connected.expect("the meter takes module connections");
        controller
    })
}
