//! EtherNet/IP, unconnected Get_Attribute_Single: one request per assembly, no connection taken.
//!
//! The size of an assembly is asked before its data, once per device. What is refused, or has a wrong size, is
//! asked again after a minute, then less often, and at once on a new session: a meter that boots may say strange
//! things. A session that breaks is reopened once in a read, so that one dead assembly costs only itself and a
//! dead meter costs two timeouts.

use std::collections::HashMap;
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use crate::enip::status::Refusal;
use crate::meter::block::Sizes;
use crate::meter::identity::Identity;

use super::eip::{Eip, Miss};
use super::refusals::Refusals;
use super::transport::{Connect, Tcp};
use super::{Access, Answer, Block, Deadline, Failure, FailureKind, Link, Source, Span};

/// Reads one meter over EtherNet/IP.
#[derive(Debug)]
pub struct Explicit<C: Connect = Tcp> {
    pub(super) eip: Eip<C>,
    legal: Sizes,
    /// Assemblies whose size was asked: the size, if the meter tells it.
    sizes: HashMap<u16, Option<u16>>,
    /// The device that said so.
    sizes_of: Option<Identity>,
    /// Assemblies that are refused, or have a wrong size.
    refusals: Refusals<u16>,
    /// The session on which all that was said.
    said_on: u64,
}

/// What came of reading some assemblies.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) blocks: Vec<Block>,
    pub(super) failures: Vec<(Span, Failure)>,
}

impl<C: Connect> Explicit<C> {
    /// A source that has not connected yet. An assembly that has none of its legal sizes is not read.
    pub fn new(eip: Eip<C>, legal: Sizes) -> Self {
        Explicit { eip, legal, sizes: HashMap::new(), sizes_of: None, refusals: Refusals::new(), said_on: 0 }
    }

    /// Reads these assemblies one after another.
    pub(super) async fn read_all(&mut self, wanted: &[Span], deadline: Deadline) -> Read {
        let mut read = Read::default();
        let mut faults = 0;
        for (position, &span) in wanted.iter().enumerate() {
            let rest = &wanted[position..];
            let Ok(outcome) = timeout_at(deadline.at(), self.assembly(span)).await else {
                read.failures.extend(rest.iter().map(|span| (*span, deadline.passed())));
                break;
            };
            let (failure, hopeless) = match outcome {
                Ok(bytes) => {
                    read.blocks.push(Block { span, bytes, at: SystemTime::now() });
                    continue;
                }
                Err(miss @ Miss::Failure(_)) => (Failure::from(miss), !self.eip.is_open()),
                Err(miss @ Miss::Session(_)) => {
                    faults += 1;
                    (Failure::from(miss), faults > 1)
                }
            };
            if hopeless {
                read.failures.extend(rest.iter().map(|span| (*span, failure.clone())));
                break;
            }
            read.failures.push((span, failure));
        }
        read
    }

    /// Reads one assembly, asking its size first where that is due.
    async fn assembly(&mut self, span: Span) -> Result<Vec<u8>, Miss> {
        let Span::Assembly(instance) = span else {
            let sentence = "registers cannot be read over EtherNet/IP";
            return Err(Miss::Failure(FailureKind::Refused.because(sentence)));
        };
        self.size(instance).await?;
        let refused = match self.eip.data(instance).await? {
            Ok(data) => {
                self.refusals.granted(instance);
                return Ok(data);
            }
            Err(refused) => refused.refusal,
        };
        let failure = FailureKind::Refused.because(format!("assembly {instance} is refused: {refused}"));
        if !passes(&refused) {
            self.refusals.refused(instance, failure.clone(), Instant::now());
        }
        Err(Miss::Failure(failure))
    }

    /// The size of an assembly in bytes, asked once per device and compared with what is legal. A device that
    /// does not offer attribute 4 is judged by its data alone.
    pub(super) async fn size(&mut self, instance: u16) -> Result<Option<u16>, Miss> {
        self.eip.open().await?;
        if std::mem::replace(&mut self.said_on, self.eip.sessions()) != self.eip.sessions() {
            self.refusals.expire(Instant::now());
            if self.sizes_of.as_ref() != self.eip.identity() {
                self.sizes.clear();
                self.sizes_of = self.eip.identity().cloned();
            }
        }
        if let Some(failure) = self.refusals.held(instance, Instant::now()) {
            return Err(Miss::Failure(failure.clone()));
        }
        if let Some(known) = self.sizes.get(&instance) {
            return Ok(*known);
        }
        let size = match self.eip.size(instance).await? {
            Ok(reply) => match self.check_size(instance, &reply) {
                Ok(size) => Some(size),
                Err(failure) => {
                    self.eip.log.exhibit(&failure, &reply);
                    self.refusals.refused(instance, failure.clone(), Instant::now());
                    return Err(Miss::Failure(failure));
                }
            },
            Err(_) => None,
        };
        self.sizes.insert(instance, size);
        Ok(size)
    }

    /// The size that the device has told of an assembly, if it was asked and did.
    pub(super) fn known_size(&self, instance: u16) -> Option<u16> {
        self.sizes.get(&instance).copied().flatten()
    }

    /// The smallest legal size of an assembly, for a device that does not tell.
    pub(super) fn smallest(&self, instance: u16) -> Option<u16> {
        self.legal.smallest(instance)
    }

    fn check_size(&self, instance: u16, reply: &[u8]) -> Result<u16, Failure> {
        let &[low, high] = reply else {
            return Err(FailureKind::BadData
                .because(format!("the size of assembly {instance} has {} bytes instead of 2", reply.len())));
        };
        let size = u16::from_le_bytes([low, high]);
        match self.legal.check(instance, usize::from(size)) {
            Ok(()) => Ok(size),
            Err(wrong) => Err(FailureKind::WrongSize.because(wrong.to_string())),
        }
    }
}

#[async_trait]
impl<C: Connect> Source for Explicit<C> {
    fn access(&self) -> Access {
        Access::Assemblies
    }

    async fn read(&mut self, wanted: &[Span], deadline: Deadline) -> Answer {
        self.eip.begin();
        let Read { blocks, failures } = self.read_all(wanted, deadline).await;
        let link = if blocks.is_empty() { Link::None } else { Link::Explicit };
        Answer { blocks, failures, link, ..Answer::with(self.eip.log.take()) }
    }

    async fn shows_life(&mut self) -> bool {
        self.eip.shows_life()
    }

    async fn close(&mut self) {
        self.eip.close().await;
    }

    fn identity(&self) -> Option<&Identity> {
        self.eip.identity()
    }
}

/// Whether a refusal is of the moment: the device is busy, or not yet in the state to answer.
fn passes(refusal: &Refusal) -> bool {
    matches!(refusal.general, 0x02 | 0x0C | 0x10)
}
