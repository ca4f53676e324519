//! What can befall one meter of a plant, by name.

use std::time::Duration;

use rand::Rng;
use telegraf_pm500::simulator::{Defects, FrameDefects};

use super::controlled::ControllerFault;
use super::plant::Kind;
use super::relay::spoil::Spoil;

/// Longer than the plugin of the plant waits for a reply.
const TOO_LATE: Duration = Duration::from_millis(400);
/// "Device busy".
const BUSY: u8 = 0x06;
/// CIP general status "device state conflict".
const STATE_CONFLICT: u8 = 0x10;

/// One thing that befalls a meter; it lasts until it is over, unless it is over at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It dies, and returns.
    Reboot,
    /// Its PLCs close their connections, and return.
    OwnersStop,
    /// Its PLCs vanish without a word, and return.
    OwnersCrash,
    /// A person resets its energy counters.
    CounterReset,
    /// It accepts connections and says nothing.
    Silent,
    /// One reply comes after the plugin has given up.
    LateReply,
    /// Its replies come in two segments.
    SplitReplies,
    /// Its replies carry another session handle.
    WrongSession,
    /// One reply ends early, and the connection with it.
    CutReply,
    /// It refuses a table.
    RefusedTable,
    /// It has another size of an assembly.
    WrongSize,
    /// It is busy, as a Modbus exception says.
    Busy,
    /// Some frames do not come.
    FramesLost,
    /// No frames come.
    FramesStop,
    /// The sequence of frames jumps.
    FramesJump,
    /// A frame comes twice.
    FrameTwice,
    /// Frames have another length.
    FramesTooShort,
    /// Frames are those of another connection.
    FramesForeign,
    /// What befalls the controller that it is read out of.
    Controller(ControllerFault),
    /// What the relay before it does.
    Relay(Spoil),
}

impl Trouble {
    /// One that befalls this kind of meter. Those that end listening are for the long run: an owner is looked for
    /// once a minute.
    pub(crate) fn random(random: &mut impl Rng, kind: Kind, relay: bool, long: bool) -> Trouble {
        use Trouble::*;
        let frames = [FramesLost, FramesJump, FrameTwice];
        let ethernet_ip = [Silent, LateReply, SplitReplies, WrongSession, CutReply, Reboot];
        let mut possible = match kind {
            Kind::Explicit => [&ethernet_ip[..], &[RefusedTable, WrongSize]].concat(),
            Kind::Listened if long => {
                let ends = [OwnersStop, OwnersCrash, FramesStop, FramesTooShort, FramesForeign];
                [&ethernet_ip[..], &ends, &frames].concat()
            }
            Kind::Listened => [&[LateReply, SplitReplies, WrongSession, CutReply][..], &frames].concat(),
            Kind::Controller => {
                use ControllerFault::{Download, Inhibited, Restart, Slow, TagDeleted, TagRetyped};
                let modules = [Silent, Reboot, FramesStop, FramesTooShort, FramesForeign];
                let controller =
                    [Restart, Slow, Download, Inhibited, ControllerFault::Silent].map(Controller);
                let mut possible = [&modules[..], &frames, &controller].concat();
                if long {
                    // A tag that does not fit is looked at again after a minute.
                    possible.extend([TagDeleted, TagRetyped].map(Controller));
                }
                possible
            }
            Kind::Modbus => vec![Silent, LateReply, Reboot, Busy, CounterReset, CounterReset],
        };
        if relay {
            let spoils = [
                Spoil::Delayed(Duration::from_millis(60)),
                Spoil::LateReply,
                Spoil::Split,
                Spoil::SlowDrip(Duration::from_millis(3)),
                Spoil::Merged,
                Spoil::Duplicate,
                Spoil::WrongSession,
                Spoil::WrongContext,
                Spoil::WrongService,
                Spoil::CorruptLength,
                Spoil::Cut,
                Spoil::Lost,
                Spoil::Reset,
                Spoil::HalfOpen,
                Spoil::Refused,
            ];
            possible.extend(spoils.map(Relay));
        }
        possible[random.random_range(0..possible.len())]
    }

    /// Its name in the table.
    pub(crate) fn name(self) -> String {
        match self {
            Trouble::Relay(Spoil::Delayed(_)) => "relay: Delayed".to_owned(),
            Trouble::Relay(Spoil::SlowDrip(_)) => "relay: SlowDrip".to_owned(),
            Trouble::Relay(spoil) => format!("relay: {spoil:?}"),
            Trouble::Controller(fault) => format!("controller: {fault:?}"),
            trouble => format!("{trouble:?}"),
        }
    }

    /// The faults of the simulated meter that make it, if it is one of those.
    pub(crate) fn defects(self) -> Option<Defects> {
        let none = Defects::default();
        let frames = |frames| Some(Defects { frames, ..Defects::default() });
        let still = FrameDefects::default();
        match self {
            Trouble::Silent => Some(Defects { silent: true, ..none }),
            Trouble::LateReply => Some(Defects { delay_next_reply: Some(TOO_LATE), ..none }),
            Trouble::SplitReplies => Some(Defects { split_replies: true, ..none }),
            Trouble::WrongSession => Some(Defects { session_handle: Some(0xBAD), ..none }),
            Trouble::CutReply => Some(Defects { truncate_next_reply: Some(30), ..none }),
            Trouble::RefusedTable => {
                Some(Defects { refused_assemblies: [(102, STATE_CONFLICT)].into(), ..none })
            }
            Trouble::WrongSize => Some(Defects { assembly_sizes: [(102, 76)].into(), ..none }),
            Trouble::Busy => Some(Defects { modbus_exceptions: [(0x0050, BUSY)].into(), ..none }),
            Trouble::FramesLost => frames(FrameDefects { drop_next: 8, ..still }),
            Trouble::FramesStop => frames(FrameDefects { drop_all: true, ..still }),
            Trouble::FramesJump => frames(FrameDefects { jump_next: Some(1000), ..still }),
            Trouble::FrameTwice => frames(FrameDefects { repeat_next: true, ..still }),
            Trouble::FramesTooShort => frames(FrameDefects { length: Some(40), ..still }),
            Trouble::FramesForeign => frames(FrameDefects { connection: Some(0xBAD), ..still }),
            _ => None,
        }
    }
}
