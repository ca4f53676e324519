//! Modbus TCP: planned block reads, functions 03 and 04 only.
//!
//! Connect → the fewest reads that cover the wanted elements → close (or hold). What the meter refuses
//! is learned: exception 01 switches between 03 and 04; 02 and 03 split a block until the refused element
//! stands alone, and both are remembered; 04 halves a block once; 05, 06, 0A and 0B mean "not now" and end
//! the gather. One refused element never costs its neighbors. A held connection found closed at the first
//! request of a gather is made again without a word.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio_modbus::ExceptionCode;

use crate::host::tcp::{self, Protocol};
use crate::meter::decode::{WordOrder, registers};
use crate::meter::{Profile, Table, TableSet, Use};

use super::plan::{Block, plan};
use super::reader::{Function, Lost, Refused, RegisterReader, exception};
use super::{Endpoint, Failure, Gather, Timeouts};

/// How a meter speaks Modbus TCP. None of it is on a manual page that was reached; defaults are the
/// sibling's (evidence: inferred).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Unit identifier.
    pub unit_id: u8,
    /// Which word of a number comes first.
    pub word_order: WordOrder,
    /// Close the connection after each gather, for meters that serve one client at a time.
    pub close_after_gather: bool,
    /// Most registers in one read, at most 125.
    pub max_registers: u16,
}

/// Reads one meter over Modbus TCP.
#[derive(Debug)]
pub struct Modbus {
    endpoint: Endpoint,
    timeouts: Timeouts,
    profile: Arc<Profile>,
    settings: Settings,
    connection: Option<RegisterReader>,
    function: Function,
    connected_before: bool,
    /// Addresses at which a read must begin: where a refusal made us split.
    splits: BTreeSet<u16>,
    /// Elements that the meter refused alone, with what it said.
    refused: Vec<(usize, Failure)>,
    /// The plan for the tables it was made for, until something new is learned.
    planned: Option<(TableSet, Vec<Arc<Block>>)>,
}

/// What became of one block.
enum Step {
    /// Read, or refused for good; go on.
    Next,
    /// Refused this time; go on.
    Refused(Failure),
    /// Read these instead.
    Instead(Vec<Block>),
    /// The connection is over.
    Lost(Failure),
    /// The meter wants to be left alone for now.
    NotNow(Failure),
}

impl Modbus {
    /// A source that has not connected yet.
    pub fn new(endpoint: Endpoint, timeouts: Timeouts, profile: Arc<Profile>, settings: Settings) -> Self {
        Modbus {
            endpoint,
            timeouts,
            profile,
            settings,
            connection: None,
            function: Function::Holding,
            connected_before: false,
            splits: BTreeSet::new(),
            refused: Vec::new(),
            planned: None,
        }
    }

    /// Ends the connection.
    pub async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    /// Reads the tables that are due.
    pub async fn gather(&mut self, gather: &mut Gather<'_>) {
        if gather.tables.contains(Table::Info) {
            // Once an hour a refused element gets another chance.
            self.refused.clear();
            self.planned = None;
        }
        let mut queue: VecDeque<Arc<Block>> = self.plan(gather.tables).into();
        let mut faults = 0;
        let mut late: Option<Arc<Block>> = None;
        let mut idle = self.connection.is_some();
        while let Some(block) = queue.pop_front() {
            let pending = queue.iter().map(|block| block.tables);
            gather.tried = gather.tables.difference(pending.fold(block.tables, TableSet::union));
            let mut step = self.step(&block, gather).await;
            if std::mem::take(&mut idle) && matches!(step, Step::Lost(Failure::Connection(_))) {
                step = self.step(&block, gather).await;
            }
            let failure = match step {
                Step::Next => {
                    if let Some(long) = late.take_if(|long| long.count > block.count) {
                        self.halve(&long);
                    }
                    continue;
                }
                Step::Refused(failure) => {
                    fail(&block, &failure, gather);
                    continue;
                }
                Step::Instead(parts) => {
                    parts.into_iter().rev().for_each(|part| queue.push_front(Arc::new(part)));
                    continue;
                }
                Step::Lost(failure) => {
                    faults += 1;
                    count(&failure, gather);
                    late = matches!(failure, Failure::Timeout(_)).then(|| block.clone());
                    fail(&block, &failure, gather);
                    if faults < 2 {
                        continue;
                    }
                    failure
                }
                Step::NotNow(failure) => {
                    fail(&block, &failure, gather);
                    failure
                }
            };
            queue.drain(..).for_each(|block| fail(&block, &failure, gather));
        }
        for (index, failure) in &self.refused {
            let table = self.profile.elements[*index].table;
            if gather.tables.contains(table) && table != Table::Info {
                gather.failures.push((table, failure.clone()));
            }
        }
        gather.tried = gather.tables;
        if self.settings.close_after_gather {
            self.close().await;
        }
    }

    async fn step(&mut self, block: &Block, gather: &mut Gather<'_>) -> Step {
        let mut function_tried = false;
        loop {
            let connection = match self.connection.take() {
                Some(connection) => connection,
                None => match self.open(gather).await {
                    Ok(connection) => connection,
                    Err(failure) => return Step::NotNow(failure),
                },
            };
            gather.traffic.requests += 1;
            let sent = Instant::now();
            let read = connection.read(self.function, block.start, block.count, self.timeouts.request).await;
            let answer = match read {
                Ok((connection, answer)) => {
                    self.connection = Some(connection);
                    answer
                }
                Err(Lost { failure, reply }) => {
                    gather.exhibit(&failure, &reply);
                    return Step::Lost(failure);
                }
            };
            gather.replied(sent);
            match answer {
                Ok(words) => {
                    self.keep(block, &words, gather);
                    return Step::Next;
                }
                Err(Refused { code: ExceptionCode::IllegalFunction, .. }) if !function_tried => {
                    self.function = self.function.other();
                    function_tried = true;
                }
                Err(Refused { code, reply }) => {
                    gather.exhibit(&refusal_of(block, code), &reply);
                    return self.refusal(block, code);
                }
            }
        }
    }

    /// Connects; a failure here concerns every block that is left.
    async fn open(&mut self, gather: &mut Gather<'_>) -> Result<RegisterReader, Failure> {
        let Endpoint { host, port } = &self.endpoint;
        match tcp::connect(host, *port, Protocol::ModbusTcp, self.timeouts.connect).await {
            Ok(stream) => {
                if std::mem::replace(&mut self.connected_before, true) && !self.settings.close_after_gather {
                    gather.traffic.reconnects += 1;
                }
                Ok(RegisterReader::new(stream, self.settings.unit_id))
            }
            Err(error) => {
                let failure = Failure::from(error);
                count(&failure, gather);
                Err(failure)
            }
        }
    }

    fn refusal(&mut self, block: &Block, code: ExceptionCode) -> Step {
        let failure = Failure::Refused(refusal_of(block, code));
        let split = match code {
            ExceptionCode::IllegalDataAddress | ExceptionCode::IllegalDataValue => {
                block.split_at(&self.profile)
            }
            ExceptionCode::ServerDeviceFailure if !self.splits.contains(&block.start) => {
                block.split_at(&self.profile)
            }
            ExceptionCode::ServerDeviceFailure | ExceptionCode::IllegalFunction => {
                return Step::Refused(failure);
            }
            _ => return Step::NotNow(failure),
        };
        if let Some(at) = split {
            self.splits.insert(at);
            if code == ExceptionCode::ServerDeviceFailure {
                // Marks the first half as halved, too.
                self.splits.insert(block.start);
            }
            self.planned = None;
            let parts = plan(&self.profile, &block.elements, self.settings.max_registers, &self.splits);
            return Step::Instead(parts);
        }
        for &index in &block.elements {
            self.refused.push((index, failure.clone()));
        }
        self.planned = None;
        Step::Next
    }

    /// A long read that timed out while a shorter one was answered is halved from the next gather on.
    fn halve(&mut self, long: &Block) {
        if !self.splits.contains(&long.start)
            && let Some(at) = long.middle(&self.profile)
        {
            self.splits.extend([long.start, at]);
            self.planned = None;
        }
    }

    fn keep(&self, block: &Block, words: &[u16], gather: &mut Gather<'_>) {
        let order = self.settings.word_order;
        registers(&self.profile, &block.elements, block.start, words, order, gather.readings);
        if let Some(blocks) = &mut gather.registers {
            blocks.push((block.start, words.to_vec()));
        }
        for table in block.tables.iter() {
            gather.arrived(table);
        }
    }

    fn plan(&mut self, tables: TableSet) -> Vec<Arc<Block>> {
        if let Some((planned, blocks)) = &self.planned
            && *planned == tables
        {
            return blocks.clone();
        }
        let rows = self.profile.elements.iter().enumerate();
        let wanted: Vec<usize> = rows
            .filter(|(_, element)| tables.contains(element.table) && element.usage != Use::None)
            .filter(|(index, _)| !self.refused.iter().any(|(refused, _)| refused == index))
            .map(|(index, _)| index)
            .collect();
        let blocks = plan(&self.profile, &wanted, self.settings.max_registers, &self.splits);
        let blocks: Vec<Arc<Block>> = blocks.into_iter().map(Arc::new).collect();
        self.planned = Some((tables, blocks.clone()));
        blocks
    }
}

/// A refused read in words.
fn refusal_of(block: &Block, code: ExceptionCode) -> String {
    let (first, last) = (block.start, block.start + (block.count - 1));
    format!("the read of 0x{first:04X} to 0x{last:04X} is refused: {}", exception(code))
}

fn fail(block: &Block, failure: &Failure, gather: &mut Gather<'_>) {
    for table in block.tables.iter() {
        gather.fail(table, failure.clone());
    }
}

fn count(failure: &Failure, gather: &mut Gather<'_>) {
    match failure {
        Failure::Timeout(_) => gather.traffic.timeouts += 1,
        _ => gather.traffic.errors += 1,
    }
}
