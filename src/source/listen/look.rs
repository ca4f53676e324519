//! Looks for an owner: one listen-only Forward Open, more of them only where the meter says what to change.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use crate::enip::forward_open::{Application, ForwardClose, ForwardOpen, SEQUENCE_COUNT_LEN, Triad};
use crate::enip::hub::{Heartbeat, HubError, Sender};
use crate::enip::refusal::{NextStep, explain};
use crate::enip::stream::Stream;
use crate::enip::{Accepted, class1};
use crate::source::{Failure, Gather, explicit};

use super::Listen;
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

impl Listen {
    /// Tries to open a connection, with every packet interval that makes sense.
    pub(super) async fn look(&mut self, instance: u16, gather: &mut Gather<'_>) -> Result<(), Miss> {
        let size = match self.explicit.size(instance, gather).await {
            // The meter is there; it is this assembly that is not what the profile says.
            Err(explicit::Miss::Failure(Failure::WrongSize(wrong))) => {
                return Err(Miss::Refused(wrong, NextStep::Stop));
            }
            size => size?,
        };
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
    pub(super) fn ladder(&self, instance: u16) -> VecDeque<(Duration, Origin)> {
        let remembered = self.slots.get(&instance).and_then(|slot| slot.rpi);
        let first = match (self.settings.rpi, remembered) {
            (Some(rpi), _) => (rpi, Origin::Configured),
            (None, Some(rpi)) => (rpi, Origin::Remembered),
            (None, None) => (Duration::from_millis(LADDER[0]), Origin::Ladder),
        };
        VecDeque::from([first])
    }

    /// Takes a variation up, or back if the owner before this one needed it.
    pub(super) fn vary(&mut self, instance: u16, step: NextStep) {
        let slot = self.slots.get_mut(&instance);
        if let Some(variation) = slot.and_then(|slot| slot.variations.of(step)) {
            *variation = !*variation;
        }
    }

    pub(super) fn open(&self, instance: u16, size: u16, rpi: Duration) -> ForwardOpen {
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
    pub(super) async fn attach(
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
}

fn closing(open: &ForwardOpen) -> ForwardClose {
    ForwardClose { triad: open.triad, path: open.path }
}

/// What is in the way on our own side may go away.
fn local(error: HubError) -> Miss {
    Miss::Refused(error.to_string(), NextStep::WaitForRoom)
}
