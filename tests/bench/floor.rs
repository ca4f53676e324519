//! The floor of a program that gathers: an epoll loop that sends the next request of a meter on each reply.
//!
//! The bytes are those of the plugin's requests and replies, and each meter begins in the slot that the plugin has for it,
//! so that both are woken alike. Nothing is checked, decoded or written.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use telegraf_pm500::collector::task;
use telegraf_pm500::config::{Config, MeterConfig, Overrides};

use crate::plant::{EIP_PORT, MODBUS_PORT};
use crate::plugin::Reading;
use crate::worker::{BareSession, address, encapsulated, receive};

/// Requests of one gather, over either protocol.
const REQUESTS: usize = 3;
/// Most replies that one call brings.
const EVENTS: usize = 256;
const INTERVAL: Duration = Duration::from_secs(1);

/// Gathers every second for so many seconds.
pub(crate) fn gathers(kind: &str, seconds: u64, hosts: &[&str]) {
    let port = if kind == "modbus" { MODBUS_PORT } else { EIP_PORT };
    let meters = hosts.iter().map(|host| address(&format!("{host}:{port}")));
    let mut meters: Vec<Bare> = meters.map(|meter| Bare::open(kind, meter)).collect();
    let poller = epoll::create(epoll::CreateFlags::CLOEXEC).expect("the host has epoll");
    for (number, meter) in (0..).zip(&meters) {
        let data = epoll::EventData::new_u64(number);
        epoll::add(&poller, &meter.stream, data, epoll::EventFlags::IN).expect("a socket can be watched");
    }
    let slots = slots(meters.len());
    let begins = (0..seconds).flat_map(|second| {
        let second = INTERVAL * u32::try_from(second).expect("not so long");
        slots.iter().enumerate().map(move |(number, slot)| (second + *slot, number))
    });
    let (began, mut begins, mut events) = (Instant::now(), begins.peekable(), Vec::with_capacity(EVENTS));
    while let Some((next, _)) = begins.peek() {
        let left = next.saturating_sub(began.elapsed());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        events.clear();
        match epoll::wait(&poller, rustix::buffer::spare_capacity(&mut events), Some(&left)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("epoll: {error}"),
        }
        for event in &events {
            meters[event.data.u64() as usize].answered();
        }
        let now = began.elapsed();
        while let Some((_, number)) = begins.next_if(|(at, _)| *at <= now) {
            meters[number].ask(0);
        }
    }
}

/// How long after the start each meter is asked first, in their order: as the plugin does it.
fn slots(count: usize) -> Vec<Duration> {
    let start = SystemTime::now();
    let config = config();
    let begin = |index| task::schedule(&config, index, count, start).next().duration_since(start);
    (0..count).map(|index| begin(index).expect("never before the start")).collect()
}

/// The plugin's configuration of such a meter.
fn config() -> MeterConfig {
    let text = Reading::modbus().text([Ipv4Addr::LOCALHOST].into_iter());
    let mut config = Config::parse(&text, &Overrides::default()).expect("a configuration");
    config.meters.remove(0)
}

/// One meter.
struct Bare {
    stream: TcpStream,
    requests: [Vec<u8>; REQUESTS],
    /// The request that is not answered yet.
    asked: usize,
    /// Bytes of a reply that always come, and where among them the number of the others stands.
    head: usize,
    length: fn(&[u8]) -> usize,
}

impl Bare {
    fn open(kind: &str, meter: SocketAddr) -> Bare {
        if kind == "modbus" {
            let stream = TcpStream::connect(meter).expect("the meter is there");
            stream.set_nodelay(true).expect("TCP has it");
            // Transaction, protocol, length, unit, function, address, count: realtime, energy, alarm.
            let requests = [(0x50u16, 64), (0x500, 36), (0x4000, 2)].map(|(address, count)| {
                let [high, low] = address.to_be_bytes();
                vec![0, 1, 0, 0, 0, 6, 1, 3, high, low, 0, count]
            });
            let length = |head: &[u8]| u16::from_be_bytes([head[4], head[5]]).into();
            Bare { stream, requests, asked: 0, head: 6, length }
        } else {
            let session = BareSession::open(meter);
            let requests = [101, 102, 108].map(|assembly| session.request(assembly));
            let head = telegraf_pm500::enip::packet::HEADER_LEN;
            Bare { stream: session.stream, requests, asked: 0, head, length: encapsulated }
        }
    }

    fn ask(&mut self, number: usize) {
        self.asked = number;
        self.stream.write_all(&self.requests[number]).expect("the meter is there");
    }

    /// Takes the reply, and asks the next thing of this gather.
    fn answered(&mut self) {
        receive(&mut self.stream, self.head, self.length);
        if self.asked + 1 < REQUESTS {
            self.ask(self.asked + 1);
        }
    }
}
