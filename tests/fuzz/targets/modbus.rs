//! What a Modbus server may answer, through the planner: refusals, splits, short and long replies, garbage, closing.
//!
//! The input is a script: each request takes one byte that says how it is answered, and more where the answer needs
//! them. When the script ends, the server closes.

use std::net::SocketAddr;
use std::time::Duration;

use telegraf_pm500::collector::intake::take_in;
use telegraf_pm500::host::tcp::Protocol;
use telegraf_pm500::meter::WordOrder;
use telegraf_pm500::meter::profile::PASSWORD_REGISTER;
use telegraf_pm500::meter::{Profile, Readings, Table, TableSet, Value, block};
use telegraf_pm500::source::modbus::Settings;
use telegraf_pm500::source::{Deadline, Endpoint, Modbus, Source, Tcp, Timeouts, Traffic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::runtime::block_on;

const MOST_REGISTERS: u16 = 64;
/// No table has more registers, so no chain of refusals can need more requests, twice for the two functions.
const MOST_REQUESTS: u64 = 600;
/// Never reached: a server that answers nothing closes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two gathers: what the first one has learned shapes the second. Both end, ask only what may be asked, and bring
/// nothing but plausible values.
pub(crate) fn run(data: &[u8]) {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let server = listener.local_addr().expect("a bound socket has an address");
        let mut script = data;
        tokio::select! {
            () = serve(listener, &mut script) => {}
            () = gather_twice(server) => {}
        }
    });
}

async fn gather_twice(server: SocketAddr) {
    let profile = Profile::built_in();
    let settings = Settings { close_after_gather: false, max_registers: MOST_REGISTERS, ..Settings::USUAL };
    let endpoint = Endpoint { host: server.ip().to_string(), port: server.port() };
    let timeouts = Timeouts { connect: PATIENCE, request: PATIENCE };
    let way = Tcp { endpoint, protocol: Protocol::ModbusTcp };
    let mut source = Modbus::new(way, timeouts, settings);
    let mut traffic = Traffic::default();
    let wanted = [Table::Realtime, Table::Energy, Table::Alarm, Table::Settings, Table::Info];
    for tables in [&wanted[..], &wanted[..4]] {
        let mut readings = Readings::new(profile.elements.len());
        let tables: TableSet = tables.iter().copied().collect();
        let wanted = block::spans(&profile, tables, source.access());
        let answer = source.read(&wanted, Deadline::within(PATIENCE)).await;
        traffic += answer.traffic;
        take_in(&answer, tables, (&profile, WordOrder::LowFirst), &mut readings);
        for (index, element) in profile.elements.iter().enumerate() {
            let number = match readings.get(index) {
                Some(Value::Real(value)) => f64::from(*value),
                Some(Value::Integer(value)) => *value as f64,
                Some(Value::Text(_)) | None => continue,
            };
            assert!((element.range.0..=element.range.1).contains(&number), "{} is {number}", element.name);
        }
    }
    assert!(traffic.requests <= MOST_REQUESTS, "{} requests", traffic.requests);
    source.close().await;
}

async fn serve(listener: TcpListener, script: &mut &[u8]) {
    loop {
        let (stream, _) = listener.accept().await.expect("a client connects");
        // A reset at the end leaves no port behind that waits.
        let _ = stream.set_zero_linger();
        let _ = client(stream, script).await;
    }
}

/// Answers one client until it leaves or the script closes.
async fn client(mut stream: TcpStream, script: &mut &[u8]) -> std::io::Result<()> {
    loop {
        let mut request = [0; 12];
        stream.read_exact(&mut request).await?;
        let [.., function, high, low, count_high, count_low] = request;
        let (start, count) = (u16::from_be_bytes([high, low]), u16::from_be_bytes([count_high, count_low]));
        assert!(matches!(function, 3 | 4) && (1..=MOST_REGISTERS).contains(&count), "{request:?}");
        let asked = u32::from(start)..u32::from(start) + u32::from(count);
        assert!(!asked.contains(&u32::from(PASSWORD_REGISTER)), "the password is asked for");
        let mut take = |most: usize| {
            let (taken, rest) = script.split_at(most.min(script.len()));
            *script = rest;
            taken.to_vec()
        };
        let mut body = vec![request[6]];
        match take(1).first().copied() {
            Some(code @ 0..16) => body.extend([function | 0x80, code]),
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
        let mut reply = request[..4].to_vec();
        reply.extend((body.len() as u16).to_be_bytes());
        reply.extend(body);
        stream.write_all(&reply).await?;
    }
}
