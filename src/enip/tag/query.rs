//! What can be sent to a controller: a read of its identity, of a tag, of a part of one, or of several tags, along a
//! route. A [`Query`] is built here only, and none of them writes.

use std::fmt;

use bytes::BytesMut;
use rust_ethernet_ip_protocol::cip::CipRequest;

use super::multiple::encode_multiple;
use super::read::{Fragment, TagRead};
use super::route::Route;
use crate::enip::message::{GET_ATTRIBUTES_ALL, Malformed, Read, encode_request, response};
use crate::enip::status::Refusal;

/// A request that reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    request: CipRequest,
    what: String,
}

impl Query {
    /// The identity of the controller.
    pub fn identity() -> Query {
        Query { request: Read::Identity.request(), what: "the identity request".to_owned() }
    }

    /// Takes the reply to a request for the identity apart. A refusal is the inner value.
    ///
    /// # Errors
    /// [`Malformed`] when it is no such reply.
    pub fn identity_reply(reply: &[u8]) -> Result<Result<Vec<u8>, Refusal>, Malformed> {
        let reply = response(reply, GET_ATTRIBUTES_ALL)?;
        Ok(match reply.status {
            0 => Ok(reply.data),
            general => Err(Refusal { general, extended: reply.additional_status }),
        })
    }

    /// One tag.
    pub fn tag(read: &TagRead) -> Query {
        Query { request: read.request(), what: format!("the read of tag {}", read.name) }
    }

    /// The rest of a tag.
    pub fn fragment(fragment: &Fragment<'_>) -> Query {
        let what = format!("the read of tag {} from byte {} on", fragment.read.name, fragment.offset);
        Query { request: fragment.request(), what }
    }

    /// Several tags.
    pub fn several(reads: &[TagRead]) -> Query {
        let requests: Vec<CipRequest> = reads.iter().map(TagRead::request).collect();
        let what = format!("the read of {} tags", reads.len());
        Query { request: encode_multiple(&requests), what }
    }

    /// The same, along a route.
    pub fn along(self, route: &Route) -> Query {
        Query { request: route.wrap(self.request), ..self }
    }

    /// The data of SendRRData that carries it.
    pub(in crate::enip) fn encode(&self) -> BytesMut {
        encode_request(&self.request)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}
