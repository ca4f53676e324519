//! Signals: what asks a process to end, and what tells the plugin to gather.

use std::future::pending;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM and SIGHUP, for a process that ends in order.
#[derive(Debug)]
pub struct Ending {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Ending {
    /// Takes SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    /// When the operating system gives no signal handler.
    pub fn listen() -> io::Result<Ending> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Ending { interrupt, terminate, hangup: None })
    }

    /// Takes SIGHUP, too: the terminal has gone.
    ///
    /// # Errors
    /// As [`listen`](Ending::listen).
    pub fn listen_in_a_terminal() -> io::Result<Ending> {
        Ok(Ending { hangup: Some(signal(SignalKind::hangup())?), ..Ending::listen()? })
    }

    /// Waits until the process is asked to end.
    pub async fn asked(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => received(hangup).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = received(&mut self.interrupt) => {}
            () = received(&mut self.terminate) => {}
            () = hangup => {}
        }
    }
}

/// SIGHUP, SIGUSR1 and SIGUSR2, with which Telegraf's inputs.execd says "gather now".
#[derive(Debug)]
pub struct Prompts {
    hangup: Signal,
    user1: Signal,
    user2: Signal,
}

impl Prompts {
    /// Takes them from now on.
    ///
    /// # Errors
    /// When the operating system gives no signal handler.
    pub fn listen() -> io::Result<Prompts> {
        Ok(Prompts {
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            () = received(&mut self.hangup) => {}
            () = received(&mut self.user1) => {}
            () = received(&mut self.user2) => {}
        }
    }
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        // No more signals of this kind can come; the others still can.
        pending::<()>().await;
    }
}
