//! A PowerMonitor 500 on loopback, for tests, demonstrations and people without a meter.
//!
//! ```text
//! load      volts, amperes, watts that obey physics, at any time
//!   ↓
//! device    counters, maxima, demand, alarms, settings: a value for each element of the profile
//!   ↓
//! image     profile + values → bytes of an assembly, registers of a block
//!   ↓
//! meter     one device at its present time, with its faults and its record
//!   ↓
//! router    CIP requests → replies          modbus   Modbus TCP, one client
//! adapter   EtherNet/IP sessions            lists    identity without a session, TCP and UDP
//! class1    connections, heartbeats, frames
//!
//! owner     the PLC that makes a meter produce: another host, as far as the meter knows
//! ```
//!
//! A third-party client cannot tell it from an adapter that follows the specification. Nothing ticks:
//! values are computed when they are asked for, so that a thousand meters cost little more than one.
//! Nothing can be written: every attempt is refused and in the [`Record`].

mod adapter;
mod class1;
mod device;
mod fault;
mod image;
mod lists;
mod load;
mod meter;
mod modbus;
mod owner;
mod record;
mod router;
mod variant;
mod wiring;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

pub use fault::{Faults, FrameFaults};
pub use owner::{Owner, OwnerCounts, OwnerOptions, OwnerStatus};
pub use record::{Asked, IoRecord, OpenConnection, Record};
pub use variant::Variant;
pub use wiring::Wiring;

use crate::meter::decode::WordOrder;
use crate::meter::identity::Identity;
use crate::meter::{Profile, Table, Value};
use device::Device;
use meter::Meter;

/// How the meters are and where they listen.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the first meter; the next ones follow it.
    pub bind: Ipv4Addr,
    /// Number of meters.
    pub count: u32,
    /// EtherNet/IP port, TCP and UDP; 0 takes any free one.
    pub eip_port: u16,
    /// UDP port of class 1 I/O, the meter's own and that of its groups; 0 takes any free one.
    pub io_port: u16,
    /// Modbus TCP port; 0 takes any free one.
    pub modbus_port: u16,
    /// All values stand still; only the calendar clock goes on.
    pub frozen: bool,
    /// Word order over Modbus.
    pub word_order: WordOrder,
    /// Size of assembly 100 in bytes: 20 or 40.
    pub info_size: u16,
    /// EtherNet/IP keeps silent while a Modbus client is connected and 2 s after. Reported of the real
    /// meter, not proven.
    pub modbus_suspends_eip: bool,
    /// The registers between frequency and phase sequence (0x008A to 0x008D) do not exist.
    pub hole: bool,
    /// The same seed gives the same load.
    pub seed: u64,
    /// An EtherNet/IP connection without traffic is closed after this time.
    pub inactivity: Duration,
    /// Configuration instance that a connection path must name. The meter's own is not documented.
    pub configuration: u16,
    /// Class 1 connections at one time; nine were tested by the maker.
    pub connections: usize,
    /// Listen-only connections at one time, where they have slots of their own.
    pub listeners: Option<usize>,
    /// A frame carries a new sample after this time.
    pub sample_period: Duration,
    /// Where the meters depart from the usual.
    pub variants: Vec<Variant>,
    /// How the meters are wired.
    pub wiring: Wiring,
    /// Assembly 107 has one REAL per counter instead of two, where the profile does not say what it has.
    pub single_reals: bool,
    /// Where the values stand on the wire.
    pub profile: Arc<Profile>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            bind: Ipv4Addr::LOCALHOST,
            count: 1,
            eip_port: 0,
            io_port: 0,
            modbus_port: 0,
            frozen: false,
            word_order: WordOrder::default(),
            info_size: 20,
            modbus_suspends_eip: false,
            hole: false,
            seed: 1,
            inactivity: Duration::from_secs(120),
            configuration: 1,
            connections: 9,
            listeners: None,
            sample_period: Duration::from_millis(100),
            variants: Vec::new(),
            wiring: Wiring::Right,
            single_reals: false,
            profile: Profile::built_in(),
        }
    }
}

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

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.meter.faults()
    }

    /// Replaces the faults in force; `Faults::default()` heals it.
    pub fn set_faults(&self, faults: Faults) {
        self.meter.set_faults(faults);
    }

    /// Sets the energy counters to zero.
    pub fn reset_counters(&self) {
        self.meter.reset_counters();
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
        self.meter.connections().restart(self.io);
        self.tasks.spawn(adapter::serve(eip, self.meter.clone(), self.inactivity));
        let everybody = lists::everybody(self.eip);
        self.tasks.spawn(lists::serve(lists, everybody, self.meter.clone()));
        self.tasks.spawn(class1::udp::serve(io, self.meter.clone()));
        self.tasks.spawn(modbus::serve(modbus, self.meter.clone()));
        Ok(())
    }
}

/// Attempts to find a port that is free on TCP and UDP alike.
const ATTEMPTS: u32 = 20;

/// TCP and UDP on the same port.
async fn listen_on_both(address: SocketAddr) -> io::Result<(TcpListener, UdpSocket)> {
    let mut attempt = 1;
    loop {
        let tcp = TcpListener::bind(address).await.map_err(|error| named(error, address, "EtherNet/IP"))?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((tcp, udp)),
            Err(_) if address.port() == 0 && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(named(error, address, "EtherNet/IP (UDP)")),
        }
    }
}

fn named(error: io::Error, address: SocketAddr, protocol: &str) -> io::Error {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this host does not have the address".to_owned(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("cannot serve {protocol} on {address}: {reason}"))
}

#[cfg(test)]
mod tests;
