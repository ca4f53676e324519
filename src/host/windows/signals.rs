//! What asks a process to end: the events of a console. Windows has no signals that would tell the plugin to gather.

use std::future::pending;
use std::io;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

/// Ctrl-C, Ctrl-Break, the console that is closed, the user who logs off, and the host that is shut down. After the last
/// three Windows ends the process within seconds, whatever it does. Without a console, as under a service, none comes.
#[derive(Debug)]
pub struct Ending {
    interrupt: CtrlC,
    stop: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
}

impl Ending {
    /// Takes them from now on.
    ///
    /// # Errors
    /// When the operating system gives no handler.
    pub fn listen() -> io::Result<Ending> {
        Ok(Ending {
            interrupt: ctrl_c()?,
            stop: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// The same: a console that has gone is among them.
    ///
    /// # Errors
    /// As [`listen`](Ending::listen).
    pub fn listen_in_a_terminal() -> io::Result<Ending> {
        Ending::listen()
    }

    /// Waits until the process is asked to end.
    pub async fn asked(&mut self) {
        tokio::select! {
            Some(()) = self.interrupt.recv() => {}
            Some(()) = self.stop.recv() => {}
            Some(()) = self.close.recv() => {}
            Some(()) = self.logoff.recv() => {}
            Some(()) = self.shutdown.recv() => {}
            else => pending().await,
        }
    }
}

/// None: on Windows only newlines on stdin say "gather now".
#[derive(Debug)]
pub struct Prompts;

impl Prompts {
    /// Nothing can be taken.
    ///
    /// # Errors
    /// None.
    pub fn listen() -> io::Result<Prompts> {
        Ok(Prompts)
    }

    /// Waits for ever.
    pub async fn next(&mut self) {
        pending().await
    }
}
