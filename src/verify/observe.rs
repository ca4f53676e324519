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
use std::time::{Duration, Instant, SystemTime};

use tokio::time::{sleep, timeout};

use crate::enip::message::Read;
use crate::enip::{Session, identity};
use crate::host::tcp::{self, Protocol};
use crate::meter::{Profile, Readings, Table, TableSet};
use crate::source::{Endpoint, Gather, Modbus, Timeouts, Traffic, modbus};

use super::observation::{Moment, Observation, Pause, Visit};

/// How long EtherNet/IP may take to come back after Modbus.
const COMES_BACK: Duration = Duration::from_secs(60);
/// How long the Modbus connection is held at most for the answer that shows whether EtherNet/IP goes on.
const HELD: Duration = Duration::from_millis(200);
/// Between two attempts to find EtherNet/IP back.
const AGAIN: Duration = Duration::from_millis(250);

/// What to read and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// EtherNet/IP, unless the meter has none.
    pub eip: Option<Endpoint>,
    /// Modbus TCP, if it may be used.
    pub modbus: Option<Endpoint>,
    /// How to speak Modbus.
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
pub async fn observe(plan: &Plan, say: &mut impl FnMut(String)) -> Result<Observation, String> {
    let mut seen = Observation::default();
    let Some(eip) = &plan.eip else {
        over_modbus(plan, &mut seen, plan.readings).await?;
        return Ok(seen);
    };
    let mut reader = Reader { endpoint: eip.clone(), timeouts: plan.timeouts, session: None };
    reader.identify(plan, &mut seen).await?;
    let instances: Vec<u16> = plan.profile.assemblies.iter().map(|assembly| assembly.instance).collect();
    reader.sizes(&instances, &mut seen).await?;
    let moving: Vec<u16> = plan
        .profile
        .assemblies
        .iter()
        .filter(|assembly| matches!(assembly.table, Table::Realtime | Table::Raw | Table::Energy))
        .map(|assembly| assembly.instance)
        .collect();
    for n in 0..plan.readings {
        if n > 0 {
            sleep(plan.interval).await;
        }
        // What moves slowly last: a maximum is then no older than what it is compared with.
        let wanted = if n + 1 == plan.readings { &instances } else { &moving };
        let moment = reader.moment(wanted, &mut seen.failures).await?;
        seen.before.push(moment);
    }
    if plan.modbus.is_some() {
        beside(plan, &mut reader, &moving, &mut seen, say).await?;
    }
    reader.close().await;
    Ok(seen)
}

/// Uses Modbus while EtherNet/IP is watched.
async fn beside(
    plan: &Plan,
    reader: &mut Reader,
    moving: &[u16],
    seen: &mut Observation,
    say: &mut impl FnMut(String),
) -> Result<(), String> {
    // As close before Modbus as can be: the counters go on.
    let moment = reader.moment(moving, &mut seen.failures).await?;
    seen.before.push(moment);
    let watched = moving.first().copied().unwrap_or(101);
    let mut session = reader.session.take();
    say("using Modbus now".to_owned());
    let began = Instant::now();
    let mut modbus = open(plan)?;
    let at = SystemTime::now();
    let mut blocks = Vec::new();
    // The first read makes the connection; only what is asked after it is asked during it.
    let opened = gather(plan, &mut modbus, &[Table::Energy], &mut blocks).await;
    let request = plan.timeouts.request;
    let watch = tokio::spawn(async move {
        let answered = match &mut session {
            Some(session) => matches!(session.read(Read::AssemblyData(watched), request).await, Ok(Ok(_))),
            None => false,
        };
        (answered, session)
    });
    let rest = [Table::Settings, Table::Realtime, Table::Alarm, Table::Info];
    let read = match opened {
        Ok(()) => gather(plan, &mut modbus, &rest, &mut blocks).await,
        failed => failed,
    };
    let mut watch = watch;
    let early = timeout(HELD, &mut watch).await;
    modbus.close().await;
    let (lasted, closed) = (began.elapsed(), Instant::now());
    let answered_meanwhile = match early {
        Ok(Ok((answered, session))) => {
            reader.session = session;
            answered
        }
        Ok(Err(_)) => false,
        Err(_) => {
            let late = watch.await;
            reader.session = late.ok().and_then(|(answered, session)| session.filter(|_| answered));
            false
        }
    };
    if let Err(failure) = read {
        seen.failures.push(failure);
    }
    if blocks.is_empty() {
        // Nobody was connected: there is nothing to be measured.
        return Ok(());
    }
    say(format!("Modbus was used for {}", milliseconds(lasted)));
    seen.visits.push(Visit { at, blocks });
    let mut back_after = None;
    while closed.elapsed() < COMES_BACK {
        if let Ok(moment) = reader.moment(moving, &mut Vec::new()).await {
            back_after = Some(closed.elapsed());
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
            seen.failures.push(sentence.to_owned());
        }
    }
    seen.pause = Some(Pause { modbus: lasted, answered_meanwhile, back_after });
    if back_after.is_some() {
        for _ in 1..super::realtime::FEWEST {
            sleep(plan.interval).await;
            let moment = reader.moment(moving, &mut seen.failures).await?;
            seen.after.push(moment);
        }
    }
    Ok(())
}

/// A time for people.
pub fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// Reads a meter over Modbus alone.
async fn over_modbus(plan: &Plan, seen: &mut Observation, readings: u32) -> Result<(), String> {
    let mut modbus = open(plan)?;
    let all = [Table::Realtime, Table::Energy, Table::Settings, Table::Alarm, Table::Info];
    for n in 0..readings {
        if n > 0 {
            sleep(plan.interval).await;
        }
        let (at, mut blocks) = (SystemTime::now(), Vec::new());
        let read = gather(plan, &mut modbus, &all, &mut blocks).await;
        if blocks.is_empty() {
            modbus.close().await;
            return Err(read.err().unwrap_or_else(|| "nothing was read over Modbus".to_owned()));
        }
        if let Err(failure) = read
            && !seen.failures.contains(&failure)
        {
            seen.failures.push(failure);
        }
        seen.visits.push(Visit { at, blocks });
    }
    modbus.close().await;
    Ok(())
}

fn open(plan: &Plan) -> Result<Modbus, String> {
    let endpoint = plan.modbus.clone().ok_or("Modbus may not be used")?;
    let settings = modbus::Settings { close_after_gather: false, ..plan.settings };
    Ok(Modbus::new(endpoint, plan.timeouts, plan.profile.clone(), settings))
}

/// Reads tables and keeps the registers; a part that failed is an error, and the rest is kept.
async fn gather(
    plan: &Plan,
    modbus: &mut Modbus,
    tables: &[Table],
    blocks: &mut Vec<(u16, Vec<u16>)>,
) -> Result<(), String> {
    let mut readings = Readings::new(plan.profile.elements.len());
    let mut traffic = Traffic::default();
    let mut gather = Gather::new(TableSet::from_iter(tables.iter().copied()), &mut readings, &mut traffic);
    gather.registers = Some(Vec::new());
    modbus.gather(&mut gather).await;
    blocks.extend(gather.registers.take().unwrap_or_default());
    match gather.failures.first() {
        Some((table, failure)) => Err(format!("the table {table} over Modbus: {failure}")),
        None => Ok(()),
    }
}

/// EtherNet/IP, read explicitly; a session that broke is opened again at the next request.
struct Reader {
    endpoint: Endpoint,
    timeouts: Timeouts,
    session: Option<Session>,
}

impl Reader {
    async fn read(&mut self, read: Read) -> Result<Result<Vec<u8>, String>, String> {
        let mut session = match self.session.take() {
            Some(session) if session.is_open() => session,
            _ => {
                let Endpoint { host, port } = &self.endpoint;
                let stream = tcp::connect(host, *port, Protocol::EtherNetIp, self.timeouts.connect);
                let stream = stream.await.map_err(|error| error.to_string())?;
                let session = Session::register(stream, self.timeouts.request).await;
                session
                    .map_err(|error| format!("{error}; is TCP port {port} the meter's EtherNet/IP port?"))?
            }
        };
        let answer = session.read(read, self.timeouts.request).await.map_err(|error| error.to_string())?;
        self.session = Some(session);
        Ok(answer.map_err(|refused| refused.refusal.to_string()))
    }

    async fn identify(&mut self, plan: &Plan, seen: &mut Observation) -> Result<(), String> {
        let data =
            self.read(Read::Identity).await?.map_err(|said| format!("the identity is refused: {said}"))?;
        let found = identity::decode(&data).ok_or("the identity object's reply is too short")?;
        if let Some(mismatch) = found.mismatch(&plan.profile.identity)
            && plan.require_identity
        {
            self.close().await;
            return Err(format!(
                "{mismatch}; correct the address, or say --identity warn to go on all the same"
            ));
        }
        seen.identity = Some(found);
        Ok(())
    }

    async fn sizes(&mut self, instances: &[u16], seen: &mut Observation) -> Result<(), String> {
        for &instance in instances {
            let size = self.read(Read::AssemblySize(instance)).await?.ok();
            let size = size.and_then(|size| Some(u16::from_le_bytes(size.try_into().ok()?)));
            seen.sizes.insert(instance, size);
        }
        Ok(())
    }

    /// Reads these assemblies once; one that the meter refuses is said once, and left out.
    async fn moment(&mut self, instances: &[u16], failures: &mut Vec<String>) -> Result<Moment, String> {
        let mut moment = Moment { at: SystemTime::now(), assemblies: BTreeMap::new() };
        for &instance in instances {
            match self.read(Read::AssemblyData(instance)).await? {
                Ok(data) => {
                    moment.assemblies.insert(instance, data);
                }
                Err(said) => {
                    let failure = format!("assembly {instance} is refused: {said}");
                    if !failures.contains(&failure) {
                        failures.push(failure);
                    }
                }
            }
        }
        Ok(moment)
    }

    async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}
