//! EtherNet/IP, unconnected Get_Attribute_Single: one request per assembly, no connection taken.
//!
//! Connect → RegisterSession → identity → sizes of the assemblies in use (asked once per device) → data.
//! Adapters close an idle session after 120 s: a session found closed at the first request of a gather is
//! reopened without a word. A request that is not answered costs the session; it is reopened once in a
//! gather, so that one dead assembly costs only its own table and a dead meter costs two timeouts.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::enip::forward_open::{ForwardClose, ForwardOpen};
use crate::enip::message::Read;
use crate::enip::{Accepted, Refused, Session, SessionError, identity};
use crate::host::tcp::{self, Protocol};
use crate::meter::identity::Identity;
use crate::meter::{Profile, Table, TableSet, decode};

use super::{Endpoint, Failure, Gather, Timeouts};

/// Reads one meter over EtherNet/IP.
#[derive(Debug)]
pub struct Explicit {
    endpoint: Endpoint,
    timeouts: Timeouts,
    profile: Arc<Profile>,
    /// Refuse a device the profile was not made for.
    require_identity: bool,
    session: Option<Session>,
    identity: Option<Identity>,
    /// Assemblies whose size was asked: the size, if the meter tells it, or what is wrong with it.
    sizes: HashMap<u16, Result<Option<u16>, Failure>>,
    connected_before: bool,
}

/// Why a block was not read.
pub(super) enum Miss {
    /// The session is over.
    Session(SessionError),
    /// The session is fine and the block was refused, or no session could be made at all.
    Failure(Failure),
}

impl Explicit {
    /// A source that has not connected yet.
    pub fn new(
        endpoint: Endpoint,
        timeouts: Timeouts,
        profile: Arc<Profile>,
        require_identity: bool,
    ) -> Self {
        Explicit {
            endpoint,
            timeouts,
            profile,
            require_identity,
            session: None,
            identity: None,
            sizes: HashMap::new(),
            connected_before: false,
        }
    }

    /// What the device said it is at the last connect.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Ends the session.
    pub async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }

    /// Reads the tables that are due, assembly by assembly.
    pub async fn gather(&mut self, gather: &mut Gather<'_>) {
        let blocks = blocks(&self.profile, gather.tables);
        self.gather_blocks(&blocks, gather).await;
    }

    /// Reads these assemblies; those of one table stand together.
    pub(super) async fn gather_blocks(&mut self, blocks: &[(Table, u16)], gather: &mut Gather<'_>) {
        let profile = self.profile.clone();
        let mut faults = 0;
        let mut answered = false;
        for (position, &(table, instance)) in blocks.iter().enumerate() {
            let idle = self.session.is_some() && !answered;
            let mut outcome = self.block(instance, gather).await;
            if let Err(Miss::Session(SessionError::Closed | SessionError::Io(..))) = outcome
                && idle
            {
                outcome = self.block(instance, gather).await;
            }
            let mut hopeless = false;
            let failure = match outcome {
                Ok(data) => {
                    answered = true;
                    let decoded = decode::assembly(&profile, instance, &data, gather.readings);
                    if decoded.is_ok() {
                        gather.arrived(table);
                    }
                    decoded.err().map(|wrong| {
                        gather.exhibit(&wrong, &data);
                        Failure::WrongSize(wrong.to_string())
                    })
                }
                Err(Miss::Failure(failure)) => {
                    answered = self.session.is_some();
                    hopeless = self.session.is_none();
                    Some(failure)
                }
                Err(Miss::Session(error)) => {
                    faults += 1;
                    hopeless = faults > 1;
                    count(&error, gather);
                    Some(error.into())
                }
            };
            let last_of_table = blocks.get(position + 1).is_none_or(|(next, _)| *next != table);
            if last_of_table {
                gather.tried.insert(table);
            }
            let Some(failure) = failure else { continue };
            gather.fail(table, failure.clone());
            if hopeless {
                for &(table, _) in &blocks[position + 1..] {
                    gather.fail(table, failure.clone());
                    gather.tried.insert(table);
                }
                return;
            }
        }
    }

    /// Reads one assembly, opening the session and asking the assembly's size first where that is due.
    async fn block(&mut self, instance: u16, gather: &mut Gather<'_>) -> Result<Vec<u8>, Miss> {
        if self.session.is_none() {
            self.open(gather).await?;
        }
        self.size(instance, gather).await?;
        let answer = self.read(Read::AssemblyData(instance), gather).await?;
        answer.map_err(|refused| {
            Miss::Failure(Failure::Refused(format!("assembly {instance} is refused: {}", refused.refusal)))
        })
    }

    /// Connects, registers and checks who is there.
    async fn open(&mut self, gather: &mut Gather<'_>) -> Result<(), Miss> {
        let Endpoint { host, port } = &self.endpoint;
        let stream = tcp::connect(host, *port, Protocol::EtherNetIp, self.timeouts.connect).await;
        let stream = stream.map_err(|error| {
            let failure = Failure::from(error);
            match failure {
                Failure::Timeout(_) => gather.traffic.timeouts += 1,
                _ => gather.traffic.errors += 1,
            }
            Miss::Failure(failure)
        })?;
        if std::mem::replace(&mut self.connected_before, true) {
            gather.traffic.reconnects += 1;
        }
        let session = Session::register(stream, self.timeouts.request).await.map_err(|error| {
            count(&error, gather);
            gather.exhibit(&error, error.reply());
            let hint = format!("{error}; is TCP port {port} the meter's EtherNet/IP port?");
            Miss::Failure(match Failure::from(error) {
                Failure::Timeout(_) => Failure::Timeout(hint),
                Failure::Connection(_) => Failure::Connection(hint),
                other => other,
            })
        })?;
        self.session = Some(session);
        let found = match self.read(Read::Identity, gather).await? {
            Ok(data) => identity::decode(&data).ok_or_else(|| {
                let wrong = "the identity object's reply is too short".to_owned();
                gather.exhibit(&wrong, &data);
                Failure::BadData(wrong)
            }),
            Err(Refused { refusal, .. }) => {
                Err(Failure::Refused(format!("the identity object is refused: {refusal}")))
            }
        };
        let rule = &self.profile.identity;
        let checked = found.and_then(|found| match found.mismatch(rule) {
            Some(mismatch) if self.require_identity => Err(Failure::WrongDevice(format!(
                "{mismatch}; correct the address, or set identity = \"warn\" to read it all the same"
            ))),
            _ => Ok(found),
        });
        match checked {
            Ok(found) => {
                if self.identity.as_ref() != Some(&found) {
                    self.sizes.clear();
                }
                self.identity = Some(found);
                Ok(())
            }
            Err(failure) => {
                self.close().await;
                gather.traffic.errors += 1;
                Err(Miss::Failure(failure))
            }
        }
    }

    /// The size of an assembly in bytes, asked once per device and compared with the profile. A device that
    /// does not offer attribute 4 is judged by its data alone.
    pub(super) async fn size(&mut self, instance: u16, gather: &mut Gather<'_>) -> Result<Option<u16>, Miss> {
        if let Some(known) = self.sizes.get(&instance) {
            return known.clone().map_err(Miss::Failure);
        }
        if self.session.is_none() {
            self.open(gather).await?;
        }
        let size = match self.read(Read::AssemblySize(instance), gather).await? {
            Ok(reply) => {
                let size = self.check_size(instance, &reply);
                size.inspect_err(|failure| gather.exhibit(failure, &reply))
            }
            Err(_) => Ok(None),
        };
        self.sizes.insert(instance, size.clone());
        size.map_err(Miss::Failure)
    }

    fn check_size(&self, instance: u16, reply: &[u8]) -> Result<Option<u16>, Failure> {
        let &[low, high] = reply else {
            return Err(Failure::BadData(format!(
                "the size of assembly {instance} has {} bytes instead of 2",
                reply.len()
            )));
        };
        let Some(assembly) = self.profile.assembly(instance) else { return Ok(None) };
        let size = u16::from_le_bytes([low, high]);
        match decode::check_size(assembly, usize::from(size)) {
            Ok(()) => Ok(Some(size)),
            Err(wrong) => Err(Failure::WrongSize(wrong.to_string())),
        }
    }

    /// Our and the meter's address on a session that was open at least a moment ago.
    pub(super) async fn addresses(
        &mut self,
        gather: &mut Gather<'_>,
    ) -> Result<(SocketAddr, SocketAddr), Miss> {
        if self.session.is_none() {
            self.open(gather).await?;
        }
        let addresses = self.session.as_ref().and_then(Session::addresses);
        addresses.ok_or(Miss::Session(SessionError::Closed))
    }

    /// Opens a class 1 connection on this meter's session; one that was found closed is reopened first.
    pub(super) async fn open_connection(
        &mut self,
        open: &ForwardOpen,
        gather: &mut Gather<'_>,
    ) -> Result<Result<Accepted, Refused>, Miss> {
        let mut idle = self.session.is_some();
        loop {
            if self.session.is_none() {
                self.open(gather).await?;
            }
            let Some(mut session) = self.session.take() else {
                return Err(Miss::Session(SessionError::Closed));
            };
            gather.traffic.requests += 1;
            let sent = Instant::now();
            match session.open(open, self.timeouts.request).await {
                Ok(answer) => {
                    self.session = Some(session);
                    gather.replied(sent);
                    if let Err(Refused { refusal, reply }) = &answer {
                        gather.exhibit(&format_args!("the Forward Open is refused: {refusal}"), reply);
                    }
                    return Ok(answer);
                }
                Err(SessionError::Closed | SessionError::Io(..)) if idle => idle = false,
                Err(error) => {
                    count(&error, gather);
                    gather.exhibit(&error, error.reply());
                    return Err(Miss::Session(error));
                }
            }
        }
    }

    /// Closes a class 1 connection, on a new session if the old one is found closed. What the meter says to
    /// it changes nothing for us.
    ///
    /// # Errors
    /// The meter cannot be reached.
    pub(super) async fn close_connection(&mut self, close: &ForwardClose) -> Result<(), Failure> {
        if let Some(mut session) = self.session.take()
            && session.close_connection(close, self.timeouts.request).await.is_ok()
        {
            self.session = Some(session);
            return Ok(());
        }
        let Endpoint { host, port } = &self.endpoint;
        let stream = tcp::connect(host, *port, Protocol::EtherNetIp, self.timeouts.connect).await?;
        let mut session = Session::register(stream, self.timeouts.request).await?;
        session.close_connection(close, self.timeouts.request).await?.ok();
        // Nobody asked who answers here, so nothing is read over it.
        session.close().await;
        Ok(())
    }

    async fn read(&mut self, read: Read, gather: &mut Gather<'_>) -> Result<Result<Vec<u8>, Refused>, Miss> {
        // Taken out for the duration, so that a cancelled gather leaves no half-used session behind.
        let Some(mut session) = self.session.take() else {
            return Err(Miss::Session(SessionError::Closed));
        };
        gather.traffic.requests += 1;
        let sent = Instant::now();
        let answer = session.read(read, self.timeouts.request).await.map_err(|error| {
            gather.exhibit(&format_args!("{read}: {error}"), error.reply());
            Miss::Session(error)
        })?;
        self.session = Some(session);
        gather.replied(sent);
        match &answer {
            // Not every adapter tells sizes, and nothing depends on it.
            Err(Refused { refusal, reply }) if !matches!(read, Read::AssemblySize(_)) => {
                gather.exhibit(&format_args!("{read} is refused: {refusal}"), reply);
            }
            _ => {}
        }
        Ok(answer)
    }
}

fn count(error: &SessionError, gather: &mut Gather<'_>) {
    match error {
        SessionError::Timeout { .. } => gather.traffic.timeouts += 1,
        _ => gather.traffic.errors += 1,
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        let text = error.to_string();
        match error {
            SessionError::Timeout { .. } => Failure::Timeout(text),
            SessionError::Closed | SessionError::Io(..) => Failure::Connection(text),
            SessionError::Status(..) => Failure::Refused(text),
            SessionError::Malformed(..) => Failure::BadData(text),
        }
    }
}

/// The assemblies of these tables, table by table.
pub(super) fn blocks(profile: &Profile, tables: TableSet) -> Vec<(Table, u16)> {
    tables
        .iter()
        .flat_map(|table| profile.assemblies_of(table).map(move |found| (table, found.instance)))
        .collect()
}
