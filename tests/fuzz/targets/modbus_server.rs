//! A Modbus server made of a script: each request takes one byte that says how it is answered, and more where the answer
//! needs them. When the script ends, the server closes every connection.

use std::time::Duration;

use telegraf_pm500::meter::profile::PASSWORD_REGISTER;
use telegraf_pm500::source::modbus::TransmissionMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

/// No request may ask for more.
pub(crate) const MOST_REGISTERS: u16 = 64;
/// What each request on a line may be answered with, beside what TCP has: twenty of these steps at most.
const LATENESS: Duration = Duration::from_millis(25);
const EXCEPTION: u8 = 0x80;

/// Serves one connection after the other.
pub(crate) async fn serve(
    mut arrivals: UnboundedReceiver<DuplexStream>,
    mode: TransmissionMode,
    mut script: &[u8],
) {
    while let Some(stream) = arrivals.recv().await {
        // A connection ends in whatever way.
        let _ = client(stream, mode, &mut script).await;
    }
}

/// Answers one client until it leaves or the script closes.
async fn client(mut stream: DuplexStream, mode: TransmissionMode, script: &mut &[u8]) -> std::io::Result<()> {
    loop {
        let header = if mode.has_frames() { 0 } else { 6 };
        let mut request = vec![0; if mode.has_frames() { 8 } else { 12 }];
        stream.read_exact(&mut request).await?;
        let [unit, function, high, low, count_high, count_low] = request[header..header + 6] else {
            unreachable!("a request has as many bytes as were read")
        };
        assert!(!mode.has_frames() || request.ends_with(&crc(&request[..6])), "{request:?}");
        let (start, count) = (u16::from_be_bytes([high, low]), u16::from_be_bytes([count_high, count_low]));
        assert!(matches!(function, 3 | 4) && (1..=MOST_REGISTERS).contains(&count), "{request:?}");
        let asked = u32::from(start)..u32::from(start) + u32::from(count);
        assert!(!asked.contains(&u32::from(PASSWORD_REGISTER)), "the password is asked for");
        let mut take = |most: usize| {
            let (taken, rest) = script.split_at(most.min(script.len()));
            *script = rest;
            taken.to_vec()
        };
        let mut body = vec![unit];
        let how = take(1).first().copied();
        match how {
            Some(code @ 0..16) => body.extend([function | EXCEPTION, code]),
            Some(0xFF) | None => return Ok(()),
            // As it should be, with words from the script.
            Some(16..128) => {
                let mut words = take(usize::from(count) * 2);
                words.resize(usize::from(count) * 2, 0);
                body.extend([function, (count * 2) as u8]);
                body.extend(words);
            }
            // As many bytes as the script says, whatever they are.
            Some(length @ 128..) => body.extend(take(usize::from(length - 128))),
        }
        if !mode.has_frames() {
            let mut reply = request[..4].to_vec();
            reply.extend((body.len() as u16).to_be_bytes());
            reply.extend(body);
            stream.write_all(&reply).await?;
            continue;
        }
        // What befalls a frame: its own request before it, another unit, a wrong CRC, the half of it, noise; and when.
        let befalls = take(1).first().copied().unwrap_or_default();
        if befalls & 0x20 != 0 {
            sleep(LATENESS * u32::from(take(1).first().copied().unwrap_or_default() % 20)).await;
        }
        if befalls & 0x02 != 0 {
            body[0] = body[0].wrapping_add(1);
        }
        body.extend(crc(&body));
        if let Some(last) = body.last_mut().filter(|_| befalls & 0x04 != 0) {
            *last ^= 0x55;
        }
        if befalls & 0x08 != 0 {
            body.truncate(body.len() / 2);
        }
        if befalls & 0x01 != 0 {
            stream.write_all(&request).await?;
        }
        if befalls & 0x10 != 0 {
            stream.write_all(&take(3)).await?;
        }
        stream.write_all(&body).await?;
    }
}

/// Of MODBUS over Serial Line, 6.2.2.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let step = |crc: u16, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
    bytes.iter().fold(0xFFFF_u16, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), step)).to_le_bytes()
}
