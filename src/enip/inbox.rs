//! What arrives for one multicast group: datagrams → the [`Stream`]s that they belong to.
//!
//! Frames find their stream by connection ID; the stream checks the source address. The kernel notes when each came, so
//! that it does not matter who takes it in, and when: the [receiver](super::receiver)'s thread soon, and first of all
//! whoever is about to judge silence. Frames of a connection that nobody knows yet are remembered for a while: in a group
//! that is joined already they come before the reply that names them.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Instant, SystemTime};

use mio::net::UdpSocket;

use super::class1::Frame;
use super::stream::Stream;
use crate::host::datagram::Room;

/// Frames that nobody knows yet, remembered of one group.
const MOST_STRAYS: usize = 64;
/// Datagrams taken in before anybody else has a turn.
const AT_ONCE: usize = 256;
/// Datagrams that wait in a full socket, at most.
const MOST_WAITING: usize = 16 * 1024;

/// The socket of a group, and who gets what comes.
#[derive(Debug)]
pub(super) struct Inbox {
    socket: UdpSocket,
    inner: Mutex<Inner>,
}

/// Held while something is taken in, so that frames keep their order whoever takes them.
#[derive(Debug, Default)]
struct Inner {
    room: Room,
    streams: Streams,
}

/// The streams by their connection ID, and what came for none of them.
#[derive(Debug, Default)]
struct Streams {
    known: Vec<(u32, Weak<Stream>)>,
    strays: VecDeque<Stray>,
}

/// A frame that belongs to no connection, so far.
#[derive(Debug, Clone, Copy)]
struct Stray {
    connection: u32,
    sequence: u32,
    source: Ipv4Addr,
    at: Instant,
}

impl Inbox {
    /// Of a socket that has joined its group.
    pub(super) fn new(socket: UdpSocket) -> Inbox {
        Inbox { socket, inner: Mutex::default() }
    }

    /// Takes in what waits in the socket.
    pub(super) fn drain(&self) {
        let mut taken = 0;
        while taken < MOST_WAITING && matches!(self.take_in(), Ok(true)) {
            taken += AT_ONCE;
        }
    }

    /// Takes in some of what has arrived; returns whether there may be more.
    ///
    /// # Errors
    /// What the system says of the socket.
    pub(super) fn take_in(&self) -> io::Result<bool> {
        let Inner { room, streams } = &mut *self.lock();
        let now = (Instant::now(), SystemTime::now());
        for _ in 0..AT_ONCE {
            match room.receive(&self.socket) {
                Ok((bytes, from, at)) => {
                    // The kernel has another clock than the one that is never set.
                    let ago = now.1.duration_since(at).unwrap_or_default();
                    let came = now.0.checked_sub(ago).unwrap_or(now.0);
                    streams.take(bytes, *from.ip(), (came, at));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Lets a stream have its frames from now on, and know of those that came before.
    pub(super) fn welcome(&self, stream: &Arc<Stream>) {
        self.drain();
        let Streams { known, strays } = &mut self.lock().streams;
        let connection = stream.agreed().connection;
        for stray in strays.iter().filter(|stray| stray.connection == connection) {
            stream.missed(stray.sequence, stray.source, stray.at);
        }
        known.retain(|(_, stream)| stream.strong_count() > 0);
        known.push((connection, Arc::downgrade(stream)));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Lists are whole between any two statements that can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    /// Hands a datagram to its stream.
    fn take(&mut self, bytes: &[u8], source: Ipv4Addr, at: (Instant, SystemTime)) {
        let Some(frame) = Frame::decode(bytes) else {
            // Whose it would be nobody knows; it is evidence for one connection of the meter that sent it.
            let mut streams = self.known.iter().filter_map(|(_, stream)| stream.upgrade());
            streams.any(|stream| stream.refuse(bytes, source));
            return;
        };
        let Frame { connection, sequence, .. } = frame;
        let mut known = false;
        let streams = self.known.iter().filter(|(own, _)| *own == connection);
        for stream in streams.filter_map(|(_, stream)| stream.upgrade()) {
            stream.accept(&frame, source, at);
            known = true;
        }
        if !known {
            if self.strays.len() == MOST_STRAYS {
                self.strays.pop_front();
            }
            self.strays.push_back(Stray { connection, sequence, source, at: at.0 });
        }
    }
}
