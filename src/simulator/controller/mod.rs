//! A Logix-like controller that has simulated meters in its I/O tree: their assemblies are tags.
//!
//! ```text
//! program        tags, fed by module connections to the meters; a faulted one keeps its last values
//! tag            names, types, members and elements       path    EPATH ↔ names
//!   ↓
//! tag_services   Read Tag, Read Tag Fragmented            route, connected   how a message gets here
//! services       one message → one reply
//! ```
//!
//! The module connections are real: [`Owner`](super::Owner)s of the meters' assemblies, so that whatever befalls a
//! meter or its network befalls the tags as it would in a plant.

mod connected;
mod defect;
mod path;
mod program;
mod record;
mod route;
mod services;
mod tag;
mod tag_services;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use defect::ControllerDefects;
pub use record::ControllerRecord;
pub use tag::{Atom, Shape, Tag};

use super::OwnerOptions;
use super::encapsulation::{lists, sessions};
use super::sockets::{listen_on_both, named};
use program::Program;
use services::Services;

/// How a controller is and where it listens.
#[derive(Debug, Clone)]
pub struct ControllerOptions {
    /// Its address; module connections come from there.
    pub bind: Ipv4Addr,
    /// EtherNet/IP port; 0 takes any free one.
    pub port: u16,
    /// Its slot in the backplane.
    pub slot: u8,
    /// A communication module answers the port: only a route leads to the controller.
    pub bridge: bool,
    /// Sessions at one time.
    pub sessions: u64,
    /// A session without traffic is closed after this time.
    pub inactivity: Duration,
    /// Assemblies of each meter that it has connections to.
    pub assemblies: Vec<u8>,
    /// How it connects to the meters; the assembly is filled in.
    pub modules: OwnerOptions,
}

impl Default for ControllerOptions {
    fn default() -> Self {
        ControllerOptions {
            bind: Ipv4Addr::new(127, 0, 3, 1),
            port: 0,
            slot: 0,
            bridge: false,
            sessions: 32,
            inactivity: Duration::from_secs(120),
            assemblies: vec![101, 102],
            modules: OwnerOptions::default(),
        }
    }
}

/// A running controller; dropping it stops it.
#[derive(Debug)]
pub struct Controller {
    services: Arc<Services>,
    inactivity: Duration,
    address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Controller {
    /// Starts a controller that connects to these meters. Their tags hold zeros until [`Controller::connected`].
    ///
    /// # Errors
    /// An address that cannot be listened on; the message names it.
    pub async fn start(meters: &[SocketAddr], options: ControllerOptions) -> io::Result<Controller> {
        let program = Program::start(meters, options.bind, &options.assemblies, &options.modules)?;
        let services = Services::new(program, options.slot, options.bridge, options.sessions);
        let mut controller = Controller {
            services: Arc::new(services),
            inactivity: options.inactivity,
            address: SocketAddr::from((options.bind, options.port)),
            tasks: JoinSet::new(),
        };
        controller.restart().await?;
        Ok(controller)
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its tags, as they are without defects.
    pub fn tags(&self) -> &[Tag] {
        self.services.program().tags()
    }

    /// Waits until all module connections have brought data.
    pub async fn connected(&self) {
        self.services.program().connected().await;
    }

    /// What it was asked so far.
    pub fn record(&self) -> ControllerRecord {
        self.services.record()
    }

    /// The defects in force.
    pub fn defects(&self) -> ControllerDefects {
        self.services.defects()
    }

    /// Replaces the defects in force; `ControllerDefects::default()` heals it.
    pub fn set_defects(&self, defects: ControllerDefects) {
        self.services.set_defects(defects);
    }

    /// Its clients lose their connections, and nobody listens any more. Module connections live on.
    pub async fn stop(&mut self) {
        self.tasks.shutdown().await;
        self.services.forget();
    }

    /// It listens again at the same address.
    ///
    /// # Errors
    /// An address that cannot be listened on; the message names it.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.stop().await;
        let (tcp, udp): (TcpListener, _) = listen_on_both(self.address).await?;
        self.address = tcp.local_addr().map_err(|error| named(error, self.address, "EtherNet/IP"))?;
        self.tasks.spawn(sessions::serve(tcp, self.services.clone(), self.inactivity));
        self.tasks.spawn(lists::serve(udp, lists::everybody(self.address), self.services.clone()));
        Ok(())
    }

    /// Closes the module connections and ends it.
    pub async fn end(mut self) {
        self.stop().await;
        // Its clients' tasks are gone: nobody else has it.
        if let Some(services) = Arc::into_inner(self.services) {
            services.into_program().stop().await;
        }
    }
}

#[cfg(test)]
mod tests;
