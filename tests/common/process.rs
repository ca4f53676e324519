//! Other programs: started, awaited by what they print, and never left behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for anything; only a broken program reaches it.
const DEADLINE: Duration = Duration::from_secs(60);

/// A line a program printed.
enum Line {
    Out(String),
    Err(String),
}

/// A running program; ends with its owner.
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: Receiver<Line>,
    printed: String,
    complained: String,
}

impl Process {
    /// Starts a program.
    pub(crate) fn start(command: &mut Command) -> Process {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let (sender, lines) = channel();
        follow(child.stdout.take(), sender.clone(), Line::Out);
        follow(child.stderr.take(), sender, Line::Err);
        let name = format!("{command:?}");
        Process { name, child, lines, printed: String::new(), complained: String::new() }
    }

    /// Waits until all that was printed on stdout, whole lines only, is enough.
    pub(crate) fn wait_until(&mut self, enough: impl Fn(&str) -> bool) -> &str {
        let until = Instant::now() + DEADLINE;
        while !enough(&self.printed) {
            if let Err(why) = self.next_line(until) {
                panic!("{why} while waiting for {}: {}{}", self.name, self.complained, self.printed);
            }
        }
        &self.printed
    }

    /// The first line on stdout that contains `wanted`.
    pub(crate) fn wait_for(&mut self, wanted: &str) -> String {
        let found = self.wait_until(|printed| printed.contains(wanted));
        found.lines().find(|line| line.contains(wanted)).unwrap_or_default().to_owned()
    }

    /// Whether something was printed on stdout so far.
    pub(crate) fn heard(&mut self, wanted: &str) -> bool {
        while let Ok(line) = self.lines.try_recv() {
            match line {
                Line::Out(line) => self.printed.push_str(&line),
                Line::Err(line) => self.complained.push_str(&line),
            }
        }
        self.printed.contains(wanted)
    }

    /// The first line on stderr, whole lines only, that contains `wanted`.
    pub(crate) fn wait_for_log(&mut self, wanted: &str) -> String {
        let found = self.wait_until_log(|log| log.contains(wanted));
        found.lines().find(|line| line.contains(wanted)).unwrap_or_default().to_owned()
    }

    /// Waits until all that was printed on stderr, whole lines only, is enough.
    pub(crate) fn wait_until_log(&mut self, enough: impl Fn(&str) -> bool) -> &str {
        let until = Instant::now() + DEADLINE;
        while !enough(&self.complained) {
            if let Err(why) = self.next_line(until) {
                panic!("{why} while waiting for {}: {}{}", self.name, self.complained, self.printed);
            }
        }
        &self.complained
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("an id is positive");
        kill_process(Pid::from_raw(id).expect("an id is not zero"), signal).expect("the program runs");
    }

    /// Gives the program this input; more may follow.
    pub(crate) fn give(&mut self, input: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is a pipe");
        stdin.write_all(input.as_bytes()).expect("the program reads");
        stdin.flush().expect("the program reads");
    }

    /// Gives the program this input and then the end of it, waits until it ends with this status, and returns
    /// all that it printed on stdout.
    pub(crate) fn end(mut self, input: &str, status: i32) -> String {
        let ended = self.wait(input);
        assert_eq!(ended, Some(status), "{}: {}{}", self.name, self.complained, self.printed);
        std::mem::take(&mut self.printed)
    }

    /// Waits until the program ends with this status, and returns all that it printed on stderr.
    pub(crate) fn log_at_end(mut self, status: i32) -> String {
        let ended = self.wait("");
        assert_eq!(ended, Some(status), "{}: {}{}", self.name, self.complained, self.printed);
        std::mem::take(&mut self.complained)
    }

    /// Waits until the program ends as it likes, and returns all that it printed on stdout.
    pub(crate) fn end_of_any_kind(mut self) -> String {
        self.wait("");
        std::mem::take(&mut self.printed)
    }

    /// Gives the program this input and then the end of it, and waits for its end.
    fn wait(&mut self, input: &str) -> Option<i32> {
        let mut stdin = self.child.stdin.take().expect("stdin is a pipe");
        let input = input.to_owned();
        // From another thread: a program may print before it has read everything. It may also not read it.
        let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
        let until = Instant::now() + DEADLINE;
        let ended = loop {
            if let Err(why) = self.next_line(until) {
                break why;
            }
        };
        let said = format!("{}: {}{}", self.name, self.complained, self.printed);
        assert_eq!(ended, RecvTimeoutError::Disconnected, "does not end: {said}");
        let _ = writer.join();
        self.child.wait().expect("the program can be awaited").code()
    }

    fn next_line(&mut self, until: Instant) -> Result<(), RecvTimeoutError> {
        let left = until.saturating_duration_since(Instant::now());
        // A program that never falls silent must not make the wait endless.
        if left.is_zero() {
            return Err(RecvTimeoutError::Timeout);
        }
        match self.lines.recv_timeout(left)? {
            Line::Out(line) => self.printed.push_str(&line),
            Line::Err(line) => self.complained.push_str(&line),
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end, which must be a success, and returns what it printed on stdout.
pub(crate) fn run(command: &mut Command, input: &str) -> String {
    Process::start(command).end(input, 0)
}

fn follow(stream: Option<impl Read + Send + 'static>, to: Sender<Line>, kind: fn(String) -> Line) {
    let mut reader = BufReader::new(stream.expect("the stream is a pipe"));
    thread::spawn(move || {
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            if to.send(kind(String::from_utf8_lossy(&bytes).into_owned())).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}
