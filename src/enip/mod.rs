//! The EtherNet/IP protocol: bytes ↔ types, and the encapsulation session that carries them.
//!
//! ```text
//! message   CIP read requests and replies (what we can say at all: nothing here can write)
//! status    CIP and encapsulation status codes in words
//! identity  the Identity object's attributes
//! packet    24-byte encapsulation header + data, on a byte stream
//! list_identity  who is there, without a session
//! session   RegisterSession, one request in flight, UnRegisterSession
//!
//! forward_open  the requests that open and close a listener's connection
//! refusal       why a meter refuses one, and what to do next
//! class1        frames and heartbeats on UDP
//! stream        one listened connection: which frames count, and the newest
//! inbox         what comes for a multicast group, to its streams
//! receiver      the thread that takes it in
//! hub           the UDP sockets: frames in, heartbeats out
//!
//! tag       tags of a Logix controller: names, routes, reads of one or several
//! ```
//!
//! The wire codec for the encapsulation header, the Common Packet Format and CIP requests and responses
//! is `rust-ethernet-ip-protocol`. The client of the same project, `rust-ethernet-ip`, is not used to
//! read the meter: it wraps every request in Unconnected Send and repeats it bare when the device answers
//! 0x08, so that each read costs two requests, it adds two probes per connect, its timeouts are fixed at
//! 10 s, and it has no class 1. It serves the tests as a third-party client of the simulator.

pub mod class1;
pub mod forward_open;
pub mod hub;
pub mod identity;
mod inbox;
pub mod list_identity;
pub mod message;
pub mod packet;
mod receiver;
pub mod refusal;
pub mod session;
pub mod status;
pub mod stream;
pub mod tag;

pub use session::{Accepted, Refused, Session, SessionError};
