//! Connections of class 3, which many clients read through: Forward Open to the message router, and its close.
//!
//! Source: CIP Vol. 1, tables 3-5.16 to 3-5.21. Parameters are UINT in Forward Open and UDINT in its large form.

use std::collections::BTreeMap;

use super::route::{self, Leads};
use super::tag_services::refused;
use crate::enip::status::Refusal;

pub(super) const FORWARD_CLOSE: u8 = 0x4E;
pub(super) const FORWARD_OPEN: u8 = 0x54;
pub(super) const LARGE_FORWARD_OPEN: u8 = 0x5B;

const CONNECTION_FAILURE: u8 = 0x01;
const NOT_ENOUGH_DATA: u8 = 0x13;
const NOT_FOUND: u16 = 0x0107;
const TRANSPORT: u16 = 0x0103;
const NO_CONNECTION_LEFT: u16 = 0x0113;
const INVALID_SEGMENT: u16 = 0x0315;

const CLASS_3: u8 = 3;
const MESSAGE_ROUTER: [u8; 4] = [0x20, 0x02, 0x24, 0x01];
/// Connections at one time.
const MOST: usize = 32;

/// Connection serial, vendor and originator serial: 8 bytes that come back as they came.
type Triad = [u8; 8];

/// An open connection.
#[derive(Debug, Clone, Copy)]
struct Connection {
    triad: Triad,
    t2o_id: u32,
    /// Most bytes of a reply, its sequence count included.
    size: usize,
}

/// The connections of a controller, by the ID of what comes in.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: BTreeMap<u32, Connection>,
}

fn failure(extended: u16) -> Refusal {
    Refusal { general: CONNECTION_FAILURE, extended: vec![extended] }
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Nothing is open any more.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    /// Connection ID and size of what goes out, by the ID of what comes in.
    pub(super) fn reply(&self, o2t_id: u32) -> Option<(u32, usize)> {
        self.open.get(&o2t_id).map(|connection| (connection.t2o_id, connection.size))
    }

    /// Answers a Forward Open.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn open(
        &mut self,
        service: u8,
        data: &[u8],
        slot: u8,
        bridge: bool,
    ) -> Result<Vec<u8>, Refusal> {
        let request =
            Request::decode(data, service == LARGE_FORWARD_OPEN).ok_or_else(|| refused(NOT_ENOUGH_DATA))?;
        let route = request.path.strip_suffix(&MESSAGE_ROUTER).ok_or_else(|| failure(INVALID_SEGMENT))?;
        if route::leads(route, slot, bridge) != Leads::Here {
            return Err(failure(INVALID_SEGMENT));
        }
        if request.transport & 0x0F != CLASS_3 {
            return Err(failure(TRANSPORT));
        }
        if self.open.len() >= MOST {
            return Err(failure(NO_CONNECTION_LEFT));
        }
        let o2t_id = rand::random();
        let Request { triad, t2o_id, size, o2t_rpi, t2o_rpi, .. } = request;
        self.open.insert(o2t_id, Connection { triad, t2o_id, size });
        Ok([&o2t_id.to_le_bytes()[..], &t2o_id.to_le_bytes(), &triad, &o2t_rpi, &t2o_rpi, &[0, 0]].concat())
    }

    /// Answers a Forward Close: priority and ticks USINT each, triad, path.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn close(&mut self, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        let triad: Triad = data
            .get(2..10)
            .and_then(|triad| triad.try_into().ok())
            .ok_or_else(|| refused(NOT_ENOUGH_DATA))?;
        let open = self.open.len();
        self.open.retain(|_, connection| connection.triad != triad);
        if self.open.len() == open { Err(failure(NOT_FOUND)) } else { Ok([&triad[..], &[0, 0]].concat()) }
    }
}

/// A Forward Open of either form.
struct Request<'a> {
    t2o_id: u32,
    triad: Triad,
    o2t_rpi: [u8; 4],
    t2o_rpi: [u8; 4],
    size: usize,
    transport: u8,
    path: &'a [u8],
}

impl<'a> Request<'a> {
    fn decode(data: &'a [u8], large: bool) -> Option<Request<'a>> {
        let four = |at: usize| data.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let parameters = if large { 4 } else { 2 };
        let t2o_rpi = 26 + parameters;
        let t2o = data.get(t2o_rpi + 4..t2o_rpi + 4 + parameters)?;
        let size = match *t2o {
            [low, high, _, _] => usize::from(u16::from_le_bytes([low, high])),
            // Nine bits of size.
            [low, high] => usize::from(u16::from_le_bytes([low, high]) & 0x01FF),
            _ => return None,
        };
        let after = t2o_rpi + 4 + parameters;
        let [transport, words, path @ ..] = data.get(after..)? else { return None };
        Some(Request {
            t2o_id: u32::from_le_bytes(four(6)?),
            triad: data.get(10..18)?.try_into().ok()?,
            o2t_rpi: four(22)?,
            t2o_rpi: four(t2o_rpi)?,
            size,
            transport: *transport,
            path: path.get(..2 * usize::from(*words))?,
        })
    }
}
