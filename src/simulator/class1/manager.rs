//! The Connection Manager's Forward Open and Forward Close: bytes ↔ requests.
//!
//! A refused request is answered with its triad and two more bytes, so that its originator knows which one it
//! was. Source: CIP Vol. 1 tables 3-5.18 to 3-5.21.

use tokio::time::Instant;

use super::connections::Originator;
use super::path::Points;
use super::refusal::{PRODUCED_PATH, refusal};
use crate::enip::forward_open::{
    FORWARD_OPEN, ForwardClose, ForwardOpen, SOCKADDR_O2T_ITEM, SOCKADDR_T2O_ITEM, Triad, encode_sockaddr,
};
use crate::enip::status::Refusal;
use crate::simulator::meter::Meter;

const NOT_ENOUGH_DATA: u8 = 0x13;

/// What comes back: the data of a good or a bad reply, and socket address items.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Answer {
    /// `None` when the request was good.
    pub(in crate::simulator) refusal: Option<Refusal>,
    pub(in crate::simulator) data: Vec<u8>,
    /// Item type and data.
    pub(in crate::simulator) items: Vec<(u16, Vec<u8>)>,
}

/// Answers a Forward Open or Forward Close.
pub(in crate::simulator) fn answer(meter: &Meter, service: u8, data: &[u8], who: Originator) -> Answer {
    let now = Instant::now();
    if service == FORWARD_OPEN { open(meter, data, who, now) } else { close(meter, data) }
}

fn open(meter: &Meter, data: &[u8], who: Originator, now: Instant) -> Answer {
    let Ok((open, other_path)) = ForwardOpen::decode(data) else { return not_enough_data() };
    let path = other_path.unwrap_or_else(|| open.path.encode().to_vec());
    let granted = (|| {
        if let Some(refusal) = meter.take_forced_refusal() {
            meter.connections().refused(&refusal);
            return Err(refusal);
        }
        let (points, size) =
            target(meter, &path).inspect_err(|refusal| meter.connections().refused(refusal))?;
        meter.connections().open(&open, &points, size, who, now)
    })();
    match granted {
        Ok(granted) => {
            meter.io_changed();
            let mut items = vec![(SOCKADDR_O2T_ITEM, encode_sockaddr(granted.heartbeat))];
            items.extend(granted.group.map(|group| (SOCKADDR_T2O_ITEM, encode_sockaddr(group))));
            Answer { refusal: None, data: granted.opened.encode(), items }
        }
        Err(refusal) => refused(open.triad, refusal),
    }
}

/// Where the path leads, and how large the assembly is.
fn target(meter: &Meter, path: &[u8]) -> Result<(Points, u16), Refusal> {
    let points = Points::parse(path, &meter.identity())?;
    let size = meter
        .assembly_size(points.produced)
        .map_err(|general| Refusal { general, extended: Vec::new() })?
        .ok_or_else(|| refusal(PRODUCED_PATH))?;
    Ok((points, size))
}

fn close(meter: &Meter, data: &[u8]) -> Answer {
    let Ok(triad) = ForwardClose::triad(data) else { return not_enough_data() };
    let closed = meter.connections().close(triad);
    match closed {
        Ok(()) => {
            meter.io_changed();
            Answer { data: with_two_bytes(triad), ..Answer::default() }
        }
        Err(refusal) => refused(triad, refusal),
    }
}

fn refused(triad: Triad, refusal: Refusal) -> Answer {
    Answer { refusal: Some(refusal), data: with_two_bytes(triad), items: Vec::new() }
}

fn not_enough_data() -> Answer {
    let refusal = Refusal { general: NOT_ENOUGH_DATA, extended: Vec::new() };
    Answer { refusal: Some(refusal), ..Answer::default() }
}

/// Triad, then size of application reply or of remaining path USINT 0, then a reserved USINT.
fn with_two_bytes(triad: Triad) -> Vec<u8> {
    let mut data = Vec::with_capacity(10);
    data.extend(triad.connection.to_le_bytes());
    data.extend(triad.vendor.to_le_bytes());
    data.extend(triad.serial.to_le_bytes());
    data.extend([0, 0]);
    data
}
