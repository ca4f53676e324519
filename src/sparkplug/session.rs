//! One session with an MQTT 3.1.1 broker: from its CONNECT to its end, over any stream.
//!
//! The packets are `rumqttc`'s; its client is not used, for three reasons. It does not tell whether a CONNECT was sent when
//! an attempt fails, on which `bdSeq` depends; it keeps messages of one connection for the next, where they would come
//! before the births; and it makes a system call of each message. A session here is used once. Nothing in it blocks:
//! what is published is put into a buffer, and [`Session::event`] writes it while it reads.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode, LastWill, Login, Packet, PubAck, Publish, Subscribe,
};
use rumqttc::mqttbytes::v4::{SubscribeFilter, SubscribeReasonCode};
use rumqttc::mqttbytes::{Error as PacketError, QoS};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};

use super::message::{Message, Qos};

/// Largest packet that is taken from a broker, in bytes. Commands and states are small.
pub const LARGEST_PACKET: usize = 256 * 1024;

/// Largest packet that MQTT allows.
const LARGEST_OUTGOING: usize = 268_435_455;

/// What a session is opened with.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Client identifier.
    pub client_id: String,
    /// User and password.
    pub login: Option<(String, String)>,
    /// What the broker publishes when the session breaks.
    pub will: Message,
    /// What is subscribed to, at least once.
    pub subscriptions: Vec<String>,
    /// How often the broker is asked for an answer; without one until the next time it is gone.
    pub keep_alive: Duration,
}

/// What happens in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message has come.
    Message {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Bytes,
    },
    /// The broker has everything up to the published message of this number; the first is 1.
    Confirmed(u64),
    /// The broker has a message that was sent at least once.
    Acknowledged,
}

/// Why a session ended, or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The broker says no.
    #[error("the broker refuses the session: {}", refusal(*.0))]
    Refused(ConnectReturnCode),
    /// The broker says no to a subscription.
    #[error("the broker refuses the subscription to \"{0}\"; allow this client to read it")]
    NotSubscribed(String),
    /// It closed the connection.
    #[error(
        "the broker closed the connection; if it does so again and again, another client has this client_id"
    )]
    Closed,
    /// It does not answer any more.
    #[error("the broker does not answer any more")]
    Silent,
    /// The network failed.
    #[error("the connection to the broker broke: {0}")]
    Broken(#[from] io::Error),
    /// It does not speak MQTT 3.1.1.
    #[error("the broker sent something that is no MQTT 3.1.1: {0}")]
    Protocol(String),
}

impl SessionError {
    /// Whether it is certain that the broker has not accepted the CONNECT, and so does not hold its will.
    pub fn never_began(&self) -> bool {
        matches!(self, SessionError::Refused(_))
    }
}

fn refusal(code: ConnectReturnCode) -> &'static str {
    match code {
        ConnectReturnCode::BadUserNamePassword => "wrong user name or password",
        ConnectReturnCode::NotAuthorized => "this user, certificate or client id is not allowed",
        ConnectReturnCode::BadClientId => "it does not accept the client_id",
        ConnectReturnCode::RefusedProtocolVersion => "it does not speak MQTT 3.1.1",
        _ => "it is not available",
    }
}

/// A session.
#[derive(Debug)]
pub struct Session<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    incoming: BytesMut,
    outgoing: BytesMut,
    unflushed: bool,
    events: VecDeque<Event>,
    published: u64,
    keep_alive: Duration,
    ping_at: Instant,
    /// A question without an answer yet: how much was published before it.
    asked: Option<u64>,
}

impl<S: AsyncRead + AsyncWrite> Session<S> {
    /// Sends CONNECT and subscribes, and waits for both answers.
    ///
    /// # Errors
    /// [`SessionError`]. The caller limits the time.
    pub async fn open(stream: S, opening: &Opening) -> Result<Session<S>, SessionError> {
        let (reader, writer) = tokio::io::split(stream);
        let mut session = Session {
            reader,
            writer,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            unflushed: false,
            events: VecDeque::new(),
            published: 0,
            keep_alive: opening.keep_alive,
            ping_at: Instant::now() + opening.keep_alive,
            asked: None,
        };
        let mut connect = Connect::new(opening.client_id.as_str());
        connect.keep_alive = u16::try_from(opening.keep_alive.as_secs()).unwrap_or(u16::MAX);
        let Message { topic, payload, .. } = &opening.will;
        connect.last_will = Some(LastWill::new(topic.as_str(), payload.as_slice(), QoS::AtLeastOnce, false));
        connect.login =
            opening.login.as_ref().map(|(user, password)| Login::new(user.as_str(), password.as_str()));
        session.queue(&Packet::Connect(connect))?;
        match session.packet().await? {
            Packet::ConnAck(answer) if answer.code == ConnectReturnCode::Success => {}
            Packet::ConnAck(answer) => return Err(SessionError::Refused(answer.code)),
            other => return Err(unexpected(&other)),
        }
        let filters = opening.subscriptions.iter();
        let filters = filters.map(|topic| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce));
        let mut subscribe = Subscribe::new_many(filters);
        subscribe.pkid = 1;
        session.queue(&Packet::Subscribe(subscribe))?;
        loop {
            match session.packet().await? {
                Packet::SubAck(answer) => {
                    let answers = answer.return_codes.iter().zip(&opening.subscriptions);
                    let mut refused = answers.filter(|(code, _)| **code == SubscribeReasonCode::Failure);
                    return match refused.next() {
                        Some((_, topic)) => Err(SessionError::NotSubscribed(topic.clone())),
                        None => Ok(session),
                    };
                }
                // Retained messages may come before the answer.
                packet => session.take(packet)?,
            }
        }
    }

    /// Puts a message into the buffer.
    ///
    /// # Errors
    /// When it is larger than MQTT allows.
    pub fn publish(&mut self, message: Message) -> Result<(), SessionError> {
        let qos = match message.qos {
            Qos::AtMostOnce => QoS::AtMostOnce,
            Qos::AtLeastOnce => QoS::AtLeastOnce,
        };
        let mut publish = Publish::new(message.topic, qos, message.payload);
        // The death of the node is the only message that is acknowledged, and the last of its session.
        publish.pkid = 2;
        self.published += 1;
        self.queue(&Packet::Publish(publish))
    }

    /// Says that the end is meant: the broker forgets the will.
    ///
    /// # Errors
    /// None that can happen.
    pub fn disconnect(&mut self) -> Result<(), SessionError> {
        self.queue(&Packet::Disconnect)
    }

    /// Asks for an answer now, unless one is awaited already.
    ///
    /// # Errors
    /// None that can happen.
    pub fn ask(&mut self) -> Result<(), SessionError> {
        if self.asked.is_none() {
            self.asked = Some(self.published);
            self.ping_at = Instant::now() + self.keep_alive;
            self.queue(&Packet::PingReq)?;
        }
        Ok(())
    }

    /// Bytes that are not written yet.
    pub fn unwritten(&self) -> usize {
        self.outgoing.len()
    }

    /// The next thing that happens; writes meanwhile. Can be dropped at any time without losing anything.
    ///
    /// # Errors
    /// Why the session is over.
    pub async fn event(&mut self) -> Result<Event, SessionError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let packet = self.packet().await?;
            self.take(packet)?;
        }
    }

    /// Writes what is left in the buffer.
    ///
    /// # Errors
    /// Why the session is over.
    pub async fn flush(&mut self) -> Result<(), SessionError> {
        while self.unflushed {
            write_some(&mut self.writer, &mut self.outgoing, &mut self.unflushed).await?;
        }
        Ok(())
    }

    fn take(&mut self, packet: Packet) -> Result<(), SessionError> {
        match packet {
            Packet::Publish(publish) => {
                match publish.qos {
                    QoS::AtMostOnce => {}
                    QoS::AtLeastOnce => self.queue(&Packet::PubAck(PubAck::new(publish.pkid)))?,
                    QoS::ExactlyOnce => return Err(SessionError::Protocol("a message at QoS 2".to_owned())),
                }
                let Publish { topic, payload, .. } = publish;
                self.events.push_back(Event::Message { topic, payload });
            }
            Packet::PingResp => {
                if let Some(published) = self.asked.take() {
                    self.events.push_back(Event::Confirmed(published));
                }
            }
            Packet::PubAck(_) => self.events.push_back(Event::Acknowledged),
            Packet::SubAck(_) => {}
            other => return Err(unexpected(&other)),
        }
        Ok(())
    }

    /// The next packet from the broker. Writes what is in the buffer, and asks for an answer when it is time.
    async fn packet(&mut self) -> Result<Packet, SessionError> {
        loop {
            match Packet::read(&mut self.incoming, LARGEST_PACKET) {
                Ok(packet) => return Ok(packet),
                Err(PacketError::InsufficientBytes(_)) => {}
                Err(error) => return Err(SessionError::Protocol(error.to_string())),
            }
            let (outgoing, unflushed) = (&mut self.outgoing, &mut self.unflushed);
            tokio::select! {
                // What has come is looked at before the time is: a process that was stopped for a while must not take
                // its own silence for the broker's.
                biased;
                read = self.reader.read_buf(&mut self.incoming) => {
                    if read? == 0 {
                        return Err(SessionError::Closed);
                    }
                }
                written = write_some(&mut self.writer, outgoing, unflushed), if *unflushed => written?,
                () = sleep_until(self.ping_at) => {
                    if self.asked.is_some() {
                        return Err(SessionError::Silent);
                    }
                    self.ask()?;
                }
            }
        }
    }

    fn queue(&mut self, packet: &Packet) -> Result<(), SessionError> {
        let written = packet.write(&mut self.outgoing, LARGEST_OUTGOING);
        written.map_err(|error| SessionError::Protocol(error.to_string()))?;
        self.unflushed = true;
        Ok(())
    }
}

/// Writes as much as the stream takes, and flushes when there is nothing more.
async fn write_some(
    writer: &mut (impl AsyncWrite + Unpin),
    outgoing: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<()> {
    if outgoing.is_empty() {
        writer.flush().await?;
        *unflushed = false;
    } else if writer.write_buf(outgoing).await? == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(())
}

fn unexpected(packet: &Packet) -> SessionError {
    let name = match packet {
        Packet::ConnAck(_) => "CONNACK",
        Packet::Connect(_) => "CONNECT",
        Packet::PingReq => "PINGREQ",
        Packet::Disconnect => "DISCONNECT",
        _ => "a packet",
    };
    SessionError::Protocol(format!("{name} out of place"))
}

#[cfg(test)]
mod tests {
    use rumqttc::mqttbytes::v4::{ConnAck, SubAck};
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    fn opening() -> Opening {
        Opening {
            client_id: "c".to_owned(),
            login: Some(("u".to_owned(), "p".to_owned())),
            will: message(Qos::AtLeastOnce),
            subscriptions: vec!["a".to_owned(), "b".to_owned()],
            keep_alive: Duration::from_secs(15),
        }
    }

    fn message(qos: Qos) -> Message {
        Message { topic: "t".to_owned(), payload: vec![1, 2, 3], qos }
    }

    /// The broker's end of the stream.
    struct Broker {
        stream: DuplexStream,
        buffer: BytesMut,
    }

    impl Broker {
        async fn read(&mut self) -> Packet {
            loop {
                match Packet::read(&mut self.buffer, LARGEST_PACKET) {
                    Ok(packet) => return packet,
                    Err(PacketError::InsufficientBytes(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0);
            }
        }

        async fn write(&mut self, packet: Packet) {
            let mut bytes = BytesMut::new();
            packet.write(&mut bytes, LARGEST_PACKET).unwrap();
            self.stream.write_all(&bytes).await.unwrap();
        }

        async fn accept(&mut self) -> (Connect, Subscribe) {
            let Packet::Connect(connect) = self.read().await else { panic!() };
            self.write(Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false))).await;
            let Packet::Subscribe(subscribe) = self.read().await else { panic!() };
            // A retained message before the answer.
            self.write(Packet::Publish(Publish::new("b", QoS::AtMostOnce, "online"))).await;
            let granted = SubscribeReasonCode::Success(QoS::AtLeastOnce);
            self.write(Packet::SubAck(SubAck::new(1, vec![granted, granted]))).await;
            (connect, subscribe)
        }
    }

    fn pair() -> (DuplexStream, Broker) {
        let (ours, theirs) = duplex(64);
        (ours, Broker { stream: theirs, buffer: BytesMut::new() })
    }

    async fn opened() -> (Session<DuplexStream>, Broker, Connect) {
        let (ours, mut broker) = pair();
        let opening = opening();
        let (session, (connect, subscribe)) = tokio::join!(Session::open(ours, &opening), broker.accept());
        assert_eq!(subscribe.filters.len(), 2);
        let mut session = session.unwrap();
        let first = session.event().await.unwrap();
        assert_eq!(first, Event::Message { topic: "b".to_owned(), payload: "online".into() });
        (session, broker, connect)
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_begins_clean_with_its_will() {
        let (_, _, connect) = opened().await;
        assert!(connect.clean_session);
        let will = connect.last_will.unwrap();
        assert_eq!((will.topic.as_str(), will.qos, will.retain), ("t", QoS::AtLeastOnce, false));
        assert_eq!(connect.login, Some(Login::new("u", "p")));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_confirms_what_was_published_before_the_question() {
        let (mut session, mut broker, _) = opened().await;
        for _ in 0..3 {
            session.publish(message(Qos::AtMostOnce)).unwrap();
        }
        session.ask().unwrap();
        session.publish(message(Qos::AtMostOnce)).unwrap();
        let serve = async {
            for _ in 0..3 {
                assert!(matches!(broker.read().await, Packet::Publish(publish) if !publish.retain));
            }
            assert_eq!(broker.read().await, Packet::PingReq);
            broker.write(Packet::PingResp).await;
        };
        let (event, ()) = tokio::join!(session.event(), serve);
        assert_eq!(event.unwrap(), Event::Confirmed(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_does_not_answer_is_gone_after_two_questions_time() {
        let (mut session, _broker, _) = opened().await;
        let begun = Instant::now();
        assert!(matches!(session.event().await, Err(SessionError::Silent)));
        assert_eq!(begun.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_at_least_once_is_acknowledged_in_both_directions() {
        let (mut session, mut broker, _) = opened().await;
        session.publish(message(Qos::AtLeastOnce)).unwrap();
        let serve = async {
            assert!(
                matches!(broker.read().await, Packet::Publish(publish) if publish.qos == QoS::AtLeastOnce)
            );
            broker.write(Packet::PubAck(PubAck::new(2))).await;
            let mut command = Publish::new("a", QoS::AtLeastOnce, "x");
            command.pkid = 9;
            broker.write(Packet::Publish(command)).await;
            assert_eq!(broker.read().await, Packet::PubAck(PubAck::new(9)));
        };
        let ours = async {
            assert_eq!(session.event().await.unwrap(), Event::Acknowledged);
            assert!(matches!(session.event().await.unwrap(), Event::Message { .. }));
            session.flush().await.unwrap();
        };
        tokio::join!(ours, serve);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_told_from_a_broken_connection() {
        let (ours, mut broker) = pair();
        let refuse = async {
            broker.read().await;
            broker.write(Packet::ConnAck(ConnAck::new(ConnectReturnCode::NotAuthorized, false))).await;
        };
        let opening = opening();
        let (refused, ()) = tokio::join!(Session::open(ours, &opening), refuse);
        let refused = refused.unwrap_err();
        assert!(refused.never_began() && refused.to_string().contains("not allowed"));
        let (ours, broker) = pair();
        drop(broker);
        assert!(!Session::open(ours, &opening).await.unwrap_err().never_began());
    }
}
