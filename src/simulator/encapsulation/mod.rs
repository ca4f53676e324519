//! Encapsulation: sessions on TCP and lists on UDP, in front of a host that answers CIP messages.
//!
//! Source: EtherNet/IP specification, chapter 2.

pub(super) mod lists;
pub(super) mod sessions;

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::broadcast;

use super::class1::Originator;
use crate::meter::identity::Identity;

/// A reply, and socket address items (type, data) that go with it.
pub(super) type Reply = (BytesMut, Vec<(u16, Vec<u8>)>);

/// What is wrong with one reply.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Damage {
    /// It comes this much later.
    pub(super) delay: Option<Duration>,
    /// It ends after this many bytes, and the connection closes.
    pub(super) truncated: Option<usize>,
    /// It comes in two segments.
    pub(super) split: bool,
    /// It carries this session handle.
    pub(super) session: Option<u32>,
}

/// Who answers: a meter, or a controller.
pub(super) trait Host: Send + Sync + 'static {
    /// What ListIdentity says.
    fn identity(&self) -> Identity;

    /// Whether nothing at all is answered.
    fn is_silent(&self) -> bool;

    /// A session begins; `false` when there is no room for it.
    fn register(&self) -> bool;

    /// A session has ended, by UnRegisterSession or otherwise.
    fn leave(&self, unregistered: bool);

    /// Answers an unconnected message; `None` when the bytes are none.
    fn answer(&self, message: &[u8], who: Originator) -> Option<Reply>;

    /// Answers a message on a connection: the connection ID of the reply, and the reply.
    fn answer_connected(&self, _connection: u32, _message: &[u8]) -> Option<(u32, Vec<u8>)> {
        None
    }

    /// Takes what is wrong with the next reply.
    fn take_damage(&self) -> Damage;

    /// Tells which originators' sessions are to be closed.
    fn expelled(&self) -> broadcast::Receiver<Ipv4Addr>;
}
