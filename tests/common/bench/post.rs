//! One of the bench's meters: what is before it, what it held, and what was said of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use telegraf_pm500::meter::Table;
use telegraf_pm500::simulator::{Controller, ControllerOptions, Line as Bus, LineOptions};

use super::{ADDRESSED, Cell, EIP_PORT, PAST, RPI, TRANSPORTS};
use crate::common::controlled;
use crate::common::line::Line;
use crate::common::relay::frames::Frames;
use crate::common::relay::{Framing, Relay};
use crate::common::simulated::Simulated;
use crate::common::truth::Truth;

/// The one meter of each line.
pub(super) const UNIT: u8 = 1;

pub(super) struct Post {
    /// Where the plugin reads it.
    pub(super) address: String,
    pub(super) relay: Relay,
    pub(super) frames: Option<Arc<Frames>>,
    /// The controller, and the relay before the meter that it has connections to.
    pub(super) controller: Option<(Controller, Relay)>,
    /// The line that it is a unit of.
    pub(super) line: Option<Bus>,
    pub(super) truth: Truth,
    pub(super) status: Option<Line>,
    pub(super) cell: Cell,
}

impl Post {
    pub(super) fn start(simulated: &Simulated, number: usize, directory: &Path) -> Post {
        let name = TRANSPORTS[number];
        let mut tables = vec![Table::Realtime, Table::Alarm];
        if matches!(name, "modbus" | "gateway" | "serial") {
            tables.push(Table::Energy);
        }
        let mut post = if number < ADDRESSED {
            Post::addressed(simulated, number, Truth::of(&tables, PAST))
        } else {
            simulated.block_on(Post::on_a_line(name, local(number), directory, Truth::of(&tables, PAST)))
        };
        post.look(simulated, number);
        post
    }

    /// Remembers what the meter holds.
    pub(super) fn look(&mut self, simulated: &Simulated, number: usize) {
        match &self.line {
            Some(line) => self.truth.look(|table, name| line.expected(UNIT, table, name)),
            None => self.truth.look(|table, name| simulated.meter(number).expected(table, name)),
        }
    }

    fn addressed(simulated: &Simulated, number: usize, truth: Truth) -> Post {
        let meter = simulated.meter(number);
        let local = local(number);
        let at = |meter: SocketAddr| SocketAddr::from((local, meter.port()));
        let with_frames = || {
            let start = async {
                let frames = Frames::start(local, meter.io());
                (Relay::with_frames(at(meter.eip()), meter.eip(), frames.clone()).await, frames)
            };
            simulated.block_on(start)
        };
        let plain = |to, framing| simulated.block_on(Relay::at(at(to), to, framing));
        let (relay, frames, controller) = match TRANSPORTS[number] {
            "modbus" => (plain(meter.modbus(), Framing::Modbus), None, None),
            "explicit" => (plain(meter.eip(), Framing::EtherNetIp), None, None),
            "logix" => {
                let (modules, frames) = with_frames();
                let bind = Ipv4Addr::new(127, 0, 3, 1);
                let options = ControllerOptions { bind, port: EIP_PORT, ..ControllerOptions::default() };
                let controller = controlled::controller(simulated, modules.address, RPI, options);
                let before = SocketAddr::from((Ipv4Addr::new(127, 0, 3, 2), EIP_PORT));
                let relay = Relay::at(before, controller.address(), Framing::EtherNetIp);
                (simulated.block_on(relay), Some(frames), Some((controller, modules)))
            }
            _ => {
                let (relay, frames) = with_frames();
                (relay, Some(frames), None)
            }
        };
        let address = relay.address.to_string();
        Post { address, relay, frames, controller, line: None, truth, status: None, cell: Cell::default() }
    }

    async fn on_a_line(name: &str, local: Ipv4Addr, directory: &Path, truth: Truth) -> Post {
        let options = LineOptions {
            first_unit: UNIT,
            units: 1,
            rtu_over_tcp: Some(SocketAddr::from((local, 0))),
            ..LineOptions::default()
        };
        let line = Bus::start(options).await.expect("a line needs nothing but a free port");
        let meters = line.rtu_over_tcp().expect("it has a gateway");
        let (relay, address) = if name == "serial" {
            let port = directory.join("port");
            (Relay::at_port(&port, meters), format!("file://{}", port.display()))
        } else {
            let relay = Relay::at(SocketAddr::from((local, 1502)), meters, Framing::Rtu).await;
            let address = format!("modbus://{}", relay.address);
            (relay, address)
        };
        Post {
            address,
            relay,
            frames: None,
            controller: None,
            line: Some(line),
            truth,
            status: None,
            cell: Cell::default(),
        }
    }
}

fn local(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 2, 2 + number as u8)
}
