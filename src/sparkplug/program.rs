//! The life of the program: lines in, a session with the broker, and a clean end.
//!
//! ```text
//! stdin ─→ Node ─→ session ─→ broker
//!            ↕ journal: what waits, on disk
//! ```

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout_at};

use super::catalog::{OUTPUT, OUTPUT_COUNTERS};
use super::config::Config;
use super::host::Verdict;
use super::journal::Journal;
use super::line::Cut;
use super::link::{Attempt, AttemptError, Change, Link};
use super::memory::Memory;
use super::message::Topics;
use super::node::{Node, Now};
use super::payload::Command;
use super::refusal::Refusal;
use super::session::{Event, SessionError};
use super::stdin;
use crate::host::signals::Ending;
use crate::plugin;

/// Bytes that may wait for the socket before the node is asked for more.
const UNWRITTEN: usize = 256 * 1024;

/// How often the program publishes what it counts.
const REPORT: Duration = Duration::from_secs(60);

/// How long delivery may take at the end, and the file after it. Telegraf waits 5 s.
const TO_DELIVER: Duration = Duration::from_millis(2500);
const TO_KEEP: Duration = Duration::from_millis(1000);

/// Runs until stdin ends or a signal says stop.
///
/// # Errors
/// Only for what fails at start.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut lines = stdin::start().context("cannot read stdin")?;
    let mut ending = Ending::listen()?;
    let mut program = Program::start(config)?;
    let mut report = interval_at(Instant::now() + REPORT, REPORT);
    report.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        program.pump();
        let due = program.due();
        tokio::select! {
            cut = lines.recv() => match cut {
                Some(cut) => program.lines(cut),
                None => break,
            },
            change = program.link.change() => program.changed(change).await,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            _ = report.tick() => program.report(),
            () = ending.asked() => break,
        }
    }
    program.end().await;
    plugin::leave();
    Ok(())
}

struct Program {
    config: Arc<Config>,
    node: Node,
    link: Link,
    journal: Option<Journal>,
    /// Whether the file holds lines that may have been delivered since.
    journaled: bool,
    began: Instant,
    sessions: u64,
    /// Whether the broker is known to be away, so that it is said once.
    away: bool,
    dropped_before: u64,
    /// Kinds of bad lines that were said.
    said: HashSet<Discriminant<Refusal>>,
    commands: String,
    state: Option<String>,
}

impl Program {
    fn start(config: Config) -> anyhow::Result<Program> {
        for warning in config.warnings() {
            log::warn!("{warning}");
        }
        let memory = match &config.state_file {
            Some(path) => {
                let (memory, problem) = Memory::open(path, &config.group_id, &config.edge_node_id)?;
                problem.iter().for_each(|problem| log::warn!("{problem}"));
                memory
            }
            None => Memory::forgetful(&config.group_id, &config.edge_node_id),
        };
        let began = Instant::now();
        let mut node = Node::new(config.node());
        let journal =
            config.buffer_file.as_ref().and_then(|path| restore(&mut node, path, config.buffer_size, began));
        let (commands, state) = (
            Topics::new(&config.group_id, &config.edge_node_id).commands(),
            config.primary_host_id.as_deref(),
        );
        let state = state.map(Topics::state_of);
        let config = Arc::new(config);
        let mut program = Program {
            link: Link::new(config.clone(), memory),
            config,
            journaled: node.waiting() > 0,
            node,
            journal,
            began,
            sessions: 0,
            away: false,
            dropped_before: 0,
            said: HashSet::new(),
            commands,
            state,
        };
        program.report();
        Ok(program)
    }

    fn now(&self) -> Now {
        now(self.began)
    }

    /// When the node has something to say though nothing happens.
    fn due(&self) -> Option<Instant> {
        self.node.due().map(|due| self.began + due)
    }

    /// Lets out as much as the socket takes.
    fn pump(&mut self) {
        let now = self.now();
        let Some(session) = self.link.session() else { return };
        while session.unwritten() < UNWRITTEN {
            let Some(message) = self.node.next(now) else { break };
            // Only a message larger than MQTT allows fails, and none is.
            if let Err(error) = session.publish(message) {
                log::error!("A message cannot be sent: {error}");
            }
        }
        if self.node.wants_confirmation() {
            let _ = session.ask();
        }
    }

    fn lines(&mut self, cut: Cut) {
        if cut.overlong > 0 {
            log::warn!("{} lines were too long and are left out", cut.overlong);
        }
        let now = self.now();
        let mut keep = Vec::new();
        for line in cut.lines {
            let taken = self.node.line(line, now);
            if let Some(refusal) = taken.refusal.filter(|refusal| self.said.insert(discriminant(refusal))) {
                log::warn!("A line cannot be used: {refusal}; more of this kind are only counted");
            }
            keep.extend(taken.keep);
        }
        self.keep(keep);
        if self.node.dropped() > self.dropped_before && self.dropped_before == 0 {
            self.dropped_before = self.node.dropped();
            let size = self.config.buffer_size >> 10;
            log::warn!(
                "{size} KiB of lines wait for the broker, as many as may; the oldest are dropped and counted"
            );
        }
    }

    fn keep(&mut self, lines: Vec<Box<[u8]>>) {
        if lines.is_empty() {
            return;
        }
        self.journaled = true;
        if self.journal.as_ref().is_some_and(|journal| !journal.append(lines)) {
            log::warn!("The disk is too slow for the buffer file; some of what waits is in memory only");
        }
    }

    async fn changed(&mut self, change: Change) {
        match change {
            Change::Due => self.link.open(|bd_seq| self.node.will(bd_seq, now(self.began))),
            Change::Tried(Attempt::Opened { bd_seq }) => self.opened(bd_seq),
            Change::Tried(Attempt::Failed(error)) => self.failed(&error),
            Change::Happened(Ok(event)) => self.event(event).await,
            Change::Happened(Err(error)) => self.lost(&error),
        }
    }

    fn opened(&mut self, bd_seq: u8) {
        self.sessions += 1;
        let waiting = self.node.waiting();
        self.node.connected(bd_seq);
        let Config { broker, primary_host_id, .. } = &*self.config;
        match primary_host_id {
            Some(host) if self.node.awaits_host() => {
                log::info!("Connected to {}:{}; waiting for host \"{host}\"", broker.host, broker.port);
            }
            _ => log::info!("Connected to {}:{}; {waiting} lines waited", broker.host, broker.port),
        }
        if self.dropped_before > 0 {
            log::warn!("{} lines were dropped since the start of the program", self.node.dropped());
            self.dropped_before = 0;
        }
        self.away = false;
        // The answer comes behind the births, and proves the session.
        self.pump();
        if let Some(session) = self.link.session() {
            let _ = session.ask();
        }
    }

    fn failed(&mut self, error: &AttemptError) {
        let reason = capital(&error.to_string());
        if !std::mem::replace(&mut self.away, true) {
            log::warn!("{reason}; lines wait until the broker is there");
        } else {
            log::debug!("{reason}; {} lines wait", self.node.waiting());
        }
    }

    fn lost(&mut self, error: &SessionError) {
        log::warn!("{}; lines wait until the broker is back", capital(&error.to_string()));
        self.away = true;
        let unkept = self.node.lost();
        self.keep(unkept);
        self.link.close();
    }

    async fn event(&mut self, event: Event) {
        match event {
            Event::Confirmed(message) => {
                self.node.confirmed(message);
                self.link.proven();
                if self.journaled && self.node.settled() {
                    let left = self.node.all_waiting();
                    self.journaled = !left.is_empty();
                    if let Some(journal) = &self.journal {
                        journal.replace(left);
                    }
                }
            }
            Event::Acknowledged => {}
            Event::Message { topic, payload } if topic == self.commands => {
                let now = self.now();
                match self.node.command(&payload, now) {
                    Ok(Command::Rebirth) => log::debug!("A host asks for all births"),
                    Ok(Command::Other) => log::debug!("A command that is not known came, and is left alone"),
                    Err(error) => log::debug!("A command cannot be read: {error}"),
                }
            }
            Event::Message { topic, payload } if Some(&topic) == self.state.as_ref() => {
                let now = self.now();
                match self.node.host_state(&payload, now) {
                    Verdict::Online => log::info!("The primary host is online"),
                    Verdict::Offline => self.leave_host().await,
                    Verdict::Ignored => {
                        log::debug!("A state of the primary host is left alone: it is old, or none")
                    }
                }
            }
            Event::Message { topic, .. } => log::debug!("A message on {topic:?} was not asked for"),
        }
    }

    /// The primary host is gone: the session is ended, as the specification demands, and a new one waits for it.
    async fn leave_host(&mut self) {
        if self.node.awaits_host() {
            return;
        }
        log::info!("The primary host is offline; lines wait until it is back");
        self.say_goodbye(Instant::now() + TO_KEEP).await;
        self.link.close();
    }

    /// Publishes the death of the node and ends the session.
    async fn say_goodbye(&mut self, until: Instant) {
        let now = self.now();
        if let (Some(death), Some(session)) = (self.node.death(now), self.link.session())
            && session.publish(death).is_ok()
        {
            let acknowledged = timeout_at(until, async {
                loop {
                    match session.event().await {
                        // The broker has it, and so everything before.
                        Ok(Event::Acknowledged) => return true,
                        Ok(_) => {}
                        Err(_) => return false,
                    }
                }
            });
            if acknowledged.await.unwrap_or(false) {
                self.node.confirmed(u64::MAX);
            }
            if session.disconnect().is_ok() {
                let _ = timeout_at(until, session.flush()).await;
            }
        }
        let unkept = self.node.lost();
        self.keep(unkept);
    }

    /// What the program counts, as a line like all others.
    fn report(&mut self) {
        let now = self.now();
        let counts = [self.node.dropped(), self.node.refused(), self.node.waiting() as u64, self.sessions];
        let counts: Vec<_> =
            OUTPUT_COUNTERS.iter().zip(counts).map(|(name, count)| format!(",{name}={count}i")).collect();
        let (version, at) = (env!("CARGO_PKG_VERSION"), now.wall_ms);
        let line = format!("{OUTPUT} version=\"{version}\"{} {at}000000", counts.concat());
        self.node.line(line.into_bytes().into(), now);
    }

    async fn end(&mut self) {
        let until = Instant::now() + TO_DELIVER;
        while self.link.promises() && !(self.link.session().is_some() && self.node.settled()) {
            self.pump();
            if let Some(session) = self.link.session() {
                let _ = session.ask();
            }
            match timeout_at(until, self.link.change()).await {
                Ok(change) => self.changed(change).await,
                Err(_) => break,
            }
        }
        self.say_goodbye(until + TO_KEEP).await;
        let left = self.node.all_waiting();
        let count = left.len();
        match &self.journal {
            Some(journal) => {
                journal.replace(left);
                let written = timeout_at(until + TO_KEEP, journal.done()).await.is_ok();
                if count > 0 && written {
                    log::info!("{count} lines wait in the buffer file for the next start");
                } else if count > 0 {
                    log::error!(
                        "{count} lines wait, and may be lost: the buffer file could not be written in time"
                    );
                }
            }
            None if count > 0 => {
                log::error!("{count} lines were not delivered, and are lost: no buffer_file")
            }
            None => {}
        }
        self.link.end(until + TO_KEEP).await;
    }
}

fn now(began: Instant) -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX), steady: began.elapsed() }
}

/// Takes in what an earlier run has left. Without the file the program still does its work, and says so.
fn restore(node: &mut Node, path: &Path, limit: usize, began: Instant) -> Option<Journal> {
    match Journal::open(path, limit) {
        Ok((journal, left)) => {
            let count = left.lines.len();
            left.lines.into_iter().for_each(|line| node.restore(line, now(began)));
            if count > 0 {
                log::info!("{count} lines of an earlier run wait to be delivered");
            }
            if left.dropped > 0 {
                log::warn!("{} lines of an earlier run do not fit and are dropped", left.dropped);
            }
            Some(journal)
        }
        Err(error) => {
            log::warn!(
                "Cannot use the buffer file {}: {error}; what waits is in memory only",
                path.display()
            );
            None
        }
    }
}

/// Begins with a capital, as Telegraf's log lines do.
fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
