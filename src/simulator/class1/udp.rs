//! The meter's UDP socket: heartbeats in, frames out. One task for all connections of a meter, which sleeps
//! until the next frame or timeout is due.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use crate::enip::class1::Frame;
use crate::host::sockets;
use crate::simulator::meter::Meter;

/// DSCP 47, scheduled, in the six upper bits of the type-of-service byte.
const SCHEDULED_TOS: u32 = 47 << 2;
/// Time to live of multicast: the meter's own subnet.
const TTL: u32 = 1;
/// After a failed receive.
const DEAF: Duration = Duration::from_millis(100);
/// Longer than any heartbeat.
const LONGEST: usize = 64;

/// A socket that sends from the meter's own address, to groups as well.
///
/// # Errors
/// An address that cannot be bound.
pub(in crate::simulator) fn bind(address: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    sockets::bind_beside_groups(&socket, address)?;
    socket.set_multicast_if_v4(address.ip())?;
    socket.set_multicast_ttl_v4(TTL)?;
    socket.set_multicast_loop_v4(true)?;
    // A courtesy to the network.
    let _ = socket.set_tos_v4(SCHEDULED_TOS);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

/// Serves the meter's connections until dropped.
pub(in crate::simulator) async fn serve(socket: UdpSocket, meter: Arc<Meter>) {
    let mut datagram = [0; LONGEST];
    let mut deaf_until = None;
    loop {
        let wake = meter.connections().next_wake();
        tokio::select! {
            received = socket.recv_from(&mut datagram), if deaf_until.is_none() => match received {
                Ok((length, SocketAddr::V4(from))) => {
                    heartbeat(&meter, datagram.get(..length).unwrap_or_default(), from);
                }
                Ok(_) => {}
                // It may stay so: frames go on, at their own pace.
                Err(_) => deaf_until = Some(Instant::now() + DEAF),
            },
            () = sleep_until(deaf_until.unwrap_or_else(Instant::now)), if deaf_until.is_some() => deaf_until = None,
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            () = meter.wait_for_io_change() => {}
        }
        meter.expire_connections(Instant::now());
        for (bytes, to) in produce(&meter) {
            // A full socket buffer loses frames, as a network does.
            let _ = socket.send_to(&bytes, to).await;
        }
    }
}

fn heartbeat(meter: &Meter, datagram: &[u8], from: SocketAddrV4) {
    if meter.is_silent() {
        return;
    }
    if let Some(frame) = Frame::decode(datagram) {
        meter.connections().heartbeat(frame.connection, *from.ip(), Instant::now());
    }
}

/// Collects the frames that are due.
fn produce(meter: &Meter) -> Vec<(Vec<u8>, SocketAddrV4)> {
    let mut frames = Vec::new();
    let now = Instant::now();
    let silent = meter.is_silent();
    meter.with_frame_defects(|defects| {
        let faulty = defects.drop_all;
        defects.drop_all = faulty || silent;
        meter.connections().produce(
            now,
            defects,
            |assembly, size| meter.assembly(u16::from(assembly), size),
            |bytes, to| frames.push((bytes.to_vec(), to)),
        );
        defects.drop_all = faulty;
    });
    frames
}
