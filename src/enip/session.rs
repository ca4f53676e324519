//! An encapsulation session: one TCP connection, one request in flight.
//!
//! RegisterSession → any number of [`Read`]s → UnRegisterSession (no reply). Whatever goes wrong ends the
//! session: a request that timed out, was cancelled or was answered strangely can never be answered late
//! into the next request, because there is no next request on that connection.

use std::fmt;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::forward_open::{
    FORWARD_CLOSE, FORWARD_OPEN, ForwardClose, ForwardOpen, Opened, SOCKADDR_O2T_ITEM, SOCKADDR_T2O_ITEM,
    sockaddr,
};
use super::message::{Malformed, Read, decode_reply, encode_request, unconnected_item};
use super::packet::{self, Packet, PacketError};
use super::status::{Refusal, encapsulation_status};
use super::tag::Query;

/// What ended a session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No reply within the request timeout.
    #[error("no reply to {request} within {}", humantime::format_duration(*after))]
    Timeout {
        /// What was asked, in words.
        request: String,
        /// The request timeout.
        after: Duration,
    },
    /// The meter closed the connection instead of answering.
    #[error("the meter closed the connection")]
    Closed,
    /// The connection failed, perhaps after these bytes of a reply.
    #[error("the connection broke: {0}")]
    Io(io::Error, Vec<u8>),
    /// The meter answered with an encapsulation status, in these bytes.
    #[error("encapsulation status 0x{0:04X}: {status}", status = encapsulation_status(*.0))]
    Status(u32, Vec<u8>),
    /// The meter answered with something that is not an answer, these bytes.
    #[error("malformed reply: {0}")]
    Malformed(Malformed, Vec<u8>),
}

impl SessionError {
    /// What the meter sent, if it sent anything.
    pub fn reply(&self) -> &[u8] {
        match self {
            SessionError::Timeout { .. } | SessionError::Closed => &[],
            SessionError::Io(_, reply)
            | SessionError::Status(_, reply)
            | SessionError::Malformed(_, reply) => reply,
        }
    }
}

/// A request that the device refused: what it means, and the packet that said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The status.
    pub refusal: Refusal,
    /// The whole reply.
    pub reply: Vec<u8>,
}

impl From<PacketError> for SessionError {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::Closed => SessionError::Closed,
            PacketError::Broken(error, seen) => SessionError::Io(error, seen),
            PacketError::TooLong(_, ref header) => {
                SessionError::Malformed(Malformed(error.to_string()), header.clone())
            }
        }
    }
}

/// A class 1 connection that the meter accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// What was agreed.
    pub opened: Opened,
    /// Where the meter sends to, if it says so: the group of a multicast connection.
    pub group: Option<SocketAddrV4>,
    /// Where heartbeats go to, if the meter says so.
    pub heartbeat: Option<SocketAddrV4>,
}

/// NOPs before a reply, at most.
const MOST_NOPS: usize = 16;
/// Holds any reply to a read, so that one is received in one piece.
const BUFFER: usize = 640;

/// An open session, over TCP or anything that carries bytes.
#[derive(Debug)]
pub struct Session<S = TcpStream> {
    /// `None` once anything has gone wrong.
    stream: Option<BufReader<S>>,
    handle: u32,
    /// Counts up with every request and never repeats within a connection.
    context: u64,
    /// Reads that were asked, as they are sent: the same few come again and again.
    asked: Vec<(Read, Bytes)>,
}

impl Session<TcpStream> {
    /// Our and the meter's address.
    pub fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        let stream = self.stream.as_ref()?.get_ref();
        Some((stream.local_addr().ok()?, stream.peer_addr().ok()?))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Registers a session on a fresh connection.
    ///
    /// # Errors
    /// [`SessionError`]; the connection is closed.
    pub async fn register(stream: S, within: Duration) -> Result<Session<S>, SessionError> {
        let stream = Some(BufReader::with_capacity(BUFFER, stream));
        let mut session = Session { stream, handle: 0, context: rand::random(), asked: Vec::new() };
        let reply = session
            .exchange(packet::REGISTER_SESSION, &packet::REGISTER_DATA, within, &"RegisterSession")
            .await?;
        if reply.header.session_handle == 0 {
            let wrong = Malformed("the meter registered session 0".to_owned());
            return Err(SessionError::Malformed(wrong, reply.bytes()));
        }
        session.handle = reply.header.session_handle;
        Ok(session)
    }

    /// Whether the session can still be used.
    pub fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// Asks one thing and waits for its answer. A refusal by the device is the inner value.
    ///
    /// # Errors
    /// [`SessionError`]; the session is over.
    pub async fn read(
        &mut self,
        read: Read,
        within: Duration,
    ) -> Result<Result<Vec<u8>, Refused>, SessionError> {
        let at = self.asked.iter().position(|(asked, _)| *asked == read).unwrap_or_else(|| {
            self.asked.push((read, read.encode().freeze()));
            self.asked.len() - 1
        });
        // Shares the bytes.
        let data = self.asked[at].1.clone();
        let reply = self.exchange(packet::SEND_RR_DATA, &data, within, &read).await?;
        self.answer(read.decode(&reply.data), &reply)
    }

    /// Asks a controller, and returns the message that came back, refusals included.
    ///
    /// # Errors
    /// [`SessionError`]; the session is over.
    pub async fn query(&mut self, query: &Query, within: Duration) -> Result<Vec<u8>, SessionError> {
        let reply = self.exchange(packet::SEND_RR_DATA, &query.encode(), within, query).await?;
        unconnected_item(&reply.data).map_err(|malformed| {
            self.stream = None;
            SessionError::Malformed(malformed, reply.bytes())
        })
    }

    /// Opens a class 1 connection. A refusal by the device is the inner value.
    ///
    /// # Errors
    /// [`SessionError`]; the session is over.
    pub async fn open(
        &mut self,
        open: &ForwardOpen,
        within: Duration,
    ) -> Result<Result<Accepted, Refused>, SessionError> {
        let data = encode_request(&open.request());
        let reply = self.exchange(packet::SEND_RR_DATA, &data, within, &"the Forward Open").await?;
        let answer = decode_reply(FORWARD_OPEN, &reply.data).and_then(|answer| match answer {
            Ok(opened) => Ok(Ok(Accepted {
                opened: Opened::decode(&opened)?,
                group: sockaddr(&reply.data, SOCKADDR_T2O_ITEM),
                heartbeat: sockaddr(&reply.data, SOCKADDR_O2T_ITEM),
            })),
            Err(refusal) => Ok(Err(refusal)),
        });
        self.answer(answer, &reply)
    }

    /// Closes a class 1 connection. That the device does not know it any more is a refusal, too.
    ///
    /// # Errors
    /// [`SessionError`]; the session is over.
    pub async fn close_connection(
        &mut self,
        close: &ForwardClose,
        within: Duration,
    ) -> Result<Result<(), Refused>, SessionError> {
        let data = encode_request(&close.request());
        let reply = self.exchange(packet::SEND_RR_DATA, &data, within, &"the Forward Close").await?;
        let answer = decode_reply(FORWARD_CLOSE, &reply.data).map(|answer| answer.map(|_| ()));
        self.answer(answer, &reply)
    }

    /// Says good-bye: UnRegisterSession, which has no reply, then closes.
    pub async fn close(mut self) {
        if let Some(mut stream) = self.stream.take() {
            let bytes = packet::encode(packet::UNREGISTER_SESSION, self.handle, [0; 8], 0, &[]);
            // The meter may be gone; there is nobody left to tell.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
    }

    /// Sends a request and receives its reply. The stream is put back only when both went well, so that
    /// neither an error nor a cancelled caller leaves a half-used connection behind.
    async fn exchange(
        &mut self,
        command: u16,
        data: &[u8],
        within: Duration,
        what: &(dyn fmt::Display + Sync),
    ) -> Result<Packet, SessionError> {
        let mut stream = self.stream.take().ok_or(SessionError::Closed)?;
        self.context = self.context.wrapping_add(1);
        let context = self.context.to_le_bytes();
        let bytes = packet::encode(command, self.handle, context, 0, data);
        let exchange = async {
            stream.write_all(&bytes).await.map_err(|error| SessionError::Io(error, Vec::new()))?;
            for _ in 0..MOST_NOPS {
                let packet = packet::receive(&mut stream).await?;
                // A device may send one whenever it likes; nobody answers it.
                if packet.header.command != packet::NOP {
                    return Ok(packet);
                }
            }
            Err(SessionError::Malformed(Malformed("nothing but NOPs".to_owned()), Vec::new()))
        };
        let reply = timeout(within, exchange)
            .await
            .map_err(|_| SessionError::Timeout { request: what.to_string(), after: within })??;
        self.check(&reply, command, context)?;
        self.stream = Some(stream);
        Ok(reply)
    }

    /// Adds the reply's bytes to what is wrong with it; a reply that is no answer ends the session.
    fn answer<T>(
        &mut self,
        answer: Result<Result<T, Refusal>, Malformed>,
        reply: &Packet,
    ) -> Result<Result<T, Refused>, SessionError> {
        match answer {
            Ok(Ok(answer)) => Ok(Ok(answer)),
            Ok(Err(refusal)) => Ok(Err(Refused { refusal, reply: reply.bytes() })),
            Err(malformed) => {
                self.stream = None;
                Err(SessionError::Malformed(malformed, reply.bytes()))
            }
        }
    }

    fn check(&self, reply: &Packet, command: u16, context: [u8; 8]) -> Result<(), SessionError> {
        let strange = |reason: String| Err(SessionError::Malformed(Malformed(reason), reply.bytes()));
        let header = &reply.header;
        if header.command != command {
            return strange(format!("it is to command 0x{:04X}, we sent 0x{command:04X}", header.command));
        }
        if header.status != 0 {
            return Err(SessionError::Status(header.status, reply.bytes()));
        }
        if header.sender_context != context {
            return strange("it answers another request (sender context differs)".to_owned());
        }
        if self.handle != 0 && header.session_handle != self.handle {
            return strange("it belongs to another session".to_owned());
        }
        Ok(())
    }
}
