//! Listening to simulated meters in a test: the listener at 127.0.0.1, meters from 127.0.0.2, PLCs at 127.0.1.x.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telegraf_pm500::enip::class1::PORT;
use telegraf_pm500::enip::forward_open::{
    Application, FORWARD_CLOSE, FORWARD_OPEN, ForwardOpen, Opened, SOCKADDR_T2O_ITEM, sockaddr,
};
use telegraf_pm500::enip::hub::Hub;
use telegraf_pm500::meter::{Profile, Table};
use telegraf_pm500::simulator::{Asked, Options, Owner, OwnerOptions, Record, SimulatedMeter};
use telegraf_pm500::source::listen::{Leftover, Settings, Waits};
use telegraf_pm500::source::{Listen, Notice};
use tokio::time::{Instant, sleep, timeout};

use super::reading::{self, PATIENT, Reading, explicit};
use super::relay::{Answer, Exchange, Framing, Relay};

/// Longer than anything that works takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// Short, so that the watchdog of 16 intervals is short as well.
pub(crate) const RPI: Duration = Duration::from_millis(20);
/// Where the CIP message of a SendRRData packet starts: header, interface, timeout, items.
pub(crate) const MESSAGE: usize = 40;
const HEADER: usize = 24;
/// CIP request: service, path size, four bytes of path. Reply: service, reserved, status, extended size.
const REQUEST_HEAD: usize = 6;
const REPLY_HEAD: usize = 4;

/// A meter whose values stand still, on an address that is not ours, nor another meter's of this test.
pub(crate) fn frozen() -> Options {
    static METERS: AtomicU8 = AtomicU8::new(0);
    let bind = match METERS.fetch_add(1, Ordering::Relaxed) {
        0 => Ipv4Addr::new(127, 0, 0, 2),
        other => Ipv4Addr::new(127, 9, other, 2),
    };
    Options { bind, io_port: PORT, ..reading::frozen() }
}

/// A PLC that owns an assembly by multicast.
pub(crate) fn owner_of(assembly: u8, rpi: Duration) -> OwnerOptions {
    OwnerOptions { assembly, rpi, serial: 0x00C0_FF00 + u32::from(assembly), ..OwnerOptions::default() }
}

/// Starts a PLC on 127.0.1.`host` and waits until it has run for a while: who joins a stream that has just begun
/// cannot tell whose it is.
pub(crate) async fn owner(meter: &SimulatedMeter, host: u8, options: OwnerOptions) -> Owner {
    let owner = Owner::start(meter.eip(), Ipv4Addr::new(127, 0, 1, host), options.clone()).unwrap();
    timeout(DEADLINE, owner.opened()).await.expect("the owner gets its connection");
    let while_it_runs = 6 + (Duration::from_millis(200).as_micros() / options.rpi.as_micros()) as u64;
    timeout(DEADLINE, owner.received(while_it_runs)).await.expect("the owner gets frames");
    owner
}

/// Looks for an owner again at once.
pub(crate) const EAGER: Waits = Waits {
    shortest: Duration::from_millis(1),
    longest: Duration::from_millis(8),
    second_look: (Duration::from_millis(1), Duration::from_millis(1)),
    stop: Duration::from_secs(3600),
};

/// Listen-only to assembly 101, explicit reads where that fails.
pub(crate) fn settings() -> Settings {
    Settings {
        application: Application::ListenOnly,
        fallback: true,
        rpi: None,
        heartbeat: Duration::from_millis(100),
        paths: vec![(1, 99)],
        fresh: DEADLINE,
        assemblies: vec![101],
        every_frame: false,
        originator: 0x5EED,
        waits: Waits::default(),
    }
}

/// A listener; `first_frame` is how long a gather waits for the first frame of a new connection.
pub(crate) fn listener(address: SocketAddr, settings: Settings, first_frame: Duration) -> Reading {
    heir(address, settings, first_frame, Vec::new())
}

/// A listener that knows what an earlier one left open.
pub(crate) fn heir(
    address: SocketAddr,
    settings: Settings,
    first_frame: Duration,
    leftovers: Vec<Leftover>,
) -> Reading {
    let profile = Profile::built_in();
    let explicit = explicit(address, PATIENT);
    let listen = Listen::new(explicit, settings, first_frame, Hub::default(), (leftovers, &BTreeMap::new()));
    Reading::new(listen, profile)
}

/// Gathers until something is so; returns everything that was said on the way.
#[track_caller]
pub(crate) fn gather_until<'a>(
    reading: &'a mut Reading,
    tables: &'a [Table],
    what: &'a str,
    wanted: impl Fn(&Reading) -> bool + 'a,
) -> impl Future<Output = Vec<Notice>> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let until = Instant::now() + DEADLINE;
        let mut said = Vec::new();
        loop {
            reading.gather(tables).await;
            said.extend(reading.notices.iter().cloned());
            if wanted(reading) {
                return said;
            }
            assert!(Instant::now() < until, "{caller}: never {what}: {said:?} {:?}", reading.traffic);
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, wanted: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let until = Instant::now() + DEADLINE;
        while !wanted() {
            assert!(Instant::now() < until, "{caller}: never {what}");
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// How many Forward Opens a meter was sent.
pub(crate) fn opens(record: &Record) -> u64 {
    record.count(Asked::Cip { service: FORWARD_OPEN, class: 6, instance: 1, attribute: None })
}

/// How many Forward Closes a meter was sent.
pub(crate) fn closes(record: &Record) -> u64 {
    record.count(Asked::Cip { service: FORWARD_CLOSE, class: 6, instance: 1, attribute: None })
}

/// The one thing that was said.
#[track_caller]
pub(crate) fn only(notices: &[Notice]) -> &Notice {
    let [notice] = notices else { panic!("{notices:?}") };
    notice
}

/// What the meter agreed to, as the bytes of its reply tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Agreed {
    pub(crate) opened: Opened,
    pub(crate) group: SocketAddrV4,
}

/// Everything that goes over a session, seen from between listener and meter.
pub(crate) struct Tap {
    pub(crate) relay: Relay,
    seen: Arc<Mutex<Vec<Exchange>>>,
}

impl Tap {
    /// A relay on the meter's own address, so that frames and session have the same one.
    pub(crate) async fn on(meter: &SimulatedMeter) -> Tap {
        Tap::changing(meter, |_| Answer::True).await
    }

    /// The same, with replies changed on their way.
    pub(crate) async fn changing(
        meter: &SimulatedMeter,
        mut change: impl FnMut(&Exchange) -> Answer + Send + 'static,
    ) -> Tap {
        let at = SocketAddr::new(meter.eip().ip(), 0);
        let relay = Relay::at(at, meter.eip(), Framing::EtherNetIp).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = seen.clone();
        relay.spoil(move |exchange| {
            notes.lock().unwrap().push(exchange.clone());
            change(exchange)
        });
        Tap { relay, seen }
    }

    /// The exchanges whose request has this CIP service.
    pub(crate) fn of_service(&self, service: u8) -> Vec<Exchange> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|exchange| is_service(exchange, service)).cloned().collect()
    }

    /// The services of all requests, in order.
    pub(crate) fn services(&self) -> Vec<u8> {
        self.seen.lock().unwrap().iter().filter_map(|e| e.request.get(MESSAGE).copied()).collect()
    }

    /// The Forward Opens that were sent, in order.
    pub(crate) fn opens(&self) -> Vec<ForwardOpen> {
        let decode = |exchange: Exchange| {
            ForwardOpen::decode(&exchange.request[MESSAGE + REQUEST_HEAD..]).expect("well-formed").0
        };
        self.of_service(FORWARD_OPEN).into_iter().map(decode).collect()
    }

    /// The packet intervals that were asked for, in milliseconds.
    pub(crate) fn intervals(&self) -> Vec<u128> {
        self.opens().iter().map(|open| open.t2o_rpi.as_millis()).collect()
    }

    /// What the last Forward Open led to.
    pub(crate) fn agreed(&self) -> Agreed {
        let reply = self.of_service(FORWARD_OPEN).pop().expect("a connection was opened").reply;
        Agreed {
            opened: Opened::decode(&reply[MESSAGE + REPLY_HEAD..]).expect("accepted"),
            group: sockaddr(&reply[HEADER..], SOCKADDR_T2O_ITEM).expect("a group"),
        }
    }
}

pub(crate) fn is_service(exchange: &Exchange, service: u8) -> bool {
    exchange.request.get(MESSAGE) == Some(&service)
}

/// A Forward Open's good reply with these four bytes replaced wherever they stand behind the CIP reply's head.
pub(crate) fn redirected(exchange: &Exchange, from: Ipv4Addr, to: Ipv4Addr) -> Answer {
    if !is_service(exchange, FORWARD_OPEN) || exchange.reply.get(MESSAGE + 2) != Some(&0) {
        return Answer::True;
    }
    let mut reply = exchange.reply.clone();
    let body = MESSAGE + REPLY_HEAD;
    let at = reply[body..].windows(4).position(|bytes| bytes == from.octets()).expect("it names the address");
    reply[body + at..body + at + 4].copy_from_slice(&to.octets());
    Answer::Instead(reply)
}
