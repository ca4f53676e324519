//! The message router: one unconnected CIP request → one reply. Pure but for the record it keeps.
//!
//! Request: service USINT, path size in words USINT, path of logical segments, data. What exists: the
//! Identity object (class 1), the Assembly object (class 4) and the Connection Manager (class 6), whose
//! services are in [`class1::manager`](super::class1::manager). What reads is answered; what would change anything is recorded and refused.
//! Sources: 1420-UM001D p73-77 for objects and attributes, CIP Vol. 1 for the status of each refusal.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::BytesMut;
use rust_ethernet_ip_protocol::cip::{CipRequest, CipResponse};
use rust_ethernet_ip_protocol::{Decode, Encode};
use tokio::sync::broadcast;

use super::class1::Originator;
use super::class1::manager::{self, Answer};
use super::encapsulation::{Damage, Host, Reply};
use super::meter::Meter;
use super::record::Asked;
use crate::enip::forward_open::{FORWARD_CLOSE, FORWARD_OPEN};
use crate::enip::identity;
use crate::enip::message::{
    ASSEMBLY_CLASS, ASSEMBLY_DATA, ASSEMBLY_SIZE, GET_ATTRIBUTE_SINGLE, GET_ATTRIBUTES_ALL, IDENTITY_CLASS,
    REPLY,
};
use crate::enip::status::Refusal;
use crate::meter::identity::Identity;

const CONNECTION_MANAGER_CLASS: u16 = 6;
const SET_ATTRIBUTE_SINGLE: u8 = 0x10;
const UNCONNECTED_SEND: u8 = 0x52;

const PATH_SEGMENT_ERROR: u8 = 0x04;
const PATH_DESTINATION_UNKNOWN: u8 = 0x05;
const SERVICE_NOT_SUPPORTED: u8 = 0x08;
const ATTRIBUTE_NOT_SETTABLE: u8 = 0x0E;
const ATTRIBUTE_NOT_SUPPORTED: u8 = 0x14;
const PATH_SIZE_INVALID: u8 = 0x26;

/// Data, or the general status of a refusal.
type Outcome = Result<Vec<u8>, u8>;

/// A meter as its EtherNet/IP clients see it.
#[derive(Debug)]
pub(super) struct Router(pub(super) Arc<Meter>);

impl Host for Router {
    fn identity(&self) -> Identity {
        self.0.identity()
    }

    fn is_silent(&self) -> bool {
        self.0.is_silent()
    }

    fn register(&self) -> bool {
        self.0.change_record(|record| record.sessions += 1);
        true
    }

    fn leave(&self, unregistered: bool) {
        self.0.change_record(|record| record.unregistered += u64::from(unregistered));
    }

    fn answer(&self, message: &[u8], who: Originator) -> Option<Reply> {
        answer(&self.0, message, who)
    }

    fn take_damage(&self) -> Damage {
        self.0.take_damage()
    }

    fn expelled(&self) -> broadcast::Receiver<Ipv4Addr> {
        self.0.expelled()
    }
}

/// Answers a request; `None` when the bytes are too short to be one.
fn answer(meter: &Meter, message: &[u8], who: Originator) -> Option<Reply> {
    let service = *message.first()?;
    message.get(1)?;
    note(meter, service, message);
    let answer = match CipRequest::decode(&mut &message[..]) {
        Err(_) => refused(PATH_SIZE_INVALID),
        Ok(request) => match Target::parse(&request.path) {
            Some(CONNECTION_MANAGER) if matches!(service, FORWARD_OPEN | FORWARD_CLOSE) => {
                manager::answer(meter, service, &request.data, who)
            }
            Some(target) => match target.serve(meter, service) {
                Ok(data) => Answer { data, ..Answer::default() },
                Err(status) => refused(status),
            },
            None => refused(PATH_SEGMENT_ERROR),
        },
    };
    let (status, additional_status) =
        answer.refusal.map_or((0, Vec::new()), |refusal| (refusal.general, refusal.extended));
    let mut reply = BytesMut::new();
    let response = CipResponse { service: service | REPLY, status, additional_status, data: answer.data };
    response.encode(&mut reply);
    Some((reply, answer.items))
}

fn refused(general: u8) -> Answer {
    Answer { refusal: Some(Refusal { general, extended: Vec::new() }), ..Answer::default() }
}

/// Puts a request into the record, and the one that an Unconnected Send carries as well; class 0 stands for
/// a path that is none.
fn note(meter: &Meter, service: u8, message: &[u8]) {
    let request = CipRequest::decode(&mut &message[..]).ok();
    let target = request.as_ref().and_then(|request| Target::parse(&request.path));
    let Target { class, instance, attribute } =
        target.unwrap_or(Target { class: 0, instance: 0, attribute: None });
    meter.note(Asked::Cip { service, class, instance, attribute });
    // Priority, ticks, size UINT, message, route.
    if let (UNCONNECTED_SEND, Some([_, _, low, high, embedded @ ..])) =
        (service, request.as_ref().map(|request| &request.data[..]))
    {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(embedded.len());
        if let Some(service) = embedded.first().filter(|service| **service != UNCONNECTED_SEND) {
            note(meter, *service, &embedded[..length]);
        }
    }
}

const CONNECTION_MANAGER: Target = Target { class: CONNECTION_MANAGER_CLASS, instance: 1, attribute: None };

/// What a path points at; instance 0 is the class itself.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    class: u16,
    instance: u16,
    attribute: Option<u16>,
}

impl Target {
    /// Logical segments of 8 or 16 bits: class, instance, perhaps an attribute (padded EPATH).
    fn parse(path: &[u8]) -> Option<Target> {
        let (mut class, mut instance, mut attribute) = (None, None, None);
        let mut rest = path;
        while let [segment, tail @ ..] = rest {
            let (value, tail) = match (segment & 0x03, tail) {
                (0, [value, tail @ ..]) => (u16::from(*value), tail),
                (1, [0, low, high, tail @ ..]) => (u16::from_le_bytes([*low, *high]), tail),
                _ => return None,
            };
            match segment & 0xFC {
                0x20 => class = Some(value),
                0x24 => instance = Some(value),
                0x30 => attribute = Some(value),
                _ => return None,
            }
            rest = tail;
        }
        Some(Target { class: class?, instance: instance.unwrap_or(0), attribute })
    }

    fn serve(&self, meter: &Meter, service: u8) -> Outcome {
        let Target { class, instance, attribute } = *self;
        if class == u16::from(IDENTITY_CLASS) {
            match instance {
                0 => attributes(service, attribute, identity_class, &[1, 2, 6, 7]),
                1 => {
                    let identity = meter.identity();
                    let all = identity::encode(&identity);
                    attributes(service, attribute, |number| identity_attribute(&all, number), IDENTITY_ALL)
                }
                _ => Err(PATH_DESTINATION_UNKNOWN),
            }
        } else if class == u16::from(ASSEMBLY_CLASS) {
            if instance == 0 {
                return attributes(service, attribute, assembly_class, &[]);
            }
            let size = meter.assembly_size(instance)?.ok_or(PATH_DESTINATION_UNKNOWN)?;
            let get = |number| match number {
                n if n == u16::from(ASSEMBLY_DATA) => Some(meter.assembly(instance, size)),
                n if n == u16::from(ASSEMBLY_SIZE) => Some(size.to_le_bytes().to_vec()),
                _ => None,
            };
            attributes(service, attribute, get, &[])
        } else if class == CONNECTION_MANAGER_CLASS && instance <= 1 {
            Err(SERVICE_NOT_SUPPORTED)
        } else {
            Err(PATH_DESTINATION_UNKNOWN)
        }
    }
}

/// The services that objects of attributes have in common; `all` names those of Get_Attributes_All, if the
/// object offers it.
fn attributes(
    service: u8,
    attribute: Option<u16>,
    get: impl Fn(u16) -> Option<Vec<u8>>,
    all: &[u16],
) -> Outcome {
    let one = || attribute.and_then(&get).ok_or(ATTRIBUTE_NOT_SUPPORTED);
    match service {
        GET_ATTRIBUTE_SINGLE => one(),
        GET_ATTRIBUTES_ALL if !all.is_empty() => Ok(all.iter().filter_map(|n| get(*n)).flatten().collect()),
        SET_ATTRIBUTE_SINGLE => one().and(Err(ATTRIBUTE_NOT_SETTABLE)),
        _ => Err(SERVICE_NOT_SUPPORTED),
    }
}

const IDENTITY_ALL: &[u16] = &[1, 2, 3, 4, 5, 6, 7];

/// One attribute, cut out of all of them.
fn identity_attribute(all: &[u8], number: u16) -> Option<Vec<u8>> {
    let range = match number {
        1 => 0..2,
        2 => 2..4,
        3 => 4..6,
        4 => 6..8,
        5 => 8..10,
        6 => 10..14,
        7 => 14..all.len(),
        _ => return None,
    };
    Some(all.get(range)?.to_vec())
}

/// Revision, highest instance, number of instances, highest class and instance attribute.
fn identity_class(number: u16) -> Option<Vec<u8>> {
    words(match number {
        1..=3 => &[1],
        6 | 7 => &[7],
        _ => return None,
    })
}

/// Revision, highest instance, number of instances, optional attributes (how many, which), highest class
/// and instance attribute.
fn assembly_class(number: u16) -> Option<Vec<u8>> {
    words(match number {
        1 => &[2],
        2 => &[108],
        3 => &[9],
        4 => &[1, 4],
        6 => &[7],
        7 => &[4],
        _ => return None,
    })
}

fn words(words: &[u16]) -> Option<Vec<u8>> {
    Some(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Options;

    fn meter() -> Meter {
        Meter::new(&std::sync::Arc::new(Options { frozen: true, ..Options::default() }), 0)
    }

    const SOMEBODY: Originator = Originator { address: std::net::Ipv4Addr::LOCALHOST, port: 2222 };

    fn ask(meter: &Meter, request: &[u8]) -> Vec<u8> {
        answer(meter, request, SOMEBODY).unwrap().0.to_vec()
    }

    #[test]
    fn attributes_are_what_the_manual_lists() {
        let meter = meter();
        assert_eq!(ask(&meter, &[0x0E, 3, 0x20, 1, 0x24, 1, 0x30, 2]), [0x8E, 0, 0, 0, 0x92, 0]);
        let name = ask(&meter, &[0x0E, 3, 0x20, 1, 0x24, 1, 0x30, 7]);
        assert_eq!(name[4..], *b"\x10PowerMonitor 500");
        assert_eq!(ask(&meter, &[0x0E, 3, 0x20, 4, 0x24, 0, 0x30, 4]), [0x8E, 0, 0, 0, 1, 0, 4, 0]);
        assert_eq!(ask(&meter, &[0x0E, 3, 0x20, 4, 0x24, 104, 0x30, 4]), [0x8E, 0, 0, 0, 68, 0]);
        // The same instance in a 16-bit segment.
        let wide = [0x0E, 4, 0x20, 4, 0x25, 0, 104, 0, 0x30, 4];
        assert_eq!(ask(&meter, &wide), [0x8E, 0, 0, 0, 68, 0]);
        assert_eq!(ask(&meter, &[0x01, 2, 0x20, 1, 0x24, 1]).len(), 4 + 31);
        assert_eq!(ask(&meter, &[0x0E, 3, 0x20, 4, 0x24, 102, 0x30, 3]).len(), 4 + 72);
    }

    #[test]
    fn what_does_not_exist_is_refused_with_the_status_of_the_specification() {
        let meter = meter();
        let status = |request: &[u8]| ask(&meter, request)[2];
        assert_eq!(status(&[0x0E, 3, 0x20, 4, 0x24, 109, 0x30, 3]), 0x05, "instance");
        assert_eq!(status(&[0x0E, 3, 0x20, 0x99, 0x24, 1, 0x30, 1]), 0x05, "class");
        assert_eq!(status(&[0x0E, 3, 0x20, 4, 0x24, 101, 0x30, 9]), 0x14, "attribute");
        assert_eq!(status(&[0x0E, 2, 0x20, 4, 0x24, 101]), 0x14, "no attribute");
        assert_eq!(status(&[0x01, 2, 0x20, 4, 0x24, 101]), 0x08, "service");
        assert_eq!(status(&[0x52, 2, 0x20, 6, 0x24, 1, 0, 0]), 0x08, "Unconnected Send");
        assert_eq!(status(&[0x54, 2, 0x20, 6, 0x24, 1, 0, 0]), 0x13, "half a Forward Open");
        assert_eq!(status(&[0x4C, 2, 0x91, 2, b'a', b'b']), 0x04, "a tag name");
        assert_eq!(status(&[0x0E, 9, 0x20, 4]), 0x26, "path longer than the message");
        assert_eq!(answer(&meter, &[0x0E], SOMEBODY), None);
        // To read a tag is a vendor's own service: not known to be harmless.
        assert_eq!(meter.record().writes().len(), 1);
    }

    #[test]
    fn whoever_tries_to_write_is_refused_and_recorded() {
        let meter = meter();
        let status = |request: &[u8]| ask(&meter, request)[2];
        assert_eq!(status(&[0x10, 3, 0x20, 4, 0x24, 101, 0x30, 3, 1, 2]), 0x0E);
        assert_eq!(status(&[0x10, 3, 0x20, 1, 0x24, 1, 0x30, 99, 1]), 0x14);
        assert_eq!(status(&[0x05, 2, 0x20, 1, 0x24, 1]), 0x08);
        assert_eq!(status(&[0x4D, 2, 0x20, 0x6B, 0x24, 1]), 0x05);
        assert_eq!(meter.record().writes().len(), 4);
        // A tag by name, and a reset wrapped into an Unconnected Send.
        assert_eq!(status(&[0x4D, 2, 0x91, 2, b'a', b'b', 0xC3, 0, 1, 0, 1, 0]), 0x04);
        let wrapped = [0x52, 2, 0x20, 6, 0x24, 1, 7, 249, 6, 0, 0x05, 2, 0x20, 1, 0x24, 1, 1, 0, 1, 0];
        assert_eq!(status(&wrapped), 0x08);
        let reset = Asked::Cip { service: 0x05, class: 1, instance: 1, attribute: None };
        assert_eq!((meter.record().writes().len(), meter.record().count(reset)), (5, 2));
    }
}
