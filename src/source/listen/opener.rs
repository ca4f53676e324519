//! Opens a meter's class 1 connections and closes them: a look for an owner is one listen-only Forward Open, more of
//! them only where the meter says what to change.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use crate::enip::forward_open::{Application, ForwardClose, ForwardOpen, SEQUENCE_COUNT_LEN, Triad};
use crate::enip::hub::{Attached, Heartbeat, Hub, HubError, Sender};
use crate::enip::refusal::{NextStep, explain};
use crate::enip::stream::{Agreed, Stream};
use crate::enip::{Accepted, class1};
use crate::source::explicit::Explicit;
use crate::source::transport::{Connect, Tcp};
use crate::source::{Failure, FailureKind, eip};

use super::agreement;
use super::hindrance::Hindrance;
use super::slot::{Connection, MULTIPLIER, Origin, Slot, Variations};
use super::{Leftover, Settings};

/// Packet intervals to try when neither the configuration nor the meter names one, in milliseconds.
const LADDER: [u64; 8] = [10, 20, 50, 100, 200, 250, 500, 1000];
/// Suggestions followed in one look for an owner; a meter that has another one every time is not believed.
const MOST_SUGGESTIONS: usize = 2;
/// Extended status of an open whose serial numbers are those of a connection that there is.
const DUPLICATE: u16 = 0x0100;
/// The vendor ID we open with. ODVA assigns IDs from the bottom; nobody holds this one.
const VENDOR: u16 = 0xFFF5;

/// Why a look for an owner found none.
pub(super) enum Miss {
    /// The meter cannot be reached at all; the next gather may try again.
    Unreachable(Failure),
    /// It can, and a request of this look got no answer, or none that makes sense: nothing was refused.
    Unanswered(Failure),
    /// It can, and this is what it, or our own network, says.
    Refused(Hindrance, String, NextStep),
}

impl From<eip::Miss> for Miss {
    fn from(miss: eip::Miss) -> Self {
        match miss {
            eip::Miss::Failure(failure) => Miss::Unreachable(failure),
            eip::Miss::Session(error) => Miss::Unanswered(error.into()),
        }
    }
}

/// A connection that was opened, and what it took.
pub(super) struct Found {
    pub(super) connection: Connection,
    /// Configuration and heartbeat instances that the meter took.
    pub(super) path: (u8, u8),
}

/// Opens the connections of one meter, and knows which of them are to be closed.
#[derive(Debug)]
pub(super) struct Opener<C: Connect = Tcp> {
    pub(super) explicit: Explicit<C>,
    hub: Hub,
    leftovers: Vec<Leftover>,
}

impl<C: Connect> Opener<C> {
    /// Nothing is open; `leftovers` may be.
    pub(super) fn new(explicit: Explicit<C>, hub: Hub, leftovers: Vec<Leftover>) -> Self {
        Opener { explicit, hub, leftovers }
    }

    /// Connections that are still to be closed.
    pub(super) fn leftovers(&self) -> impl Iterator<Item = Leftover> {
        self.leftovers.iter().copied()
    }

    /// A connection that is not wanted any more: closed with the others.
    pub(super) fn leave(&mut self, leftover: Leftover) {
        self.leftovers.push(leftover);
    }

    /// Closes what an earlier run of the program, or a gather that did not end, left open.
    ///
    /// # Errors
    /// The meter cannot be reached.
    pub(super) async fn reclaim(&mut self) -> Result<(), Failure> {
        if self.leftovers.is_empty() {
            return Ok(());
        }
        match self.explicit.eip.addresses().await {
            Ok(_) => self.close_leftovers().await,
            Err(eip::Miss::Failure(failure)) => Err(failure),
            Err(eip::Miss::Session(_)) => Ok(()),
        }
    }

    /// Each is forgotten only when it has been tried, so that a caller who gives up forgets nothing.
    ///
    /// # Errors
    /// The meter cannot be reached.
    pub(super) async fn close_leftovers(&mut self) -> Result<(), Failure> {
        while let Some((_, close)) = self.leftovers.last().copied() {
            let closed = self.explicit.eip.close_connection(&close).await;
            self.leftovers.pop();
            closed?;
        }
        Ok(())
    }

    /// Tries to open a connection to the assembly of this slot, with every packet interval that makes sense. `others`
    /// are the connection IDs that other assemblies' frames carry.
    pub(super) async fn look(
        &mut self,
        settings: &Settings,
        (instance, slot): (u16, &mut Slot),
        others: &[(u16, u32)],
    ) -> Result<Found, Miss> {
        let size = match self.explicit.size(instance).await {
            // The meter is there; it is this assembly that is not what the profile says.
            Err(eip::Miss::Failure(wrong)) if wrong.kind == FailureKind::WrongSize => {
                return Err(Miss::Refused(Hindrance::WrongSize, wrong.sentence, NextStep::Stop));
            }
            // What the meter does not give when it is asked it may send all the same.
            Err(eip::Miss::Failure(_)) if self.explicit.eip.is_open() => self.explicit.known_size(instance),
            size => size?,
        };
        let size = size.or(self.explicit.smallest(instance)).unwrap_or_default();
        let addresses = self.explicit.eip.addresses().await?;
        let sender = self.hub.prepare(addresses.0).map_err(local)?;
        let mut ladder = ladder(settings.rpi, slot.rpi);
        let mut tried: Vec<Duration> = Vec::new();
        let mut varied: HashMap<NextStep, usize> = HashMap::new();
        let mut paths = settings.paths.iter().copied();
        let mut path = paths.next().unwrap_or((1, settings.application.heartbeat_instance()));
        let mut suggestions = 0;
        let (mut refused, mut lost) = (String::new(), false);
        while let Some((rpi, origin)) = ladder.pop_front() {
            let open = request(settings, (instance, slot.variations), path, (size, rpi));
            let asked = Instant::now();
            tried.push(rpi);
            // An open without an answer may have succeeded: it is closed before anything else is tried.
            self.leftovers.push((instance, closing(&open)));
            let answer = self.explicit.eip.open_connection(&open).await?;
            // One that is open already is this one: it was asked for twice, for the first answer was lost with its session.
            if answer.as_ref().is_err_and(|refused| refused.refusal.extended.first() == Some(&DUPLICATE)) {
                if !std::mem::replace(&mut lost, true) {
                    self.close_leftovers().await.map_err(Miss::Unreachable)?;
                    ladder.push_front((rpi, origin));
                    continue;
                }
            } else {
                self.leftovers.pop();
            }
            let refusal = match answer {
                Ok(accepted) => {
                    return match self.attach(sender, addresses, (&open, asked), &accepted, (settings, others))
                    {
                        Ok(attached) => {
                            let (rpi, close) = (accepted.opened.t2o_api, closing(&open));
                            let size = data_size(&open);
                            let connection = Connection { attached, close, rpi, origin, size, heard: false };
                            Ok(Found { connection, path })
                        }
                        Err(miss) => {
                            self.leave((instance, closing(&open)));
                            self.close_leftovers().await.map_err(Miss::Unreachable)?;
                            Err(miss)
                        }
                    };
                }
                Err(refused) => refused.refusal,
            };
            let (kind, (sentence, step)) = (Hindrance::from(&refusal), explain(&refusal));
            match step {
                NextStep::OtherRpi(suggested) if settings.application == Application::ListenOnly => {
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
                NextStep::Variable | NextStep::OtherPriority | NextStep::ChangeOfState => {
                    let tries = varied.entry(step).or_default();
                    *tries += 1;
                    if *tries > Variations::tries(step) {
                        let next = if step == NextStep::OtherPriority { step } else { NextStep::Stop };
                        return Err(Miss::Refused(kind, sentence, next));
                    }
                    slot.variations.vary(step);
                    ladder.push_front((rpi, origin));
                }
                NextStep::OtherPath => match paths.next() {
                    Some(other) => {
                        path = other;
                        ladder.push_front((rpi, origin));
                    }
                    None => return Err(Miss::Refused(kind, sentence, step)),
                },
                step => return Err(Miss::Refused(kind, sentence, step)),
            }
        }
        Err(Miss::Refused(
            Hindrance::NoInterval,
            format!("{refused}; none that was tried fits, set rpi to the owner's"),
            NextStep::Later,
        ))
    }

    /// Starts to receive and to send heartbeats.
    fn attach(
        &self,
        sender: Sender,
        (ours, meter): (SocketAddr, SocketAddr),
        (open, asked): (&ForwardOpen, Instant),
        accepted: &Accepted,
        (settings, others): (&Settings, &[(u16, u32)]),
    ) -> Result<Attached, Miss> {
        let opened = &accepted.opened;
        agreement::check(open, accepted, others.iter().copied())
            .map_err(|wrong| Miss::Refused((&wrong).into(), wrong.to_string(), NextStep::Later))?;
        let IpAddr::V4(meter) = meter.ip() else { return Err(local(HubError::NotIpv4)) };
        let agreed = Agreed {
            connection: opened.t2o_id,
            source: meter,
            size: data_size(open),
            api: opened.t2o_api,
            watchdog: opened.t2o_api * MULTIPLIER,
            asked,
        };
        let stream = Stream::new(agreed, settings.every_frame, Instant::now());
        // Heartbeats go to the meter itself, never to an address that a reply redirects to, and no faster
        // than configured.
        let to = SocketAddrV4::new(meter, class1::PORT);
        let every = opened.o2t_api.max(settings.heartbeat);
        let heartbeat = Heartbeat { connection: opened.o2t_id, to, every };
        self.hub.attach(sender, ours, accepted.group, heartbeat, stream).map_err(local)
    }
}

/// The packet intervals to begin with.
fn ladder(configured: Option<Duration>, remembered: Option<Duration>) -> VecDeque<(Duration, Origin)> {
    let first = match (configured, remembered) {
        (Some(rpi), _) => (rpi, Origin::Configured),
        (None, Some(rpi)) => (rpi, Origin::Remembered),
        (None, None) => (Duration::from_millis(LADDER[0]), Origin::Ladder),
    };
    VecDeque::from([first])
}

fn request(
    settings: &Settings,
    (instance, variations): (u16, Variations),
    (configuration, heartbeat): (u8, u8),
    (size, rpi): (u16, Duration),
) -> ForwardOpen {
    let triad = Triad { connection: rand::random(), vendor: VENDOR, serial: settings.originator };
    let mut open = ForwardOpen::new(
        settings.application,
        // The configuration lets nothing above 255 through.
        u8::try_from(instance).unwrap_or(u8::MAX),
        configuration,
        triad,
        (settings.heartbeat, rpi),
        size,
    );
    open.path.consumed = heartbeat;
    variations.apply(open)
}

/// Bytes of data in a frame.
fn data_size(open: &ForwardOpen) -> usize {
    usize::from(open.t2o.size() - SEQUENCE_COUNT_LEN)
}

fn closing(open: &ForwardOpen) -> ForwardClose {
    ForwardClose { triad: open.triad, path: open.path }
}

/// What is in the way on our own side may go away; a reply that cannot be is the meter's.
fn local(error: HubError) -> Miss {
    let next = match error {
        HubError::NoGroup | HubError::Group(_) => NextStep::WaitForRoom,
        _ => NextStep::Local,
    };
    Miss::Refused((&error).into(), error.to_string(), next)
}
