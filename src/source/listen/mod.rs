//! EtherNet/IP class 1: hears what the meter sends to the PLC that owns it, and reads explicitly what it
//! cannot hear.
//!
//! Per assembly: while no connection is held, one listen-only Forward Open per try, after 60 s, doubling to
//! 10 min; only a wrong packet interval is tried again at once. While one is held, the newest frame is the
//! reading, unless it is older than a reading may be. Silence is the only sign of an owner that left, and is
//! judged after what waits in the socket was taken in: the connection is closed and looked for again. A stream
//! that began for us is given back; one second look tells it from an owner that came at the same moment, and
//! after two of them there are no more until the link was lost.
//! Input-only is opened only when the configuration names it with its RPI, never as a fallback: on this
//! meter a PLC is itself an input-only originator, and the first one in fixes the RPI for the other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::time::timeout_at;

use crate::enip::forward_open::{Application, ForwardClose};
use crate::enip::hub::Hub;
use crate::enip::refusal::NextStep;
use crate::enip::stream::{Counts, Sample};
use crate::meter::identity::Identity;

use super::explicit::Explicit;
use super::transport::{Connect, Tcp};
use super::{Access, Answer, Block, Deadline, Failure, FailureKind, Link, Notice, Samples, Source, Span};

mod agreement;
mod hindrance;
mod opener;
mod slot;

pub use hindrance::Hindrance;

use opener::{Found, Miss, Opener};
use slot::{End, Slot, began_for_us, ended};

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
    /// Configuration and heartbeat instances of the connection path; those after the first are tried when a
    /// meter refuses the path.
    pub paths: Vec<(u8, u8)>,
    /// A sample that is older than this, and than four packet intervals, is no reading.
    pub fresh: Duration,
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
    /// Before the second look at a stream that began for us: at least and at most.
    pub second_look: (Duration, Duration),
    /// For what does not pass soon.
    pub stop: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Waits {
            shortest: Duration::from_secs(60),
            longest: Duration::from_secs(600),
            second_look: (Duration::from_secs(2), Duration::from_secs(5)),
            stop: Duration::from_secs(3600),
        }
    }
}

/// On top of two packet intervals, for a first frame.
const FIRST_FRAME_EXTRA: Duration = Duration::from_millis(50);

/// A connection that was open when the program last ran; it may still hold a slot on the meter.
pub type Leftover = (u16, ForwardClose);

/// Listens to one meter.
#[derive(Debug)]
pub struct Listen<C: Connect = Tcp> {
    opener: Opener<C>,
    settings: Settings,
    request_timeout: Duration,
    /// Why the meter cannot be reached at all, once that is known in this read: it is not tried again.
    unreachable: Option<Failure>,
    slots: BTreeMap<u16, Slot>,
    notices: Vec<Notice>,
    /// Frames of connections that are closed.
    past: Counts,
    /// Frames that the last answer told of.
    told: Counts,
}

impl<C: Connect> Listen<C> {
    /// A listener that has not connected yet. `leftovers` are closed at the first connect, and the `remembered`
    /// packet intervals are tried first.
    pub fn new(
        explicit: Explicit<C>,
        settings: Settings,
        request_timeout: Duration,
        hub: Hub,
        (leftovers, remembered): (Vec<Leftover>, &BTreeMap<u16, Duration>),
    ) -> Self {
        let slot = |instance: &u16| Slot { rpi: remembered.get(instance).copied(), ..Slot::default() };
        Listen {
            slots: settings.assemblies.iter().map(|instance| (*instance, slot(instance))).collect(),
            opener: Opener::new(explicit, hub, leftovers),
            settings,
            request_timeout,
            unreachable: None,
            notices: Vec::new(),
            past: Counts::default(),
            told: Counts::default(),
        }
    }

    /// Looks after one connection, not beyond the deadline.
    async fn tend_until(&mut self, instance: u16, deadline: Deadline) {
        if timeout_at(deadline.at(), self.tend(instance)).await.is_err() {
            self.unreachable = Some(deadline.passed());
        }
    }

    /// The newest sample of an assembly as a block, or why there is none.
    fn heard_block(&self, instance: u16) -> Result<Block, Failure> {
        let slot = self.slots.get(&instance);
        if let Some(connection) = slot.and_then(|slot| slot.connection.as_ref()) {
            connection.attached.drain();
            let (stream, now) = (&connection.attached.stream, Instant::now());
            if let Some(sample) = stream.newest(now) {
                let age = stream.age(now).unwrap_or_default();
                if age <= self.settings.fresh.max(connection.rpi * 4) {
                    return Ok(block(instance, sample));
                }
                return Err(FailureKind::Stale.because(format!(
                    "assembly {instance}: no frame for {:.1} s, where one is due every {}",
                    age.as_secs_f64(),
                    humantime::format_duration(connection.rpi)
                )));
            }
        }
        let failure = slot.and_then(|slot| slot.failure.clone());
        let waiting = || FailureKind::Stale.because("no frame has arrived yet");
        Err(self.unreachable.clone().or(failure).unwrap_or_else(waiting))
    }

    /// Every new sample of an assembly that is heard, where those are wanted.
    fn samples(&self, instance: u16) -> Option<Samples> {
        let connection =
            self.slots.get(&instance)?.connection.as_ref().filter(|_| self.settings.every_frame)?;
        let samples = connection.attached.stream.take_samples();
        Some(Samples {
            assembly: instance,
            blocks: samples.into_iter().map(|sample| block(instance, sample)).collect(),
        })
    }

    /// Frames since the last answer.
    fn count(&mut self) -> Counts {
        let mut counts = self.past;
        for (instance, slot) in &self.slots {
            let Some(connection) = &slot.connection else { continue };
            counts += connection.attached.stream.counts();
            if let Some(datagram) = connection.attached.stream.take_odd() {
                self.opener.explicit.eip.log.exhibit(&odd(*instance), &datagram);
            }
        }
        let told = std::mem::replace(&mut self.told, counts);
        counts - told
    }

    /// Keeps, loses or looks for the connection to one assembly.
    async fn tend(&mut self, instance: u16) {
        let Some(slot) = self.slots.get(&instance) else { return };
        if slot.connection.is_some() {
            self.follow(instance).await;
            return;
        }
        let lost = slot.stopped_on.is_none_or(|session| session != self.opener.explicit.eip.sessions());
        let due = lost && slot.retry_at.is_none_or(|at| Instant::now() >= at);
        if !due || self.unreachable.is_some() {
            return;
        }
        match self.look(instance).await {
            Ok(()) => {}
            Err(Miss::Unreachable(failure)) => self.unreachable = Some(failure),
            Err(Miss::Unanswered(failure)) => {
                let Failure { kind, sentence } = failure;
                self.put_off(instance, (Hindrance::Unanswered, kind), sentence, NextStep::Later);
            }
            Err(Miss::Refused(why, reason, step)) => self.postpone(instance, why, reason, step),
        }
    }

    /// Looks for the connection to one assembly.
    async fn look(&mut self, instance: u16) -> Result<(), Miss> {
        let others =
            self.slots.iter().filter(|(other, _)| **other != instance).filter_map(|(other, slot)| {
                let connection = slot.connection.as_ref()?;
                Some((*other, connection.attached.stream.agreed().connection))
            });
        let others: Vec<(u16, u32)> = others.collect();
        let Some(slot) = self.slots.get_mut(&instance) else { return Ok(()) };
        let Found { connection, path } = self.opener.look(&self.settings, (instance, slot), &others).await?;
        slot.rpi = Some(connection.rpi);
        slot.connection = Some(connection);
        slot.stopped_on = None;
        if let Some(usual) = self.settings.paths.first()
            && *usual != path
        {
            let (configuration, heartbeat) = path;
            self.notices.push(Notice::OtherPath { assembly: instance, configuration, heartbeat });
        }
        Ok(())
    }

    /// Waits for the first frames of what was opened in this read, all together, so that a single read has
    /// something to show.
    async fn welcome(&mut self, deadline: Deadline) {
        let new = |slot: &Slot| Some(slot.connection.as_ref().filter(|connection| !connection.heard)?.rpi);
        let Some(slowest) = self.slots.values().filter_map(new).max() else { return };
        let patience = self.request_timeout.max(slowest * 2 + FIRST_FRAME_EXTRA);
        let until = deadline.at().min(tokio::time::Instant::now() + patience);
        let streams: Vec<_> = self.slots.values().filter_map(|slot| slot.connection.as_ref()).collect();
        for connection in streams {
            connection.attached.drain();
            let _ = timeout_at(until, connection.attached.stream.first()).await;
        }
        let instances: Vec<u16> = self.slots.keys().copied().collect();
        for instance in instances {
            if timeout_at(deadline.at(), self.follow(instance)).await.is_err() {
                self.unreachable = Some(deadline.passed());
            }
        }
    }

    /// Says that a connection brings frames when it does, and gives it up when it does not.
    async fn follow(&mut self, instance: u16) {
        let application = self.settings.application;
        let Some(slot) = self.slots.get_mut(&instance) else { return };
        let Some(connection) = &mut slot.connection else { return };
        match ended(connection, application, slot.heard_before, Instant::now()) {
            Some(End::Silent(reason)) => self.lose(instance, reason).await,
            // Nothing was lost, and looking again soon would only open and close for nothing.
            Some(End::Useless(kind, reason)) => {
                self.postpone(instance, kind, reason, NextStep::WaitForOwner);
                self.give_up(instance).await;
            }
            Some(End::ForUs) => {
                self.give_back(instance);
                self.give_up(instance).await;
            }
            None if !connection.heard && connection.attached.stream.counts().received > 0 => {
                connection.heard = true;
                let (rpi, origin) = (connection.rpi, connection.origin.words());
                (slot.wait, slot.retry_at, slot.failure, slot.for_us) = (None, None, None, 0);
                let again = std::mem::replace(&mut slot.heard_before, true);
                self.notices.push(Notice::Heard { assembly: instance, application, rpi, origin, again });
            }
            None => {}
        }
    }

    /// A stream that began for us: once more after a moment, and after two of them not by itself.
    fn give_back(&mut self, instance: u16) {
        let session = self.opener.explicit.eip.sessions();
        let (least, most) = self.settings.waits.second_look;
        let Some(slot) = self.slots.get_mut(&instance) else { return };
        slot.for_us += 1;
        let (kind, reason) = began_for_us(slot.for_us);
        let wait = (slot.for_us < 2).then(|| {
            let some = least + most.saturating_sub(least).mul_f64(rand::random());
            // An owner that came at the same moment must be ahead of a stream that begins for us.
            let some = some.max(slot.rpi.unwrap_or_default() * 5);
            Duration::from_millis(u64::try_from(some.as_millis()).unwrap_or(u64::MAX))
        });
        (slot.retry_at, slot.wait) = (wait.map(|wait| Instant::now() + wait), None);
        slot.stopped_on = wait.is_none().then_some(session);
        slot.failure = Some(FailureKind::NoOwner.because(format!("assembly {instance}: {reason}")));
        self.notices.push(Notice::Unheard { assembly: instance, kind, reason, retry: wait });
    }

    /// Gives a connection up that brought frames, and says why.
    async fn lose(&mut self, instance: u16, reason: String) {
        let failure = self.unheard().because(format!("assembly {instance}: {reason}"));
        let Some(slot) = self.slots.get_mut(&instance) else { return };
        slot.failure = Some(failure);
        slot.wait = Some(self.settings.waits.shortest);
        slot.retry_at = Some(Instant::now() + jittered(self.settings.waits.shortest));
        self.notices.push(Notice::Lost { assembly: instance, kind: Hindrance::Silent, reason });
        self.give_up(instance).await;
    }

    async fn give_up(&mut self, instance: u16) {
        let Some(slot) = self.slots.get_mut(&instance) else { return };
        let Some(connection) = slot.connection.take() else { return };
        self.past += connection.attached.stream.counts();
        if let Some(datagram) = connection.attached.stream.take_odd() {
            self.opener.explicit.eip.log.exhibit(&odd(instance), &datagram);
        }
        // The meter has usually closed it by itself, and says that it knows no such connection.
        self.opener.leave((instance, connection.close));
        if self.unreachable.is_none() {
            self.unreachable = self.opener.close_leftovers().await.err();
        }
    }

    /// The meter, or our own network, has said why nothing can be heard.
    fn postpone(&mut self, instance: u16, why: Hindrance, reason: String, step: NextStep) {
        let kind = match step {
            NextStep::WaitForOwner => self.unheard(),
            NextStep::Local => FailureKind::Connection,
            _ => FailureKind::Refused,
        };
        self.put_off(instance, (why, kind), reason, step);
    }

    /// Looks again later, and says so if the reason is new.
    fn put_off(
        &mut self,
        instance: u16,
        (why, kind): (Hindrance, FailureKind),
        reason: String,
        step: NextStep,
    ) {
        let Some(slot) = self.slots.get_mut(&instance) else { return };
        let Waits { shortest, longest, stop, .. } = self.settings.waits;
        let wait = match step {
            NextStep::Stop | NextStep::OtherPath => stop,
            NextStep::WaitForRoom | NextStep::OtherPriority | NextStep::Local => longest,
            _ => slot.wait.map_or(shortest, |wait| (wait * 2).min(longest)),
        };
        slot.retry_at = Some(Instant::now() + jittered(wait));
        slot.wait = Some(wait);
        let wait = Some(wait);
        let failure = kind.because(format!("assembly {instance}: {reason}"));
        if slot.failure.as_ref() != Some(&failure) {
            slot.failure = Some(failure);
            self.notices.push(Notice::Unheard { assembly: instance, kind: why, reason, retry: wait });
        }
    }

    /// No frames: without an owner a listener hears nothing; a connection of our own has none to miss.
    fn unheard(&self) -> FailureKind {
        match self.settings.application {
            Application::ListenOnly => FailureKind::NoOwner,
            Application::InputOnly => FailureKind::Timeout,
        }
    }
}

/// Two listeners that look in the same millisecond confuse an adapter.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::random_range(0.9..1.1))
}

fn block(instance: u16, sample: Sample) -> Block {
    Block { span: Span::Assembly(instance), bytes: sample.data, at: sample.at }
}

/// What is wrong with a datagram that could not be used.
fn odd(instance: u16) -> String {
    format!("assembly {instance}: a frame of another length, or no frame at all")
}

#[async_trait]
impl<C: Connect> Source for Listen<C> {
    fn access(&self) -> Access {
        Access::Assemblies
    }

    /// Takes the newest frames, and reads the rest explicitly where that is allowed. Looks after the connections
    /// of all assemblies, also of those that are not wanted.
    async fn read(&mut self, wanted: &[Span], deadline: Deadline) -> Answer {
        self.opener.explicit.eip.begin();
        self.unreachable = match timeout_at(deadline.at(), self.opener.reclaim()).await {
            Ok(reclaimed) => reclaimed.err(),
            Err(_) => Some(deadline.passed()),
        };
        let wants = |slot: &u16| wanted.contains(&Span::Assembly(*slot));
        let (due, others): (Vec<u16>, Vec<u16>) = self.slots.keys().copied().partition(wants);
        for instance in due {
            self.tend_until(instance, deadline).await;
        }
        self.welcome(deadline).await;
        let (mut rest, mut blocks, mut failures, mut samples) = (vec![], vec![], vec![], vec![]);
        for &span in wanted {
            let instance = match span {
                Span::Assembly(instance) if self.slots.contains_key(&instance) => instance,
                _ => {
                    rest.push(span);
                    continue;
                }
            };
            match self.heard_block(instance) {
                Ok(block) => {
                    blocks.push(block);
                    samples.extend(self.samples(instance));
                }
                Err(_) if self.settings.fallback => rest.push(span),
                Err(failure) => failures.push((span, failure)),
            }
        }
        // Before anything else is awaited: what is counted is what was taken.
        let frames = self.count();
        let heard = !blocks.is_empty();
        if let Some(failure) = &self.unreachable {
            failures.extend(rest.into_iter().map(|span| (span, failure.clone())));
        } else {
            let read = self.opener.explicit.read_all(&rest, deadline).await;
            blocks.extend(read.blocks);
            failures.extend(read.failures);
        }
        for instance in others {
            self.tend_until(instance, deadline).await;
        }
        let link = match (heard, blocks.is_empty()) {
            (true, _) => self.settings.application.into(),
            (false, false) => Link::Explicit,
            (false, true) => Link::None,
        };
        let mut answer = Answer::with(self.opener.explicit.eip.log.take());
        answer.traffic.frames_received += frames.received;
        answer.traffic.frames_lost += frames.lost;
        answer.traffic.frames_dropped += frames.dropped;
        let notices = std::mem::take(&mut self.notices);
        Answer { blocks, failures, link, samples, notices, ..answer }
    }

    async fn shows_life(&mut self) -> bool {
        self.opener.explicit.eip.shows_life()
    }

    /// Forward Close for every connection, then the session.
    async fn close(&mut self) {
        for (instance, slot) in &mut self.slots {
            if let Some(connection) = slot.connection.take() {
                self.opener.leave((*instance, connection.close));
            }
        }
        // One that cannot be reached forgets us by itself, for our heartbeats have ended.
        let _ = self.opener.close_leftovers().await;
        self.opener.explicit.eip.close().await;
    }

    fn identity(&self) -> Option<&Identity> {
        self.opener.explicit.identity()
    }

    fn listens(&self) -> bool {
        true
    }

    fn heard(&self) -> Option<(Application, Duration)> {
        let mut open = self.slots.values().filter_map(|slot| slot.connection.as_ref());
        let connection = open.find(|connection| connection.heard)?;
        Some((self.settings.application, connection.rpi))
    }

    fn packet_intervals(&self) -> BTreeMap<u16, Duration> {
        self.slots.iter().filter_map(|(instance, slot)| Some((*instance, slot.rpi?))).collect()
    }

    fn open_connections(&self) -> Vec<Leftover> {
        let open = |(instance, slot): (&u16, &Slot)| Some((*instance, slot.connection.as_ref()?.close));
        self.slots.iter().filter_map(open).chain(self.opener.leftovers()).collect()
    }
}
