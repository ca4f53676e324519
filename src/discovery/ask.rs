//! The question on the network, and the answers until the time is over.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::enip::list_identity::{self, Listed};
use crate::enip::message::Malformed;
use crate::enip::packet::{self, PacketError};
use crate::host::interfaces::{self, Interface};
use crate::host::tcp::{self, Protocol};

use super::targets::Target;

/// How to ask.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// UDP and TCP port of the devices.
    pub port: u16,
    /// Addresses asked in a second, one by one.
    pub rate: u32,
    /// How long answers are awaited after the last question.
    pub patience: Duration,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Answers {
    /// Answers with the addresses they came from.
    pub listed: Vec<(Ipv4Addr, Listed)>,
    /// Datagrams that were no answer, with their senders.
    pub malformed: Vec<(SocketAddr, String)>,
    /// Interfaces on which nobody could be asked, and why.
    pub unasked: Vec<(Interface, io::Error)>,
}

impl Answers {
    /// Adds what came later, or on another interface.
    fn also(&mut self, more: Answers) {
        self.listed.extend(more.listed);
        self.malformed.extend(more.malformed);
        self.unasked.extend(more.unasked);
    }

    fn count(&self) -> usize {
        self.listed.len() + self.malformed.len()
    }

    /// For how many more there is room.
    fn room(&self) -> usize {
        MOST.saturating_sub(self.count())
    }
}

/// Answers kept of one run: a broadcast on a flat network may bring hundreds, an attacker any number.
const MOST: usize = 4096;
/// After a failed receive; the next one may fail as well.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// There is nothing to broadcast on.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// The system does not tell.
    #[error("the interfaces cannot be listed: {0}")]
    Unlisted(io::Error),
    /// One that was named is not there.
    #[error(
        "there is no interface {unknown} with a network, {}",
        if others.is_empty() { "and no other".to_owned() } else { format!("there are: {}", others.join(", ")) }
    )]
    Unknown {
        /// As it was named.
        unknown: String,
        /// Those that are there.
        others: Vec<String>,
    },
}

/// The interfaces to broadcast on; only the named ones, if any is.
///
/// # Errors
/// The system does not tell, or there is no such interface.
pub fn chosen(named: &[String]) -> Result<Vec<Interface>, InterfaceError> {
    let all = interfaces::broadcasting().map_err(InterfaceError::Unlisted)?;
    if let Some(unknown) = named.iter().find(|name| !all.iter().any(|one| one.name == **name)) {
        let others = all.iter().map(|one| one.name.clone()).collect();
        return Err(InterfaceError::Unknown { unknown: unknown.clone(), others });
    }
    Ok(all.into_iter().filter(|one| named.is_empty() || named.contains(&one.name)).collect())
}

/// Broadcasts the question once on each interface. One that cannot send is noted, and the others are asked.
pub async fn everybody(interfaces: &[Interface], manner: Manner) -> Answers {
    let mark = rand::random();
    let mut running = JoinSet::new();
    let until = Instant::now() + manner.patience;
    let mut all = Answers::default();
    for interface in interfaces {
        match broadcast(interface, mark, manner).await {
            Ok(socket) => drop(running.spawn(async move { receive(&socket, mark, until, MOST).await })),
            Err(error) => all.unasked.push((interface.clone(), error)),
        }
    }
    running.join_all().await.into_iter().for_each(|answers| all.also(answers));
    all
}

/// Asks everybody on one interface; the socket to which they answer.
async fn broadcast(interface: &Interface, mark: [u8; 6], manner: Manner) -> io::Result<UdpSocket> {
    // Devices may wait that long at random, so that not all answer at once.
    let within = u16::try_from(manner.patience.as_millis() * 3 / 4).unwrap_or(u16::MAX).max(1);
    let socket = UdpSocket::bind((interface.local, 0)).await?;
    socket.set_broadcast(true)?;
    socket.send_to(&list_identity::request(within, mark), (interface.everybody, manner.port)).await?;
    Ok(socket)
}

/// Asks address by address; those that were named alone over TCP, too, when they do not answer.
///
/// # Errors
/// A socket cannot be made.
pub async fn each(targets: &[Target], manner: Manner) -> io::Result<Answers> {
    let mark = rand::random();
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    let request = list_identity::request(1, mark);
    let mut answers = Answers::default();
    let apart = Duration::from_secs(1) / manner.rate.max(1);
    for target in targets {
        let next = Instant::now() + apart;
        // Nobody there, or no way there: so it does not answer.
        let _ = socket.send_to(&request, (target.address, manner.port)).await;
        answers.also(receive(&socket, mark, next, answers.room()).await);
    }
    let until = Instant::now() + manner.patience;
    answers.also(receive(&socket, mark, until, answers.room()).await);
    for target in targets.iter().filter(|target| target.alone) {
        if answers.listed.iter().all(|(address, _)| *address != target.address) {
            match over_tcp(target.address, manner).await {
                Some(Ok(listed)) => {
                    answers.listed.extend(listed.into_iter().map(|listed| (target.address, listed)));
                }
                Some(Err(malformed)) => {
                    let from = SocketAddr::from((target.address, manner.port));
                    answers.malformed.push((from, malformed.to_string()));
                }
                None => {}
            }
        }
    }
    Ok(answers)
}

/// Takes answers in until a time, and leaves out those for which there is no room.
async fn receive(socket: &UdpSocket, mark: [u8; 6], until: Instant, room: usize) -> Answers {
    let mut answers = Answers::default();
    let mut bytes = [0; packet::HEADER_LEN + packet::MAX_DATA];
    let mut pause = SHORTEST_PAUSE;
    while let Ok(received) = timeout_at(until, socket.recv_from(&mut bytes)).await {
        let Ok((length, from)) = received else {
            // An ICMP "nobody listens there" of an earlier question comes as an error, once. An interface that has gone
            // is one for ever.
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            continue;
        };
        pause = SHORTEST_PAUSE;
        let SocketAddr::V4(sender) = from else { continue };
        if answers.count() >= room {
            continue;
        }
        match list_identity::decode(bytes.get(..length).unwrap_or_default(), mark) {
            Ok(listed) => answers.listed.extend(listed.into_iter().map(|listed| (*sender.ip(), listed))),
            Err(malformed) => answers.malformed.push((from, malformed.to_string())),
        }
    }
    answers
}

/// The same question over TCP, without a session; nothing when nobody answers.
async fn over_tcp(address: Ipv4Addr, manner: Manner) -> Option<Result<Vec<Listed>, Malformed>> {
    let to = SocketAddrV4::new(address, manner.port);
    let connected =
        tcp::connect(&to.ip().to_string(), to.port(), Protocol::EtherNetIp, manner.patience).await;
    let mut stream = connected.ok()?;
    stream.write_all(&list_identity::request(1, rand::random())).await.ok()?;
    let reply = match timeout(manner.patience, packet::receive(&mut stream)).await.ok()? {
        Ok(reply) => reply,
        Err(PacketError::Closed) => return None,
        Err(error) => return Some(Err(Malformed(error.to_string()))),
    };
    Some(list_identity::answers(&reply.header).and_then(|()| list_identity::items(&reply.data)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_interface_that_cannot_send_is_named_and_the_others_are_asked() {
        let device = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = device.local_addr().unwrap().port();
        let interface =
            |name: &str, local| Interface { name: name.to_owned(), local, everybody: Ipv4Addr::LOCALHOST };
        // Nobody has an address that is meant for documents.
        let gone = interface("gone", Ipv4Addr::new(192, 0, 2, 1));
        let there = interface("there", Ipv4Addr::LOCALHOST);
        let answer = async {
            let mut question = [0; 64];
            let (_, from) = device.recv_from(&mut question).await.unwrap();
            device.send_to(b"no answer", from).await.unwrap();
        };
        // Long enough for an answer on a machine that does other things, too.
        let manner = Manner { port, rate: 100, patience: Duration::from_secs(3) };
        let interfaces = [gone, there];
        let (answers, ()) = tokio::join!(everybody(&interfaces, manner), answer);
        assert_eq!(answers.malformed.len(), 1, "{answers:?}");
        assert!(matches!(&answers.unasked[..], [(gone, _)] if gone.name == "gone"), "{answers:?}");
    }

    #[cfg(unix)]
    #[test]
    fn an_interface_that_has_gone_is_tried_again_after_pauses_until_the_time_is_over() {
        use crate::host::broken;
        let came = broken::ends(|| async {
            let socket = UdpSocket::from_std(broken::socket()).unwrap();
            receive(&socket, [0; 6], Instant::now() + Duration::from_secs(10), MOST).await.count()
        });
        assert_eq!(came, 0);
    }
}
