//! What can be wrong with a simulated meter, as data that is set while it runs.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use clap::ValueEnum;

use crate::enip::status::Refusal;
use crate::meter::identity::Identity;

/// The defects in force; the default is a healthy meter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defects {
    /// Connections are accepted and nothing is ever answered, on both protocols; no frames come, heartbeats
    /// are not heard.
    pub silent: bool,
    /// Assemblies whose every request is refused, with the CIP general status.
    pub refused_assemblies: BTreeMap<u16, u8>,
    /// Assemblies that have another size than the profile says, in bytes; attributes 3 and 4 agree on it.
    pub assembly_sizes: BTreeMap<u16, u16>,
    /// Another device answers at this address.
    pub identity: Option<Identity>,
    /// The next reply, on either protocol, comes this much later. Taken by that reply.
    pub delay_next_reply: Option<Duration>,
    /// The next EtherNet/IP reply ends after this many bytes and the connection closes. Taken by that reply.
    pub truncate_next_reply: Option<usize>,
    /// EtherNet/IP replies come in two TCP segments.
    pub split_replies: bool,
    /// EtherNet/IP replies carry this session handle.
    pub session_handle: Option<u32>,
    /// Modbus reads that cover one of these addresses get its exception code.
    pub modbus_exceptions: BTreeMap<u16, u8>,
    /// The next Forward Opens are refused like this, in this order. Each is taken by one.
    pub refused_opens: VecDeque<Refusal>,
    /// What is wrong with class 1 frames.
    pub frames: FrameDefects,
}

/// What can be wrong with class 1 frames; the default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrameDefects {
    /// No frames are sent; connections and heartbeats live on.
    pub drop_all: bool,
    /// This many frames are numbered and not sent. Counts down.
    pub drop_next: u32,
    /// The next frame's sequence number is ahead by this much. Taken by that frame.
    pub jump_next: Option<u32>,
    /// The next frame is sent twice. Taken by that frame.
    pub repeat_next: bool,
    /// Frames carry this many bytes of data.
    pub length: Option<usize>,
    /// Frames carry this connection ID.
    pub connection: Option<u32>,
    /// How frames are put together.
    pub shape: FrameShape,
}

/// How a class 1 frame is put together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum FrameShape {
    /// As the specification has it
    #[default]
    Usual,
    /// With a run/idle header that the connection's size does not count
    RunIdle,
    /// With a socket address item behind the data
    ExtraItem,
    /// With the data item before the address item
    SwappedItems,
}
