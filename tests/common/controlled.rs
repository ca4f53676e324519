//! A meter that is read out of a controller: its assemblies are tags, which module connections keep fresh.

use std::net::SocketAddr;
use std::time::Duration;

use telegraf_pm500::simulator::{Controller, ControllerDefects, ControllerOptions, OwnerOptions};

use super::simulated::{DEADLINE, Simulated};

/// What the plugin is told of the controller's first meter: every assembly that has values, in two types, and how it is
/// seen that a module is faulted.
pub(crate) const OPTIONS: &str = "connection = \"logix\"\nroute = \"1,0\"\nfault_tag = \"PM1_Fault\"\n\
     logix_tags = { 101 = \"PM1_101:I.Data\", 102 = \"PM1_102:I.Data\", 108 = \"PM1_108S:I.Data\" }\n";
/// The tag of the powers.
const POWER: &str = "PM1_102:I";
/// Longer than the plugin waits for a reply in the tests that let it.
const TOO_SLOW: Duration = Duration::from_millis(400);

/// What befalls a controller that has a meter's values in its tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ControllerFault {
    /// It accepts connections and says nothing more.
    Silent,
    /// It takes longer for each answer than the plugin waits.
    Slow,
    /// It restarts.
    Restart,
    /// A program is downloaded into it.
    Download,
    /// Its module connections are inhibited: the tags keep their last values.
    Inhibited,
    /// A tag is deleted in its program.
    TagDeleted,
    /// A tag has become one of DINTs.
    TagRetyped,
}

impl ControllerFault {
    /// The defects that make it; none for a restart.
    pub(crate) fn defects(self) -> ControllerDefects {
        let none = ControllerDefects::default();
        match self {
            ControllerFault::Silent => ControllerDefects { silent: true, ..none },
            ControllerFault::Slow => ControllerDefects { delay: TOO_SLOW, ..none },
            ControllerFault::Restart => none,
            ControllerFault::Download => ControllerDefects { downloading: true, ..none },
            ControllerFault::Inhibited => ControllerDefects { modules_faulted: true, ..none },
            ControllerFault::TagDeleted => ControllerDefects { deleted: [POWER.to_owned()].into(), ..none },
            ControllerFault::TagRetyped => ControllerDefects { retyped: [POWER.to_owned()].into(), ..none },
        }
    }
}

/// Starts a controller that has connections to the meter at this address, and waits for their data; which assemblies and
/// how often is filled in.
pub(crate) fn controller(
    simulated: &Simulated,
    meter: SocketAddr,
    rpi: Duration,
    options: ControllerOptions,
) -> Controller {
    let modules = OwnerOptions { rpi, ..OwnerOptions::default() };
    let options = ControllerOptions { assemblies: vec![101, 102, 108], modules, ..options };
    simulated.block_on(async {
        let controller = Controller::start(&[meter], options).await.expect("the address is free");
        let connected = tokio::time::timeout(DEADLINE, controller.connected()).await;
        connected.expect("the meter takes module connections");
        controller
    })
}
