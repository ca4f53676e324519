//! An RS-485 line with several meters: behind a pseudo terminal, behind a gateway, or both.
//!
//! ```text
//! bus       the meters, one unit each: a request → an answer, and what befalls it
//!   ↓
//! rtu       frames: unit, function, data, CRC
//! wire      requests in, answers out, at the pace of a wire
//!   ↓
//! pty       a path that is opened like a serial port      gateway   Modbus TCP, or RTU over TCP
//! ```

mod bus;
mod defect;
mod gateway;
mod rtu;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use bus::LineRecord;
pub use defect::{LineDefects, LineFault};

use super::Options;
use super::meter::Meter;
use super::sockets::named;
use crate::host::pty::{self, Port};
use crate::meter::{Table, Value};
use bus::Bus;
use gateway::Speaks;
use wire::Pace;

/// How a line is.
#[derive(Debug, Clone)]
pub struct LineOptions {
    /// Unit of the first meter; the others follow.
    pub first_unit: u8,
    /// Number of meters.
    pub units: u8,
    /// Carry bytes as slowly as a wire at this speed, and understand no program that sets its port to another one.
    pub baud_rate: Option<u32>,
    /// Between the end of a request and the beginning of its answer.
    pub answer_time: Duration,
    /// A link that leads to the pseudo terminal, such as `/tmp/ttyPM500`.
    pub link: Option<PathBuf>,
    /// Where a gateway speaks Modbus TCP; port 0 takes any free one.
    pub gateway: Option<SocketAddr>,
    /// Where a gateway speaks the line's own frames.
    pub rtu_over_tcp: Option<SocketAddr>,
    /// How the meters are; where they would listen has no meaning here.
    pub meters: Options,
}

impl Default for LineOptions {
    fn default() -> Self {
        LineOptions {
            first_unit: 1,
            units: 3,
            baud_rate: None,
            answer_time: Duration::from_millis(5),
            link: None,
            gateway: None,
            rtu_over_tcp: None,
            meters: Options::default(),
        }
    }
}

/// A running line; dropping it stops it.
#[derive(Debug)]
pub struct Line {
    bus: Arc<Bus>,
    pace: Pace,
    link: Option<PathBuf>,
    port: Option<Arc<Port>>,
    gateway: Option<SocketAddr>,
    rtu_over_tcp: Option<SocketAddr>,
    serial: JoinSet<()>,
    tasks: JoinSet<()>,
}

impl Line {
    /// Starts a line.
    ///
    /// # Errors
    /// No pseudo terminal, a link that cannot be made, an address that cannot be listened on.
    pub async fn start(options: LineOptions) -> io::Result<Line> {
        let meters = Arc::new(options.meters);
        let last = options.first_unit.saturating_add(options.units.saturating_sub(1));
        let units: BTreeMap<u8, Arc<Meter>> = (options.first_unit..=last)
            .map(|unit| (unit, Arc::new(Meter::new(&meters, u32::from(unit)))))
            .collect();
        let pace = Pace { baud_rate: options.baud_rate, answer_time: options.answer_time };
        let mut line = Line {
            bus: Arc::new(Bus::new(units)),
            pace,
            link: options.link,
            port: None,
            gateway: None,
            rtu_over_tcp: None,
            serial: JoinSet::new(),
            tasks: JoinSet::new(),
        };
        line.plug_in()?;
        line.gateway = line.listen(options.gateway, Speaks::ModbusTcp).await?;
        line.rtu_over_tcp = line.listen(options.rtu_over_tcp, Speaks::RtuOverTcp).await?;
        Ok(line)
    }

    async fn listen(&mut self, at: Option<SocketAddr>, speaks: Speaks) -> io::Result<Option<SocketAddr>> {
        let Some(at) = at else { return Ok(None) };
        let listener = TcpListener::bind(at).await.map_err(|error| named(error, at, "a gateway"))?;
        let at = listener.local_addr()?;
        self.tasks.spawn(gateway::serve(listener, self.bus.clone(), self.pace, speaks));
        Ok(Some(at))
    }

    /// What a program opens as its serial port; `None` while it is unplugged.
    pub fn path(&self) -> Option<&Path> {
        self.port.as_ref().map(|port| port.path())
    }

    /// Where the gateway speaks Modbus TCP.
    pub fn gateway(&self) -> Option<SocketAddr> {
        self.gateway
    }

    /// Where the gateway speaks the line's own frames.
    pub fn rtu_over_tcp(&self) -> Option<SocketAddr> {
        self.rtu_over_tcp
    }

    /// The units that are there.
    pub fn units(&self) -> impl Iterator<Item = u8> {
        self.bus.units()
    }

    /// The true value of a unit's element right now, as [`expected`](super::SimulatedMeter::expected) has it.
    pub fn expected(&self, unit: u8, table: Table, name: &str) -> Option<Value> {
        self.bus.unit(unit)?.value(table, name)
    }

    /// Attempts to change something, with their counts. All were refused.
    pub fn writes(&self) -> u64 {
        let units = self.units().filter_map(|unit| self.bus.unit(unit));
        units.flat_map(|meter| meter.record().writes()).map(|(_, count)| count).sum()
    }

    /// What it was asked so far.
    pub fn record(&self) -> LineRecord {
        self.bus.record()
    }

    /// The defects in force.
    pub fn defects(&self) -> LineDefects {
        self.bus.defects()
    }

    /// Replaces the defects in force; `LineDefects::default()` heals it.
    pub fn set_defects(&self, defects: LineDefects) {
        self.bus.set_defects(defects);
    }

    /// Pulls the adapter: the port is gone, and whoever has it open gets an error.
    pub async fn unplug(&mut self) {
        self.serial.shutdown().await;
        self.port = None;
    }

    /// Plugs the adapter in again; without a link the port has another path.
    ///
    /// # Errors
    /// No pseudo terminal, or a link that cannot be made.
    pub fn plug_in(&mut self) -> io::Result<()> {
        self.serial.abort_all();
        self.port = None;
        let (pty, port) = pty::open_pair(self.link.as_deref())?;
        let port = Arc::new(port);
        let (wanted, at) = (self.pace.baud_rate, Arc::downgrade(&port));
        let hears = move || {
            let set = at.upgrade().and_then(|port| port.baud_rate());
            wanted.is_none() || set.is_none() || wanted == set
        };
        self.serial.spawn(wire::serve(pty, self.bus.clone(), self.pace, hears));
        self.port = Some(port);
        Ok(())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
