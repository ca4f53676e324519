//! ListIdentity, ListServices and ListInterfaces: the commands that need no session, on TCP and on UDP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rust_ethernet_ip_protocol::Decode;
use rust_ethernet_ip_protocol::encap::EncapsulationHeader;
use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Host;
use crate::enip::identity;
use crate::enip::list_identity::{IDENTITY_ITEM, OPERATIONAL, delay_limit};
use crate::enip::packet::{self, HEADER_LEN, Packet};
use crate::host::interfaces;

/// CPF item of ListServices.
const SERVICES_ITEM: u16 = 0x0100;
/// CIP over TCP, class 0 and 1 over UDP.
const CAPABILITIES: u16 = 0x0020 | 0x0100;

/// Answers of one meter that wait for their random time.
const WAITING: usize = 16;

/// Answers List commands on UDP until dropped: those that came to the meter itself at once, those that came to
/// everybody after a random time.
pub(in crate::simulator) async fn serve<H: Host>(
    socket: UdpSocket,
    everybody: Option<UdpSocket>,
    host: Arc<H>,
) {
    let (mut own, mut shared) = ([0; 512], [0; 512]);
    let mut waiting: JoinSet<(SocketAddr, BytesMut)> = JoinSet::new();
    loop {
        let broadcast = async {
            match &everybody {
                Some(everybody) => everybody.recv_from(&mut shared).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            received = socket.recv_from(&mut own) => {
                let Ok((length, client)) = received else { pause().await; continue };
                if let Some((_, reply)) = own.get(..length).and_then(|bytes| reply(&*host, bytes, &socket)) {
                    let _ = socket.send_to(&reply, client).await;
                }
            }
            received = broadcast => {
                let Ok((length, client)) = received else { pause().await; continue };
                let Some((context, reply)) = shared.get(..length).and_then(|bytes| reply(&*host, bytes, &socket))
                else {
                    continue;
                };
                if waiting.len() < WAITING {
                    let delay = rand::random_range(0..=u64::from(delay_limit(context)));
                    waiting.spawn(async move {
                        sleep(Duration::from_millis(delay)).await;
                        (client, reply)
                    });
                }
            }
            Some(Ok((client, reply))) = waiting.join_next() => {
                let _ = socket.send_to(&reply, client).await;
            }
        }
    }
}

/// After a failed receive: it may stay so.
async fn pause() {
    sleep(Duration::from_millis(100)).await;
}

/// The reply to a datagram with the request's context, if there is one.
fn reply(host: &impl Host, bytes: &[u8], socket: &UdpSocket) -> Option<([u8; 8], BytesMut)> {
    let request = datagram(bytes)?;
    if host.is_silent() {
        return None;
    }
    let data = answer(host, request.header.command, socket.local_addr())?;
    let EncapsulationHeader { command, session_handle, sender_context, .. } = request.header;
    Some((sender_context, packet::encode(command, session_handle, sender_context, 0, &data)))
}

/// A socket for what is sent to everybody on the network of this address, if it has one. A socket that is bound to
/// the meter's own address receives none of it, and several meters share this one's address.
pub(in crate::simulator) fn everybody(address: SocketAddr) -> Option<UdpSocket> {
    let SocketAddr::V4(meter) = address else { return None };
    let all = interfaces::broadcasting().ok()?;
    let everybody = all.into_iter().find(|one| one.local == *meter.ip())?.everybody;
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?;
    socket.set_reuse_address(true).ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.bind(&SocketAddrV4::new(everybody, meter.port()).into()).ok()?;
    UdpSocket::from_std(socket.into()).ok()
}

fn datagram(bytes: &[u8]) -> Option<Packet> {
    let header = EncapsulationHeader::decode(&mut bytes.get(..HEADER_LEN)?).ok()?;
    let data = bytes.get(HEADER_LEN..HEADER_LEN + usize::from(header.length))?.to_vec();
    (header.options == 0).then_some(Packet { header, data })
}

/// The data of a List command's reply, `None` for any other command: item count UINT, then each item with its type and length.
pub(super) fn answer(host: &impl Host, command: u16, local: io::Result<SocketAddr>) -> Option<Vec<u8>> {
    let (item, body) = match command {
        packet::LIST_IDENTITY => {
            let local = address(local);
            // Protocol version, then a socket address in network byte order, as the specification has it.
            let mut body = vec![1, 0, 0, 2];
            body.extend(local.port().to_be_bytes());
            body.extend(local.ip().octets());
            body.extend([0; 8]);
            body.extend(identity::encode(&host.identity()));
            body.push(OPERATIONAL);
            (IDENTITY_ITEM, body)
        }
        packet::LIST_SERVICES => {
            let mut body = vec![1, 0];
            body.extend(CAPABILITIES.to_le_bytes());
            body.extend(b"Communications\0\0");
            (SERVICES_ITEM, body)
        }
        packet::LIST_INTERFACES => return Some(vec![0, 0]),
        _ => return None,
    };
    let mut data = vec![1, 0];
    data.extend(item.to_le_bytes());
    data.extend((body.len() as u16).to_le_bytes());
    data.extend(body);
    Some(data)
}

fn address(local: io::Result<SocketAddr>) -> SocketAddrV4 {
    match local {
        Ok(SocketAddr::V4(address)) => address,
        _ => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, packet::PORT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Options, Simulator};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    const WAIT: Duration = Duration::from_secs(10);

    #[cfg(unix)]
    #[test]
    fn a_socket_that_cannot_be_read_is_tried_again_after_a_pause() {
        use crate::host::broken;
        use crate::simulator::meter::Meter;
        use crate::simulator::router::Router;
        for own in [true, false] {
            let served = broken::ends(move || async move {
                let broken = UdpSocket::from_std(broken::socket()).unwrap();
                let sound = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                let (socket, everybody) = if own { (broken, sound) } else { (sound, broken) };
                let meter = Arc::new(Meter::new(&Arc::new(Options::default()), 0));
                timeout(WAIT, serve(socket, Some(everybody), Arc::new(Router(meter)))).await
            });
            assert!(served.is_err(), "a meter serves until it is dropped");
        }
    }

    #[tokio::test]
    async fn list_identity_is_answered_on_tcp_and_udp_without_a_session() {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let meter = &simulator.meters[0];
        let request = packet::encode(packet::LIST_IDENTITY, 0, [7; 8], 0, &[]);
        let mut stream = TcpStream::connect(meter.eip()).await.unwrap();
        stream.write_all(&request).await.unwrap();
        let on_tcp = timeout(WAIT, packet::receive(&mut stream)).await.unwrap().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(&request, meter.eip()).await.unwrap();
        let mut bytes = [0; 512];
        let length = timeout(WAIT, socket.recv(&mut bytes)).await.unwrap().unwrap();
        let on_udp = datagram(&bytes[..length]).unwrap();
        assert_eq!(on_udp, on_tcp);
        let [port_high, port_low] = meter.eip().port().to_be_bytes();
        let item = [1, 0, 0x0C, 0, 50, 0, 1, 0, 0, 2, port_high, port_low, 127, 0, 0, 1];
        assert_eq!(on_tcp.data[..16], item);
        assert_eq!(identity::decode(&on_tcp.data[24..]), Some(meter.identity()));
        assert_eq!(on_tcp.data.last(), Some(&OPERATIONAL));
    }
}
