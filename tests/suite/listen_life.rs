//! A listener's life at random: owners that come, go and die, frames that are lost, doubled or numbered wrongly, requests
//! that are refused, not answered, answered late, or end the session.
//!
//! What is promised, and judged here from what was between listener and meter:
//!
//! - every table is read or said to have failed at each gather, and every value is the meter's;
//! - an assembly is never opened before its last connection was closed;
//! - once there is peace both assemblies are heard again, and everything is read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use telegraf_pm500::enip::forward_open::{FORWARD_CLOSE, FORWARD_OPEN, ForwardClose, ForwardOpen, Triad};
use telegraf_pm500::enip::hub::Hub;
use telegraf_pm500::enip::status::Refusal;
use telegraf_pm500::meter::Profile;
use telegraf_pm500::meter::Table::{Alarm, Demand, Realtime};
use telegraf_pm500::simulator::{Defects, Owner, SimulatedMeter};
use telegraf_pm500::source::listen::Settings;
use telegraf_pm500::source::{Listen, Timeouts};
use tokio::time::{Instant, sleep};

use crate::common::listening::{
    DEADLINE, EAGER, MESSAGE, RPI, Tap, frozen, is_service, owner, owner_of, settings,
};
use crate::common::namespace::alone;
use crate::common::reading::{Reading, explicit, meter};
use crate::common::relay::{Answer, Exchange};

const ASSEMBLIES: [u16; 2] = [101, 108];
/// Those of them, and one that nobody owns.
const TABLES: [telegraf_pm500::meter::Table; 3] = [Realtime, Alarm, Demand];
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(20), request: Duration::from_millis(200) };
const GET_ATTRIBUTE_SINGLE: u8 = 0x0E;

/// What happens between listener and meter, and what was seen of it.
struct Wire {
    random: StdRng,
    troubled: bool,
    /// The next exchange ends the session.
    ends: bool,
    /// Connections that the meter accepted and was not told to close.
    open: BTreeMap<(u16, u16), Triad>,
    opens: usize,
    violations: Vec<String>,
}

impl Wire {
    fn pass(&mut self, exchange: &Exchange) -> Answer {
        let (request, reply) = (exchange.request.get(MESSAGE + 6..), exchange.reply.get(MESSAGE + 2));
        if let (true, Some(request)) = (is_service(exchange, FORWARD_CLOSE), request) {
            let closed = ForwardClose::triad(request).expect("well-formed");
            self.open.retain(|_, triad| *triad != closed);
        }
        if let (true, Some(request), Some(0)) = (is_service(exchange, FORWARD_OPEN), request, reply) {
            let (open, _) = ForwardOpen::decode(request).expect("well-formed");
            self.opens += 1;
            let assembly = u16::from(open.path.produced);
            if self.open.keys().any(|(other, _)| *other == assembly) {
                self.violations.push(format!("{assembly} is opened, and has a connection: {:?}", self.open));
            }
            self.open.insert((assembly, open.triad.connection), open.triad);
        }
        if std::mem::take(&mut self.ends) {
            return Answer::Close;
        }
        // Who cannot register cannot close either, and one that nobody can reach forgets us by itself.
        let spoilt = [FORWARD_OPEN, FORWARD_CLOSE, GET_ATTRIBUTE_SINGLE];
        if !self.troubled || !spoilt.iter().any(|service| is_service(exchange, *service)) {
            return Answer::True;
        }
        match self.random.random_range(0..100) {
            0..4 => Answer::Nothing,
            4..8 => Answer::Close,
            8..12 => Answer::After(Duration::from_millis(self.random.random_range(1..40))),
            _ => Answer::True,
        }
    }
}

/// Lets something happen to an owner or to the frames.
async fn happen(random: &mut StdRng, meter: &SimulatedMeter, owners: &mut [Option<Owner>; 2], host: &mut u8) {
    let mut defects = Defects::default();
    match random.random_range(0..10) {
        0..3 => {
            meter.set_defects(Defects::default());
            let which = random.random_range(0..2);
            match owners[which].take() {
                Some(plc) if random.random_ratio(1, 2) => _ = plc.stop().await,
                Some(plc) => _ = plc.crash().await,
                None => {
                    *host = *host % 200 + 1;
                    let assembly = u8::try_from(ASSEMBLIES[which]).expect("it is small");
                    // One that died may still have its connection.
                    let plc = owner_of(assembly, RPI);
                    owners[which] = Owner::start(meter.eip(), [127, 0, 1, *host].into(), plc).ok();
                }
            }
            return;
        }
        3 => defects.frames.drop_next = random.random_range(1..30),
        4 => defects.frames.jump_next = Some(random.random()),
        5 => defects.frames.repeat_next = true,
        6 => defects.frames.drop_all = true,
        7 => {
            let codes = [0x0119, 0x0113, 0x0106, 0x0203, 0x0301];
            let refusal = |code: u16| Refusal { general: 1, extended: vec![code] };
            let some = (0..random.random_range(1..4)).map(|_| codes[random.random_range(0..codes.len())]);
            defects.refused_opens = some.map(refusal).collect();
        }
        8 => sleep(RPI * random.random_range(1..20)).await,
        _ => {}
    }
    meter.set_defects(defects);
}

async fn live(seed: u64, fallback: bool) {
    let meter = meter(frozen()).await;
    let mut random = StdRng::seed_from_u64(seed);
    let wire = Arc::new(Mutex::new(Wire {
        random: StdRng::seed_from_u64(seed + 1000),
        troubled: true,
        ends: false,
        open: BTreeMap::new(),
        opens: 0,
        violations: Vec::new(),
    }));
    let hook = wire.clone();
    let tap = Tap::changing(&meter, move |exchange| hook.lock().unwrap().pass(exchange)).await;
    let settings =
        Settings { rpi: Some(RPI), waits: EAGER, fallback, assemblies: ASSEMBLIES.to_vec(), ..settings() };
    let explicit = explicit(tap.relay.address, TIMEOUTS);
    let source = Listen::new(explicit, settings, RPI * 3, Hub::default(), (Vec::new(), &BTreeMap::new()));
    let mut reading = Reading::new(source, Profile::built_in());
    let (mut owners, mut host) = ([None, None], 0);
    for _ in 0..60 {
        happen(&mut random, &meter, &mut owners, &mut host).await;
        reading.gather(&TABLES).await;
        TABLES.iter().for_each(|table| _ = reading.missing(&meter, *table));
        sleep(Duration::from_millis(5)).await;
    }
    // Peace: owners of a sound plant, which were there before the listener looks again.
    meter.set_defects(Defects::default());
    for plc in owners.iter_mut().filter_map(Option::take) {
        plc.stop().await;
    }
    wire.lock().unwrap().troubled = false;
    let _owners =
        (owner(&meter, 201, owner_of(101, RPI)).await, owner(&meter, 202, owner_of(108, RPI)).await);
    // What began for the listener alone is not looked for before the link was lost.
    wire.lock().unwrap().ends = true;
    let until = Instant::now() + DEADLINE;
    while reading.source.open_connections().len() < 2 || !reading.failures.is_empty() {
        reading.gather(&TABLES).await;
        assert!(
            Instant::now() < until,
            "seed {seed}: not well again: {:?} {:?}",
            reading.failures,
            reading.notices
        );
        sleep(Duration::from_millis(5)).await;
    }
    reading.assert_true(&meter, &TABLES);
    reading.source.close().await;
    let wire = wire.lock().unwrap();
    assert!(wire.violations.is_empty(), "seed {seed}: {:#?}", wire.violations);
    assert!(
        wire.open.is_empty() && wire.opens > 2,
        "seed {seed}: {} opens, left {:?}",
        wire.opens,
        wire.open
    );
}

#[test]
fn whatever_happens_to_owners_frames_and_requests_no_assembly_has_two_connections_and_peace_brings_all_back()
{
    alone(async {
        for seed in 0..2 {
            live(seed, seed % 2 == 0).await;
        }
    });
}
