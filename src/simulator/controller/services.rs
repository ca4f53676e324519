//! The controller's message router: one CIP request → one reply, on its own or in another one.
//!
//! Served: tags (Read Tag, Read Tag Fragmented), Identity, Multiple Service Packet, Unconnected Send, Forward Open of
//! class 3. Everything that would change something is recorded and refused. Behind a communication module
//! ([`ControllerOptions::bridge`](super::ControllerOptions::bridge)) only what comes along the route reaches the
//! controller.

use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use rust_ethernet_ip_protocol::Decode;
use rust_ethernet_ip_protocol::cip::CipRequest;
use tokio::sync::broadcast;

use super::connected::{self, Connections};
use super::defect::ControllerDefects;
use super::path::{Path, Step};
use super::program::Program;
use super::record::ControllerRecord;
use super::route::{self, Leads, Routed};
use super::tag_services::{self, Outcome, READ_TAG, READ_TAG_FRAGMENTED, refused};
use crate::enip::identity;
use crate::enip::message::{GET_ATTRIBUTE_SINGLE, GET_ATTRIBUTES_ALL, REPLY};
use crate::enip::status::Refusal;
use crate::meter::identity::Identity;
use crate::simulator::class1::Originator;
use crate::simulator::encapsulation::{Damage, Host, Reply};

const MULTIPLE_SERVICES: u8 = 0x0A;
const GET_ATTRIBUTE_LIST: u8 = 0x03;
const GET_INSTANCES: u8 = 0x55;
const UNCONNECTED_SEND: u8 = 0x52;

const IDENTITY: u16 = 1;
const MESSAGE_ROUTER: u16 = 2;
const CONNECTION_MANAGER: u16 = 6;

const CONNECTION_FAILURE: u8 = 0x01;
const PATH_SEGMENT_ERROR: u8 = 0x04;
const PATH_DESTINATION_UNKNOWN: u8 = 0x05;
const SERVICE_NOT_SUPPORTED: u8 = 0x08;
const PRIVILEGE_VIOLATION: u8 = 0x0F;
const REPLY_TOO_LARGE: u8 = 0x11;
const NOT_ENOUGH_DATA: u8 = 0x13;
const ATTRIBUTE_NOT_SUPPORTED: u8 = 0x14;
const EMBEDDED_SERVICE_ERROR: u8 = 0x1E;
const INVALID_PORT: u16 = 0x0311;
const INVALID_LINK: u16 = 0x0312;

/// Bytes of a message without a connection.
const UNCONNECTED_SIZE: usize = 504;
/// Service, reserved, status, words of additional status.
const REPLY_HEAD: usize = 4;
/// Most services in one packet.
const MOST_SERVICES: usize = 200;

/// Status of the Identity object: run, and the key at program.
const RUN: u16 = 0x3160;
const PROGRAM: u16 = 0x2160;

/// A controller without its sockets.
#[derive(Debug)]
pub(super) struct Services {
    program: Program,
    slot: u8,
    bridge: bool,
    sessions: u64,
    serial: u32,
    expelled: broadcast::Sender<Ipv4Addr>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    defects: ControllerDefects,
    record: ControllerRecord,
    connections: Connections,
}

impl Services {
    pub(super) fn new(program: Program, slot: u8, bridge: bool, sessions: u64) -> Services {
        let expelled = broadcast::channel(1).0;
        let serial = rand::random();
        Services { program, slot, bridge, sessions, serial, expelled, state: Mutex::default() }
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    pub(super) fn defects(&self) -> ControllerDefects {
        self.state().defects.clone()
    }

    pub(super) fn set_defects(&self, defects: ControllerDefects) {
        self.state().defects = defects;
    }

    pub(super) fn record(&self) -> ControllerRecord {
        let state = self.state();
        let mut record = state.record.clone();
        record.connections = state.connections.len() as u64;
        record
    }

    /// Its sessions and connections are gone.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.connections.clear();
        state.record.open_sessions = 0;
    }

    /// The program, to end it.
    pub(super) fn into_program(self) -> Program {
        self.program
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a message is answered that came from outside, without a connection.
    fn arrived(&self, message: &[u8]) -> Option<Vec<u8>> {
        let request = Request::decode(message)?;
        let connecting = [connected::FORWARD_OPEN, connected::LARGE_FORWARD_OPEN, connected::FORWARD_CLOSE];
        match request.path {
            Some(Path::Object { class: CONNECTION_MANAGER, instance: 1, .. })
                if request.service == UNCONNECTED_SEND =>
            {
                self.note(&request);
                Some(self.send_on(&request))
            }
            Some(Path::Object { class: CONNECTION_MANAGER, instance: 1, .. })
                if connecting.contains(&request.service) =>
            {
                self.note(&request);
                let mut state = self.state();
                let outcome = if request.service == connected::FORWARD_CLOSE {
                    state.connections.close(&request.data)
                } else {
                    state.connections.open(request.service, &request.data, self.slot, self.bridge)
                };
                drop(state);
                Some(self.reply(request.service, outcome.map(|data| (0, data))))
            }
            // The communication module knows no tags, nor messages that carry several reads of them.
            Some(Path::Tag(_) | Path::Object { class: MESSAGE_ROUTER, .. }) if self.bridge => {
                self.note(&request);
                Some(self.reply(request.service, Err(refused(SERVICE_NOT_SUPPORTED))))
            }
            _ => Some(self.serve(&request, UNCONNECTED_SIZE)),
        }
    }

    /// Unconnected Send: the reply is that of the message inside.
    fn send_on(&self, request: &Request) -> Vec<u8> {
        let refuse = |refusal| self.reply(UNCONNECTED_SEND, Err(refusal));
        let Some(routed) = Routed::decode(&request.data) else { return refuse(refused(NOT_ENOUGH_DATA)) };
        let failure = |extended| Refusal { general: CONNECTION_FAILURE, extended: vec![extended] };
        match route::leads(routed.route, self.slot, self.bridge) {
            Leads::NoPort => refuse(failure(INVALID_PORT)),
            Leads::NoModule => refuse(failure(INVALID_LINK)),
            Leads::Here => match Request::decode(routed.message) {
                Some(inside) => self.serve(&inside, UNCONNECTED_SIZE),
                None => refuse(refused(NOT_ENOUGH_DATA)),
            },
        }
    }

    /// Serves a request that has reached the controller; the reply has at most `size` bytes.
    fn serve(&self, request: &Request, size: usize) -> Vec<u8> {
        self.note(request);
        let room = size.saturating_sub(REPLY_HEAD);
        let outcome = match &request.path {
            None => Err(refused(PATH_SEGMENT_ERROR)),
            Some(_) if request.writes() => Err(refused(PRIVILEGE_VIOLATION)),
            Some(Path::Tag(steps)) => {
                let defects = self.defects();
                let asked = (&steps[..], &request.data[..]);
                tag_services::serve(&self.program, &defects, request.service, asked, room)
            }
            Some(Path::Object { class: MESSAGE_ROUTER, .. }) if request.service == MULTIPLE_SERVICES => {
                self.serve_many(&request.data, room)
            }
            Some(Path::Object { class: IDENTITY, instance: 1, attribute }) => {
                self.serve_identity(request.service, *attribute)
            }
            Some(Path::Object { .. }) => Err(refused(PATH_DESTINATION_UNKNOWN)),
        };
        self.reply(request.service, outcome)
    }

    /// Number of services UINT, offset of each UINT from the number on, then each service; the same comes back.
    fn serve_many(&self, data: &[u8], room: usize) -> Outcome {
        let word = |at: usize| {
            let bytes = data.get(at..at + 2).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
            bytes.map(|bytes| usize::from(u16::from_le_bytes(bytes))).ok_or_else(|| refused(NOT_ENOUGH_DATA))
        };
        let count = word(0)?;
        if count > MOST_SERVICES {
            return Err(refused(NOT_ENOUGH_DATA));
        }
        let head = 2 + 2 * count;
        let (mut replies, mut used, mut status) = (Vec::new(), head, 0);
        for n in 0..count {
            let from = word(2 + 2 * n)?;
            let to = if n + 1 < count { word(4 + 2 * n)? } else { data.len() };
            let message = data.get(from..to).ok_or_else(|| refused(NOT_ENOUGH_DATA))?;
            let request = Request::decode(message).ok_or_else(|| refused(NOT_ENOUGH_DATA))?;
            let mut reply = self.serve(&request, room.saturating_sub(used));
            if used + reply.len() > room {
                reply = self.reply(request.service, Err(refused(REPLY_TOO_LARGE)));
            }
            if reply.get(2).is_some_and(|general| *general != 0) {
                status = EMBEDDED_SERVICE_ERROR;
            }
            used += reply.len();
            replies.push(reply);
        }
        let mut offset = head;
        let mut all = (count as u16).to_le_bytes().to_vec();
        for reply in &replies {
            all.extend((offset as u16).to_le_bytes());
            offset += reply.len();
        }
        all.extend(replies.concat());
        Ok((status, all))
    }

    fn serve_identity(&self, service: u8, attribute: Option<u16>) -> Outcome {
        let all = identity::encode(&self.identity());
        match (service, attribute) {
            (GET_ATTRIBUTES_ALL, _) => Ok((0, all)),
            (GET_ATTRIBUTE_SINGLE, Some(number)) => {
                let range = match number {
                    1..=4 => (number as usize - 1) * 2..number as usize * 2,
                    5 => 8..10,
                    6 => 10..14,
                    7 => 14..all.len(),
                    _ => return Err(refused(ATTRIBUTE_NOT_SUPPORTED)),
                };
                Ok((0, all.get(range).unwrap_or_default().to_vec()))
            }
            _ => Err(refused(SERVICE_NOT_SUPPORTED)),
        }
    }

    /// Service, reserved USINT 0, general status USINT, words of additional status USINT, additional status, data.
    fn reply(&self, service: u8, outcome: Outcome) -> Vec<u8> {
        let (general, extended, data) = match outcome {
            Ok((general, data)) => (general, Vec::new(), data),
            Err(Refusal { general, extended }) => (general, extended, Vec::new()),
        };
        let reads = [READ_TAG, READ_TAG_FRAGMENTED].contains(&service);
        if reads && self.state().defects.status_truncated {
            return vec![service | REPLY, 0, general, 1];
        }
        let words = extended.iter().flat_map(|word| word.to_le_bytes());
        [service | REPLY, 0, general, extended.len() as u8].into_iter().chain(words).chain(data).collect()
    }

    fn note(&self, request: &Request) {
        let target = request.target();
        let record = &mut self.state().record;
        if request.writes() {
            record.note_write(request.service, target);
        } else {
            record.note_read(request.service, target);
        }
    }
}

/// One request, taken apart.
#[derive(Debug)]
struct Request {
    service: u8,
    /// `None` for a path that is none.
    path: Option<Path>,
    data: Vec<u8>,
}

impl Request {
    /// `None` when the bytes are too short to be a request.
    fn decode(message: &[u8]) -> Option<Request> {
        let [service, _, ..] = *message else { return None };
        Some(match CipRequest::decode(&mut &message[..]) {
            Ok(request) => Request { service, path: Path::parse(&request.path), data: request.data.to_vec() },
            Err(_) => Request { service, path: None, data: Vec::new() },
        })
    }

    /// Whether it could change something. Only what is known to read is known to be harmless.
    fn writes(&self) -> bool {
        let manages = matches!(self.path, Some(Path::Object { class: CONNECTION_MANAGER, .. }));
        match self.service {
            GET_ATTRIBUTES_ALL | GET_ATTRIBUTE_LIST | GET_ATTRIBUTE_SINGLE | MULTIPLE_SERVICES | READ_TAG
            | READ_TAG_FRAGMENTED | GET_INSTANCES => false,
            connected::FORWARD_OPEN | connected::LARGE_FORWARD_OPEN | connected::FORWARD_CLOSE => !manages,
            _ => true,
        }
    }

    /// What it goes to, in words: a tag's name, or class, instance and attribute.
    fn target(&self) -> String {
        match &self.path {
            None => String::new(),
            Some(Path::Object { class, instance, attribute: None }) => format!("{class}/{instance}"),
            Some(Path::Object { class, instance, attribute: Some(attribute) }) => {
                format!("{class}/{instance}/{attribute}")
            }
            Some(Path::Tag(steps)) => steps.iter().fold(String::new(), |name, step| match step {
                Step::Name(part) if name.is_empty() => part.clone(),
                Step::Name(part) => format!("{name}.{part}"),
                Step::Index(index) => format!("{name}[{index}]"),
            }),
        }
    }
}

impl Host for Services {
    fn identity(&self) -> Identity {
        let program = self.state().defects.program_mode;
        Identity {
            vendor: 1,
            device_type: 0x0E,
            product_code: 0x00A6,
            revision: (33, 11),
            status: if program { PROGRAM } else { RUN },
            serial: self.serial,
            product_name: "1756-L83E/B simulated".to_owned(),
        }
    }

    fn is_silent(&self) -> bool {
        self.state().defects.silent
    }

    fn register(&self) -> bool {
        let record = &mut self.state().record;
        if record.open_sessions >= self.sessions {
            record.sessions_refused += 1;
            return false;
        }
        record.sessions += 1;
        record.open_sessions += 1;
        true
    }

    fn leave(&self, _: bool) {
        let record = &mut self.state().record;
        record.open_sessions = record.open_sessions.saturating_sub(1);
    }

    fn answer(&self, message: &[u8], _: Originator) -> Option<Reply> {
        self.state().record.messages += 1;
        Some((BytesMut::from(&self.arrived(message)?[..]), Vec::new()))
    }

    fn answer_connected(&self, connection: u32, message: &[u8]) -> Option<(u32, Vec<u8>)> {
        let (to, size) = {
            let mut state = self.state();
            state.record.messages += 1;
            state.connections.reply(connection)?
        };
        let request = Request::decode(message)?;
        // The sequence count is part of the connection's size.
        Some((to, self.serve(&request, size.saturating_sub(2))))
    }

    fn take_damage(&self) -> Damage {
        let defects = &mut self.state().defects;
        let delay = defects.delay_next_reply.take().unwrap_or_default() + defects.delay;
        Damage { delay: (!delay.is_zero()).then_some(delay), ..Damage::default() }
    }

    fn expelled(&self) -> broadcast::Receiver<Ipv4Addr> {
        self.expelled.subscribe()
    }
}
