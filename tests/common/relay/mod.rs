//! A relay between a client and a simulated meter that does what networks and broken devices do.
//!
//! ```text
//! client ⇄ TCP ⇄ relay ⇄ TCP ⇄ meter    here: each request goes on, its reply comes back, the hook decides
//! client ⇄ UDP ⇄ relay ⇄ UDP ⇄ meter    frames: class 1 both ways, each datagram judged alone
//! client ⇄ pty ⇄ relay ⇄ TCP ⇄ line     a serial port, whose frames are judged like packets
//! ```
//!
//! [`spoil`] has the faults by name. How each connection ended is remembered, so that a test can prove that the
//! client closed it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use frames::Frames;
use port::Client;
use telegraf_pm500::host::pty;

pub(crate) mod frames;
mod port;
pub(crate) mod rtu;
pub(crate) mod spoil;

/// Longer than anything that works takes.
const DEADLINE: Duration = Duration::from_secs(20);
const UNREGISTER_SESSION: [u8; 2] = [0x66, 0];

/// How packets are told apart in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// 24 bytes of header, the length of what follows at 2, little-endian.
    EtherNetIp,
    /// 6 bytes of header, the length of what follows at 4, big-endian.
    Modbus,
    /// Requests of 8 bytes; replies tell their own length.
    Rtu,
}

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Request,
    Reply,
}

/// One request and the meter's true reply to it, as packets.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// Which of the client's connections it came on, from 0.
    pub(crate) connection: usize,
    pub(crate) request: Vec<u8>,
    pub(crate) reply: Vec<u8>,
}

/// What the client gets.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The true reply.
    True,
    /// The true reply, this much later.
    After(Duration),
    /// The true reply, each byte in a TCP segment of its own.
    ByteByByte,
    /// The same, with this pause after each byte.
    Drip(Duration),
    /// These bytes instead.
    Instead(Vec<u8>),
    /// Nothing for now; these bytes in one segment with the reply to the connection's next request.
    Late(Vec<u8>),
    /// Nothing; the connection lives on.
    Nothing,
    /// The end of the connection.
    Close,
    /// The end of the connection by a reset.
    Reset,
    /// Nothing any more, and no end either: the cable is out.
    HalfOpen,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    ByClient,
    ByMeter,
}

type Hook = Box<dyn FnMut(&Exchange) -> Answer + Send>;

/// A running relay; dropping it stops it.
pub(crate) struct Relay {
    /// Where clients come; before a serial port, where its line is.
    pub(crate) address: SocketAddr,
    framing: Framing,
    hook: Arc<Mutex<Hook>>,
    ends: watch::Receiver<Vec<Option<End>>>,
    open: watch::Sender<bool>,
    _task: JoinSet<()>,
}

impl Relay {
    /// A relay in front of a meter that passes everything on until told otherwise.
    pub(crate) async fn start(meter: SocketAddr, framing: Framing) -> Relay {
        Relay::at(SocketAddr::from(([127, 0, 0, 1], 0)), meter, framing).await
    }

    /// The same at an address of the test's choice.
    pub(crate) async fn at(address: SocketAddr, meter: SocketAddr, framing: Framing) -> Relay {
        Relay::between(address, meter, None, framing).await
    }

    /// A relay with class 1 frames, whose address is its own on the meter's side as well.
    pub(crate) async fn with_frames(address: SocketAddr, meter: SocketAddr, frames: Arc<Frames>) -> Relay {
        Relay::between(address, meter, Some(frames), Framing::EtherNetIp).await
    }

    async fn between(
        address: SocketAddr,
        meter: SocketAddr,
        frames: Option<Arc<Frames>>,
        framing: Framing,
    ) -> Relay {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let hook = passes_on();
        let (say_end, ends) = watch::channel(Vec::new());
        let (open, mut is_open) = watch::channel(true);
        let mut task = JoinSet::new();
        let shared = hook.clone();
        task.spawn(async move {
            let mut listener = Some(listener);
            let mut connections = JoinSet::new();
            loop {
                let client = tokio::select! {
                    client = accept(listener.as_ref()) => client,
                    changed = is_open.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        // The port is free as soon as it is closed, and nobody else's.
                        listener = if *is_open.borrow() { TcpListener::bind(address).await.ok() } else { None };
                        if listener.is_none() {
                            connections.shutdown().await;
                        }
                        continue;
                    }
                    Some(_) = connections.join_next() => continue,
                };
                let (hook, say_end, frames) = (shared.clone(), say_end.clone(), frames.clone());
                let local = frames.as_ref().map(|_| address.ip());
                let mut number = 0;
                say_end.send_modify(|ends| {
                    number = ends.len();
                    ends.push(None);
                });
                client.set_nodelay(true).unwrap();
                connections.spawn(async move {
                    let end = pass_on(client, (meter, local), framing, number, &hook, frames.as_deref()).await;
                    say_end.send_modify(|ends| ends[number] = Some(end.unwrap_or(End::ByMeter)));
                });
            }
        });
        Relay { address, framing, hook, ends, open, _task: task }
    }

    /// A relay at a serial port, which this link leads to, in front of a line's gateway. Where a connection would end
    /// the adapter is pulled, and back at once unless it is refused.
    pub(crate) fn at_port(link: &Path, line: SocketAddr) -> Relay {
        let hook = passes_on();
        let (say_end, ends) = watch::channel(Vec::new());
        let (open, mut is_open) = watch::channel(true);
        let mut task = JoinSet::new();
        let (link, shared) = (link.to_owned(), hook.clone());
        task.spawn(async move {
            for number in 0.. {
                if is_open.wait_for(|open| *open).await.is_err() {
                    return;
                }
                let (master, _port) = pty::open_pair(Some(&link)).expect("the host has pseudo terminals");
                say_end.send_modify(|ends| ends.push(None));
                let end = tokio::select! {
                    end = pass_on(master, (line, None), Framing::Rtu, number, &shared, None) => end,
                    _ = is_open.wait_for(|open| !*open) => Ok(End::ByMeter),
                };
                say_end.send_modify(|ends| ends[number] = Some(end.unwrap_or(End::ByMeter)));
            }
        });
        Relay { address: line, framing: Framing::Rtu, hook, ends, open, _task: task }
    }

    /// How its packets are told apart.
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// From now on this decides what the client gets.
    pub(crate) fn spoil(&self, hook: impl FnMut(&Exchange) -> Answer + Send + 'static) {
        *self.hook.lock().unwrap() = Box::new(hook);
    }

    /// From now on everything is passed on.
    pub(crate) fn heal(&self) {
        self.spoil(|_| Answer::True);
        self.open.send_if_modified(|open| !std::mem::replace(open, true));
    }

    /// Every connection ends, and new ones are refused until it is healed.
    pub(crate) fn refuse(&self) {
        self.open.send_replace(false);
    }

    /// How many connections the client has made.
    pub(crate) fn connections(&self) -> usize {
        self.ends.borrow().len()
    }

    /// Waits until a connection has ended.
    pub(crate) async fn end(&self, connection: usize) -> End {
        let mut ends = self.ends.clone();
        let ended = ends.wait_for(|ends| ends.get(connection).is_some_and(Option::is_some));
        let ends = timeout(DEADLINE, ended).await.expect("the connection stays open").unwrap();
        ends[connection].unwrap()
    }
}

/// What a relay does until told otherwise.
fn passes_on() -> Arc<Mutex<Hook>> {
    Arc::new(Mutex::new(Box::new(|_| Answer::True)))
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    match listener {
        Some(listener) => listener.accept().await.unwrap().0,
        None => std::future::pending().await,
    }
}

/// Serves one connection to its end.
///
/// # Errors
/// The meter cannot be reached, or has closed.
async fn pass_on(
    mut client: impl Client,
    (meter, local): (SocketAddr, Option<IpAddr>),
    framing: Framing,
    connection: usize,
    hook: &Mutex<Hook>,
    frames: Option<&Frames>,
) -> io::Result<End> {
    let socket = TcpSocket::new_v4()?;
    if let Some(local) = local {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    let mut meter = socket.connect(meter).await?;
    let mut owed = Vec::new();
    loop {
        let mut nothing = [0];
        let request = tokio::select! {
            request = packet(&mut client, framing, Way::Request) => request,
            // Between two requests a meter says nothing but good-bye.
            _ = meter.peek(&mut nothing) => return Ok(End::ByMeter),
        };
        let Some(request) = request else { return Ok(End::ByClient) };
        meter.write_all(&request).await?;
        if framing == Framing::EtherNetIp && request[..2] == UNREGISTER_SESSION {
            continue;
        }
        let reply = tokio::select! {
            reply = packet(&mut meter, framing, Way::Reply) => reply,
            // A meter that keeps silent is left, so that it can serve somebody else.
            () = client.closed() => return Ok(End::ByClient),
            () = client.gives_up() => continue,
        };
        let Some(mut reply) = reply else { return Ok(End::ByMeter) };
        if let Some(frames) = frames {
            frames.redirect(&mut reply);
        }
        let exchange = Exchange { connection, request, reply };
        let answer = (*hook.lock().unwrap())(&exchange);
        let late = std::mem::take(&mut owed);
        let whole = |reply: &[u8]| [&late[..], reply].concat();
        // A client that has closed shows it at the next read.
        match answer {
            Answer::True => drop(client.write_all(&whole(&exchange.reply)).await),
            Answer::After(delay) => {
                tokio::select! {
                    () = sleep(delay) => {}
                    () = client.closed() => {}
                }
                let _ = client.write_all(&whole(&exchange.reply)).await;
            }
            Answer::Instead(bytes) => drop(client.write_all(&whole(&bytes)).await),
            Answer::ByteByByte => drip(&mut client, &whole(&exchange.reply), None).await,
            Answer::Drip(pause) => drip(&mut client, &whole(&exchange.reply), Some(pause)).await,
            Answer::Late(bytes) => owed = whole(&bytes),
            Answer::Nothing => owed = late,
            Answer::Close => return Ok(End::ByMeter),
            Answer::Reset => {
                client.reset()?;
                return Ok(End::ByMeter);
            }
            Answer::HalfOpen if client.is_connected() => {
                // The meter gives its side up, as one does whose keep-alive fails.
                let _ = meter.shutdown().await;
                std::future::pending::<()>().await;
            }
            Answer::HalfOpen => {}
        }
    }
}

/// Each byte in a segment of its own, until the client has gone.
async fn drip(client: &mut impl Client, bytes: &[u8], pause: Option<Duration>) {
    for byte in bytes {
        let written = client.write_all(&[*byte]).await;
        match pause {
            // Lets the reader run, which may share this thread, so that it sees the byte alone.
            None => tokio::task::yield_now().await,
            Some(pause) => {
                tokio::select! {
                    () = sleep(pause) => {}
                    () = client.closed() => return,
                }
            }
        }
        if written.is_err() {
            return;
        }
    }
}

/// One packet; `None` when the stream ends.
async fn packet(stream: &mut (impl AsyncRead + Unpin), framing: Framing, way: Way) -> Option<Vec<u8>> {
    let header = match (framing, way) {
        (Framing::EtherNetIp, _) => 24,
        (Framing::Modbus, _) => 6,
        (Framing::Rtu, Way::Request) => rtu::REQUEST,
        (Framing::Rtu, Way::Reply) => rtu::HEADER,
    };
    let mut bytes = vec![0; header];
    stream.read_exact(&mut bytes).await.ok()?;
    let rest = match (framing, way) {
        (Framing::EtherNetIp, _) => usize::from(u16::from_le_bytes([bytes[2], bytes[3]])),
        (Framing::Modbus, _) => usize::from(u16::from_be_bytes([bytes[4], bytes[5]])),
        (Framing::Rtu, Way::Request) => 0,
        (Framing::Rtu, Way::Reply) => rtu::rest_of_reply(&bytes),
    };
    bytes.resize(header + rest, 0);
    stream.read_exact(&mut bytes[header..]).await.ok()?;
    Some(bytes)
}
