//! The way to the broker: no session, an attempt, or a session; with a pause between attempts that grows.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::config::{Config, Mistake};
use super::connect::{self, ConnectError, Stream};
use super::memory::Memory;
use super::message::{Message, Topics};
use super::session::{Event, Opening, Session, SessionError};

/// The first pause after a failure, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

type Opened = Session<Box<dyn Stream>>;

/// What comes of an attempt.
#[derive(Debug)]
pub enum Attempt {
    /// A session whose will has this number.
    Opened {
        /// The number.
        bd_seq: u8,
    },
    /// None.
    Failed(AttemptError),
}

/// Why an attempt came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// No stream to the broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The password cannot be read.
    #[error(transparent)]
    Login(#[from] Mistake),
    /// The broker opened no session.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It says nothing.
    #[error("{0} accepts connections, but does not answer as a broker")]
    Silent(String),
    /// The attempt itself failed, which was said.
    #[error(transparent)]
    Panicked(#[from] JoinError),
}

/// What has changed.
#[derive(Debug)]
pub enum Change {
    /// It is time for an attempt.
    Due,
    /// An attempt is over.
    Tried(Attempt),
    /// Something happened in the session; an error is its end.
    Happened(Result<Event, SessionError>),
}

type Tried = (Memory, Result<(u8, Opened), AttemptError>);

#[derive(Debug)]
enum State {
    Idle(Instant),
    Trying(JoinHandle<Tried>),
    Open(Box<Opened>),
}

/// The way to the broker.
#[derive(Debug)]
pub struct Link {
    config: Arc<Config>,
    state: State,
    /// Elsewhere while an attempt is under way.
    memory: Option<Memory>,
    pause: Duration,
    failed: bool,
}

impl Link {
    /// No session yet; the first attempt is due at once.
    pub fn new(config: Arc<Config>, memory: Memory) -> Link {
        Link {
            config,
            state: State::Idle(Instant::now()),
            memory: Some(memory),
            pause: PAUSE.0,
            failed: false,
        }
    }

    /// The session, if there is one.
    pub fn session(&mut self) -> Option<&mut Opened> {
        match &mut self.state {
            State::Open(session) => Some(session),
            State::Idle(_) | State::Trying(_) => None,
        }
    }

    /// Whether there is a session, or the first attempt for one is not over.
    pub fn promises(&self) -> bool {
        match &self.state {
            State::Open(_) => true,
            State::Idle(_) | State::Trying(_) => !self.failed,
        }
    }

    /// Waits for the next change. Can be dropped at any time without losing anything.
    pub async fn change(&mut self) -> Change {
        match &mut self.state {
            State::Idle(due) => {
                sleep_until(*due).await;
                Change::Due
            }
            State::Open(session) => Change::Happened(session.event().await),
            State::Trying(attempt) => {
                let tried = attempt.await;
                let (state, attempt) = match tried {
                    Ok((memory, Ok((bd_seq, session)))) => {
                        self.memory = Some(memory);
                        (State::Open(Box::new(session)), Attempt::Opened { bd_seq })
                    }
                    Ok((memory, Err(error))) => {
                        self.memory = Some(memory);
                        (self.wait(), Attempt::Failed(error))
                    }
                    // The attempt has panicked, which was said, and has taken the number with it.
                    Err(error) => (self.wait(), Attempt::Failed(error.into())),
                };
                self.state = state;
                Change::Tried(attempt)
            }
        }
    }

    /// Begins an attempt; `will` makes the will of a session with this number.
    pub fn open(&mut self, will: impl FnOnce(u8) -> Message) {
        let Config { group_id, edge_node_id, .. } = &*self.config;
        let memory = self.memory.take().unwrap_or_else(|| Memory::forgetful(group_id, edge_node_id));
        let will = will(memory.bd_seq());
        self.state = State::Trying(tokio::spawn(attempt(self.config.clone(), memory, will)));
    }

    /// The broker has answered: the next failure is a new one.
    pub fn proven(&mut self) {
        self.pause = PAUSE.0;
        self.failed = false;
    }

    /// Drops the session; the next attempt comes after a pause.
    pub fn close(&mut self) {
        self.state = self.wait();
    }

    /// The end of the process: a number that was not spent is offered again.
    pub async fn end(&mut self, until: Instant) {
        if let State::Trying(attempt) = &mut self.state {
            attempt.abort();
            return;
        }
        if let Some(mut memory) = self.memory.take() {
            let _ = timeout_at(until, tokio::task::spawn_blocking(move || memory.close())).await;
        }
    }

    fn wait(&mut self) -> State {
        let pause = self.pause.mul_f64(rand::random_range(0.8..1.2));
        self.pause = (self.pause * 2).min(PAUSE.1);
        self.failed = true;
        State::Idle(Instant::now() + pause)
    }
}

async fn attempt(config: Arc<Config>, memory: Memory, will: Message) -> Tried {
    let stream = match connect::connect(&config.broker, config.timeout).await {
        Ok(stream) => stream,
        Err(error) => return (memory, Err(error.into())),
    };
    let (mut memory, login) = match prepare(&config, memory).await {
        (memory, Ok(login)) => (memory, login),
        (memory, Err(error)) => return (memory, Err(error)),
    };
    let topics = Topics::new(&config.group_id, &config.edge_node_id);
    let state = config.primary_host_id.as_deref().map(Topics::state_of);
    let opening = Opening {
        client_id: config.client_id.clone(),
        login,
        will,
        subscriptions: std::iter::once(topics.commands()).chain(state).collect(),
        keep_alive: config.keep_alive,
    };
    let bd_seq = memory.bd_seq();
    let opened = timeout(config.timeout, Session::open(stream, &opening)).await;
    // Whether the broker holds a will with the number is not sure when the answer is missing.
    if !matches!(&opened, Ok(Err(error)) if error.never_began()) {
        memory.spend();
    }
    let opened = match opened {
        Ok(Ok(session)) => Ok((bd_seq, session)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(AttemptError::Silent(config.broker.host.clone())),
    };
    (memory, opened)
}

/// The memory, and user name and password where the broker wants them.
type Prepared = (Memory, Result<Option<(String, String)>, AttemptError>);

/// What touches a disk before a session is opened, on a thread that may wait for it.
async fn prepare(config: &Arc<Config>, mut memory: Memory) -> Prepared {
    let (config, lost) = (config.clone(), Memory::forgetful(&config.group_id, &config.edge_node_id));
    let prepared = tokio::task::spawn_blocking(move || {
        if let Err(error) = memory.reserve() {
            log::warn!("{error}; after a restart bdSeq may repeat");
        }
        let login = config.login.as_ref().map(|login| login.read()).transpose();
        (memory, login.map_err(AttemptError::Login))
    });
    prepared.await.unwrap_or_else(|error| (lost, Err(error.into())))
}
