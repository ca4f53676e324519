//! One stream of frames: its pace, its sequence number, its samples. Pure: time is an argument.

use std::net::SocketAddrV4;
use std::time::Duration;

use tokio::time::Instant;

use super::frame_shape;
use crate::enip::class1::Frame;
use crate::enip::forward_open::{ForwardOpen, Kind};
use crate::simulator::defect::FrameDefects;

/// What the connections of a stream have in common, and where the stream stands.
#[derive(Debug)]
pub(super) struct Producer {
    /// Names the stream within its meter.
    pub(super) stream: u32,
    pub(super) assembly: u8,
    pub(super) kind: Kind,
    /// Whether it was started for a listener, beside a unicast owner.
    pub(super) for_listener: bool,
    pub(super) t2o_id: u32,
    pub(super) rpi: Duration,
    pub(super) variable: bool,
    pub(super) priority: u16,
    pub(super) transport: u8,
    pub(super) size: u16,
    pub(super) to: SocketAddrV4,
    /// Connections exist, frames do not come.
    pub(super) stopped: bool,
    /// When the next frame is due.
    pub(super) due: Instant,
    sequence: u32,
    count: u16,
    sampled: Option<Instant>,
    sample: Vec<u8>,
}

impl Producer {
    /// A stream as its first connection wants it, with the time of its first frame.
    pub(super) fn new(
        stream: u32,
        assembly: u8,
        open: &ForwardOpen,
        (kind, t2o_id, to): (Kind, u32, SocketAddrV4),
        due: Instant,
    ) -> Producer {
        Producer {
            stream,
            assembly,
            kind,
            for_listener: false,
            t2o_id,
            rpi: open.t2o_rpi,
            variable: open.t2o.is_variable(),
            priority: open.t2o.priority(),
            transport: open.transport,
            size: open.t2o.size(),
            to,
            stopped: false,
            due,
            sequence: 0,
            count: 0,
            sampled: None,
            sample: Vec::new(),
        }
    }

    /// Makes the frame that is due, unless a fault swallows it, and sets the time of the next one. `read` fills
    /// in the assembly's data when a sample is older than `period`; `header_len` bytes of status precede it.
    pub(super) fn produce(
        &mut self,
        now: Instant,
        period: Duration,
        header_len: u16,
        defects: &mut FrameDefects,
        read: impl FnOnce() -> Vec<u8>,
    ) -> Option<Vec<u8>> {
        let due = self.due;
        self.due += self.rpi;
        if self.due <= now {
            // What was missed is not made up for.
            self.due = now + self.rpi;
        }
        if self.sampled.is_none_or(|at| due.saturating_duration_since(at) >= period) {
            self.sample = frame_shape::RUN[..usize::from(header_len)].to_vec();
            self.sample.extend(read());
            self.sampled = Some(due);
            self.count = self.count.wrapping_add(1);
        }
        self.sequence = self.sequence.wrapping_add(1).wrapping_add(defects.jump_next.take().unwrap_or(0));
        if defects.drop_all {
            return None;
        }
        if defects.drop_next > 0 {
            defects.drop_next -= 1;
            return None;
        }
        let other_length = defects.length.map(|length| {
            let mut data = self.sample.clone();
            data.resize(length, 0);
            data
        });
        let connection = defects.connection.unwrap_or(self.t2o_id);
        let data = other_length.as_deref().unwrap_or(&self.sample);
        let frame = Frame { connection, sequence: self.sequence, count: self.count, data };
        Some(frame_shape::encode(&frame, defects.shape))
    }
}
