//! EtherNet/IP, unconnected Get_Attribute_Single: one request per assembly, no connection taken.
//!
//! Connect → RegisterSession → identity → sizes of the assemblies in use (asked once per device) → data.
//! Adapters close an idle session after 120 s: a session found closed at the first request of a gather is
//! reopened without a word. A request that is not answered costs the session; it is reopened once in a
//! gather, so that one dead assembly costs only its own table and a dead meter costs two timeouts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::enip::message::Read;
use crate::enip::status::Refusal;
use crate::enip::{Session, SessionError, identity};
use crate::meter::identity::Identity;
use crate::meter::{Profile, Table, decode};
use crate::net::{self, Protocol};

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
    /// Assemblies whose size was asked, and what is wrong with it.
    sizes: HashMap<u16, Option<Failure>>,
    connected_before: bool,
}

/// Why a block was not read.
enum Miss {
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
        let profile = self.profile.clone();
        let blocks: Vec<_> = gather
            .tables
            .iter()
            .flat_map(|table| profile.assemblies_of(table).map(move |found| (table, found.instance)))
            .collect();
        let mut faults = 0;
        let mut answered = false;
        for (position, &(table, instance)) in blocks.iter().enumerate() {
            let idle = self.session.is_some() && !answered;
            let mut outcome = self.block(instance, gather).await;
            if let Err(Miss::Session(SessionError::Closed | SessionError::Io(_))) = outcome
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
                    decoded.err().map(|wrong| Failure::WrongSize(wrong.to_string()))
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
        if !self.sizes.contains_key(&instance) {
            let wrong = self.size(instance, gather).await?;
            self.sizes.insert(instance, wrong);
        }
        if let Some(Some(wrong)) = self.sizes.get(&instance) {
            return Err(Miss::Failure(wrong.clone()));
        }
        let answer = self.read(Read::AssemblyData(instance), gather).await?;
        answer.map_err(|refusal| Miss::Failure(refused(instance, &refusal)))
    }

    /// Connects, registers and checks who is there.
    async fn open(&mut self, gather: &mut Gather<'_>) -> Result<(), Miss> {
        let Endpoint { host, port } = &self.endpoint;
        let stream = net::connect(host, *port, Protocol::EtherNetIp, self.timeouts.connect).await;
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
        let session = Session::register(stream, self.timeouts.request).await.map_err(Miss::Session)?;
        self.session = Some(session);
        let found = match self.read(Read::Identity, gather).await? {
            Ok(data) => identity::decode(&data)
                .ok_or_else(|| Failure::BadData("the identity object's reply is too short".to_owned())),
            Err(refusal) => Err(Failure::Refused(format!("the identity object is refused: {refusal}"))),
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

    /// Asks an assembly's size. A device that does not offer attribute 4 is judged by its data alone.
    async fn size(&mut self, instance: u16, gather: &mut Gather<'_>) -> Result<Option<Failure>, Miss> {
        let Ok(size) = self.read(Read::AssemblySize(instance), gather).await? else { return Ok(None) };
        let &[low, high] = size.as_slice() else {
            return Ok(Some(Failure::BadData(format!(
                "the size of assembly {instance} has {} bytes instead of 2",
                size.len()
            ))));
        };
        let Some(assembly) = self.profile.assembly(instance) else { return Ok(None) };
        let size = usize::from(u16::from_le_bytes([low, high]));
        Ok(decode::check_size(assembly, size).err().map(|wrong| Failure::WrongSize(wrong.to_string())))
    }

    async fn read(&mut self, read: Read, gather: &mut Gather<'_>) -> Result<Result<Vec<u8>, Refusal>, Miss> {
        // Taken out for the duration, so that a cancelled gather leaves no half-used session behind.
        let Some(mut session) = self.session.take() else {
            return Err(Miss::Session(SessionError::Closed));
        };
        gather.traffic.requests += 1;
        let sent = Instant::now();
        let answer = session.read(read, self.timeouts.request).await.map_err(Miss::Session)?;
        self.session = Some(session);
        gather.replied(sent);
        Ok(answer)
    }
}

fn refused(instance: u16, refusal: &Refusal) -> Failure {
    Failure::Refused(format!("assembly {instance} is refused: {refusal}"))
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
            SessionError::Closed | SessionError::Io(_) => Failure::Connection(text),
            SessionError::Status(_) => Failure::Refused(text),
            SessionError::Malformed(_) => Failure::BadData(text),
        }
    }
}

/// The tables that EtherNet/IP can give.
pub fn serves(profile: &Profile, table: Table) -> bool {
    profile.elements_of(table).any(|(_, element)| element.place.is_some())
}
