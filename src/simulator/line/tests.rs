//! The line as its masters see it.

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::prelude::{Client as _, Reader as _, SlaveContext as _};
use tokio_modbus::{ExceptionCode, Slave};

use super::*;

const WAIT: Duration = Duration::from_secs(10);
/// Long enough for an answer, and the price of a proven silence.
const SHORT: Duration = Duration::from_millis(200);

fn any() -> Option<SocketAddr> {
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

async fn line(options: LineOptions) -> Line {
    let meters = Options { frozen: true, ..Options::default() };
    Line::start(LineOptions { gateway: any(), rtu_over_tcp: any(), meters, ..options }).await.unwrap()
}

/// A read of the first voltage of a unit.
fn request(unit: u8) -> Vec<u8> {
    rtu::frame(unit, &[0x04, 0x00, 0x50, 0x00, 0x02])
}

/// The answer that a healthy unit gives.
fn right(line: &Line, unit: u8) -> Vec<u8> {
    let Some(Value::Real(volts)) = line.expected(unit, Table::Realtime, "voltage_l1_n_v") else { panic!() };
    let bits = volts.to_bits();
    let words = [bits as u16, (bits >> 16) as u16].map(u16::to_be_bytes).concat();
    rtu::frame(unit, &[&[0x04, 4], &words[..]].concat())
}

/// What a master hears on a request, and then nothing more.
async fn hears(stream: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    stream.write_all(request).await.unwrap();
    let (mut heard, mut buffer) = (Vec::new(), [0; 256]);
    while let Ok(Ok(length @ 1..)) = timeout(SHORT, stream.read(&mut buffer)).await {
        heard.extend(&buffer[..length]);
    }
    heard
}

#[tokio::test]
async fn each_unit_answers_for_itself_and_others_do_not() {
    let line = line(LineOptions { first_unit: 5, units: 3, ..LineOptions::default() }).await;
    assert_eq!(line.units().collect::<Vec<_>>(), [5, 6, 7]);
    let mut stream = TcpStream::connect(line.rtu_over_tcp().unwrap()).await.unwrap();
    for unit in [5, 7] {
        assert_eq!(hears(&mut stream, &request(unit)).await, right(&line, unit));
    }
    assert_ne!(right(&line, 5)[3..7], right(&line, 7)[3..7]);
    assert!(hears(&mut stream, &request(8)).await.is_empty());
    assert!(hears(&mut stream, b"garbage!").await.is_empty());
    let refused = hears(&mut stream, &rtu::frame(5, &[0x06, 0x10, 0x00, 0, 1])).await;
    assert_eq!(refused, rtu::frame(5, &[0x86, 0x01]));
    assert_eq!((line.writes(), line.record().requests[&8], line.record().garbage), (1, 1, 8));
}

#[tokio::test]
async fn defects_are_heard_as_their_names_say() {
    let line = line(LineOptions::default()).await;
    let mut stream = TcpStream::connect(line.rtu_over_tcp().unwrap()).await.unwrap();
    let right = right(&line, 1);
    let with = |fault| line.set_defects(LineDefects { defects: [fault].into(), ..LineDefects::default() });
    with(LineFault::Noise);
    let heard = hears(&mut stream, &request(1)).await;
    assert!(heard.len() > right.len() && heard.ends_with(&right));
    with(LineFault::Cut);
    assert_eq!(hears(&mut stream, &request(1)).await, right[..right.len() / 2]);
    with(LineFault::Echo);
    assert_eq!(hears(&mut stream, &request(1)).await, [request(1), right.clone()].concat());
    with(LineFault::WrongUnit);
    assert_eq!(hears(&mut stream, &request(1)).await, rtu::frame(2, &right[1..right.len() - 2]));
    with(LineFault::Crc);
    let heard = hears(&mut stream, &request(1)).await;
    assert!(
        heard.len() == right.len() && heard != right && heard[right.len() - 2..] == right[right.len() - 2..]
    );
    with(LineFault::SecondMaster);
    assert!(hears(&mut stream, &request(1)).await.ends_with(&right));
    let silent = [1].into();
    line.set_defects(LineDefects { silent, ..LineDefects::default() });
    assert!(hears(&mut stream, &request(1)).await.is_empty());
    // Every second answer is late: the next request is answered before it.
    let defects = [LineFault::Late].into();
    line.set_defects(LineDefects { defects, every: 2, late_by: 2 * SHORT, ..LineDefects::default() });
    let mut answers = Vec::new();
    for unit in [1, 2] {
        answers.push(hears(&mut stream, &request(unit)).await);
    }
    assert_eq!(answers.iter().filter(|answer| answer.is_empty()).count(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_gateway_translates_for_many_clients_and_names_a_unit_that_does_not_answer() {
    let line = line(LineOptions::default()).await;
    let at = line.gateway().unwrap();
    let mut first = tokio_modbus::client::tcp::connect_slave(at, Slave(1)).await.unwrap();
    let mut second = tokio_modbus::client::tcp::connect_slave(at, Slave(3)).await.unwrap();
    let one = first.read_input_registers(0x50, 64).await.unwrap().unwrap();
    let three = second.read_holding_registers(0x50, 64).await.unwrap().unwrap();
    assert_ne!(one, three);
    first.set_slave(Slave(9));
    let refused = first.read_input_registers(0x50, 2).await.unwrap();
    assert_eq!(refused, Err(ExceptionCode::GatewayTargetDevice));
    first.disconnect().await.unwrap();
}

#[tokio::test]
async fn the_pseudo_terminal_is_a_serial_port_that_can_be_pulled_and_plugged_in_again() {
    let link = std::env::temp_dir().join(format!("line-{}", rand::random::<u64>()));
    let mut line = line(LineOptions { link: Some(link.clone()), ..LineOptions::default() }).await;
    let ask = |expected: Vec<u8>| {
        let link = link.clone();
        tokio::task::spawn_blocking(move || {
            let mut port = std::fs::OpenOptions::new().read(true).write(true).open(link).unwrap();
            port.write_all(&request(2)).unwrap();
            let mut answer = vec![0; expected.len()];
            port.read_exact(&mut answer).unwrap();
            assert_eq!(answer, expected);
            port
        })
    };
    let mut port = timeout(WAIT, ask(right(&line, 2))).await.unwrap().unwrap();
    line.unplug().await;
    assert!(line.path().is_none() && !link.exists());
    assert!(matches!(port.read(&mut [0; 1]), Ok(0) | Err(_)), "whoever has it open learns it");
    line.plug_in().unwrap();
    timeout(WAIT, ask(right(&line, 2))).await.unwrap().unwrap();
    drop(line);
    assert!(!link.exists());
}

#[tokio::test]
async fn bytes_take_as_long_as_on_a_wire() {
    let options =
        LineOptions { baud_rate: Some(9600), answer_time: Duration::ZERO, ..LineOptions::default() };
    let line = line(options).await;
    let mut stream = TcpStream::connect(line.rtu_over_tcp().unwrap()).await.unwrap();
    let begun = Instant::now();
    stream.write_all(&rtu::frame(1, &[0x04, 0x00, 0x50, 0x00, 0x40])).await.unwrap();
    let mut answer = [0; 5 + 128];
    timeout(WAIT, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    // 8 and 133 bytes of 11 bits.
    assert!(begun.elapsed() >= Duration::from_millis(161), "{:?}", begun.elapsed());
}
