//! Sessions on TCP, one per connection. A connection without traffic is closed after a time.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rust_ethernet_ip_protocol::Encode;
use rust_ethernet_ip_protocol::cip::{CpfItem, SendDataRequest};
use rust_ethernet_ip_protocol::encap::EncapsulationHeader;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Damage, Host, lists};
use crate::enip::class1;
use crate::enip::forward_open::{SOCKADDR_T2O_ITEM, sockaddr};
use crate::enip::message::unconnected_item;
use crate::enip::packet::{self, HEADER_LEN, Packet};
use crate::simulator::class1::Originator;

const INVALID_COMMAND: u32 = 0x01;
const INSUFFICIENT_MEMORY: u32 = 0x02;
const MALFORMED: u32 = 0x03;
const INVALID_SESSION: u32 = 0x64;
const INVALID_LENGTH: u32 = 0x65;
const UNSUPPORTED_VERSION: u32 = 0x69;

/// SendUnitData: for connected messages.
const SEND_UNIT_DATA: u16 = 0x0070;
/// Interface handle UDINT, timeout UINT, item count UINT 2, then the items of a connected message: address (0x00A1,
/// length 4, connection ID UDINT) and data (0x00B1, length UINT, sequence count UINT, message).
const CONNECTED_HEAD: [u8; 12] = [0, 0, 0, 0, 0, 0, 2, 0, 0xA1, 0, 4, 0];
const CONNECTED_DATA_ITEM: [u8; 2] = [0xB1, 0];

/// Serves TCP clients until dropped.
pub(in crate::simulator) async fn serve<H: Host>(listener: TcpListener, host: Arc<H>, inactivity: Duration) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let mut client = Client { stream, host: host.clone(), session: 0, unregistered: false };
                    clients.spawn(async move {
                        // A client that breaks its connection is nobody's fault here.
                        let _ = client.serve(inactivity).await;
                    });
                }
                // Out of file descriptors, most likely: wait for some to come back.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// What comes back for a packet.
enum Reply {
    Data(Vec<u8>),
    Status(u32),
    Nothing,
    Close,
}

struct Client<H: Host> {
    stream: TcpStream,
    host: Arc<H>,
    /// 0 while no session is registered.
    session: u32,
    unregistered: bool,
}

impl<H: Host> Drop for Client<H> {
    fn drop(&mut self) {
        if self.session != 0 {
            self.host.leave(self.unregistered);
        }
    }
}

impl<H: Host> Client<H> {
    async fn serve(&mut self, inactivity: Duration) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        let peer = self.stream.peer_addr()?.ip();
        let mut expelled = self.host.expelled();
        loop {
            let request = {
                let receiving = timeout(inactivity, packet::receive(&mut self.stream));
                tokio::pin!(receiving);
                loop {
                    tokio::select! {
                        request = &mut receiving => break request,
                        Ok(originator) = expelled.recv() => {
                            if originator == peer {
                                return Ok(());
                            }
                        }
                    }
                }
            };
            let Ok(Ok(request)) = request else { return Ok(()) };
            // The specification wants packets with option flags discarded.
            if request.header.options != 0 || self.host.is_silent() {
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
            let damage = self.host.take_damage();
            let session = damage.session.unwrap_or(session);
            if !self.send(&reply(&request.header, session, status, &data), damage).await? {
                return Ok(());
            }
        }
    }

    /// Sends a reply, well or as the defects want it; whether the connection lives on.
    async fn send(&mut self, reply: &[u8], damage: Damage) -> io::Result<bool> {
        if let Some(delay) = damage.delay {
            sleep(delay).await;
        }
        if let Some(length) = damage.truncated {
            self.stream.write_all(&reply[..length.min(reply.len())]).await?;
            return Ok(false);
        }
        let first = if damage.split { HEADER_LEN / 2 } else { reply.len() };
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
            packet::NOP => Reply::Nothing,
            packet::REGISTER_SESSION => self.register(&request.data),
            packet::UNREGISTER_SESSION => {
                self.unregistered = true;
                Reply::Close
            }
            SEND_UNIT_DATA if self.session == 0 || header.session_handle != self.session => Reply::Nothing,
            SEND_UNIT_DATA => self.route_connected(&request.data).map_or(Reply::Nothing, Reply::Data),
            packet::SEND_RR_DATA if self.session == 0 || header.session_handle != self.session => {
                Reply::Status(INVALID_SESSION)
            }
            packet::SEND_RR_DATA => match self.route(&request.data) {
                Some(data) => Reply::Data(data),
                None => Reply::Status(MALFORMED),
            },
            command => match lists::answer(&*self.host, command, self.stream.local_addr()) {
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
        if !self.host.register() {
            return Reply::Status(INSUFFICIENT_MEMORY);
        }
        self.session = rand::random_range(1..=u32::MAX);
        Reply::Data(packet::REGISTER_DATA.to_vec())
    }

    /// The data of SendRRData there and back; `None` when it is malformed.
    fn route(&self, data: &[u8]) -> Option<Vec<u8>> {
        // Interface handle 0 is CIP; there is no other interface.
        if data.get(..4)? != [0; 4] {
            return None;
        }
        let message = unconnected_item(data).ok()?;
        let (answer, items) = self.host.answer(&message, self.originator(data))?;
        let mut packet = SendDataRequest { timeout: 0, ..SendDataRequest::unconnected(&answer) };
        packet.items.extend(items.into_iter().map(|(type_id, data)| CpfItem { type_id, data }));
        let mut reply = BytesMut::new();
        packet.encode(&mut reply);
        Some(reply.to_vec())
    }

    /// The data of SendUnitData there and back; `None` when it is malformed, or for a connection that is not open.
    fn route_connected(&self, data: &[u8]) -> Option<Vec<u8>> {
        let (head, rest) = data.split_at_checked(CONNECTED_HEAD.len())?;
        // The timeout may be anything.
        if head[..4] != CONNECTED_HEAD[..4] || head[6..] != CONNECTED_HEAD[6..] {
            return None;
        }
        let (connection, rest) = rest.split_first_chunk()?;
        let (item, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        if *item != CONNECTED_DATA_ITEM || usize::from(u16::from_le_bytes(*length)) != rest.len() {
            return None;
        }
        let (count, message) = rest.split_first_chunk::<2>()?;
        let (to, answer) = self.host.answer_connected(u32::from_le_bytes(*connection), message)?;
        let length = u16::try_from(count.len() + answer.len()).ok()?.to_le_bytes();
        Some([&CONNECTED_HEAD[..], &to.to_le_bytes(), &CONNECTED_DATA_ITEM, &length, count, &answer].concat())
    }

    /// Who asks: the session's address, and the port it names for point-to-point frames.
    fn originator(&self, data: &[u8]) -> Originator {
        let address = match self.stream.peer_addr() {
            Ok(SocketAddr::V4(peer)) => *peer.ip(),
            _ => Ipv4Addr::UNSPECIFIED,
        };
        let port = sockaddr(data, SOCKADDR_T2O_ITEM).map_or(class1::PORT, |named| named.port());
        Originator { address, port }
    }
}

fn reply(request: &EncapsulationHeader, session: u32, status: u32, data: &[u8]) -> BytesMut {
    packet::encode(request.command, session, request.sender_context, status, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Defects, Options, Simulator};
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
        assert_eq!((meter.record().sessions, meter.record().unregistered), (1, 1));
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
        meter.set_defects(Defects { truncate_next_reply: Some(10), ..Defects::default() });
        let mut stream = TcpStream::connect(meter.eip()).await.unwrap();
        stream.write_all(&packet::encode(packet::LIST_SERVICES, 0, [7; 8], 0, &[])).await.unwrap();
        let mut bytes = Vec::new();
        timeout(WAIT, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        assert_eq!(bytes.len(), 10);
        assert_eq!(meter.defects(), Defects::default());
    }
}
