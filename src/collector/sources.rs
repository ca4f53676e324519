//! A meter's settings → the source that reads it.

use crate::config::{Connection, Emit, IdentityPolicy, MeterConfig};
use crate::enip::forward_open::Application;
use crate::enip::hub::Hub;
use crate::source::listen::{self, Leftover};
use crate::source::{Endpoint, Explicit, Listen, Modbus, Source, Timeouts, modbus};

/// The meter's own connection. `originator` and `leftovers` are this installation's serial number and what
/// an earlier run left open.
pub(super) fn own(config: &MeterConfig, hub: Hub, originator: u32, leftovers: Vec<Leftover>) -> Source {
    let timeouts = timeouts(config);
    let profile = config.profile.clone();
    let endpoint = endpoint(config, config.port());
    if config.connection == Connection::Modbus {
        return Source::Modbus(Modbus::new(endpoint, timeouts, profile, settings(config)));
    }
    let require = config.identity == IdentityPolicy::Require;
    let explicit = Explicit::new(endpoint, timeouts, profile.clone(), require);
    let Some(listening) = &config.listening else { return Source::Explicit(explicit) };
    let settings = listen::Settings {
        application: match config.connection {
            Connection::InputOnly => Application::InputOnly,
            _ => Application::ListenOnly,
        },
        fallback: config.connection == Connection::Auto,
        rpi: listening.rpi,
        heartbeat: listening.heartbeat,
        configuration: listening.configuration,
        assemblies: listening.assemblies(&profile),
        every_frame: listening.emit == Emit::EveryFrame,
        originator,
        waits: listen::Waits::default(),
    };
    let listen = Listen::new(explicit, profile, settings, config.timeout, hub, leftovers);
    Source::Listen(Box::new(listen))
}

/// Modbus beside EtherNet/IP, if the configuration allows it.
pub(super) fn beside(config: &MeterConfig) -> Option<Modbus> {
    (!config.modbus_tables.is_empty()).then(|| {
        let endpoint = endpoint(config, config.modbus.port);
        Modbus::new(endpoint, timeouts(config), config.profile.clone(), settings(config))
    })
}

/// Where the meter's own connection goes to.
pub(super) fn endpoint(config: &MeterConfig, port: u16) -> Endpoint {
    Endpoint { host: config.address.host.clone(), port }
}

fn timeouts(config: &MeterConfig) -> Timeouts {
    Timeouts { connect: config.connect_timeout, request: config.timeout }
}

fn settings(config: &MeterConfig) -> modbus::Settings {
    modbus::Settings {
        unit_id: config.modbus.unit_id,
        word_order: config.modbus.word_order,
        close_after_gather: config.modbus.close_after_gather,
        max_registers: config.modbus.max_registers,
    }
}
