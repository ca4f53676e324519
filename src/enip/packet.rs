//! Encapsulation packets: a 24-byte header and its data, on a TCP stream.
//!
//! Header, little-endian: command UINT, length UINT, session handle UDINT, status UDINT, sender context
//! 8 bytes, options UDINT. Source: EtherNet/IP specification, chapter 2.

use std::io;

use bytes::BytesMut;
use rust_ethernet_ip_protocol::encap::EncapsulationHeader;
use rust_ethernet_ip_protocol::{Decode, Encode};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Registered TCP port of EtherNet/IP explicit messaging.
pub const PORT: u16 = 44818;

/// NOP: no reply.
pub const NOP: u16 = 0x0000;
/// ListServices.
pub const LIST_SERVICES: u16 = 0x0004;
/// ListIdentity.
pub const LIST_IDENTITY: u16 = 0x0063;
/// ListInterfaces.
pub const LIST_INTERFACES: u16 = 0x0064;
/// RegisterSession.
pub const REGISTER_SESSION: u16 = 0x0065;
/// UnRegisterSession: no reply.
pub const UNREGISTER_SESSION: u16 = 0x0066;
/// SendRRData.
pub const SEND_RR_DATA: u16 = 0x006F;

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 24;

/// Most data we accept behind a header, in bytes. An unconnected CIP message carries about 500; anything
/// much longer is not an answer to a read.
pub const MAX_DATA: usize = 2048;

/// Bytes of a packet, its header included, that most answers to a read fit in.
const USUAL: usize = 160;

/// Protocol version 1 and no option flags: the data of RegisterSession.
pub const REGISTER_DATA: [u8; 4] = [1, 0, 0, 0];

/// One packet as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The header.
    pub header: EncapsulationHeader,
    /// What follows it; `header.length` bytes.
    pub data: Vec<u8>,
}

impl Packet {
    /// The packet as it came.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = BytesMut::with_capacity(HEADER_LEN + self.data.len());
        self.header.encode(&mut bytes);
        bytes.extend_from_slice(&self.data);
        bytes.to_vec()
    }
}

/// Why no packet could be received.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// The peer closed the stream between two packets.
    #[error("the connection was closed")]
    Closed,
    /// The stream failed or ended inside a packet, after these bytes of it.
    #[error("the connection broke: {0}")]
    Broken(io::Error, Vec<u8>),
    /// The header, of which these are the bytes, announces more data than any answer has.
    #[error("the reply announces {0} bytes of data, more than any answer to a read has")]
    TooLong(u16, Vec<u8>),
}

/// Encodes a packet.
pub fn encode(command: u16, session: u32, context: [u8; 8], status: u32, data: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(HEADER_LEN + data.len());
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let header = EncapsulationHeader {
        sender_context: context,
        status,
        ..EncapsulationHeader::new(command, length, session)
    };
    header.encode(&mut bytes);
    bytes.extend_from_slice(&data[..usize::from(length)]);
    bytes
}

/// Receives one packet.
///
/// # Errors
/// [`PacketError`]; the stream is out of step afterwards and must be closed.
pub async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<Packet, PacketError> {
    let mut bytes = Vec::with_capacity(USUAL);
    fill(stream, &mut bytes, HEADER_LEN).await?;
    // Decoding 24 bytes cannot fail; the error is passed on all the same.
    let header = EncapsulationHeader::decode(&mut &bytes[..])
        .map_err(|error| PacketError::Broken(io::Error::other(error), bytes.clone()))?;
    if usize::from(header.length) > MAX_DATA {
        return Err(PacketError::TooLong(header.length, bytes));
    }
    fill(stream, &mut bytes, HEADER_LEN + usize::from(header.length)).await?;
    bytes.drain(..HEADER_LEN);
    Ok(Packet { header, data: bytes })
}

/// Reads until the packet has this length; what came before the stream broke goes with the error.
async fn fill(
    stream: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
    length: usize,
) -> Result<(), PacketError> {
    let mut rest = stream.take((length - bytes.len()) as u64);
    while bytes.len() < length {
        match rest.read_buf(bytes).await {
            Ok(0) if bytes.is_empty() => return Err(PacketError::Closed),
            Ok(0) => {
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, "it ended in the middle of a reply");
                return Err(PacketError::Broken(error, std::mem::take(bytes)));
            }
            Ok(_) => {}
            Err(error) => return Err(PacketError::Broken(error, std::mem::take(bytes))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTER: [u8; 28] =
        [0x65, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 1, 0, 0, 0];

    #[test]
    fn register_session_is_the_bytes_of_the_specification() {
        let bytes = encode(REGISTER_SESSION, 0, [1, 2, 3, 4, 5, 6, 7, 8], 0, &REGISTER_DATA);
        assert_eq!(bytes[..], REGISTER);
    }

    #[tokio::test]
    async fn every_truncation_is_an_error_and_none_is_a_packet() {
        for length in 0..REGISTER.len() {
            let outcome = receive(&mut &REGISTER[..length]).await;
            let closed = matches!(outcome, Err(PacketError::Closed));
            assert!(outcome.is_err() && closed == (length == 0), "{length} bytes: {outcome:?}");
            if let Err(PacketError::Broken(_, seen)) = outcome {
                assert_eq!(seen, REGISTER[..length], "evidence");
            }
        }
        let packet = receive(&mut &REGISTER[..]).await.unwrap();
        assert_eq!((packet.bytes(), packet.data), (REGISTER.to_vec(), REGISTER_DATA.to_vec()));
    }

    #[tokio::test]
    async fn an_oversized_announcement_is_refused_before_a_byte_is_allocated() {
        let mut bytes = REGISTER;
        bytes[2..4].copy_from_slice(&0xFFFFu16.to_le_bytes());
        assert!(matches!(receive(&mut &bytes[..]).await, Err(PacketError::TooLong(0xFFFF, _))));
    }
}
