//! The EtherNet/IP reader: session, identity, sizes and data of one meter.
//!
//! Connect → RegisterSession → identity → whatever is asked. The only one in the program: explicit reading,
//! the fallback of listening, and `verify` use it. Adapters close an idle session after 120 s, so a session
//! found closed at the first request after [`Eip::begin`] is reopened without a word. A request that is not
//! answered costs the session.

use std::net::SocketAddr;

use tokio::time::Instant;

use crate::enip::forward_open::{ForwardClose, ForwardOpen};
use crate::enip::message::{Malformed, Read};
use crate::enip::tag::{Query, Route, unreached};
use crate::enip::{Accepted, Refused, Session, SessionError, identity};
use crate::meter::identity::{Identity, IdentityRule};

use super::late::{Held, Late};
use super::log::Log;
use super::tap::{Seen, Tap};
use super::transport::{Connect, Tcp, Wire};
use super::{Failure, FailureKind, Timeouts};

/// Reads one meter over EtherNet/IP.
#[derive(Debug)]
pub struct Eip<C: Connect = Tcp> {
    way: C,
    timeouts: Timeouts,
    /// The devices that are accepted; any, when absent.
    accepted: Option<IdentityRule>,
    session: Option<Session<Tap<Held<C::Stream>>>>,
    /// The exchange under way, or the last one, on the wire.
    seen: Seen,
    /// The connection of the session, or of the last one that did not answer in time.
    late: Option<Late<C::Stream>>,
    /// It has shown life after that.
    alive: bool,
    ends: Option<(SocketAddr, SocketAddr)>,
    identity: Option<Identity>,
    /// Where the device is, behind the port that is connected to; itself, for a meter.
    route: Route,
    /// Sessions that were begun.
    sessions: u64,
    /// The session was open, and nothing was answered on it since.
    idle: bool,
    pub(super) log: Log,
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Miss {
    /// The session is over.
    Session(SessionError),
    /// No session could be made at all.
    Failure(Failure),
}

impl From<Miss> for Failure {
    fn from(miss: Miss) -> Failure {
        match miss {
            Miss::Session(error) => error.into(),
            Miss::Failure(failure) => failure,
        }
    }
}

/// What the meter answered: a refusal is a value.
pub type Reply<T> = Result<Result<T, Refused>, Miss>;

impl<C: Connect> Eip<C> {
    /// A reader that has not connected yet. A device that is not `accepted` is refused at connect.
    pub fn new(way: C, timeouts: Timeouts, accepted: Option<IdentityRule>) -> Self {
        Eip {
            way,
            timeouts,
            accepted,
            session: None,
            seen: Seen::default(),
            late: None,
            alive: false,
            ends: None,
            identity: None,
            route: Route::default(),
            sessions: 0,
            idle: false,
            log: Log::default(),
        }
    }

    /// The device is a controller at the end of this route.
    pub fn along(self, route: Route) -> Self {
        Eip { route, ..self }
    }

    /// How many sessions were begun since the start.
    pub fn sessions(&self) -> u64 {
        self.sessions
    }

    /// What the device said it is at the last connect.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether a session is open, as far as is known.
    pub fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// Some time has passed since the last request: a session that is found closed now was closed for that.
    pub fn begin(&mut self) {
        self.idle = self.session.is_some();
    }

    /// Whether the device has shown life since it did not answer; said until the next connect.
    pub fn shows_life(&mut self) -> bool {
        self.alive |= self.session.is_none() && self.late.as_ref().is_some_and(Late::has_come);
        self.alive
    }

    /// Ends the session.
    pub async fn close(&mut self) {
        self.late = None;
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }

    /// The data of an assembly, as it came.
    ///
    /// # Errors
    /// [`Miss`]; the session is over.
    pub async fn data(&mut self, instance: u16) -> Reply<Vec<u8>> {
        self.request(Read::AssemblyData(instance)).await
    }

    /// What the meter says of an assembly's size (attribute 4), as it came: two bytes, if it is sound.
    ///
    /// # Errors
    /// [`Miss`]; the session is over.
    pub async fn size(&mut self, instance: u16) -> Reply<Vec<u8>> {
        self.request(Read::AssemblySize(instance)).await
    }

    /// Makes sure that there is a session.
    ///
    /// # Errors
    /// [`Miss`]; there is none.
    pub async fn open(&mut self) -> Result<(), Miss> {
        if self.session.is_some() {
            return Ok(());
        }
        (self.late, self.alive) = (None, false);
        let Wire { stream, ends } = self.way.connect(self.timeouts.connect).await.map_err(|failure| {
            self.log.failed(failure.kind);
            Miss::Failure(failure)
        })?;
        self.sessions += 1;
        self.log.traffic.reconnects += u64::from(self.sessions > 1);
        let (stream, late) = Late::on(stream);
        self.late = Some(late);
        let (stream, seen) = Tap::for_log(stream);
        self.seen = seen;
        let session = match Session::register(stream, self.timeouts.request).await {
            Ok(session) => session,
            Err(error) => return Err(Miss::Failure(self.unregistered(error))),
        };
        (self.session, self.ends, self.idle) = (Some(session), ends, false);
        self.log.exchange("session", || "connected, and registered".to_owned(), &self.seen);
        let answer = self.who().await.map_err(|error| self.lost(error))?;
        let found = match answer {
            Ok(data) => identity::decode(&data).ok_or_else(|| {
                let wrong = "the identity object's reply is too short";
                self.log.exhibit(&wrong, &data);
                FailureKind::BadData.because(wrong)
            }),
            Err(Refused { refusal, .. }) => Err(match unreached(&refusal, &self.route) {
                Some((why, sentence)) if !self.route.is_direct() => FailureKind::from(why).because(sentence),
                _ => FailureKind::Refused.because(format!("the identity object is refused: {refusal}")),
            }),
        };
        let checked =
            found.and_then(|found| match self.accepted.as_ref().and_then(|rule| found.mismatch(rule)) {
                Some(mismatch) => Err(FailureKind::WrongDevice.because(format!(
                    "{mismatch}; correct the address, or set identity = \"warn\" to read it all the same"
                ))),
                None => Ok(found),
            });
        match checked {
            Ok(found) => {
                self.identity = Some(found);
                Ok(())
            }
            Err(failure) => {
                self.close().await;
                self.log.failed(failure.kind);
                Err(Miss::Failure(failure))
            }
        }
    }

    /// Our and the meter's address on a session that was open at least a moment ago.
    pub(super) async fn addresses(&mut self) -> Result<(SocketAddr, SocketAddr), Miss> {
        self.open().await?;
        self.ends.ok_or(Miss::Session(SessionError::Closed))
    }

    /// Opens a class 1 connection on this meter's session; one that was found closed is reopened first.
    pub(super) async fn open_connection(&mut self, open: &ForwardOpen) -> Reply<Accepted> {
        loop {
            let mut session = self.take().await?;
            self.log.traffic.requests += 1;
            self.seen.clear();
            let sent = Instant::now();
            match session.open(open, self.timeouts.request).await {
                Ok(answer) => {
                    self.answered(session, sent);
                    let said = || match &answer {
                        Ok(Accepted { opened, .. }) => {
                            format!("the Forward Open is accepted, packet interval {:?}", opened.t2o_api)
                        }
                        Err(refused) => format!("the Forward Open is refused: {}", refused.refusal),
                    };
                    self.log.exchange("class 1", said, &self.seen);
                    if let Err(Refused { refusal, reply }) = &answer {
                        self.log.exhibit(&format_args!("the Forward Open is refused: {refusal}"), reply);
                    }
                    return Ok(answer);
                }
                Err(error) if self.was_idle(&error) => {}
                Err(error) => {
                    self.log.exhibit(&error, error.reply());
                    return Err(self.lost(error));
                }
            }
        }
    }

    /// Closes a class 1 connection, on a new session if the old one is found closed. What the meter says to
    /// it, if it says anything, changes nothing for us.
    ///
    /// # Errors
    /// The meter cannot be reached.
    pub(super) async fn close_connection(&mut self, close: &ForwardClose) -> Result<(), Failure> {
        if let Some(mut session) = self.session.take() {
            self.seen.clear();
            let closed = session.close_connection(close, self.timeouts.request).await;
            let said = || match &closed {
                Ok(Ok(())) => "the Forward Close is accepted".to_owned(),
                Ok(Err(refused)) => format!("the Forward Close is refused: {}", refused.refusal),
                Err(error) => format!("the Forward Close: {error}"),
            };
            self.log.exchange("class 1", said, &self.seen);
            match closed {
                Ok(_) => {
                    (self.session, self.idle) = (Some(session), false);
                    return Ok(());
                }
                // To wait as long once more would only cost what is to be read after it.
                Err(SessionError::Timeout { .. }) => return Ok(()),
                Err(_) => {}
            }
        }
        self.late = None;
        let Wire { stream, .. } = self.way.connect(self.timeouts.connect).await?;
        let mut session = Session::register(stream, self.timeouts.request).await?;
        // A connection that is not closed ends by itself, for our heartbeats have ended.
        let _ = session.close_connection(close, self.timeouts.request).await;
        // Nobody asked who answers here, so nothing is read over it.
        session.close().await;
        Ok(())
    }

    /// Asks one thing, with a new session where there is none or the old one is found closed.
    async fn request(&mut self, read: Read) -> Reply<Vec<u8>> {
        loop {
            self.open().await?;
            match self.ask(read).await {
                Err(error) if self.was_idle(&error) => {}
                answer => return answer.map_err(|error| self.lost(error)),
            }
        }
    }

    /// Asks a controller, with a new session where there is none or the old one is found closed. What came back is a
    /// reply or a refusal.
    ///
    /// # Errors
    /// [`Miss`]; the session is over.
    pub(super) async fn query(&mut self, query: Query) -> Result<Vec<u8>, Miss> {
        let query = query.along(&self.route);
        loop {
            self.open().await?;
            match self.put(&query).await {
                Err(error) if self.was_idle(&error) => {}
                answer => return answer.map_err(|error| self.lost(error)),
            }
        }
    }

    /// An answer that makes no sense; the session is over, for nothing says what the next one belongs to.
    pub(super) fn strange(&mut self, malformed: Malformed, reply: &[u8]) -> Miss {
        self.session = None;
        self.log.exhibit(&malformed, reply);
        self.lost(SessionError::Malformed(malformed, reply.to_vec()))
    }

    /// Asks who is at the end of the route.
    async fn who(&mut self) -> Result<Result<Vec<u8>, Refused>, SessionError> {
        if self.route.is_direct() {
            return self.ask(Read::Identity).await;
        }
        let reply = self.put(&Query::identity().along(&self.route)).await?;
        let answer = Query::identity_reply(&reply)
            .map_err(|malformed| SessionError::Malformed(malformed, reply.clone()))?;
        Ok(answer.map_err(|refusal| Refused { refusal, reply }))
    }

    /// Asks a controller on the session there is.
    async fn put(&mut self, query: &Query) -> Result<Vec<u8>, SessionError> {
        let mut session = self.session.take().ok_or(SessionError::Closed)?;
        self.log.traffic.requests += 1;
        self.seen.clear();
        let sent = Instant::now();
        let reply = session.query(query, self.timeouts.request).await.inspect_err(|error| {
            self.log.exhibit(&format_args!("{query}: {error}"), error.reply());
        })?;
        self.answered(session, sent);
        self.log.exchange(
            "CIP",
            || format!("{query}: {} bytes in {:.1?}", reply.len(), sent.elapsed()),
            &self.seen,
        );
        Ok(reply)
    }

    /// Asks one thing on the session there is.
    async fn ask(&mut self, read: Read) -> Result<Result<Vec<u8>, Refused>, SessionError> {
        // Taken out for the duration, so that a caller who gives up leaves no half-used session behind.
        let mut session = self.session.take().ok_or(SessionError::Closed)?;
        self.log.traffic.requests += 1;
        self.seen.clear();
        let sent = Instant::now();
        let answer = session.read(read, self.timeouts.request).await.inspect_err(|error| {
            self.log.exhibit(&format_args!("{read}: {error}"), error.reply());
        })?;
        self.answered(session, sent);
        let said = || match &answer {
            Ok(data) => format!("{read}: {} bytes in {:.1?}", data.len(), sent.elapsed()),
            Err(refused) => format!("{read}: refused, {} in {:.1?}", refused.refusal, sent.elapsed()),
        };
        self.log.exchange("CIP", said, &self.seen);
        match &answer {
            // Not every adapter tells sizes, and nothing depends on it.
            Err(Refused { refusal, reply }) if !matches!(read, Read::AssemblySize(_)) => {
                self.log.exhibit(&format_args!("{read} is refused: {refusal}"), reply);
            }
            _ => {}
        }
        Ok(answer)
    }

    /// An open session, to be given back with [`answered`](Self::answered).
    async fn take(&mut self) -> Result<Session<Tap<Held<C::Stream>>>, Miss> {
        self.open().await?;
        self.session.take().ok_or(Miss::Session(SessionError::Closed))
    }

    fn answered(&mut self, session: Session<Tap<Held<C::Stream>>>, sent: Instant) {
        self.session = Some(session);
        self.idle = false;
        self.log.replied(sent);
    }

    /// Whether a session ended because it had been idle; true only once.
    fn was_idle(&mut self, error: &SessionError) -> bool {
        std::mem::take(&mut self.idle) && matches!(error, SessionError::Closed | SessionError::Io(..))
    }

    fn lost(&mut self, error: SessionError) -> Miss {
        self.give_up(&error);
        self.log.exchange("session", || format!("over: {error}"), &self.seen);
        self.log.failed(FailureKind::from(&error));
        Miss::Session(error)
    }

    /// Only a connection without an answer is watched; any other is closed at once.
    fn give_up(&mut self, error: &SessionError) {
        if !matches!(error, SessionError::Timeout { .. }) {
            self.late = None;
        }
    }

    /// What answers does not speak EtherNet/IP, or not with us.
    fn unregistered(&mut self, error: SessionError) -> Failure {
        self.log.exchange("session", || format!("not registered: {error}"), &self.seen);
        self.give_up(&error);
        self.log.failed(FailureKind::from(&error));
        self.log.exhibit(&error, error.reply());
        let mut failure = Failure::from(error);
        if let (FailureKind::Timeout | FailureKind::Connection, Some(doubt)) =
            (failure.kind, self.way.doubt())
        {
            failure.sentence = format!("{}; {doubt}", failure.sentence);
        }
        failure
    }
}
