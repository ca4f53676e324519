//! What the meters of one process share: the sockets of class 1, the sessions with controllers, the connections to
//! whatever has several Modbus units behind one address, and serial ports.

use std::path::PathBuf;
use std::sync::Arc;

use crate::enip::hub::Hub;
use crate::enip::tag::Route;
use crate::host::serial::Settings;

use super::line::{Line, Lines};
use super::logix::Controller;
use super::modbus::{Port, TransmissionMode};
use super::transport::{Endpoint, Serial};

/// Shared by all sources that get a clone of it.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    /// Class 1 sockets; UDP port 2222 can be had once per address.
    pub hub: Hub,
    controllers: Arc<Lines<(Endpoint, Route), Controller>>,
    ports: Arc<Lines<(Endpoint, TransmissionMode), Port>>,
    serial_ports: Arc<Lines<(PathBuf, Settings), Port<Serial>>>,
}

impl Shared {
    /// The session with the controller there, which all meters behind it share.
    pub fn controller(
        &self,
        there: Endpoint,
        route: Route,
        new: impl FnOnce() -> Controller,
    ) -> Line<Controller> {
        self.controllers.to((there, route), new)
    }

    /// The Modbus port there, which all units behind it share.
    pub fn port(&self, there: Endpoint, mode: TransmissionMode, new: impl FnOnce() -> Port) -> Line<Port> {
        self.ports.to((there, mode), new)
    }

    /// The serial port that is this device, whose line all units on it share.
    pub fn serial_port(
        &self,
        device: PathBuf,
        settings: Settings,
        new: impl FnOnce() -> Port<Serial>,
    ) -> Line<Port<Serial>> {
        self.serial_ports.to((device, settings), new)
    }
}
