//! A PowerMonitor 500 on loopback, for tests, demonstrations and people without a meter.
//!
//! ```text
//! installation   wiring, supply and load: volts, amperes, watts at any time
//!   ↓
//! device    counters, maxima, demand, alarms, settings: a value for each element of the profile
//!   ↓
//! image     profile + values → bytes of an assembly, registers of a block
//!   ↓
//! meter     one device at its present time, with its defects and its record
//!   ↓
//! router    CIP requests → replies          modbus   Modbus TCP, one client
//! encapsulation   EtherNet/IP sessions, and lists without one; in front of a meter or a controller
//! class1    connections, heartbeats, frames
//!
//! owner     the PLC that makes a meter produce: another host, as far as the meter knows
//! line     an RS-485 line with several meters, behind a pseudo terminal or a gateway
//! controller     a Logix-like controller whose tags are fed by owners of meters
//! owned     a meter and its owners, for a listener on the same host
//! ```
//!
//! A third-party client cannot tell it from an adapter that follows the specification. Nothing ticks:
//! values are computed when they are asked for, so that a thousand meters cost little more than one.
//! Nothing can be written: every attempt is refused and in the [`Record`].

mod class1;
mod controller;
mod defect;
mod device;
mod encapsulation;
mod image;
mod installation;
mod line;
mod meter;
mod modbus;
mod options;
mod owned;
mod owner;
mod record;
mod router;
mod sockets;
mod variant;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use controller::{Atom, Controller, ControllerDefects, ControllerOptions, ControllerRecord, Shape, Tag};
pub use defect::{Defects, FrameDefects, FrameShape};
pub use device::{CounterHistory, EnergyForm, EnergyLayout, EnergyOrder, EnergyUnit};
pub use installation::{Absent, State, SystemVoltage, Wiring};
pub use line::{Line, LineDefects, LineFault, LineOptions, LineRecord};
pub use options::Options;
pub use owned::OwnedMeter;
pub use owner::{Owner, OwnerCounts, OwnerOptions, OwnerStatus};
pub use record::{Asked, IoRecord, OpenConnection, Record};
pub use variant::Variant;

use crate::meter::identity::Identity;
use crate::meter::{Table, Value};
use device::Device;
use encapsulation::{lists, sessions};
use meter::Meter;
use router::Router;
use sockets::{listen_on_both, named};

/// Running meters; dropping it stops them.
#[derive(Debug)]
pub struct Simulator {
    /// The meters, in the order of their addresses.
    pub meters: Vec<SimulatedMeter>,
}

impl Simulator {
    /// Starts [`Options::count`] meters on consecutive addresses.
    ///
    /// # Errors
    /// An address that cannot be listened on; the message names it.
    pub async fn start(options: Options) -> io::Result<Simulator> {
        let mut meters = Vec::new();
        let options = Arc::new(options);
        for number in 0..options.count {
            let address = u32::from(options.bind).checked_add(number).map(Ipv4Addr::from);
            let address = address.ok_or_else(|| io::Error::other("there are not that many addresses"))?;
            let mut meter = SimulatedMeter {
                meter: Arc::new(Meter::new(&options, number)),
                inactivity: options.inactivity,
                eip: SocketAddr::from((address, options.eip_port)),
                io: SocketAddrV4::new(address, options.io_port),
                modbus: SocketAddr::from((address, options.modbus_port)),
                tasks: JoinSet::new(),
            };
            meter.restart().await?;
            meters.push(meter);
        }
        Ok(Simulator { meters })
    }
}

/// One running meter: where it is, what it was asked, and what is wrong with it.
#[derive(Debug)]
pub struct SimulatedMeter {
    meter: Arc<Meter>,
    inactivity: Duration,
    eip: SocketAddr,
    io: SocketAddrV4,
    modbus: SocketAddr,
    tasks: JoinSet<()>,
}

impl SimulatedMeter {
    /// Where EtherNet/IP is served.
    pub fn eip(&self) -> SocketAddr {
        self.eip
    }

    /// Where heartbeats are received and frames come from.
    pub fn io(&self) -> SocketAddrV4 {
        self.io
    }

    /// Where Modbus TCP is served.
    pub fn modbus(&self) -> SocketAddr {
        self.modbus
    }

    /// What was asked so far.
    pub fn record(&self) -> Record {
        self.meter.record()
    }

    /// The true value of an element right now, as a client must decode it; the clock is the meter's local
    /// date and time in seconds since 1970-01-01. `None` for what does not exist or is not fitted.
    pub fn expected(&self, table: Table, name: &str) -> Option<Value> {
        self.meter.value(table, name)
    }

    /// The identity it reports.
    pub fn identity(&self) -> Identity {
        self.meter.identity()
    }

    /// The defects in force.
    pub fn defects(&self) -> Defects {
        self.meter.defects()
    }

    /// Replaces the defects in force; `Defects::default()` heals it.
    pub fn set_defects(&self, defects: Defects) {
        self.meter.set_defects(defects);
    }

    /// Sets the energy counters to zero.
    pub fn reset_counters(&self) {
        self.meter.reset_counters();
    }

    /// Sets one energy counter, such as `active_import_wh`, in Wh or varh.
    pub fn set_counter(&self, name: &str, value: i64) {
        self.meter.change(|device| device.set_counter(name, value));
    }

    /// The next readings of the energy counters show this in all of them: 0 is a glitch, -1 all ones. A reading is a
    /// request for assembly 107, or for registers of the energy table.
    pub fn show_counters(&self, readings: u32, value: i64) {
        self.meter.change(|device| device.show_counters(readings, value));
    }

    /// Lets the maximum values begin anew.
    pub fn reset_maxima(&self) {
        self.meter.change(Device::reset_maxima);
    }

    /// Lets the demand values begin anew: 0 until the demand interval under way has ended.
    pub fn reset_demand(&self) {
        self.meter.change(Device::reset_demand);
    }

    /// Changes a setting, such as `ct_ratio`.
    pub fn set_setting(&self, name: &str, value: Value) {
        self.meter.change(|device| device.set_setting(name, value));
    }

    /// Another meter takes this one's place: it has this number, which is in its serial numbers, and its counters
    /// begin at zero. Whoever has a connection keeps it; stop the meter before to break them.
    pub fn exchange(&self, number: u32) {
        self.meter.exchange(number);
    }

    /// The meter dies: its connections break and nobody listens any more.
    pub async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }

    /// The meter comes back at the same addresses, with its counters as a real one has them and without
    /// connections.
    ///
    /// # Errors
    /// An address that cannot be listened on; the message names it.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.stop().await;
        let (eip, lists) = listen_on_both(self.eip).await?;
        let io = class1::udp::bind(self.io).map_err(|error| named(error, self.io.into(), "class 1 I/O"))?;
        let modbus = TcpListener::bind(self.modbus).await.map_err(|e| named(e, self.modbus, "Modbus TCP"))?;
        self.eip = eip.local_addr()?;
        self.modbus = modbus.local_addr()?;
        self.io.set_port(io.local_addr()?.port());
        self.meter.boot();
        self.meter.connections().restart(self.io);
        let router = Arc::new(Router(self.meter.clone()));
        self.tasks.spawn(sessions::serve(eip, router.clone(), self.inactivity));
        let everybody = lists::everybody(self.eip);
        self.tasks.spawn(lists::serve(lists, everybody, router));
        self.tasks.spawn(class1::udp::serve(io, self.meter.clone()));
        self.tasks.spawn(modbus::serve(modbus, self.meter.clone()));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
