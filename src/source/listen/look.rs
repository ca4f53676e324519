//! Looks for an owner: one listen-only Forward Open, more of them only where the meter says what to change.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use crate::enip::forward_open::{Application, ForwardClose, ForwardOpen, SEQUENCE_COUNT_LEN, Triad};
use crate::enip::hub::{Heartbeat, HubError, Sender};
use crate::enip::refusal::{NextStep, explain};
use crate::enip::stream::{Agreed, Stream};
use crate::enip::{Accepted, class1};
use crate::source::transport::Connect;
use crate::source::{Failure, FailureKind, Notice, eip};

use super::Listen;
use super::agreement;
use super::slot::{Connection, MULTIPLIER, Origin, Variations};

/// Packet intervals to try when neither the configuration nor the meter names one, in milliseconds.
const LADDER: [u64; 8] = [10, 20, 50, 100, 200, 250, 500, 1000];
/// Suggestions followed in one look for an owner; a meter that has another one every time is not believed.
const MOST_SUGGESTIONS: usize = 2;
/// The vendor ID we open with. ODVA assigns IDs from the bottom; nobody holds this one.
const VENDOR: u16 = 0xFFF5;

/// Why a look for an owner found none.
pub(super) enum Miss {
    /// The meter cannot be reached at all; the next gather may try again.
    Unreachable(Failure),
    /// It can, and a request of this look got no answer, or none that makes sense: nothing was refused.
    Unanswered(Failure),
    /// It can, and this is what it, or our own network, says.
    Refused(String, NextStep),
}

impl From<eip::Miss> for Miss {
    fn from(miss: eip::Miss) -> Self {
        match miss {
            eip::Miss::Failure(failure) => Miss::Unreachable(failure),
            eip::Miss::Session(error) => Miss::Unanswered(error.into()),
        }
    }
}

impl<C: Connect> Listen<C> {
    /// Tries to open a connection, with every packet interval that makes sense.
    pub(super) async fn look(&mut self, instance: u16) -> Result<(), Miss> {
        let size = match self.explicit.size(instance).await {
            // The meter is there; it is this assembly that is not what the profile says.
            Err(eip::Miss::Failure(wrong)) if wrong.kind == FailureKind::WrongSize => {
                return Err(Miss::Refused(wrong.sentence, NextStep::Stop));
            }
            // What the meter does not give when it is asked it may send all the same.
            Err(eip::Miss::Failure(_)) if self.explicit.eip.is_open() => self.explicit.known_size(instance),
            size => size?,
        };
        let size = size.or(self.explicit.smallest(instance)).unwrap_or_default();
        let addresses = self.explicit.eip.addresses().await?;
        let sender = self.hub.prepare(addresses.0).map_err(local)?;
        let mut ladder = self.ladder(instance);
        let mut tried: Vec<Duration> = Vec::new();
        let mut varied: HashMap<NextStep, usize> = HashMap::new();
        let mut paths = self.settings.paths.clone().into_iter();
        let mut path = paths.next().unwrap_or((1, self.settings.application.heartbeat_instance()));
        let mut suggestions = 0;
        let mut refused = String::new();
        while let Some((rpi, origin)) = ladder.pop_front() {
            let open = self.open(instance, path, size, rpi);
            let asked = Instant::now();
            tried.push(rpi);
            // An open without an answer may have succeeded: it is closed before anything else is tried.
            self.leftovers.push((instance, closing(&open)));
            let answer = self.explicit.eip.open_connection(&open).await?;
            self.leftovers.pop();
            let (sentence, step) = match answer {
                Ok(accepted) => {
                    return self.attach(instance, sender, addresses, (&open, origin, asked), &accepted).await;
                }
                Err(refused) => explain(&refused.refusal),
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
                NextStep::Variable | NextStep::OtherPriority | NextStep::ChangeOfState => {
                    let tries = varied.entry(step).or_default();
                    *tries += 1;
                    if *tries > Variations::tries(step) {
                        let next = if step == NextStep::OtherPriority { step } else { NextStep::Stop };
                        return Err(Miss::Refused(sentence, next));
                    }
                    if let Some(slot) = self.slots.get_mut(&instance) {
                        slot.variations.vary(step);
                    }
                    ladder.push_front((rpi, origin));
                }
                NextStep::OtherPath => match paths.next() {
                    Some(other) => {
                        path = other;
                        ladder.push_front((rpi, origin));
                    }
                    None => return Err(Miss::Refused(sentence, step)),
                },
                step => return Err(Miss::Refused(sentence, step)),
            }
        }
        Err(Miss::Refused(
            format!("{refused}; none that was tried fits, set rpi to the owner's"),
            NextStep::Later,
        ))
    }

    /// The packet intervals to begin with.
    pub(super) fn ladder(&self, instance: u16) -> VecDeque<(Duration, Origin)> {
        let remembered = self.slots.get(&instance).and_then(|slot| slot.rpi);
        let first = match (self.settings.rpi, remembered) {
            (Some(rpi), _) => (rpi, Origin::Configured),
            (None, Some(rpi)) => (rpi, Origin::Remembered),
            (None, None) => (Duration::from_millis(LADDER[0]), Origin::Ladder),
        };
        VecDeque::from([first])
    }

    fn open(
        &self,
        instance: u16,
        (configuration, heartbeat): (u8, u8),
        size: u16,
        rpi: Duration,
    ) -> ForwardOpen {
        let triad = Triad { connection: rand::random(), vendor: VENDOR, serial: self.settings.originator };
        let mut open = ForwardOpen::new(
            self.settings.application,
            // The configuration lets nothing above 255 through.
            u8::try_from(instance).unwrap_or(u8::MAX),
            configuration,
            triad,
            (self.settings.heartbeat, rpi),
            size,
        );
        open.path.consumed = heartbeat;
        let variations = self.slots.get(&instance).map(|slot| slot.variations).unwrap_or_default();
        variations.apply(open)
    }

    /// Starts to receive and to send heartbeats; if that fails, the connection is closed again.
    async fn attach(
        &mut self,
        instance: u16,
        sender: Sender,
        (ours, meter): (SocketAddr, SocketAddr),
        (open, origin, asked): (&ForwardOpen, Origin, Instant),
        accepted: &Accepted,
    ) -> Result<(), Miss> {
        let (opened, close) = (&accepted.opened, closing(open));
        let size = usize::from(open.t2o.size() - SEQUENCE_COUNT_LEN);
        let others = self.slots.iter().filter(|(other, _)| **other != instance);
        let others = others.filter_map(|(other, slot)| {
            let connection = slot.connection.as_ref()?;
            Some((*other, connection.attached.stream.agreed().connection))
        });
        let agreed = agreement::check(open, accepted, others);
        let attached = match (meter.ip(), agreed) {
            (_, Err(disagreement)) => Err(Miss::Refused(disagreement.to_string(), NextStep::Later)),
            (IpAddr::V4(meter), Ok(())) => {
                let agreed = Agreed {
                    connection: opened.t2o_id,
                    source: meter,
                    size,
                    api: opened.t2o_api,
                    watchdog: opened.t2o_api * MULTIPLIER,
                    asked,
                };
                let stream = Stream::new(agreed, self.settings.every_frame, Instant::now());
                // Heartbeats go to the meter itself, never to an address that a reply redirects to, and no faster
                // than configured.
                let to = SocketAddrV4::new(meter, class1::PORT);
                let every = opened.o2t_api.max(self.settings.heartbeat);
                let heartbeat = Heartbeat { connection: opened.o2t_id, to, every };
                self.hub.attach(sender, ours, accepted.group, heartbeat, stream).map_err(local)
            }
            (IpAddr::V6(_), Ok(())) => Err(local(HubError::NotIpv4)),
        };
        match attached {
            Ok(attached) => {
                let rpi = opened.t2o_api;
                let connection = Connection { attached, close, rpi, origin, size, heard: false };
                let path = (open.path.configuration, open.path.consumed);
                if let Some(usual) = self.settings.paths.first()
                    && *usual != path
                {
                    let (configuration, heartbeat) = path;
                    self.notices.push(Notice::OtherPath { assembly: instance, configuration, heartbeat });
                }
                if let Some(slot) = self.slots.get_mut(&instance) {
                    slot.rpi = Some(rpi);
                    slot.connection = Some(connection);
                    slot.stopped_on = None;
                }
                Ok(())
            }
            Err(miss) => {
                self.leftovers.push((instance, close));
                self.close_leftovers().await.map_err(Miss::Unreachable)?;
                Err(miss)
            }
        }
    }
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
    Miss::Refused(error.to_string(), next)
}
