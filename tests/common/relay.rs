//! A relay between a client and a simulated meter that spoils replies: what no simulated meter would send.
//!
//! Each request goes to the meter, its reply comes back, and the test decides what the client gets of it.
//! How each connection ended is remembered, so that a test can prove that the client closed it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

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
    /// The true reply, each byte in a TCP segment of its own.
    ByteByByte,
    /// These bytes instead.
    Instead(Vec<u8>),
    /// Nothing for now; these bytes before the reply to the connection's next request.
    Late(Vec<u8>),
    /// The end of the connection.
    Close,
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
    pub(crate) address: SocketAddr,
    hook: Arc<Mutex<Hook>>,
    ends: watch::Receiver<Vec<Option<End>>>,
    _task: JoinSet<()>,
}

impl Relay {
    /// A relay in front of a meter that passes everything on until told otherwise.
    pub(crate) async fn start(meter: SocketAddr, framing: Framing) -> Relay {
        Relay::at(SocketAddr::from(([127, 0, 0, 1], 0)), meter, framing).await
    }

    /// The same at an address of the test's choice.
    pub(crate) async fn at(address: SocketAddr, meter: SocketAddr, framing: Framing) -> Relay {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let hook: Arc<Mutex<Hook>> = Arc::new(Mutex::new(Box::new(|_| Answer::True)));
        let (say_end, ends) = watch::channel(Vec::new());
        let mut task = JoinSet::new();
        let shared = hook.clone();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (hook, say_end) = (shared.clone(), say_end.clone());
                let mut number = 0;
                say_end.send_modify(|ends| {
                    number = ends.len();
                    ends.push(None);
                });
                connections.spawn(async move {
                    let end = pass_on(client, meter, framing, number, &hook).await;
                    say_end.send_modify(|ends| ends[number] = Some(end));
                });
            }
        });
        Relay { address, hook, ends, _task: task }
    }

    /// From now on this decides what the client gets.
    pub(crate) fn spoil(&self, hook: impl FnMut(&Exchange) -> Answer + Send + 'static) {
        *self.hook.lock().unwrap() = Box::new(hook);
    }

    /// From now on everything is passed on.
    pub(crate) fn heal(&self) {
        self.spoil(|_| Answer::True);
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

async fn pass_on(
    mut client: TcpStream,
    meter: SocketAddr,
    framing: Framing,
    connection: usize,
    hook: &Mutex<Hook>,
) -> End {
    let mut meter = TcpStream::connect(meter).await.unwrap();
    client.set_nodelay(true).unwrap();
    let mut owed = Vec::new();
    loop {
        let mut nothing = [0];
        let request = tokio::select! {
            request = packet(&mut client, framing) => request,
            // Between two requests a meter says nothing but good-bye.
            _ = meter.peek(&mut nothing) => return End::ByMeter,
        };
        let Some(request) = request else { return End::ByClient };
        meter.write_all(&request).await.unwrap();
        if framing == Framing::EtherNetIp && request[..2] == UNREGISTER_SESSION {
            continue;
        }
        let Some(reply) = packet(&mut meter, framing).await else { return End::ByMeter };
        let exchange = Exchange { connection, request, reply };
        let answer = (*hook.lock().unwrap())(&exchange);
        let late = std::mem::take(&mut owed);
        // A client that has closed shows it at the next read.
        let _ = client.write_all(&late).await;
        match answer {
            Answer::True => drop(client.write_all(&exchange.reply).await),
            Answer::Instead(bytes) => drop(client.write_all(&bytes).await),
            Answer::ByteByByte => {
                for byte in exchange.reply {
                    let _ = client.write_all(&[byte]).await;
                    // Lets the reader run, which shares this thread, so that it sees the byte alone.
                    tokio::task::yield_now().await;
                }
            }
            Answer::Late(bytes) => owed = bytes,
            Answer::Close => return End::ByMeter,
        }
    }
}

/// One packet; `None` when the stream ends.
async fn packet(stream: &mut (impl AsyncRead + Unpin), framing: Framing) -> Option<Vec<u8>> {
    let header = match framing {
        Framing::EtherNetIp => 24,
        Framing::Modbus => 6,
    };
    let mut bytes = vec![0; header];
    stream.read_exact(&mut bytes).await.ok()?;
    let length = match framing {
        Framing::EtherNetIp => u16::from_le_bytes([bytes[2], bytes[3]]),
        Framing::Modbus => u16::from_be_bytes([bytes[4], bytes[5]]),
    };
    bytes.resize(header + usize::from(length), 0);
    stream.read_exact(&mut bytes[header..]).await.ok()?;
    Some(bytes)
}
