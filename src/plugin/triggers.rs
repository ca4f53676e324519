//! What Telegraf sends: newlines on stdin, signals, and the end.
//!
//! `signal = "STDIN"` is one newline per interval; `SIGHUP`, `SIGUSR1` and `SIGUSR2` mean "gather now" as
//! well, not "reload". stdin is always read, because Telegraf fails when a plugin does not. The end of
//! stdin, SIGTERM and SIGINT mean stop, and nothing is gathered any more. A storm of triggers is five gathers a second.
//! Windows has no such signals: newlines gather there, and the end of stdin or an event of the console means stop.

use std::io::{self, Read};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::collector::task::Pace;
use crate::host::signals::{Ending, Prompts};

/// No two gathers are told to begin closer together: what comes meanwhile makes one, afterwards.
const CLOSEST: Duration = Duration::from_millis(200);

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
    let (mut prompts, mut ending) = (Prompts::listen()?, Ending::listen()?);
    tokio::spawn(async move {
        let (mut wanted, mut free) = (false, Instant::now());
        loop {
            let told = tokio::select! {
                input = stdin.recv() => match input {
                    Some(Input::Newlines) => Told::Gather,
                    Some(Input::End) | None => Told::Stop,
                },
                () = prompts.next() => Told::Gather,
                () = ending.asked() => Told::Stop,
                () = stop.cancelled() => Told::Stop,
                () = sleep_until(free), if wanted => Told::Gather,
            };
            if told == Told::Stop {
                break;
            }
            wanted = Instant::now() < free;
            if wanted {
                continue;
            }
            free = Instant::now() + CLOSEST;
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
        stop.cancel();
        // The end of the triggers would be one more.
        std::future::pending::<()>().await;
        drop(pace);
    });
    Ok(())
}

/// What a newline, a signal or the end asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Gather,
    Stop,
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
