//! A gateway from Ethernet to the line: Modbus TCP for several units, one request at a time on the line.
//!
//! MBAP header, big-endian: transaction UINT, protocol UINT 0, length UINT, unit USINT. A unit that does not answer is
//! exception 0x0B. Source: Modbus Messaging on TCP/IP 1.0b, section 3.1.3.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::bus::Bus;
use super::wire::{self, Pace};

const HEADER: usize = 7;
const NO_ANSWER: u8 = 0x0B;
/// How long a gateway waits for a unit.
const PATIENCE: Duration = Duration::from_millis(300);
/// After a failed accept.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest PDU.
const LONGEST: usize = 253;

/// What a gateway speaks towards its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// Modbus TCP.
    ModbusTcp,
    /// The line's own frames.
    RtuOverTcp,
}

/// Serves clients until dropped.
pub(super) async fn serve(listener: TcpListener, bus: Arc<Bus>, pace: Pace, speaks: Speaks) {
    let line = Arc::new(Mutex::new(()));
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (bus, line) = (bus.clone(), line.clone());
                    clients.spawn(async move {
                        bus.client_came();
                        match speaks {
                            // A client that breaks its connection is nobody's fault here.
                            Speaks::ModbusTcp => drop(translate(stream, &bus, pace, &line).await),
                            Speaks::RtuOverTcp => wire::serve(stream, bus.clone(), pace, || true).await,
                        }
                        bus.client_left();
                    });
                }
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// Translates one client's requests.
async fn translate(mut stream: TcpStream, bus: &Bus, pace: Pace, line: &Mutex<()>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut header = [0; HEADER];
        stream.read_exact(&mut header).await?;
        let [t0, t1, p0, p1, high, low, unit] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if [p0, p1] != [0, 0] || !(2..=1 + LONGEST).contains(&length) {
            return Ok(());
        }
        let mut pdu = vec![0; length - 1];
        stream.read_exact(&mut pdu).await?;
        let function = pdu.first().copied().unwrap_or_default();
        let answer = {
            let _one_at_a_time = line.lock().await;
            match bus.answer(unit, &pdu) {
                Some(answer) => {
                    let carried = pace.bytes(pdu.len() + 3) + pace.bytes(answer.pdu.len() + 3);
                    sleep(carried + 2 * pace.silence() + pace.answer_time).await;
                    sleep(bus.lateness(&answer).unwrap_or_default()).await;
                    answer.pdu
                }
                None => {
                    sleep(PATIENCE).await;
                    vec![function | 0x80, NO_ANSWER]
                }
            }
        };
        let length = (answer.len() as u16 + 1).to_be_bytes();
        stream.write_all(&[&[t0, t1, 0, 0, length[0], length[1], unit], &answer[..]].concat()).await?;
    }
}
