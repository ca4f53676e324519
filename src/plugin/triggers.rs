//! What Telegraf sends: newlines on stdin, signals, and the end.
//!
//! `signal = "STDIN"` is one newline per interval; `SIGHUP`, `SIGUSR1` and `SIGUSR2` mean "gather now" as
//! well, not "reload". stdin is always read, because Telegraf fails when a plugin does not. The end of
//! stdin, SIGTERM and SIGINT mean stop.

use std::io::{self, Read};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::collector::task::Pace;

/// Newlines of one read, or the end of stdin.
#[derive(Debug, PartialEq, Eq)]
enum Input {
    Newlines,
    End,
}

/// Passes triggers on to the meters' tasks and cancels `stop` at the end.
///
/// # Errors
/// When the operating system gives no thread or no signal handler.
pub fn listen(pace: watch::Sender<Pace>, stop: CancellationToken) -> io::Result<()> {
    let (send, mut stdin) = mpsc::channel(1);
    // A thread: reading stdin cannot be cancelled, and it must not keep the runtime from ending.
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || read(io::stdin().lock(), &send))?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut user1 = signal(SignalKind::user_defined1())?;
    let mut user2 = signal(SignalKind::user_defined2())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            let triggered = tokio::select! {
                input = stdin.recv() => matches!(input, Some(Input::Newlines)),
                () = received(&mut hangup) => true,
                () = received(&mut user1) => true,
                () = received(&mut user2) => true,
                () = received(&mut terminate) => false,
                () = received(&mut interrupt) => false,
                () = stop.cancelled() => false,
            };
            if !triggered {
                stop.cancel();
                return;
            }
            if !pace.borrow().external {
                log::info!(
                    "Gathering when told to from now on; the own clock is off until the plugin restarts"
                );
            }
            pace.send_modify(|pace| {
                pace.external = true;
                pace.triggers += 1;
            });
        }
    });
    Ok(())
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        // No more signals of this kind can come; the others still can.
        std::future::pending::<()>().await;
    }
}

fn read(mut stdin: impl Read, send: &mpsc::Sender<Input>) {
    let mut buffer = [0; 256];
    loop {
        match stdin.read(&mut buffer) {
            // A full channel means that a trigger is waiting already: they are coalesced.
            Ok(count) if count > 0 => {
                if buffer[..count].contains(&b'\n') {
                    let _ = send.try_send(Input::Newlines);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => {
                let _ = send.blocking_send(Input::End);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newlines_are_coalesced_and_the_end_always_arrives() {
        let (send, mut receive) = mpsc::channel(1);
        let reader = std::thread::spawn(move || read(&b"x\n\n\n\n"[..], &send));
        assert_eq!(receive.blocking_recv(), Some(Input::Newlines));
        assert_eq!(receive.blocking_recv(), Some(Input::End));
        reader.join().unwrap();
    }
}
