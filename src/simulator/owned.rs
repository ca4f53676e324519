//! A meter that PLCs own, for a listener on the same host: each on a loopback address of its own, because UDP port
//! 2222 exists once per address. The addresses are drawn, so that several such plants live side by side.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use super::{Options, Owner, OwnerOptions, SimulatedMeter, Simulator};
use crate::enip::class1;
use crate::host::sockets;

/// Where a listener of this host listens from.
const LISTENER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, class1::PORT);
/// The assemblies of realtime values.
const ASSEMBLIES: [u8; 2] = [101, 102];
/// A stream that has just begun would look as if it had begun for the listener.
const UNDER_WAY: u64 = 3;
/// Networks that are tried until one is free.
const ATTEMPTS: u32 = 8;

/// One meter and the PLCs that own its realtime values.
#[derive(Debug)]
pub struct OwnedMeter {
    simulator: Simulator,
    owners: Vec<Owner>,
}

impl OwnedMeter {
    /// Starts the meter and its owners, and waits until their frames flow.
    ///
    /// # Errors
    /// Something has the port that a listener of this host needs, with what that is likely to be.
    pub async fn start() -> io::Result<OwnedMeter> {
        UdpSocket::bind(LISTENER).map_err(|error| {
            let text = format!(
                "Cannot listen on this host: {error} (UDP {LISTENER}). Another listener has it, or a simulated \
                 meter, which leaves it free at another address: simulate --bind 127.0.0.2"
            );
            io::Error::new(error.kind(), text)
        })?;
        let mut attempt = 1;
        loop {
            match OwnedMeter::on([127, rand::random_range(1..=254), rand::random()]).await {
                Err(error) if sockets::is_taken(&error) && attempt < ATTEMPTS => attempt += 1,
                started => return started,
            }
        }
    }

    /// The meter is the second host of a network of 256, the PLCs follow it.
    async fn on([a, b, c]: [u8; 3]) -> io::Result<OwnedMeter> {
        let host = |number| Ipv4Addr::new(a, b, c, number);
        let options = Options { bind: host(2), io_port: class1::PORT, ..Options::default() };
        let simulator = Simulator::start(options).await?;
        let mut owners = Vec::new();
        for (number, assembly) in (3..).zip(ASSEMBLIES) {
            for meter in &simulator.meters {
                let options = OwnerOptions { assembly, ..OwnerOptions::default() };
                owners.push(Owner::start(meter.eip(), host(number), options)?);
            }
        }
        for owner in &owners {
            owner.received(UNDER_WAY).await;
        }
        Ok(OwnedMeter { simulator, owners })
    }

    /// The meter; there is exactly one.
    pub fn meter(&self) -> Option<&SimulatedMeter> {
        self.simulator.meters.first()
    }

    /// Lets the owners close their connections.
    pub async fn stop(self) {
        for owner in self.owners {
            owner.stop().await;
        }
    }
}
