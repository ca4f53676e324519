//! Reading a meter for [`verify`](super): over EtherNet/IP several times, over Modbus once and briefly.
//!
//! ```text
//! EtherNet/IP  identity, sizes, readings ──→ close
//! EtherNet/IP  assembly 107 ─┐
//! Modbus       all registers ├─ as short as it can be; an EtherNet/IP read beside it shows whether that stops
//! EtherNet/IP  until it answers again, then the last readings
//! ```
//!
//! One request at a time; readings are 200 ms apart at least, as the maker has tested it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::host::tcp::Protocol;
use crate::meter::{Access, Profile, Table, TableSet, block};
use crate::source::eip::Eip;
use crate::source::modbus::{self, Place};
use crate::source::{Deadline, Endpoint, Failure, Source, Span, Tcp, Timeouts};

use crate::verify::reading::observation::{Asked, Moment, Observation, Pause, Visit};

/// How long EtherNet/IP may take to come back after Modbus.
const COMES_BACK: Duration = Duration::from_secs(60);
/// How long the Modbus connection is held at most for the answer that shows whether EtherNet/IP goes on.
const HELD: Duration = Duration::from_millis(200);
/// How long all registers may take.
const LONGEST: Duration = Duration::from_secs(60);
/// Between two attempts to find EtherNet/IP back.
const AGAIN: Duration = Duration::from_millis(250);

/// What to read and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// EtherNet/IP, unless the meter has none.
    pub eip: Option<Endpoint>,
    /// Where to speak Modbus, if it may be used.
    pub modbus: Option<Place>,
    /// How to speak it.
    pub settings: modbus::Settings,
    /// The map.
    pub profile: Arc<Profile>,
    /// How often the realtime values are read.
    pub readings: u32,
    /// Time between two readings.
    pub interval: Duration,
    /// How long to wait on the wire.
    pub timeouts: Timeouts,
    /// Whether a device that the profile was not made for is refused.
    pub require_identity: bool,
}

/// Reads everything.
///
/// # Errors
/// One sentence when the meter cannot be read at all, or is another device.
pub async fn observe(plan: &Plan, say: &mut impl FnMut(String)) -> Result<Observation, Failure> {
    let Some(eip) = &plan.eip else {
        return match &plan.modbus {
            Some(place) => over_modbus(plan, place, say).await,
            None => Ok(Observation::default()),
        };
    };
    let mut seen = Observation::default();
    let way = Tcp { endpoint: eip.clone(), protocol: Protocol::EtherNetIp };
    let accepted = plan.require_identity.then(|| plan.profile.identity.clone());
    let mut eip = Eip::new(way, plan.timeouts, accepted);
    eip.open().await?;
    seen.identity = eip.identity().cloned();
    let instances: Vec<u16> = plan.profile.assemblies.iter().map(|assembly| assembly.instance).collect();
    for &instance in &instances {
        match eip.size(instance).await {
            Ok(size) => {
                let size = size.ok().and_then(|size| Some(u16::from_le_bytes(size.try_into().ok()?)));
                seen.sizes.insert(instance, size);
            }
            Err(miss) => seen.note(Failure::from(miss).sentence),
        }
    }
    let moving: Vec<u16> = plan
        .profile
        .assemblies
        .iter()
        .filter(|assembly| matches!(assembly.table, Table::Realtime | Table::Raw | Table::Energy))
        .map(|assembly| assembly.instance)
        .collect();
    let mut progress = Progress::new(plan, say);
    for n in 0..plan.readings {
        if n > 0 {
            progress.rest(plan.interval, n, say).await;
        }
        // What moves slowly last: a maximum is then no older than what it is compared with.
        let wanted = if n + 1 == plan.readings { &instances } else { &moving };
        match moment(&mut eip, wanted).await {
            Ok(read) => {
                let moment = seen.note_refused(read);
                seen.before.push(moment);
            }
            // The next reading opens the connection again; what was read stays.
            Err(failure) if !seen.before.is_empty() => seen.note(failure.sentence),
            Err(failure) => return Err(failure),
        }
    }
    if let Some(place) = &plan.modbus {
        seen.also(beside((plan, place), &mut eip, &moving, say).await);
    }
    eip.close().await;
    Ok(seen)
}

/// What is said while it reads: how long, and how far.
struct Progress {
    readings: u32,
    began: Instant,
    said: Instant,
}

impl Progress {
    /// How often it is said how far.
    const EVERY: Duration = Duration::from_secs(60);

    fn new(plan: &Plan, say: &mut impl FnMut(String)) -> Progress {
        let lasts = plan.interval * plan.readings.saturating_sub(1);
        if lasts >= Duration::from_secs(3) {
            say(format!(
                "{} readings, one every {}: this takes {}",
                plan.readings,
                humantime::format_duration(plan.interval),
                humantime::format_duration(Duration::from_secs(lasts.as_secs().max(1)))
            ));
        }
        Progress { readings: plan.readings, began: Instant::now(), said: Instant::now() }
    }

    /// Waits for the next reading, after so many, and says how far it is whenever that was not said for a minute.
    async fn rest(&mut self, interval: Duration, readings: u32, say: &mut impl FnMut(String)) {
        let until = Instant::now() + interval;
        loop {
            let (now, due) = (Instant::now(), self.said + Self::EVERY);
            if now >= due {
                self.said = now;
                let left = interval * (self.readings - readings - 1) + until.saturating_duration_since(now);
                let left = Duration::from_secs(left.as_secs().max(1));
                say(format!(
                    "{readings} of {} readings after {}, {} to go",
                    self.readings,
                    humantime::format_duration(Duration::from_secs(self.began.elapsed().as_secs())),
                    humantime::format_duration(left)
                ));
            }
            if now >= until {
                return;
            }
            sleep_until(until.min(self.said + Self::EVERY)).await;
        }
    }
}

/// Uses Modbus while EtherNet/IP is watched; gives what that brought.
async fn beside(
    (plan, place): (&Plan, &Place),
    eip: &mut Eip,
    moving: &[u16],
    say: &mut impl FnMut(String),
) -> Observation {
    let mut seen = Observation::default();
    // As close before Modbus as can be: the counters go on.
    match moment(eip, moving).await {
        Ok(read) => {
            let moment = seen.note_refused(read);
            seen.before.push(moment);
        }
        Err(failure) => {
            seen.note(failure.sentence);
            return seen;
        }
    }
    seen.modbus_tried = true;
    let watched = moving.first().copied().unwrap_or(101);
    say("using Modbus now".to_owned());
    let began = Instant::now();
    let mut modbus = open(plan, place);
    let at = SystemTime::now();
    // The first read makes the connection; only what is asked after it is asked during it.
    let opened = gather(plan, &mut modbus, &[Table::Energy], false).await;
    let rest = [Table::Settings, Table::Realtime, Table::Alarm, Table::Info];
    let mut early = None;
    let (read, lasted, closed) = {
        // A session that was closed is no sign that EtherNet/IP goes on, even if a new one could be had.
        let watch = async { eip.is_open() && matches!(eip.data(watched).await, Ok(Ok(_))) };
        tokio::pin!(watch);
        let read = match opened {
            Gathered { mut blocks, failed: None } => {
                let read = gather(plan, &mut modbus, &rest, !blocks.is_empty());
                tokio::pin!(read);
                let read = loop {
                    tokio::select! {
                        answered = &mut watch, if early.is_none() => early = Some(answered),
                        read = &mut read => break read,
                    }
                };
                blocks.extend(read.blocks);
                Gathered { blocks, failed: read.failed }
            }
            failed => failed,
        };
        if early.is_none() {
            early = timeout(HELD, &mut watch).await.ok();
        }
        modbus.close().await;
        let (lasted, closed) = (began.elapsed(), Instant::now());
        if early.is_none() {
            watch.await;
        }
        (read, lasted, closed)
    };
    let answered_meanwhile = early.unwrap_or(false);
    let Gathered { blocks, failed } = read;
    if let Some(failure) = failed {
        seen.note(failure.sentence);
    }
    if blocks.is_empty() {
        // Nobody was connected: there is nothing to be measured.
        return seen;
    }
    say(format!("Modbus was used for {}", milliseconds(lasted)));
    seen.visits.push(Visit { at, blocks });
    let mut back_after = None;
    if !answered_meanwhile {
        say(format!(
            "waiting for EtherNet/IP to come back, up to {}",
            humantime::format_duration(COMES_BACK)
        ));
    }
    while closed.elapsed() < COMES_BACK {
        if let Ok(read) = moment(eip, moving).await {
            back_after = Some(closed.elapsed());
            let moment = seen.note_refused(read);
            seen.after.push(moment);
            break;
        }
        sleep(AGAIN).await;
    }
    match back_after {
        Some(_) if answered_meanwhile => say("EtherNet/IP went on meanwhile".to_owned()),
        Some(after) => say(format!("EtherNet/IP stopped, and is back {} after Modbus", milliseconds(after))),
        None => {
            let sentence =
                "EtherNet/IP has not come back within a minute after Modbus: look at the PLC's connection";
            seen.note(sentence.to_owned());
        }
    }
    seen.pause = Some(Pause { modbus: lasted, answered_meanwhile, back_after });
    if back_after.is_some() {
        for _ in 1..crate::verify::map::realtime::FEWEST {
            sleep(plan.interval).await;
            match moment(eip, moving).await {
                Ok(read) => {
                    let moment = seen.note_refused(read);
                    seen.after.push(moment);
                }
                Err(failure) => seen.note(failure.sentence),
            }
        }
    }
    seen
}

/// A time for people.
pub fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// Reads a meter over Modbus alone.
async fn over_modbus(
    plan: &Plan,
    place: &Place,
    say: &mut impl FnMut(String),
) -> Result<Observation, Failure> {
    let mut seen = Observation::default();
    let mut modbus = open(plan, place);
    let all = [Table::Realtime, Table::Energy, Table::Settings, Table::Alarm, Table::Info];
    let mut progress = Progress::new(plan, say);
    for n in 0..plan.readings {
        if n > 0 {
            progress.rest(plan.interval, n, say).await;
        }
        let at = SystemTime::now();
        let Gathered { blocks, failed } = gather(plan, &mut modbus, &all, false).await;
        match failed {
            Some(failure) if blocks.is_empty() && seen.visits.is_empty() => {
                modbus.close().await;
                return Err(failure);
            }
            Some(failure) => seen.note(failure.sentence),
            None => {}
        }
        if !blocks.is_empty() {
            seen.visits.push(Visit { at, blocks });
        }
    }
    modbus.close().await;
    Ok(seen)
}

fn open(plan: &Plan, place: &Place) -> Box<dyn Source> {
    let settings = modbus::Settings { close_after_gather: false, ..plan.settings };
    place.clone().alone(plan.timeouts, settings)
}

/// Registers that were read, and why others were not.
struct Gathered {
    blocks: Vec<(u16, Vec<u16>)>,
    failed: Option<Failure>,
}

/// Reads tables; `connected` when the meter has answered on this connection before.
async fn gather(plan: &Plan, modbus: &mut Box<dyn Source>, tables: &[Table], connected: bool) -> Gathered {
    let tables = TableSet::from_iter(tables.iter().copied());
    let spans = block::spans(&plan.profile, tables, Access::Registers);
    let answer = modbus.read(&spans, Deadline::within(LONGEST)).await;
    let registers = answer.blocks.iter().filter_map(|block| match block.span {
        Span::Registers { start, .. } => Some((start, block.words())),
        Span::Assembly(_) => None,
    });
    let blocks: Vec<_> = registers.collect();
    let silent = blocks.is_empty() && !connected;
    // Not every meter tells who it is over Modbus.
    let failed = answer.failures.iter().find_map(|(span, failure)| {
        let tables = block::tables_of(&plan.profile, *span, tables);
        let table = tables.iter().find(|table| *table != Table::Info || failure.is_of_the_link())?;
        let sentence = match (silent, plan.eip.is_some()) {
            // Nothing is to be had: that is not about a table.
            (true, false) => failure.to_string(),
            (true, true) => format!("Modbus: {failure}"),
            (false, _) => format!("the table {table} over Modbus: {failure}"),
        };
        Some(failure.kind.because(sentence))
    });
    Gathered { blocks, failed }
}

/// Reads these assemblies once; one that the meter refuses is left out.
async fn moment(eip: &mut Eip, instances: &[u16]) -> Result<Asked, Failure> {
    let mut moment = Moment { at: SystemTime::now(), assemblies: BTreeMap::new() };
    let mut refused = Vec::new();
    for &instance in instances {
        match eip.data(instance).await? {
            Ok(data) => drop(moment.assemblies.insert(instance, data)),
            Err(no) => refused.push(format!("assembly {instance} is refused: {}", no.refusal)),
        }
    }
    Ok(Asked { moment, refused })
}
