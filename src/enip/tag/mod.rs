//! Tags of a Logix controller: names, values, and the messages that read them.
//!
//! ```text
//! name      PM_Line4:I.Data → path of symbolic segments
//! read      Read Tag, Read Tag Fragmented: requests and replies
//! multiple  several requests in one Multiple Service Packet
//! query     what of it can be sent
//! route     Unconnected Send along a route to the controller
//! refusal   why a controller refuses a read, and what to do next
//! ```
//!
//! Requests are values with bytes; nothing here talks to a network. Only reading services exist: none that
//! writes a tag or lists all of them can be built.
//!
//! The client `rust-ethernet-ip` is not used, and serves the tests as a peer. Measured: its parser refuses the name of
//! a module's tag (`Meter:I.Data`), which it then sends as one symbol; it reads 12 REALs in three requests, between
//! which the controller may scan, so that values of one moment are mixed with values of another; and its timeouts are
//! fixed at 5 and 10 s. Source: Logix 5000 Controllers Data Access, 1756-PM020.

mod multiple;
mod name;
mod query;
mod read;
mod refusal;
mod route;

pub use multiple::decode_multiple;
pub use name::{TagName, TagNameError};
pub use query::Query;
pub use read::{Fragment, Reply, TagData, TagRead, TagType};
pub use refusal::{TagRefusal, explain, unreached};
pub use route::{Route, RouteError};
