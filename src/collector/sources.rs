//! A meter's settings → the source that reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::{Connection, Emit, IdentityPolicy, LogixTags, MeterConfig};
use crate::enip::forward_open::Application;
use crate::host::tcp::Protocol;
use crate::meter::Sizes;
use crate::source::eip::Eip;
use crate::source::listen::{self, Leftover};
use crate::source::logix::Controller;
use crate::source::modbus::{Place, Port, TransmissionMode};
use crate::source::{Endpoint, Explicit, Listen, Logix, Modbus, Shared, Source, Tcp};

/// The meter's own connection. `originator` is this installation's serial number; `known` is what an earlier run
/// left open, and the packet intervals that were agreed.
pub(super) fn own(
    config: &MeterConfig,
    shared: &Shared,
    originator: u32,
    known: (Vec<Leftover>, &BTreeMap<u16, Duration>),
) -> Box<dyn Source> {
    if config.connection == Connection::Modbus {
        return over_modbus(config, shared, config.port());
    }
    let endpoint = endpoint(config, config.port());
    let way = Tcp { endpoint: endpoint.clone(), protocol: Protocol::EtherNetIp };
    if let Some(LogixTags { route, held }) = &config.logix {
        let eip = Eip::new(way, config.timeouts, None).along(route.clone());
        let line = shared.controller(endpoint, route.clone(), || Controller::new(eip));
        return Box::new(Logix::new(line, route.clone(), held.clone()));
    }
    let accepted =
        (config.ethernet_ip.identity == IdentityPolicy::Require).then(|| config.profile.identity.clone());
    let explicit = Explicit::new(Eip::new(way, config.timeouts, accepted), Sizes::of(&config.profile));
    let Some(listening) = &config.listening else { return Box::new(explicit) };
    let application = match config.connection {
        Connection::InputOnly => Application::InputOnly,
        _ => Application::ListenOnly,
    };
    let heartbeat_instance = listening.heartbeat_instance.unwrap_or(application.heartbeat_instance());
    let mut paths = vec![(listening.configuration, heartbeat_instance)];
    paths.extend(listening.probe.then(|| application.other_path()));
    let settings = listen::Settings {
        application,
        fallback: config.connection == Connection::Auto,
        rpi: listening.rpi,
        heartbeat: listening.heartbeat,
        paths,
        fresh: config.interval,
        assemblies: listening.assemblies(&config.profile),
        every_frame: listening.emit == Emit::EveryFrame,
        originator,
        waits: listen::Waits::default(),
    };
    Box::new(Listen::new(explicit, settings, config.timeouts.request, shared.hub.clone(), known))
}

/// Modbus beside EtherNet/IP, if the configuration allows it.
pub(super) fn beside(config: &MeterConfig, shared: &Shared) -> Option<Box<dyn Source>> {
    let allowed = !config.modbus_tables.is_empty();
    allowed.then(|| over_modbus(config, shared, config.modbus.port))
}

fn over_modbus(config: &MeterConfig, shared: &Shared, port: u16) -> Box<dyn Source> {
    let settings = config.modbus.settings;
    match config.modbus_place(port) {
        Place::Port(way) => {
            let (device, line) = (way.device.clone(), way.settings);
            let line = shared.serial_port(device, line, || Port::new(way, TransmissionMode::Rtu));
            Box::new(Modbus::on(line, config.timeouts, settings))
        }
        Place::Network(endpoint, mode) => {
            let there = Endpoint { host: config.address.canonical_host(), port };
            let way = Tcp { endpoint, protocol: Protocol::ModbusTcp };
            let line = shared.port(there, mode, || Port::new(way, mode));
            Box::new(Modbus::on(line, config.timeouts, settings))
        }
    }
}

/// Where the meter's own connection goes to.
fn endpoint(config: &MeterConfig, port: u16) -> Endpoint {
    Endpoint { host: config.address.host.clone(), port }
}
