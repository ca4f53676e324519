//! EtherNet/IP class 1: hears what the meter sends to the PLC that owns it, and reads explicitly what it
//! cannot hear.
//!
//! Per assembly: while no connection is held, one listen-only Forward Open per try, after 60 s, doubling to
//! 10 min; only a wrong packet interval is tried again at once. While one is held, the newest frame is the
//! reading. Silence is the only sign of an owner that left: the connection is closed and looked for again.
//! Input-only is opened only when the configuration names it with its RPI, never as a fallback: on this
//! meter a PLC is itself an input-only originator, and the first one in fixes the RPI for the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use crate::enip::forward_open::{Application, ForwardClose};
use crate::enip::hub::Hub;
use crate::enip::refusal::NextStep;
use crate::enip::stream::{Counts, Sample};
use crate::meter::identity::Identity;
use crate::meter::{Profile, Table, decode};

use super::explicit::{self, Explicit, blocks};
use super::{Failure, Gather, Notice};

mod look;
mod slot;

use look::Miss;
use slot::{Slot, ended};

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
    /// Until when this gather waits for first frames.
    patient_until: Instant,
    hub: Hub,
    slots: BTreeMap<u16, Slot>,
    leftovers: Vec<Leftover>,
    /// Frames of connections that are closed.
    past: Counts,
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
        let patient_until = Instant::now();
        Listen { explicit, profile, settings, request_timeout, patient_until, hub, slots, leftovers, past }
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

    /// Takes the newest frames, and reads the rest explicitly where that is allowed. Looks after the connections
    /// of all assemblies, also of those that are not due.
    pub async fn gather(&mut self, gather: &mut Gather<'_>) {
        self.patient_until = Instant::now() + self.request_timeout;
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
        // Before anything else is awaited: what is counted is what was taken.
        self.count(gather);
        gather.tried = wanted
            .iter()
            .map(|(table, _)| *table)
            .filter(|table| !rest.iter().any(|(waiting, _)| waiting == table))
            .collect();
        match &unreachable {
            None => self.explicit.gather_blocks(&rest, gather).await,
            Some(failure) => {
                for (table, _) in rest {
                    gather.fail(table, failure.clone());
                    gather.tried.insert(table);
                }
            }
        }
        let due = |instance: &u16| wanted.iter().any(|(_, due)| due == instance);
        let others: Vec<u16> = self.slots.keys().copied().filter(|instance| !due(instance)).collect();
        for instance in others {
            self.tend(instance, gather, &mut unreachable).await;
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
        for (instance, slot) in &self.slots {
            let Some(connection) = &slot.connection else { continue };
            counts += connection.attached.stream.counts();
            exhibit(*instance, connection, gather);
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
            Err(Miss::Unreachable(failure)) => *unreachable = Some(failure),
            Err(Miss::Refused(reason, step)) => self.postpone(instance, reason, step, gather),
        }
    }

    /// A connection was opened: waits for its first frame, so that a single gather has something to show. All
    /// that are opened in one gather share one request timeout.
    async fn welcome(&mut self, instance: u16, gather: &mut Gather<'_>, unreachable: &mut Option<Failure>) {
        let connection = self.slots.get(&instance).and_then(|slot| slot.connection.as_ref());
        let Some(stream) = connection.map(|connection| connection.attached.stream.clone()) else { return };
        let _ = timeout_at(self.patient_until.into(), stream.first()).await;
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
                self.give_up(instance, gather, unreachable).await;
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
        let failure = self.unheard(format!("assembly {instance}: {reason}"));
        let Some(slot) = self.slots.get_mut(&instance) else { return };
        slot.failure = Some(failure);
        slot.wait = Some(self.settings.waits.shortest);
        slot.retry_at = Some(Instant::now() + self.settings.waits.shortest);
        gather.notices.push(Notice::Lost { assembly: instance, reason });
        self.give_up(instance, gather, unreachable).await;
    }

    async fn give_up(&mut self, instance: u16, gather: &mut Gather<'_>, unreachable: &mut Option<Failure>) {
        let Some(slot) = self.slots.get_mut(&instance) else { return };
        let Some(connection) = slot.connection.take() else { return };
        self.past += connection.attached.stream.counts();
        exhibit(instance, &connection, gather);
        // The meter has usually closed it by itself, and says that it knows no such connection.
        self.leftovers.push((instance, connection.close));
        if unreachable.is_none() {
            *unreachable = self.close_leftovers().await.err();
        }
    }

    fn postpone(&mut self, instance: u16, reason: String, step: NextStep, gather: &mut Gather<'_>) {
        let unheard = self.unheard(format!("assembly {instance}: {reason}"));
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
        let failure = match step {
            NextStep::WaitForOwner => unheard,
            _ => Failure::Refused(format!("assembly {instance}: {reason}")),
        };
        if slot.failure.as_ref() != Some(&failure) {
            slot.failure = Some(failure);
            gather.notices.push(Notice::Unheard { assembly: instance, reason, retry: wait });
        }
    }

    /// No frames: without an owner a listener hears nothing; a connection of our own has none to miss.
    fn unheard(&self, text: String) -> Failure {
        match self.settings.application {
            Application::ListenOnly => Failure::NoOwner(text),
            Application::InputOnly => Failure::Timeout(text),
        }
    }
}

/// Hands on the newest datagram of a connection that could not be used.
fn exhibit(instance: u16, connection: &slot::Connection, gather: &mut Gather<'_>) {
    if let Some(datagram) = connection.attached.stream.take_odd() {
        let what = format!("assembly {instance}: a frame of another length, or no frame at all");
        gather.exhibit(&what, &datagram);
    }
}
