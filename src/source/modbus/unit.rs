//! One unit behind a port: how it is asked, and what follows from its answers.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout_at};
use tokio_modbus::ExceptionCode;

use super::function::Function;
use super::learned::{Attempt, Learned, Why};
use super::plan::{Piece, Read};
use super::reader::{Lost, Refused, RegisterReader, exception};
use super::{Port, Settings};
use crate::source::log::Log;
use crate::source::transport::Connect;
use crate::source::{Answer, Block, Deadline, Failure, FailureKind, Link, Notice, Span, Timeouts};

/// Device failures in a row after which the meter as a whole is taken to fail.
const MOST_DEVICE_FAILURES: u32 = 8;
/// Registers that any meter gives in one read.
const SHORT: u16 = 4;
/// Short reads that clear the line, in a row.
const MOST_CLEARINGS: u32 = 3;
/// Reads of what was refused before, in one read of everything.
const MOST_RETRIES: usize = 4;

/// One unit behind a port: how it is asked, and what it has taught us.
#[derive(Debug)]
pub(super) struct Unit {
    timeouts: Timeouts,
    settings: Settings,
    function: Function,
    learned: Learned,
    /// The plan for the spans it was made for, while nothing is learned.
    planned: Option<(Vec<Span>, Vec<Read>)>,
    log: Log,
}

/// What became of one read.
enum Step {
    /// Here it is.
    Got(Block),
    /// The meter says no.
    Refused(ExceptionCode, Failure),
    /// The connection is over.
    Lost(Failure),
    /// Not asked: a late reply to another read could be taken for it.
    Unsure(Failure),
    /// Nothing more can be read for now.
    NotNow(Failure),
}

impl Unit {
    /// A unit of which nothing is known yet.
    pub(super) fn new(timeouts: Timeouts, settings: Settings) -> Unit {
        Unit {
            timeouts,
            settings,
            function: Function::Holding,
            learned: Learned::new(settings.max_registers),
            planned: None,
            log: Log::default(),
        }
    }

    /// Its number behind the port.
    pub(super) fn id(&self) -> u8 {
        self.settings.unit_id
    }

    /// How long it may wait for its turn.
    pub(super) fn patience(&self) -> Duration {
        self.settings.patience
    }

    /// Whether the connection is to be given back after each read.
    pub(super) fn closes_after_gather(&self) -> bool {
        self.settings.close_after_gather
    }

    async fn step<C: Connect>(&mut self, port: &mut Port<C>, read: &Read) -> Step {
        let mut function_tried = false;
        loop {
            let connection = match self.connection(port, read).await {
                Ok(connection) => connection,
                Err(step) => return step,
            };
            let (unit, registers) = (self.settings.unit_id, (read.start, read.count));
            if port.unanswered().resembles(unit, registers, Instant::now()) {
                port.keep(connection);
                return Step::Unsure(FailureKind::Timeout.because(format!(
                    "a late reply to another read could be taken for that to the read of {}, which waits for it",
                    read.span()
                )));
            }
            self.log.traffic.requests += 1;
            port.asks(unit, registers, self.settings.pause).await;
            let (sent, seen) = (Instant::now(), connection.seen());
            let answer = match connection.read(unit, self.function, registers, self.timeouts.request).await {
                Ok((connection, answer)) => {
                    port.answered(true);
                    port.keep(connection);
                    answer
                }
                Err(Lost { failure, reply }) => {
                    self.log.exchange("Modbus", || format!("over: {failure}"), &seen);
                    port.lost(unit, failure.kind, &reply);
                    self.log.exhibit(&failure, &reply);
                    return Step::Lost(failure);
                }
            };
            self.log.replied(sent);
            match answer {
                Ok(words) => {
                    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
                    let said = || {
                        format!(
                            "the read of {}: {} registers in {:.1?}",
                            read.span(),
                            words.len(),
                            sent.elapsed()
                        )
                    };
                    self.log.exchange("Modbus", said, &seen);
                    return Step::Got(Block { span: read.span(), bytes, at: SystemTime::now() });
                }
                Err(Refused { code: ExceptionCode::IllegalFunction, .. }) if !function_tried => {
                    let refused = self.function.code();
                    self.log.exchange("Modbus", || format!("the meter has no function {refused}"), &seen);
                    self.function = self.function.other();
                    function_tried = true;
                }
                Err(Refused { code, reply }) => {
                    let sentence = format!("the read of {} is refused: {}", read.span(), exception(code));
                    self.log.exchange("Modbus", || sentence.clone(), &seen);
                    self.log.exhibit(&sentence, &reply);
                    return Step::Refused(code, FailureKind::Refused.because(sentence));
                }
            }
        }
    }

    /// A connection on which the next reply is the next request's. Frames of a serial line have no number: after one
    /// that was not answered as it should be, a short read comes first, whose reply no late one can be taken for. What
    /// comes instead of that reply was late, or says nothing: the line is not clear before it has come.
    async fn connection<C: Connect>(
        &mut self,
        port: &mut Port<C>,
        read: &Read,
    ) -> Result<RegisterReader, Step> {
        let (unit, within) = (self.settings.unit_id, self.timeouts.request);
        let mut tries = 0;
        loop {
            let connection = match port.take() {
                Some(connection) => connection,
                None => self.open(port).await.map_err(Step::NotNow)?,
            };
            let clearing = port.unanswered().clearing(unit, (read.start, read.count));
            let Some(count) = clearing else { return Ok(connection) };
            tries += 1;
            self.log.traffic.requests += 1;
            port.asks(unit, (read.start, count), self.settings.pause).await;
            let (sent, seen) = (Instant::now(), connection.seen());
            match connection.read(unit, self.function, (read.start, count), within).await {
                Ok((connection, answer)) => {
                    self.log.exchange("Modbus", || "the line is clear".to_owned(), &seen);
                    self.log.replied(sent);
                    // An exception to another read looks like one to this, and more may come after it.
                    port.answered(answer.is_ok() || tries == MOST_CLEARINGS);
                    port.keep(connection);
                }
                Err(Lost { failure, reply }) => {
                    self.log.exchange("Modbus", || format!("the line is not clear: {failure}"), &seen);
                    port.lost(unit, failure.kind, &reply);
                    if failure.kind == FailureKind::Timeout || tries == MOST_CLEARINGS {
                        return Err(Step::Lost(failure));
                    }
                    self.log.failed(failure.kind);
                }
            }
        }
    }

    /// Connects; a failure here concerns everything that is left.
    async fn open<C: Connect>(&mut self, port: &mut Port<C>) -> Result<RegisterReader, Failure> {
        match port.open(self.timeouts.connect).await {
            Ok((connection, again)) => {
                if again && !self.settings.close_after_gather {
                    self.log.traffic.reconnects += 1;
                }
                Ok(connection)
            }
            Err(failure) => {
                self.log.failed(failure.kind);
                Err(failure)
            }
        }
    }

    /// The same, with a new connection where the old one was found closed: `idle` is that nothing was asked on
    /// it since the last read.
    async fn step_after<C: Connect>(&mut self, port: &mut Port<C>, read: &Read, idle: bool) -> Step {
        match self.step(port, read).await {
            Step::Lost(failure) if idle && failure.kind == FailureKind::Connection => {
                self.step(port, read).await
            }
            step => step,
        }
    }

    fn plan(&mut self, wanted: &[Span]) -> (Vec<Read>, Vec<Read>) {
        let settled = self.learned.is_settled();
        if let Some((planned, reads)) = &self.planned
            && settled
            && planned == wanted
        {
            return (reads.clone(), Vec::new());
        }
        let pieces: Vec<Piece> = pieces(wanted).collect();
        let (reads, retries) = self.learned.plan(&pieces, Instant::now());
        self.planned = settled.then(|| (wanted.to_vec(), reads.clone()));
        (reads, retries)
    }

    /// Reads what is planned, one request at a time.
    async fn read_all<C: Connect>(
        &mut self,
        port: &mut Port<C>,
        reads: Vec<Read>,
        deadline: Deadline,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut queue = VecDeque::from(reads);
        let mut attempt = Attempt::default();
        // Not answered, and too long perhaps; and how many in a row were not.
        let (mut late, mut silences): (Vec<(Read, Failure)>, u32) = (Vec::new(), 0);
        let mut idle = port.is_open();
        while let Some(read) = queue.pop_front() {
            if let Some(at) = read.middle().filter(|_| attempt.is_too_long(&read)) {
                let split = (at, Why::Silence);
                prepend(&mut queue, self.learned.split(&read, split, &mut attempt, Instant::now()));
                continue;
            }
            let step = self.step_after(port, &read, std::mem::take(&mut idle));
            let step = timeout_at(deadline.at(), step).await;
            let failure = match step.unwrap_or_else(|_| Step::NotNow(deadline.passed())) {
                Step::Got(block) => {
                    outcome.blocks.push(block);
                    attempt.answered(&read);
                    self.learned.grant(&read.pieces);
                    silences = 0;
                    for (long, failure) in late.drain(..) {
                        let parts = long.middle().map_or_else(Vec::new, |at| {
                            self.learned.split(&long, (at, Why::Silence), &mut attempt, Instant::now())
                        });
                        if attempt.is_too_long(&long) {
                            queue.extend(parts);
                        } else {
                            // Longer ones are answered. It is this place, to be halved from the next time on.
                            outcome.failures.push((long.span(), failure));
                        }
                    }
                    continue;
                }
                Step::Unsure(failure) => {
                    outcome.failures.push((read.span(), failure));
                    continue;
                }
                Step::Refused(code, failure) => match self.refused(&read, code, failure, &mut attempt) {
                    Next::Parts(parts) => {
                        prepend(&mut queue, parts);
                        continue;
                    }
                    Next::Failed(failure) => {
                        outcome.failures.push((read.span(), failure));
                        continue;
                    }
                    Next::Held => continue,
                    Next::Stop(failure) => failure,
                },
                Step::Lost(failure) => {
                    silences += 1;
                    self.log.failed(failure.kind);
                    let length = matches!(failure.kind, FailureKind::Timeout | FailureKind::Connection);
                    attempt.failed(&read, length);
                    if silences < 2 {
                        // Does it answer a shorter one?
                        if !length {
                            outcome.failures.push((read.span(), failure));
                            continue;
                        }
                        let shorter = queue.iter().enumerate().min_by_key(|(_, other)| other.count);
                        let sure = |count: u16| count <= SHORT.max(attempt.good());
                        let shorter =
                            shorter.filter(|(_, other)| other.count < read.count && sure(other.count));
                        let probe = match shorter.map(|(at, _)| at) {
                            Some(at) => queue.remove(at),
                            None => read.first().filter(|first| first.count < read.count),
                        };
                        prepend(&mut queue, probe.into_iter().collect());
                        if read.pieces.len() > 1 {
                            late.push((read, failure));
                        } else {
                            outcome.failures.push((read.span(), failure));
                        }
                        continue;
                    }
                    failure
                }
                Step::NotNow(failure) => failure,
            };
            outcome.stopped = true;
            let rest = std::iter::once(read).chain(queue.drain(..));
            outcome.failures.extend(rest.map(|read| (read.span(), failure.clone())));
        }
        outcome.failures.extend(late.into_iter().map(|(read, failure)| (read.span(), failure)));
        outcome.fits = self.learned.conclude(&attempt, !outcome.stopped, Instant::now());
        outcome
    }

    /// What follows from an exception.
    fn refused(&mut self, read: &Read, code: ExceptionCode, failure: Failure, attempt: &mut Attempt) -> Next {
        let at = match code {
            ExceptionCode::IllegalDataAddress | ExceptionCode::IllegalDataValue => read.split_at(),
            ExceptionCode::ServerDeviceFailure => {
                if attempt.device_failed() > MOST_DEVICE_FAILURES {
                    self.learned.forget(attempt, |_| true);
                    return Next::Stop(failure);
                }
                read.middle()
            }
            ExceptionCode::IllegalFunction => return Next::Failed(failure),
            _ => return Next::Stop(failure),
        };
        attempt.failed(read, false);
        match (at, &read.pieces[..]) {
            (Some(at), _) => {
                let split = (at, Why::Refused);
                Next::Parts(self.learned.split(read, split, attempt, Instant::now()))
            }
            // Nothing was answered yet: the meter may fail as a whole.
            (None, _) if code == ExceptionCode::ServerDeviceFailure && !attempt.has_answers() => {
                Next::Failed(failure)
            }
            (None, pieces) => {
                pieces.iter().for_each(|piece| self.learned.refuse(*piece, failure.clone(), Instant::now()));
                Next::Held
            }
        }
    }

    /// Asks again for what was refused before; what is refused again needs no word.
    async fn retry<C: Connect>(
        &mut self,
        port: &mut Port<C>,
        retries: Vec<Read>,
        deadline: Deadline,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        for read in retries.into_iter().take(MOST_RETRIES) {
            let Ok(step) = timeout_at(deadline.at(), self.step(port, &read)).await else { break };
            let failure = match step {
                Step::Got(block) => {
                    self.learned.grant(&read.pieces);
                    outcome.blocks.push(block);
                    continue;
                }
                Step::NotNow(_) | Step::Unsure(_) => break,
                Step::Lost(failure) => {
                    self.log.failed(failure.kind);
                    failure
                }
                Step::Refused(_, failure) => {
                    // Perhaps one of them only.
                    let one = self.learned.one_of(&read);
                    let Some(one) = one else {
                        self.refuse_again(&read, failure);
                        continue;
                    };
                    let Ok(step) = timeout_at(deadline.at(), self.step(port, &one)).await else { break };
                    if let Step::Got(_) = step {
                        // From the next time on they are read with the others.
                        self.learned.grant(&read.pieces);
                        outcome.failures.push((read.span(), failure));
                        continue;
                    }
                    failure
                }
            };
            self.refuse_again(&read, failure);
        }
        outcome
    }

    /// Reads what is wanted through the port, whose turn it is.
    pub(super) async fn read<C: Connect>(
        &mut self,
        port: &mut Port<C>,
        wanted: &[Span],
        deadline: Deadline,
    ) -> Answer {
        let (reads, retries) = self.plan(wanted);
        let Outcome { mut blocks, mut failures, stopped, fits } = self.read_all(port, reads, deadline).await;
        if !stopped {
            let again = self.retry(port, retries, deadline).await;
            blocks.extend(again.blocks);
            failures.extend(again.failures);
        }
        for piece @ (start, count) in pieces(wanted) {
            if let Some(failure) = self.learned.refusal(piece) {
                failures.push((Span::Registers { start, count }, failure.clone()));
            }
        }
        let assemblies = wanted.iter().filter(|span| matches!(span, Span::Assembly(_)));
        let none = || FailureKind::Refused.because("assemblies cannot be read over Modbus");
        failures.extend(assemblies.map(|span| (*span, none())));
        let link = if blocks.is_empty() { Link::None } else { Link::Modbus };
        let notices = fits.map(|registers| Notice::ShortReads { registers }).into_iter().collect();
        Answer { blocks, failures, link, notices, ..Answer::with(self.log.take()) }
    }

    fn refuse_again(&mut self, read: &Read, failure: Failure) {
        let now = Instant::now();
        read.pieces.iter().for_each(|piece| self.learned.refuse(*piece, failure.clone(), now));
    }
}

/// What came of the reads.
#[derive(Debug, Default)]
struct Outcome {
    blocks: Vec<Block>,
    failures: Vec<(Span, Failure)>,
    /// Not everything was tried.
    stopped: bool,
    /// The most registers that are answered, when that is news.
    fits: Option<u16>,
}

/// What follows from a refusal.
enum Next {
    /// Read these instead.
    Parts(Vec<Read>),
    /// It failed this time.
    Failed(Failure),
    /// It is remembered.
    Held,
    /// Nothing more can be read for now.
    Stop(Failure),
}

fn prepend(queue: &mut VecDeque<Read>, parts: Vec<Read>) {
    parts.into_iter().rev().for_each(|part| queue.push_front(part));
}

fn pieces(wanted: &[Span]) -> impl Iterator<Item = Piece> {
    wanted.iter().filter_map(|span| match *span {
        Span::Registers { start, count } => Some((start, count)),
        Span::Assembly(_) => None,
    })
}
