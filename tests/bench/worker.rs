//! The programs that are compared with ours and do nothing else: this benchmark, started again on the core of
//! the program that is measured.
//!
//! ```text
//! worker ours|rust-ethernet-ip|bare HOST:PORT READS   assemblies 101 and 102, again and again
//! worker encoding READS                               their bytes → values → a line, without a meter
//! worker gathers explicit|modbus SECONDS HOST…        the bytes of a gather every second, decoding nothing: the `floor`
//! ```
//!
//! A reader prints how long it read and the CPU that took, both in nanoseconds, without its start.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rust_ethernet_ip::EipClient;
use telegraf_pm500::collector::intake::take_in;
use telegraf_pm500::config::{Config, Overrides};
use telegraf_pm500::enip::message::Read as Question;
use telegraf_pm500::enip::packet::{self, HEADER_LEN};
use telegraf_pm500::host::tcp::Protocol;
use telegraf_pm500::lines::{Batch, Head, tables};
use telegraf_pm500::meter::{Profile, Readings, Sizes, Table, TableSet, WordOrder, block, decode};
use telegraf_pm500::source::eip::Eip;
use telegraf_pm500::source::{Deadline, Endpoint, Explicit, Source, Tcp, Timeouts};

use crate::{clock, floor};

/// The realtime table, which every reader reads.
const ASSEMBLIES: [u16; 2] = [101, 102];

/// Does what the arguments say.
pub(crate) fn run(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().expect("a number");
    match arguments[..] {
        ["ours", meter, reads] => ours(address(meter), number(reads)),
        ["rust-ethernet-ip", meter, reads] => rust_ethernet_ip(meter, number(reads)),
        ["bare", meter, reads] => bare(address(meter), number(reads)),
        ["encoding", reads] => encoding(number(reads)),
        ["gathers", kind, seconds, ref hosts @ ..] => floor::gathers(kind, number(seconds), hosts),
        _ => panic!("no such worker: {arguments:?}"),
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

/// Runs a loop and prints what it took.
fn timed(work: impl FnOnce()) {
    let (cpu, began) = (clock::own_cpu(), Instant::now());
    work();
    let (elapsed, cpu) = (began.elapsed(), clock::own_cpu() - cpu);
    println!("{} {}", elapsed.as_nanos(), cpu.as_nanos());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the host gives a thread")
}

/// The plugin's own source: read, checked, decoded.
fn ours(meter: SocketAddr, reads: u64) {
    let profile = Profile::built_in();
    let endpoint = Endpoint { host: meter.ip().to_string(), port: meter.port() };
    let timeouts = Timeouts { connect: Duration::from_secs(2), request: Duration::from_secs(1) };
    let way = Tcp { endpoint, protocol: Protocol::EtherNetIp };
    let eip = Eip::new(way, timeouts, Some(profile.identity.clone()));
    let mut source = Explicit::new(eip, Sizes::of(&profile));
    let mut readings = Readings::new(profile.elements.len());
    let tables = TableSet::from_iter([Table::Realtime]);
    let mut read = async || {
        readings.begin();
        let wanted = block::spans(&profile, tables, source.access());
        let answer = source.read(&wanted, Deadline::within(timeouts.connect * 2)).await;
        let map = (&*profile, WordOrder::default());
        let failures = take_in(&answer, tables, map, &mut readings).failures;
        assert!(failures.is_empty(), "{failures:?}");
    };
    runtime().block_on(async {
        // The first one connects.
        read().await;
        let (cpu, began) = (clock::own_cpu(), Instant::now());
        for _ in 0..reads / 2 {
            read().await;
        }
        println!("{} {}", began.elapsed().as_nanos(), (clock::own_cpu() - cpu).as_nanos());
    });
}

/// The full client that this project does not use.
fn rust_ethernet_ip(meter: &str, reads: u64) {
    let runtime = runtime();
    let client = runtime.block_on(EipClient::connect(meter)).expect("the meter is there");
    timed(|| {
        for read in 0..reads {
            let instance = ASSEMBLIES[read as usize % 2] as u8;
            let request = [0x0E, 0x03, 0x20, 0x04, 0x24, instance, 0x30, 0x03];
            let reply = runtime.block_on(client.send_cip_request(&request)).expect("a reply");
            assert_eq!(reply[16], 0x8E, "a reply to another request");
        }
    });
}

/// The floor: the bytes of the same requests and replies on a blocking socket.
fn bare(meter: SocketAddr, reads: u64) {
    let mut session = BareSession::open(meter);
    let requests = ASSEMBLIES.map(|assembly| session.request(assembly));
    timed(|| {
        for read in 0..reads {
            session.ask(&requests[read as usize % 2]);
        }
    });
}

pub(crate) struct BareSession {
    pub(crate) stream: TcpStream,
    handle: u32,
}

impl BareSession {
    pub(crate) fn open(meter: SocketAddr) -> BareSession {
        let stream = TcpStream::connect(meter).expect("the meter is there");
        stream.set_nodelay(true).expect("TCP has it");
        let mut session = BareSession { stream, handle: 0 };
        let register = packet::encode(packet::REGISTER_SESSION, 0, [1; 8], 0, &packet::REGISTER_DATA);
        let reply = session.ask(&register);
        session.handle = u32::from_le_bytes([reply[4], reply[5], reply[6], reply[7]]);
        session
    }

    pub(crate) fn request(&self, assembly: u16) -> Vec<u8> {
        let data = Question::AssemblyData(assembly).encode();
        packet::encode(packet::SEND_RR_DATA, self.handle, [2; 8], 0, &data).to_vec()
    }

    fn ask(&mut self, request: &[u8]) -> [u8; 512] {
        self.stream.write_all(request).expect("the meter is there");
        receive(&mut self.stream, HEADER_LEN, encapsulated)
    }
}

/// The length of what follows an encapsulation header.
pub(crate) fn encapsulated(head: &[u8]) -> usize {
    u16::from_le_bytes([head[2], head[3]]).into()
}

/// Receives a head and as many bytes as it says, usually at once.
pub(crate) fn receive(stream: &mut TcpStream, head: usize, length: impl Fn(&[u8]) -> usize) -> [u8; 512] {
    let mut reply = [0; 512];
    let mut got = 0;
    while got < head || got < head + length(&reply[..head]) {
        let more = stream.read(&mut reply[got..]).expect("the meter answers");
        assert!(more > 0, "the meter closed the connection");
        got += more;
    }
    reply
}

/// What is not the wire: two assemblies' bytes to values to a line.
fn encoding(reads: u64) {
    let profile = Profile::built_in();
    let text = "[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\naddress = \"press-4\"\n";
    let meters = Config::parse(text, &Overrides::default()).expect("a configuration").meters;
    let config = meters.first().expect("one meter");
    let value = |index: usize| (230.1f32 + index as f32 * 7.3).to_le_bytes();
    let one: Vec<u8> = (0..12).flat_map(value).collect();
    let mut two: Vec<u8> = (0..18).flat_map(value).collect();
    for (index, value) in [(12, 0.97f32), (13, 0.98), (14, -0.99), (15, 0.96), (16, 50.02), (17, 0.0)] {
        two[4 * index..4 * index + 4].copy_from_slice(&value.to_le_bytes());
    }
    let mut readings = Readings::new(profile.elements.len());
    let head = Head::new(Table::Realtime.measurement(), &config.tags, None);
    let mut batch = Batch::default();
    timed(|| {
        for _ in 0..reads {
            readings.begin();
            for (instance, data) in [(101, &one), (102, &two)] {
                decode::assembly(&profile, instance, data, &mut readings).expect("the right size");
            }
            let elements = profile.elements_of(Table::Realtime);
            let values = elements.filter_map(|(index, _)| Some((index, readings.get(index)?)));
            batch = batch.emptied();
            tables::line(config, &head, std::time::SystemTime::now(), values, None, &mut batch);
            assert_eq!(std::hint::black_box(&batch).lines(), 1);
        }
    });
}
