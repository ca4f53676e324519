//! EtherNet/IP class 1: hears what the meter sends to the PLC that owns it, and reads explicitly what it
//! cannot hear.
//!
//! Per assembly: while no connection is held, one listen-only Forward Open per try, after 60 s, doubling to
//! 10 min; only a wrong packet interval is tried again at once. While one is held, the newest frame is the
//! reading. Silence is the only sign of an owner that left: the connection is closed and looked for again.
//! Input-only is opened only when the configuration names it with its RPI, never as a fallback: on this
//! meter a PLC is itself an input-only originator, and the first one in fixes the RPI for the other.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::enip::forward_open::{Application, ForwardClose, ForwardOpen, SEQUENCE_COUNT_LEN, Triad};
use crate::enip::hub::{Attached, Heartbeat, Hub, HubError, Sender};
use crate::enip::refusal::{NextStep, explain};
use crate::enip::stream::{Counts, Sample, Stream};
use crate::enip::{Accepted, class1};
use crate::meter::identity::Identity;
use crate::meter::{Profile, Table, decode};

use super::explicit::{self, Explicit, blocks};
use super::{Failure, Gather, Notice};

/// Packet intervals to try when neither the configuration nor the meter names one, in milliseconds.
const LADDER: [u64; 8] = [10, 20, 50, 100, 200, 250, 500, 1000];
/// Suggestions followed in one look for an owner; a meter that has another one every time is not believed.
const MOST_SUGGESTIONS: usize = 2;
/// Watchdog = packet interval × this; code 2 in the Forward Open.
const MULTIPLIER: u32 = 16;
/// The vendor ID we open with. ODVA assigns IDs from the bottom; nobody holds this one.
const VENDOR: u16 = 0xFFF5;

/// How to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Listen-only, or input-only where the configuration names it.
    pub application: Application,
    /// Read explicitly what cannot be heard.
    pub fallback: bool,
    /// The owner's packet interval, or ours for input-only.
    pub rpi: Option<Duration>,
    /// Interval of our heartbeats.
    pub heartbeat: Duration,
    /// Configuration instance of the connection path.
    pub configuration: u8,
    /// Assemblies to listen to.
    pub assemblies: Vec<u16>,
    /// Keep every new sample, not only the newest.
    pub every_frame: bool,
    /// Originator serial number of this installation.
    pub originator: u32,
    /// Pauses between two looks for an owner.
    pub waits: Waits,
}

/// Pauses between two looks for an owner: each twice as long as the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// The first one, and the one after an owner was lost.
    pub shortest: Duration,
    /// None is longer; also the pause for a meter that has no connection left.
    pub longest: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Waits { shortest: Duration::from_secs(60), longest: Duration::from_secs(600) }
    }
}

/// A connection that was open when the program last ran; it may still hold a slot on the meter.
pub type Leftover = (u16, ForwardClose);

/// Listens to one meter.
#[derive(Debug)]
pub struct Listen {
    explicit: Explicit,
    profile: Arc<Profile>,
    settings: Settings,
    request_timeout: Duration,
    hub: Hub,
    slots: BTreeMap<u16, Slot>,
    leftovers: Vec<Leftover>,
    /// Frames of connections that are closed.
    past: Counts,
}

/// What is known about listening to one assembly.
#[derive(Debug, Default)]
struct Slot {
    connection: Option<Connection>,
    /// Not before this time, if any.
    retry_at: Option<Instant>,
    wait: Option<Duration>,
    /// Only a person can change what is in the way.
    stopped: bool,
    /// The packet interval that was accepted last.
    rpi: Option<Duration>,
    variations: Variations,
    /// Why nothing is heard.
    failure: Option<Failure>,
    heard_before: bool,
}

/// How a request departs from the usual one, to be like the owner's.
#[derive(Debug, Clone, Copy, Default)]
struct Variations {
    variable: bool,
    high_priority: bool,
    on_change: bool,
}

impl Variations {
    /// The departure that a refusal asks for, or none.
    fn of(&mut self, step: NextStep) -> Option<&mut bool> {
        match step {
            NextStep::Variable => Some(&mut self.variable),
            NextStep::HighPriority => Some(&mut self.high_priority),
            NextStep::ChangeOfState => Some(&mut self.on_change),
            _ => None,
        }
    }

    fn apply(self, mut open: ForwardOpen) -> ForwardOpen {
        if self.variable {
            open.t2o = open.t2o.variable();
        }
        if self.high_priority {
            open.t2o = open.t2o.high_priority();
        }
        if self.on_change { open.on_change() } else { open }
    }
}

#[derive(Debug)]
struct Connection {
    attached: Attached,
    close: ForwardClose,
    rpi: Duration,
    origin: Origin,
    /// A frame has arrived; until then nobody knows whether one will.
    heard: bool,
}

/// Why a look for an owner found none.
enum Miss {
    /// The meter cannot be reached at all; the next gather may try again.
    Unreachable(Failure),
    /// It can, and this is what it, or our own network, says.
    Refused(String, NextStep),
}

impl From<explicit::Miss> for Miss {
    fn from(miss: explicit::Miss) -> Self {
        match miss {
            explicit::Miss::Failure(failure) => Miss::Unreachable(failure),
            explicit::Miss::Session(error) => Miss::Refused(error.to_string(), NextStep::Later),
        }
    }
}

/// How the packet interval of a connection was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Configured,
    Remembered,
    Suggested,
    Ladder,
}

impl Origin {
    fn words(self) -> &'static str {
        match self {
            Origin::Configured => "as configured",
            Origin::Remembered => "as before",
            Origin::Suggested => "suggested by the meter",
            Origin::Ladder => "found by trying",
        }
    }
}

impl Listen {
    /// A listener that has not connected yet. `leftovers` are closed at the first connect.
    pub fn new(
        explicit: Explicit,
        profile: Arc<Profile>,
        settings: Settings,
        request_timeout: Duration,
        hub: Hub,
        leftovers: Vec<Leftover>,
    ) -> Self {
        let slots = settings.assemblies.iter().map(|instance| (*instance, Slot::default())).collect();
        let past = Counts::default();
        Listen { explicit, profile, settings, request_timeout, hub, slots, leftovers, past }
    }

    /// What the device said it is at the last connect.
    pub fn identity(&self) -> Option<&Identity> {
        self.explicit.identity()
    }

    /// Whether anything is heard at present, as what, and at which packet interval.
    pub fn heard(&self) -> Option<(Application, Duration)> {
        let mut open = self.slots.values().filter_map(|slot| slot.connection.as_ref());
        let connection = open.find(|connection| connection.heard)?;
        Some((self.settings.application, connection.rpi))
    }

    /// The connections that are, or may be, open now, to be closed after a crash.
    pub fn open_connections(&self) -> Vec<Leftover> {
        let open = |(instance, slot): (&u16, &Slot)| Some((*instance, slot.connection.as_ref()?.close));
        self.slots.iter().filter_map(open).chain(self.leftovers.iter().copied()).collect()
    }

    /// Forward Close for every connection, then the session.
    pub async fn close(&mut self) {
        for (instance, slot) in &mut self.slots {
            self.leftovers.extend(slot.connection.take().map(|connection| (*instance, connection.close)));
        }
        // One that cannot be reached forgets us by itself, for our heartbeats have ended.
        let _ = self.close_leftovers().await;
        self.explicit.close().await;
    }

    /// Takes the newest frames, and reads the rest explicitly where that is allowed.
    pub async fn gather(&mut self, gather: &mut Gather<'_>) {
        // A meter that cannot be reached is not tried again in the same gather.
        let mut unreachable = self.reclaim(gather).await.err();
        let wanted = blocks(&self.profile, gather.tables);
        let mut rest = Vec::new();
        for &(table, instance) in &wanted {
            if !self.slots.contains_key(&instance) {
                rest.push((table, instance));
                continue;
            }
            self.tend(instance, gather, &mut unreachable).await;
            match self.newest(instance) {
                Some(sample) => self.keep(table, instance, &sample, gather),
                None if self.settings.fallback => rest.push((table, instance)),
                None => {
                    let failure = self.slots.get(&instance).and_then(|slot| slot.failure.clone());
                    let failure = unreachable.clone().or(failure);
                    let waiting = || Failure::Stale("no frame has arrived yet".to_owned());
                    gather.fail(table, failure.unwrap_or_else(waiting));
                }
            }
        }
        self.count(gather);
        gather.tried = wanted
            .iter()
            .map(|(table, _)| *table)
            .filter(|table| !rest.iter().any(|(waiting, _)| waiting == table))
            .collect();
        let Some(failure) = unreachable else { return self.explicit.gather_blocks(&rest, gather).await };
        for (table, _) in rest {
            gather.fail(table, failure.clone());
            gather.tried.insert(table);
        }
    }

    /// Closes what an earlier run of the program, or a gather that did not end, left open.
    ///
    /// # Errors
    /// The meter cannot be reached.
    async fn reclaim(&mut self, gather: &mut Gather<'_>) -> Result<(), Failure> {
        if self.leftovers.is_empty() {
            return Ok(());
        }
        match self.explicit.addresses(gather).await {
            Ok(_) => self.close_leftovers().await,
            Err(explicit::Miss::Failure(failure)) => Err(failure),
            Err(explicit::Miss::Session(_)) => Ok(()),
        }
    }

    /// Each is forgotten only when it has been tried, so that a caller who gives up forgets nothing.
    ///
    /// # Errors
    /// The meter cannot be reached.
    async fn close_leftovers(&mut self) -> Result<(), Failure> {
        while let Some((_, close)) = self.leftovers.last().copied() {
            let closed = self.explicit.close_connection(&close).await;
            self.leftovers.pop();
            closed?;
        }
        Ok(())
    }

    fn newest(&self, instance: u16) -> Option<Sample> {
        let connection = self.slots.get(&instance)?.connection.as_ref()?;
        connection.attached.stream.newest(Instant::now())
    }

    fn keep(&self, table: Table, instance: u16, sample: &Sample, gather: &mut Gather<'_>) {
        match decode::assembly(&self.profile, instance, &sample.data, gather.readings) {
            Ok(()) => gather.readings.arrived(table, sample.at),
            // Frames of another length never get this far.
            Err(wrong) => gather.fail(table, Failure::WrongSize(wrong.to_string())),
        }
        if self.settings.every_frame
            && let Some(connection) = self.slots.get(&instance).and_then(|slot| slot.connection.as_ref())
        {
            let samples = connection.attached.stream.take_samples();
            gather.sampled.push(instance);
            gather.samples.extend(samples.into_iter().map(|sample| (table, instance, sample)));
        }
    }

    fn count(&self, gather: &mut Gather<'_>) {
        let mut counts = self.past;
        for connection in self.slots.values().filter_map(|slot| slot.connection.as_ref()) {
            counts += connection.attached.stream.counts();
        }
        gather.traffic.frames_received = counts.received;
        gather.traffic.frames_lost = counts.lost;
        gather.traffic.frames_dropped = counts.dropped;
    }

    /// Keeps, loses or looks for the connection to one assembly. `unreachable` is why the meter cannot be
    /// reached at all, once that is known.
    async fn tend(&mut self, instance: u16, gather: &mut Gather<'_>, unreachable: &mut Option<Failure>) {
        let Some(slot) = self.slots.get(&instance) else { return };
        if slot.connection.is_some() {
            self.follow(instance, gather, unreachable).await;
            return;
        }
        let due = !slot.stopped && slot.retry_at.is_none_or(|at| Instant::now() >= at);
        if !due || unreachable.is_some() {
            return;
        }
        match self.look(instance, gather).await {
            Ok(()) => self.welcome(instance, gather, unreachable).await,
            Err(Miss::Unreachable(failure)) => {
                if let Some(slot) = self.slots.get_mut(&instance) {
                    slot.failure = Some(failure);
                }
            }
            Err(Miss::Refused(reason, step)) => self.postpone(instance, reason, step, gather),
        }
    }

    /// Tries to open a connection, with every packet interval that makes sense.
    async fn look(&mut self, instance: u16, gather: &mut Gather<'_>) -> Result<(), Miss> {
        let size = self.explicit.size(instance, gather).await?;
        let described = self.profile.assembly(instance).map(|assembly| assembly.min_size());
        let size = size.or(described).unwrap_or_default();
        let addresses = self.explicit.addresses(gather).await?;
        let sender = self.hub.prepare(addresses.0).map_err(local)?;
        let mut ladder = self.ladder(instance);
        let mut tried: Vec<Duration> = Vec::new();
        let mut varied = Variations::default();
        let mut suggestions = 0;
        let mut refused = String::new();
        while let Some((rpi, origin)) = ladder.pop_front() {
            let open = self.open(instance, size, rpi);
            tried.push(rpi);
            // An open without an answer may have succeeded: it is closed before anything else is tried.
            self.leftovers.push((instance, closing(&open)));
            let answer = self.explicit.open_connection(&open, gather).await?;
            self.leftovers.pop();
            let (sentence, step) = match answer {
                Ok(accepted) => {
                    return self.attach(instance, sender, addresses, (&open, origin), &accepted).await;
                }
                Err(refusal) => explain(&refusal),
            };
            match step {
                NextStep::OtherRpi(suggested) if self.settings.application == Application::ListenOnly => {
                    ladder.extend(LADDER.map(|ms| (Duration::from_millis(ms), Origin::Ladder)));
                    if let Some(rpi) = suggested
                        && suggestions < MOST_SUGGESTIONS
                    {
                        suggestions += 1;
                        ladder.push_front((rpi, Origin::Suggested));
                    }
                    ladder.retain(|(rpi, _)| !tried.contains(rpi));
                    refused = sentence;
                }
                NextStep::Variable | NextStep::HighPriority | NextStep::ChangeOfState => {
                    let tried = varied.of(step).is_none_or(|tried| std::mem::replace(tried, true));
                    if tried {
                        return Err(Miss::Refused(sentence, NextStep::Stop));
                    }
                    self.vary(instance, step);
                    ladder.push_front((rpi, origin));
                }
                step => return Err(Miss::Refused(sentence, step)),
            }
        }
        Err(Miss::Refused(
            format!("{refused}; none that was tried fits, set rpi to the owner's"),
            NextStep::Later,
        ))
    }

    /// The packet intervals to begin with.
    fn ladder(&self, instance: u16) -> VecDeque<(Duration, Origin)> {
        let remembered = self.slots.get(&instance).and_then(|slot| slot.rpi);
        let first = match (self.settings.rpi, remembered) {
            (Some(rpi), _) => (rpi, Origin::Configured),
            (None, Some(rpi)) => (rpi, Origin::Remembered),
            (None, None) => (Duration::from_millis(LADDER[0]), Origin::Ladder),
        };
        VecDeque::from([first])
    }

    /// Takes a variation up, or back if the owner before this one needed it.
    fn vary(&mut self, instance: u16, step: NextStep) {
        let slot = self.slots.get_mut(&instance);
        if let Some(variation) = slot.and_then(|slot| slot.variations.of(step)) {
            *variation = !*variation;
        }
    }

    fn open(&self, instance: u16, size: u16, rpi: Duration) -> ForwardOpen {
        let triad = Triad { connection: rand::random(), vendor: VENDOR, serial: self.settings.originator };
        let open = ForwardOpen::new(
            self.settings.application,
            // The configuration lets nothing above 255 through.
            u8::try_from(instance).unwrap_or(u8::MAX),
            self.settings.configuration,
            triad,
            (self.settings.heartbeat, rpi),
            size,
        );
        let variations = self.slots.get(&instance).map(|slot| slot.variations).unwrap_or_default();
        variations.apply(open)
    }

    /// Starts to receive and to send heartbeats; if that fails, the connection is closed again.
    async fn attach(
        &mut self,
        instance: u16,
        sender: Sender,
        (ours, meter): (SocketAddr, SocketAddr),
        (open, origin): (&ForwardOpen, Origin),
        accepted: &Accepted,
    ) -> Result<(), Miss> {
        let (opened, close) = (&accepted.opened, closing(open));
        let attached = match meter.ip() {
            IpAddr::V4(meter) => {
                let size = usize::from(open.t2o.size() - SEQUENCE_COUNT_LEN);
                let watchdog = opened.t2o_api * MULTIPLIER;
                let every = self.settings.every_frame;
                let stream = Stream::new((opened.t2o_id, meter), size, watchdog, every, Instant::now());
                // Heartbeats go to the meter itself, never to an address that a reply redirects to.
                let port = accepted.heartbeat.map_or(class1::PORT, |named| named.port());
                let to = SocketAddrV4::new(meter, port);
                let heartbeat = Heartbeat { connection: opened.o2t_id, to, every: opened.o2t_api };
                self.hub.attach(sender, ours, accepted.group, heartbeat, stream)
            }
            IpAddr::V6(_) => Err(HubError::NotIpv4),
        };
        match attached {
            Ok(attached) => {
                let rpi = opened.t2o_api;
                let connection = Connection { attached, close, rpi, origin, heard: false };
                if let Some(slot) = self.slots.get_mut(&instance) {
                    slot.rpi = Some(rpi);
                    slot.connection = Some(connection);
                }
                Ok(())
            }
            Err(error) => {
                self.leftovers.push((instance, close));
                self.close_leftovers().await.map_err(Miss::Unreachable)?;
                Err(local(error))
            }
        }
    }

    /// A connection was opened: waits for its first frame, so that a single gather has something to show.
    async fn welcome(&mut self, instance: u16, gather: &mut Gather<'_>, unreachable: &mut Option<Failure>) {
        let connection = self.slots.get(&instance).and_then(|slot| slot.connection.as_ref());
        let Some(stream) = connection.map(|connection| connection.attached.stream.clone()) else { return };
        let _ = timeout(self.request_timeout, stream.first()).await;
        self.follow(instance, gather, unreachable).await;
    }

    /// Says that a connection brings frames when it does, and gives it up when it does not.
    async fn follow(&mut self, instance: u16, gather: &mut Gather<'_>, unreachable: &mut Option<Failure>) {
        let application = self.settings.application;
        let Some(slot) = self.slots.get_mut(&instance) else { return };
        let Some(connection) = &mut slot.connection else { return };
        match ended(connection, application, Instant::now()) {
            Some(reason) if connection.heard => self.lose(instance, reason, gather, unreachable).await,
            // Nothing was lost, and looking again soon would only open and close for nothing.
            Some(reason) => {
                self.postpone(instance, reason, NextStep::WaitForOwner, gather);
                self.give_up(instance, unreachable).await;
            }
            None if !connection.heard && connection.attached.stream.counts().received > 0 => {
                connection.heard = true;
                let (rpi, origin) = (connection.rpi, connection.origin.words());
                (slot.wait, slot.retry_at, slot.failure) = (None, None, None);
                let again = std::mem::replace(&mut slot.heard_before, true);
                gather.notices.push(Notice::Heard { assembly: instance, application, rpi, origin, again });
            }
            None => {}
        }
    }

    /// Gives a connection up that brought frames, and says why.
    async fn lose(
        &mut self,
        instance: u16,
        reason: String,
        gather: &mut Gather<'_>,
        unreachable: &mut Option<Failure>,
    ) {
        let Some(slot) = self.slots.get_mut(&instance) else { return };
        slot.failure = Some(Failure::NoOwner(format!("assembly {instance}: {reason}")));
        slot.wait = Some(self.settings.waits.shortest);
        slot.retry_at = Some(Instant::now() + self.settings.waits.shortest);
        gather.notices.push(Notice::Lost { assembly: instance, reason });
        self.give_up(instance, unreachable).await;
    }

    async fn give_up(&mut self, instance: u16, unreachable: &mut Option<Failure>) {
        let Some(slot) = self.slots.get_mut(&instance) else { return };
        let Some(connection) = slot.connection.take() else { return };
        self.past += connection.attached.stream.counts();
        // The meter has usually closed it by itself, and says that it knows no such connection.
        self.leftovers.push((instance, connection.close));
        if unreachable.is_none() {
            *unreachable = self.close_leftovers().await.err();
        }
    }

    fn postpone(&mut self, instance: u16, reason: String, step: NextStep, gather: &mut Gather<'_>) {
        let Some(slot) = self.slots.get_mut(&instance) else { return };
        let Waits { shortest, longest } = self.settings.waits;
        let wait = match step {
            NextStep::Stop => None,
            NextStep::WaitForRoom => Some(longest),
            _ => Some(slot.wait.map_or(shortest, |wait| (wait * 2).min(longest))),
        };
        slot.stopped = wait.is_none();
        slot.retry_at = wait.map(|wait| Instant::now() + wait);
        slot.wait = wait;
        let text = format!("assembly {instance}: {reason}");
        let failure = match step {
            NextStep::WaitForOwner => Failure::NoOwner(text),
            _ => Failure::Refused(text),
        };
        if slot.failure.as_ref() != Some(&failure) {
            slot.failure = Some(failure);
            gather.notices.push(Notice::Unheard { assembly: instance, reason, retry: wait });
        }
    }
}

fn closing(open: &ForwardOpen) -> ForwardClose {
    ForwardClose { triad: open.triad, path: open.path }
}

/// What is in the way on our own side may go away.
fn local(error: HubError) -> Miss {
    Miss::Refused(error.to_string(), NextStep::WaitForRoom)
}

/// Why a connection must be given up, if it must.
fn ended(connection: &Connection, application: Application, now: Instant) -> Option<String> {
    let stream = &connection.attached.stream;
    if let Some(reason) = ended_at_once(stream, application) {
        return Some(reason);
    }
    if !stream.is_silent(now) {
        return None;
    }
    Some(if stream.counts().received == 0 {
        "the meter accepted the connection, but no frame arrives; check IGMP snooping without a querier, a \
         firewall on UDP 2222 or IGMP, and rp_filter"
            .to_owned()
    } else {
        format!(
            "no frame for {}; the owner has left, or the network drops multicast",
            humantime::format_duration(connection.rpi * MULTIPLIER)
        )
    })
}

/// A stream that began with us has no multicast owner: the meter sends it for us alone.
fn ended_at_once(stream: &Stream, application: Application) -> Option<String> {
    (application == Application::ListenOnly && stream.started_for_us()).then(|| {
        "the meter began to send for us alone, so its owner's connection is unicast; clear \"Use Unicast \
         Connection over EtherNet/IP\" in the module properties of the owner"
            .to_owned()
    })
}
