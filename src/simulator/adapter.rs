//! The EtherNet/IP adapter: encapsulation on TCP, and the three List commands on UDP as well.
//!
//! One session per TCP connection. A connection without traffic is closed after
//! [`Options::inactivity`](super::Options::inactivity). Source: EtherNet/IP specification, chapter 2.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rust_ethernet_ip_protocol::cip::SendDataRequest;
use rust_ethernet_ip_protocol::encap::EncapsulationHeader;
use rust_ethernet_ip_protocol::{Decode, Encode};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::meter::Meter;
use super::router;
use crate::enip::identity;
use crate::enip::message::unconnected_item;
use crate::enip::packet::{self, HEADER_LEN, Packet};

const INVALID_COMMAND: u32 = 0x01;
const MALFORMED: u32 = 0x03;
const INVALID_SESSION: u32 = 0x64;
const INVALID_LENGTH: u32 = 0x65;
const UNSUPPORTED_VERSION: u32 = 0x69;

/// SendUnitData: for connected messages, which nobody can have opened here.
const SEND_UNIT_DATA: u16 = 0x0070;

/// CPF items of ListIdentity and ListServices.
const IDENTITY_ITEM: u16 = 0x000C;
const SERVICES_ITEM: u16 = 0x0100;
/// CIP over TCP, class 0 and 1 over UDP.
const CAPABILITIES: u16 = 0x0020 | 0x0100;
/// Device state of ListIdentity: operational.
const OPERATIONAL: u8 = 3;

/// Serves TCP clients until dropped.
pub(super) async fn serve(listener: TcpListener, meter: Arc<Meter>, inactivity: Duration) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let meter = meter.clone();
                    clients.spawn(async move {
                        // A client that breaks its connection is nobody's fault here.
                        let _ = Client { stream, meter, session: 0 }.serve(inactivity).await;
                    });
                }
                // Out of file descriptors, most likely: wait for some to come back.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// Answers List commands on UDP until dropped.
pub(super) async fn serve_lists(socket: UdpSocket, meter: Arc<Meter>) {
    let mut bytes = [0; 512];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut bytes).await else { continue };
        let Some(request) = bytes.get(..length).and_then(datagram) else { continue };
        let local = local_address(socket.local_addr());
        if meter.faults().silent || meter.is_suspended() {
            continue;
        }
        if let Some(data) = list(&meter, request.header.command, local) {
            let reply = reply(&request.header, request.header.session_handle, 0, &data);
            let _ = socket.send_to(&reply, client).await;
        }
    }
}

fn datagram(bytes: &[u8]) -> Option<Packet> {
    let header = EncapsulationHeader::decode(&mut bytes.get(..HEADER_LEN)?).ok()?;
    let data = bytes.get(HEADER_LEN..HEADER_LEN + usize::from(header.length))?.to_vec();
    (header.options == 0).then_some(Packet { header, data })
}

/// What comes back for a packet.
enum Reply {
    Data(Vec<u8>),
    Status(u32),
    Nothing,
    Close,
}

struct Client {
    stream: TcpStream,
    meter: Arc<Meter>,
    /// 0 while no session is registered.
    session: u32,
}

impl Client {
    async fn serve(mut self, inactivity: Duration) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        loop {
            let Ok(Ok(request)) = timeout(inactivity, packet::receive(&mut self.stream)).await else {
                return Ok(());
            };
            // The specification wants packets with option flags discarded.
            if request.header.options != 0 || self.meter.faults().silent || self.meter.is_suspended() {
                continue;
            }
            let (status, data) = match self.answer(&request) {
                Reply::Data(data) => (0, data),
                Reply::Status(status) => (status, Vec::new()),
                Reply::Nothing => continue,
                Reply::Close => return Ok(()),
            };
            let session = match request.header.command {
                packet::REGISTER_SESSION => self.session,
                _ => request.header.session_handle,
            };
            let session = self.meter.faults().session_handle.unwrap_or(session);
            if !self.send(&reply(&request.header, session, status, &data)).await? {
                return Ok(());
            }
        }
    }

    /// Sends a reply, well or as the faults want it; whether the connection lives on.
    async fn send(&mut self, reply: &[u8]) -> io::Result<bool> {
        let (delay, truncated) = self.meter.take_next_faults();
        if let Some(delay) = delay {
            sleep(delay).await;
        }
        if let Some(length) = truncated {
            self.stream.write_all(&reply[..length.min(reply.len())]).await?;
            return Ok(false);
        }
        let first = if self.meter.faults().split_replies { HEADER_LEN / 2 } else { reply.len() };
        let (first, second) = reply.split_at(first.min(reply.len()));
        self.stream.write_all(first).await?;
        if !second.is_empty() {
            sleep(Duration::from_millis(5)).await;
            self.stream.write_all(second).await?;
        }
        Ok(true)
    }

    fn answer(&mut self, request: &Packet) -> Reply {
        let header = &request.header;
        match header.command {
            packet::NOP | SEND_UNIT_DATA => Reply::Nothing,
            packet::REGISTER_SESSION => self.register(&request.data),
            packet::UNREGISTER_SESSION => Reply::Close,
            packet::SEND_RR_DATA if self.session == 0 || header.session_handle != self.session => {
                Reply::Status(INVALID_SESSION)
            }
            packet::SEND_RR_DATA => match self.route(&request.data) {
                Some(data) => Reply::Data(data),
                None => Reply::Status(MALFORMED),
            },
            command => match list(&self.meter, command, local_address(self.stream.local_addr())) {
                Some(data) => Reply::Data(data),
                None => Reply::Status(INVALID_COMMAND),
            },
        }
    }

    fn register(&mut self, data: &[u8]) -> Reply {
        if data.len() != packet::REGISTER_DATA.len() {
            return Reply::Status(INVALID_LENGTH);
        }
        if data != packet::REGISTER_DATA {
            return Reply::Status(UNSUPPORTED_VERSION);
        }
        if self.session != 0 {
            return Reply::Status(INVALID_COMMAND);
        }
        self.session = rand::random_range(1..=u32::MAX);
        self.meter.change_record(|record| record.sessions += 1);
        Reply::Data(packet::REGISTER_DATA.to_vec())
    }

    /// The data of SendRRData there and back; `None` when it is malformed.
    fn route(&self, data: &[u8]) -> Option<Vec<u8>> {
        // Interface handle 0 is CIP; there is no other interface.
        if data.get(..4)? != [0; 4] {
            return None;
        }
        let message = unconnected_item(data).ok()?;
        let answer = router::answer(&self.meter, &message)?;
        let mut reply = BytesMut::new();
        SendDataRequest { timeout: 0, ..SendDataRequest::unconnected(&answer) }.encode(&mut reply);
        Some(reply.to_vec())
    }
}

fn reply(request: &EncapsulationHeader, session: u32, status: u32, data: &[u8]) -> BytesMut {
    packet::encode(request.command, session, request.sender_context, status, data)
}

fn local_address(address: io::Result<std::net::SocketAddr>) -> SocketAddrV4 {
    match address {
        Ok(std::net::SocketAddr::V4(address)) => address,
        _ => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, packet::PORT),
    }
}

/// The data of a List command's reply: item count UINT, then each item with its type and length.
fn list(meter: &Meter, command: u16, local: SocketAddrV4) -> Option<Vec<u8>> {
    let (item, body) = match command {
        packet::LIST_IDENTITY => {
            // Protocol version, then a socket address in network byte order, as the specification has it.
            let mut body = vec![1, 0, 0, 2];
            body.extend(local.port().to_be_bytes());
            body.extend(local.ip().octets());
            body.extend([0; 8]);
            body.extend(identity::encode(&meter.identity()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Faults, Options, Simulator};
    use tokio::io::AsyncReadExt;

    const WAIT: Duration = Duration::from_secs(10);

    async fn simulator(options: Options) -> Simulator {
        Simulator::start(Options { frozen: true, ..options }).await.unwrap()
    }

    async fn exchange(stream: &mut TcpStream, request: &[u8]) -> Packet {
        stream.write_all(request).await.unwrap();
        timeout(WAIT, packet::receive(stream)).await.unwrap().unwrap()
    }

    /// SendRRData with one unconnected message.
    fn ask(session: u32, message: &[u8]) -> Vec<u8> {
        let mut data = BytesMut::new();
        SendDataRequest::unconnected(message).encode(&mut data);
        packet::encode(packet::SEND_RR_DATA, session, *b"question", 0, &data).to_vec()
    }

    #[tokio::test]
    async fn golden_requests_get_the_replies_of_the_specification() {
        let simulator = simulator(Options::default()).await;
        let meter = &simulator.meters[0];
        let mut stream = TcpStream::connect(meter.eip()).await.unwrap();

        let wrong_version = packet::encode(packet::REGISTER_SESSION, 0, [1; 8], 0, &[2, 0, 0, 0]);
        assert_eq!(exchange(&mut stream, &wrong_version).await.header.status, UNSUPPORTED_VERSION);
        let early = exchange(&mut stream, &ask(1, &[0x0E, 3, 0x20, 4, 0x24, 101, 0x30, 3])).await;
        assert_eq!((early.header.status, early.data.len()), (INVALID_SESSION, 0));

        let register =
            [0x65, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 1, 0, 0, 0];
        let registered = exchange(&mut stream, &register).await;
        let session = registered.header.session_handle;
        assert_ne!(session, 0);
        assert_eq!(registered.header.sender_context, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(registered.data, [1, 0, 0, 0]);
        assert_eq!(exchange(&mut stream, &register).await.header.status, INVALID_COMMAND);

        let size = exchange(&mut stream, &ask(session, &[0x0E, 3, 0x20, 4, 0x24, 101, 0x30, 4])).await;
        let golden = [0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0xB2, 0, 6, 0, 0x8E, 0, 0, 0, 48, 0];
        assert_eq!(size.data, golden);
        assert_eq!(size.header.sender_context, *b"question");
        let unknown = exchange(&mut stream, &ask(session, &[0x0E, 3, 0x20, 4, 0x24, 99, 0x30, 3])).await;
        assert_eq!(unknown.data[16..], [0x8E, 0, 0x05, 0]);
        let write = [0x10, 3, 0x20, 4, 0x24, 101, 0x30, 3, 0];
        let refused = exchange(&mut stream, &ask(session, &write)).await;
        assert_eq!(refused.data[16..], [0x90, 0, 0x0E, 0]);
        assert_eq!(meter.record().writes().len(), 1);

        let malformed =
            packet::encode(packet::SEND_RR_DATA, session, [0; 8], 0, &[0, 0, 0, 0, 0, 0, 255, 255]);
        assert_eq!(exchange(&mut stream, &malformed).await.header.status, MALFORMED);
        let unheard_of = packet::encode(0x1234, session, [0; 8], 0, &[]);
        assert_eq!(exchange(&mut stream, &unheard_of).await.header.status, INVALID_COMMAND);

        let leave = packet::encode(packet::UNREGISTER_SESSION, session, [0; 8], 0, &[]);
        stream.write_all(&leave).await.unwrap();
        assert_eq!(timeout(WAIT, stream.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn list_identity_is_answered_on_tcp_and_udp_without_a_session() {
        let simulator = simulator(Options::default()).await;
        let meter = &simulator.meters[0];
        let request = packet::encode(packet::LIST_IDENTITY, 0, [7; 8], 0, &[]);
        let mut stream = TcpStream::connect(meter.eip()).await.unwrap();
        let on_tcp = exchange(&mut stream, &request).await;
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

    #[tokio::test]
    async fn an_idle_connection_is_closed() {
        let simulator =
            simulator(Options { inactivity: Duration::from_millis(20), ..Options::default() }).await;
        let meter = &simulator.meters[0];
        let mut idle = TcpStream::connect(meter.eip()).await.unwrap();
        assert_eq!(timeout(WAIT, idle.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn a_truncated_reply_is_the_last() {
        let simulator = simulator(Options::default()).await;
        let meter = &simulator.meters[0];
        meter.set_faults(Faults { truncate_next_reply: Some(10), ..Faults::default() });
        let mut stream = TcpStream::connect(meter.eip()).await.unwrap();
        stream.write_all(&packet::encode(packet::LIST_SERVICES, 0, [7; 8], 0, &[])).await.unwrap();
        let mut bytes = Vec::new();
        timeout(WAIT, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        assert_eq!(bytes.len(), 10);
        assert_eq!(meter.faults(), Faults::default());
    }
}
