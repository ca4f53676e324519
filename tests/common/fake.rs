//! Servers that answer with whatever bytes a test wants.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::simulated::DEADLINE;

/// Starts a server that treats every connection alike; returns its address. It serves as long as the test runs.
pub(crate) fn serve(
    treat: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + Clone + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let treat = treat.clone();
            // What becomes of the connection is for the client to judge.
            thread::spawn(move || treat(stream));
        }
    });
    address
}

/// The address of a port that nobody listens on.
pub(crate) fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").to_string()
}

/// One EtherNet/IP packet or Modbus frame: `head` bytes, and as many more as they announce.
fn receive(stream: &mut TcpStream, head: usize, announced: fn(&[u8]) -> usize) -> std::io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut packet = vec![0; head];
    stream.read_exact(&mut packet)?;
    let more = announced(&packet);
    packet.resize(head + more, 0);
    stream.read_exact(&mut packet[head..])?;
    Ok(packet)
}

/// Receives one EtherNet/IP packet.
pub(crate) fn packet(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    receive(stream, 24, |head| usize::from(u16::from_le_bytes([head[2], head[3]])))
}

/// Receives one Modbus frame.
pub(crate) fn frame(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    receive(stream, 6, |head| usize::from(u16::from_be_bytes([head[4], head[5]])))
}

/// An EtherNet/IP reply to `request`: its header with another session, status and data.
pub(crate) fn reply(request: &[u8], session: u32, status: u32, data: &[u8]) -> Vec<u8> {
    let mut reply = request[..24].to_vec();
    reply[2..4].copy_from_slice(&(data.len() as u16).to_le_bytes());
    reply[4..8].copy_from_slice(&session.to_le_bytes());
    reply[8..12].copy_from_slice(&status.to_le_bytes());
    reply.extend(data);
    reply
}

/// Answers RegisterSession as it should be, then every further packet with what `answer` makes of it; `None`
/// closes the connection.
pub(crate) fn after_registration(
    mut stream: TcpStream,
    answer: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> std::io::Result<()> {
    let request = packet(&mut stream)?;
    stream.write_all(&reply(&request, 7, 0, &[1, 0, 0, 0]))?;
    while let Some(bytes) = answer(&packet(&mut stream)?) {
        stream.write_all(&bytes)?;
    }
    Ok(())
}

/// Keeps a connection open until the client leaves.
pub(crate) fn hold(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(DEADLINE))?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(|_| ())
}
