//! What clients may send to a simulated meter: the first byte says where, the rest is sent as it is.

use std::cell::RefCell;

use telegraf_pm500::simulator::{Options, Simulator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::runtime::block_on;

thread_local! {
    static METER: RefCell<Option<Simulator>> = const { RefCell::new(None) };
}

/// RegisterSession, so that what follows is not refused for want of a session; its handle is put into each packet.
const REGISTER: [u8; 28] =
    [0x65, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 1, 0, 0, 0];
const HEADER: usize = 24;
const SESSION: std::ops::Range<usize> = 4..8;

/// It answers or closes, and serves the next client.
pub(crate) fn run(data: &[u8]) {
    let Some((way, bytes)) = data.split_first() else { return };
    METER.with(|meter| {
        let mut meter = meter.borrow_mut();
        let start = || {
            let options = Options { frozen: true, connections: 4, ..Options::default() };
            block_on(Simulator::start(options)).expect("loopback has free ports")
        };
        let meter = &meter.get_or_insert_with(start).meters[0];
        block_on(async {
            match way % 4 {
                0 => tcp(meter.eip(), bytes, false).await,
                1 => tcp(meter.eip(), bytes, true).await,
                2 if panics_the_library(bytes) => {}
                2 => tcp(meter.modbus(), bytes, false).await,
                _ => {
                    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback has a free port");
                    let _ = socket.send_to(bytes, meter.eip()).await;
                    let _ = socket.send_to(bytes, meter.io()).await;
                    // Served after this, in this same thread.
                    tcp(meter.eip(), &REGISTER, false).await;
                }
            }
        });
    });
}

/// Sends everything, then the end of it, and reads until the meter closes.
async fn tcp(to: std::net::SocketAddr, bytes: &[u8], registered: bool) {
    let mut stream = TcpStream::connect(to).await.expect("the meter still listens");
    let _ = stream.set_zero_linger();
    let mut bytes = bytes.to_vec();
    if registered {
        stream.write_all(&REGISTER).await.expect("the meter reads");
        let mut reply = [0; REGISTER.len()];
        stream.read_exact(&mut reply).await.expect("the meter registers a session");
        let mut at = 0;
        while let Some(header) = bytes.get_mut(at..at + HEADER) {
            header[SESSION].copy_from_slice(&reply[SESSION]);
            at += HEADER + usize::from(u16::from_le_bytes([header[2], header[3]]));
        }
    }
    // It may close before it has read everything.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Whether tokio-modbus 0.17 panics on one of these requests: its server decodes multiple writes by a quantity that may
/// not fit their bytes. The panic ends that one connection of the simulator; the plugin is a client, which decodes no
/// requests.
fn panics_the_library(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [_, _, _, _, high, low, _, function, pdu @ ..] = rest {
        let word = |at: usize| {
            pdu.get(at..at + 2).map_or(0, |word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        };
        let count = |at: usize| u32::from(pdu.get(at).copied().unwrap_or_default());
        let fits = match function {
            0x0F => word(2) <= count(4) * 8,
            0x10 => word(2) * 2 <= u32::from(u16::MAX),
            0x17 => word(6) * 2 <= u32::from(u16::MAX),
            _ => true,
        };
        if !fits {
            return true;
        }
        rest = &rest[(6 + usize::from(u16::from_be_bytes([*high, *low]))).min(rest.len())..];
    }
    false
}
