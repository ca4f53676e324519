//! The thread that takes in what class 1 brings: many groups' sockets → their [`Inbox`]es.
//!
//! Thousands of frames come in a second, and to wake up for each costs more than to take it in. They may pile up for a few
//! milliseconds: the kernel notes when each came, and whoever needs the newest one now takes in what waits. The runtime's
//! thread is not woken at all.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use super::inbox::Inbox;

/// How long frames may pile up.
const PILE: Duration = Duration::from_millis(10);
/// After an error that may come again at once.
const PAUSE: Duration = Duration::from_millis(100);
/// Sockets that one call names at most.
const NAMED: usize = 256;
/// What wakes the thread up to end.
const END: Token = Token(usize::MAX);

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Receiver {
    registry: Registry,
    next: usize,
    waker: Waker,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    inboxes: Mutex<HashMap<Token, Weak<Inbox>>>,
    ended: AtomicBool,
}

/// A socket that is watched, and has no inbox yet.
#[derive(Debug)]
#[must_use]
pub(super) struct Watched<'r> {
    token: Token,
    shared: &'r Shared,
}

impl Receiver {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives no thread, or nothing to wait for sockets with.
    pub(super) fn start() -> io::Result<Receiver> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(&registry, END)?;
        let shared = Arc::new(Shared::default());
        let inboxes = shared.clone();
        thread::Builder::new().name("class 1".to_owned()).spawn(move || inboxes.receive(poll))?;
        Ok(Receiver { registry, next: 0, waker, shared })
    }

    /// Watches a socket, until that is dropped.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn watch(&mut self, socket: &mut UdpSocket) -> io::Result<Watched<'_>> {
        let token = Token(self.next);
        self.registry.register(socket, token, Interest::READABLE)?;
        self.next += 1;
        Ok(Watched { token, shared: &self.shared })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Without this it ends with the next frame.
        let _ = self.waker.wake();
    }
}

impl Watched<'_> {
    /// Where what comes goes to. What came before is the inbox's to take in.
    pub(super) fn into(self, inbox: &Arc<Inbox>) {
        let mut inboxes = self.shared.lock();
        inboxes.retain(|_, known| known.strong_count() > 0);
        inboxes.insert(self.token, Arc::downgrade(inbox));
    }
}

impl Shared {
    fn receive(&self, mut poll: Poll) {
        let mut events = Events::with_capacity(NAMED);
        let mut waiting: Vec<Arc<Inbox>> = Vec::new();
        while !self.ended.load(Ordering::Relaxed) {
            let within = (!waiting.is_empty()).then_some(Duration::ZERO);
            match poll.poll(&mut events, within) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    thread::sleep(PAUSE);
                    continue;
                }
            }
            self.find(&events, &mut waiting);
            take_in(&mut waiting);
            if waiting.is_empty() {
                thread::sleep(PILE);
            }
        }
    }

    /// Adds the inboxes in which something came to those in which something waits.
    fn find(&self, events: &Events, waiting: &mut Vec<Arc<Inbox>>) {
        let (inboxes, before) = (self.lock(), waiting.len());
        for inbox in events.iter().filter_map(|event| inboxes.get(&event.token())?.upgrade()) {
            if !waiting[..before].iter().any(|known| Arc::ptr_eq(known, &inbox)) {
                waiting.push(inbox);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Token, Weak<Inbox>>> {
        // A map is whole between any two statements that can panic.
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes in some of each, so that a flood in one group delays no other, and keeps those in which more may wait. Where
/// the system says no, the next frame tries again.
fn take_in(waiting: &mut Vec<Arc<Inbox>>) {
    waiting.retain(|inbox| inbox.take_in().unwrap_or(false));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enip::class1::Frame;
    use crate::enip::stream::{Agreed, Counts, Stream};
    use std::net::Ipv4Addr;
    use std::time::Instant;

    const CONNECTION: u32 = 7;
    const FRAMES: u64 = 4000;
    /// What the smallest socket buffer holds.
    const IN_FLIGHT: u64 = 100;

    fn stream() -> Arc<Stream> {
        let agreed = Agreed {
            connection: CONNECTION,
            source: Ipv4Addr::LOCALHOST,
            size: 4,
            api: Duration::from_millis(1),
            watchdog: Duration::from_secs(60),
            asked: Instant::now(),
        };
        Arc::new(Stream::new(agreed, false, Instant::now()))
    }

    fn datagram(sequence: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let data = sequence.to_le_bytes();
        Frame { connection: CONNECTION, sequence, count: sequence as u16, data: &data }.encode(&mut bytes);
        bytes
    }

    /// A watched inbox, the stream that gets what comes, and a socket that sends there.
    fn watched(receiver: &mut Receiver) -> (Arc<Inbox>, Arc<Stream>, std::net::UdpSocket) {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let mut socket = UdpSocket::from_std(socket);
        let watched = receiver.watch(&mut socket).unwrap();
        let (inbox, stream) = (Arc::new(Inbox::new(socket)), stream());
        watched.into(&inbox);
        inbox.welcome(&stream);
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(address).unwrap();
        (inbox, stream, sender)
    }

    fn wait_for(what: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !what() {
            assert!(Instant::now() < deadline, "it did not happen within a minute");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn frames_are_taken_in_while_nobody_asks_for_them() {
        let mut receiver = Receiver::start().unwrap();
        let (_inbox, stream, sender) = watched(&mut receiver);
        for sequence in 1..=3 {
            sender.send(&datagram(sequence)).unwrap();
            wait_for(|| stream.counts().received == u64::from(sequence));
        }
        assert_eq!(stream.newest(Instant::now()).unwrap().data, [3, 0, 0, 0]);
    }

    #[test]
    fn frames_keep_their_order_when_two_threads_take_them_in() {
        let mut receiver = Receiver::start().unwrap();
        let (inbox, stream, sender) = watched(&mut receiver);
        let counting = stream.clone();
        let sending = thread::spawn(move || {
            for sequence in 1..=FRAMES {
                wait_for(|| counting.counts().received + IN_FLIGHT >= sequence);
                sender.send(&datagram(sequence as u32)).unwrap();
            }
        });
        wait_for(|| {
            inbox.drain();
            stream.counts().received == FRAMES
        });
        sending.join().unwrap();
        assert_eq!(stream.counts(), Counts { received: FRAMES, lost: 0, dropped: 0 });
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_that_cannot_be_read_is_not_tried_again_at_once_and_costs_no_other_its_frames() {
        use crate::host::broken;
        let broken = |receiver: &mut Receiver| {
            let mut socket = UdpSocket::from_std(broken::socket());
            let watched = receiver.watch(&mut socket).unwrap();
            let inbox = Arc::new(Inbox::new(socket));
            watched.into(&inbox);
            inbox
        };
        let mut receiver = Receiver::start().unwrap();
        let broken = broken(&mut receiver);
        let (_inbox, stream, sender) = watched(&mut receiver);
        sender.send(&datagram(1)).unwrap();
        wait_for(|| stream.counts().received == 1);
        // Whoever judges silence is not kept by it, either.
        broken.drain();
        let mut waiting = vec![broken];
        take_in(&mut waiting);
        assert!(waiting.is_empty(), "only what waits is tried again without a pause");
    }

    #[test]
    fn the_thread_ends_with_its_receiver() {
        let receiver = Receiver::start().unwrap();
        let shared = Arc::downgrade(&receiver.shared);
        drop(receiver);
        wait_for(|| shared.strong_count() == 0);
    }
}
