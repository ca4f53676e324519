//! The way from the controller's port to the controller: an Unconnected Send (0x52) to the Connection Manager.
//!
//! Data: priority and tick time USINT, timeout ticks USINT, length of the message UINT, the message, a zero byte if
//! that is odd, length of the route in words USINT, reserved USINT, the route. The reply is the message's own, or one
//! of service 0xD2 that says where on the way it failed. A port segment is the port's number and the link's: a number,
//! or a text behind its length. Source: CIP Vol. 1, 3-5.5.4; 1756-PM020.

use std::fmt;
use std::str::FromStr;

use bytes::BytesMut;
use rust_ethernet_ip_protocol::cip::CipRequest;

use crate::enip::message::UNCONNECTED_SEND;

/// Class 6 (Connection Manager), instance 1.
const CONNECTION_MANAGER: [u8; 4] = [0x20, 0x06, 0x24, 0x01];
/// Ticks of 1024 ms (priority 0, tick 10), and how many of them a message may take.
const TICK: u8 = 0x0A;
const TICKS: u8 = 5;
/// Set in the port number when the link's address has a length of its own.
const LONG_LINK: u8 = 0x10;
/// Port numbers from here on would need a longer form.
const FIRST_LONG_PORT: u8 = 15;
/// Most hops; each costs time on a network that is not ours.
const MOST_HOPS: usize = 8;

/// A route: pairs of a port and a link. Without any, the port answers itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Route {
    text: String,
    path: Vec<u8>,
}

/// Why a text is no route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no route; write pairs of a port and a link: \"1,0\" is the backplane and slot 0, \"\" is the port itself"
)]
pub struct RouteError(String);

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let wrong = || RouteError(text.to_owned());
        let words: Vec<&str> = text.split([',', '/']).map(str::trim).collect();
        if text.trim().is_empty() {
            return Ok(Route::default());
        }
        let mut path = Vec::new();
        if words.len() % 2 == 1 || words.len() / 2 > MOST_HOPS {
            return Err(wrong());
        }
        for hop in words.chunks_exact(2) {
            let port: u8 = hop[0].parse().map_err(|_| wrong())?;
            if port == 0 || port >= FIRST_LONG_PORT {
                return Err(wrong());
            }
            path.extend(segment(port, hop[1]).ok_or_else(wrong)?);
        }
        Ok(Route { text: words.join(","), path })
    }
}

fn segment(port: u8, link: &str) -> Option<Vec<u8>> {
    if let Ok(slot) = link.parse::<u8>() {
        return Some(vec![port, slot]);
    }
    // An address on another network, which the module there resolves.
    let length = u8::try_from(link.len()).ok().filter(|length| (1..=64).contains(length))?;
    if !link.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-')) {
        return None;
    }
    let mut segment = vec![port | LONG_LINK, length];
    segment.extend(link.bytes());
    if segment.len() % 2 == 1 {
        segment.push(0);
    }
    Some(segment)
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Route {
    /// Whether the port itself is the controller.
    pub fn is_direct(&self) -> bool {
        self.path.is_empty()
    }

    /// The request along this route.
    pub(super) fn wrap(&self, request: CipRequest) -> CipRequest {
        if self.is_direct() {
            return request;
        }
        let mut message = BytesMut::new();
        // A tag's path is never empty, odd or long, which is all that encoding can refuse.
        let _ = request.encode(&mut message);
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        let mut data = vec![TICK, TICKS];
        data.extend(length.to_le_bytes());
        data.extend(&message);
        if message.len() % 2 == 1 {
            data.push(0);
        }
        data.push(u8::try_from(self.path.len() / 2).unwrap_or(u8::MAX));
        data.push(0);
        data.extend(&self.path);
        CipRequest::new(UNCONNECTED_SEND, CONNECTION_MANAGER.to_vec(), data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_zero_of_the_backplane_is_the_published_route() {
        let route: Route = "1,0".parse().unwrap();
        let wrapped = route.wrap(CipRequest::new(0x4C, vec![0x91, 1, b'A', 0], vec![1, 0]));
        let golden = [0x0A, 5, 8, 0, 0x4C, 2, 0x91, 1, b'A', 0, 1, 0, 1, 0, 1, 0];
        assert_eq!(
            (wrapped.service, wrapped.path, wrapped.data),
            (0x52, CONNECTION_MANAGER.to_vec(), golden.to_vec())
        );
    }

    #[test]
    fn without_a_route_the_request_goes_as_it_is() {
        let request = CipRequest::new(0x4C, vec![0x91, 1, b'A', 0], vec![1, 0]);
        let direct: Route = "".parse().unwrap();
        assert!(direct.is_direct());
        assert_eq!(direct.wrap(request.clone()), request);
    }

    #[test]
    fn a_link_may_be_an_address_and_a_route_may_have_hops() {
        let route: Route = "1, 3, 2, 10.0.0.5, 1,0".parse().unwrap();
        let golden = [&[1, 3, 0x12, 8][..], b"10.0.0.5", &[1, 0]].concat();
        assert_eq!(route.path, golden);
        assert_eq!(route.to_string(), "1,3,2,10.0.0.5,1,0");
        for wrong in ["1", "1,", "0,0", "15,0", "1,0,2", "a,b", "1,x y", &"1,0,".repeat(9)] {
            assert!(wrong.parse::<Route>().is_err(), "{wrong}");
        }
    }
}
