//! The program under test: started, talked to, awaited, and judged by what it leaves behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::line::Line;
use super::simulated::DEADLINE;

/// What came out of a pipe.
enum Said {
    Out(String),
    Err(String),
}

/// A running program; killed if its test forgets it.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Receiver<Said>,
    out: Vec<String>,
    err: Vec<String>,
    /// Lines of stdout that a wait has consumed.
    seen: usize,
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Program {
    /// Starts the program.
    pub(crate) fn start(arguments: &[&str]) -> Program {
        Program::start_with(arguments, Stdio::piped())
    }

    /// Starts the program with another stdout than a pipe that is always read.
    pub(crate) fn start_with(arguments: &[&str], stdout: Stdio) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telegraf-pm500"));
        command.args(arguments);
        Program::from_command(command, stdout)
    }

    /// Starts the program where this command runs it.
    pub(crate) fn from_command(mut command: Command, stdout: Stdio) -> Program {
        command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (sender, said) = channel();
        if let Some(stdout) = child.stdout.take() {
            follow(stdout, sender.clone(), Said::Out);
        }
        follow(child.stderr.take().expect("stderr is a pipe"), sender, Said::Err);
        let stdin = child.stdin.take();
        Program { child, stdin, said, out: Vec::new(), err: Vec::new(), seen: 0 }
    }

    /// The next line on stdout that is what is wanted; lines before it are passed over.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, wanted: impl Fn(&Line) -> bool) -> Line {
        let until = Instant::now() + DEADLINE;
        loop {
            while let Some(text) = self.out.get(self.seen) {
                self.seen += 1;
                let line = Line::parse(text);
                if wanted(&line) {
                    return line;
                }
            }
            self.receive(until, what);
        }
    }

    /// Waits until every one of these has been on stdout, in any order.
    #[track_caller]
    pub(crate) fn wait_for_all(&mut self, wanted: &[&dyn Fn(&Line) -> bool]) {
        let until = Instant::now() + DEADLINE;
        let mut missing: Vec<_> = wanted.iter().collect();
        let mut looked_at = 0;
        loop {
            while let Some(text) = self.out.get(looked_at) {
                looked_at += 1;
                let line = Line::parse(text);
                missing.retain(|wanted| !wanted(&line));
            }
            if missing.is_empty() {
                return;
            }
            self.receive(until, &format!("{} of {} lines", missing.len(), wanted.len()));
        }
    }

    /// Waits for a line on stderr that contains a text.
    #[track_caller]
    pub(crate) fn wait_for_log(&mut self, wanted: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(line) = self.err.iter().find(|line| line.contains(wanted)) {
                return line.clone();
            }
            self.receive(until, wanted);
        }
    }

    /// Waits until nothing came for this long.
    #[track_caller]
    pub(crate) fn wait_for_quiet(&mut self, quiet: Duration) {
        let until = Instant::now() + DEADLINE;
        while let Ok(said) = self.said.recv_timeout(quiet) {
            self.keep(said);
            assert!(Instant::now() < until, "never quiet:\n{}", self.told());
        }
    }

    /// Takes what has been printed on stdout since the last call, after waiting this long for it. What is taken
    /// is not kept, so that a test may last.
    pub(crate) fn take(&mut self, wait: Duration) -> Vec<Line> {
        let until = Instant::now() + wait;
        while let Ok(said) = self.next(until) {
            self.keep(said);
        }
        let taken = self.out.drain(..).map(|text| Line::parse(&text)).collect();
        self.seen = 0;
        taken
    }

    /// Every whole line of stdout so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.out.iter().map(|text| Line::parse(text)).collect()
    }

    /// Writes to stdin.
    pub(crate) fn send(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(text.as_bytes()).expect("the program reads stdin");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("an id is positive");
        kill_process(Pid::from_raw(id).expect("an id is not zero"), signal).expect("the program runs");
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes stdin, as Telegraf does at its end.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end. Every line on stderr must have its level.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let until = Instant::now() + DEADLINE;
        let code = loop {
            match self.next(until) {
                Ok(said) => self.keep(said),
                Err(RecvTimeoutError::Timeout) => panic!("does not end:\n{}", self.told()),
                Err(RecvTimeoutError::Disconnected) => break self.code(until),
            }
        };
        for line in &self.err {
            let level =
                line.get(..3).is_some_and(|level| ["E! ", "W! ", "I! ", "D! ", "T! "].contains(&level));
            assert!(
                level && line.ends_with('\n') && line.len() <= 4096,
                "no log line of Telegraf's: {line:?}"
            );
        }
        Ended { code, out: self.out.concat(), err: self.err.concat() }
    }

    /// Closes stdin and waits for the end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ended {
        self.close_stdin();
        self.end()
    }

    fn code(&mut self, until: Instant) -> Option<i32> {
        loop {
            if let Some(status) = self.child.try_wait().expect("the program can be awaited") {
                return status.code();
            }
            assert!(Instant::now() < until, "closed its pipes and does not end:\n{}", self.told());
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn receive(&mut self, until: Instant, what: &str) {
        match self.next(until) {
            Ok(said) => self.keep(said),
            Err(why) => panic!("{why} while waiting for: {what}\n{}", self.told()),
        }
    }

    /// What is said next; a program that never falls silent must not make a wait endless.
    fn next(&self, until: Instant) -> Result<Said, RecvTimeoutError> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(RecvTimeoutError::Timeout) } else { self.said.recv_timeout(left) }
    }

    fn keep(&mut self, said: Said) {
        match said {
            Said::Out(line) => self.out.push(line),
            Said::Err(line) => self.err.push(line),
        }
    }

    fn told(&self) -> String {
        [self.out.concat(), self.err.concat()].concat()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to its end without input.
#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Program::start(arguments).finish()
}

impl Ended {
    /// The lines on stdout.
    pub(crate) fn lines(&self) -> Vec<Line> {
        Line::all(&self.out)
    }

    /// The one error; a configuration's warnings may stand beside it.
    #[track_caller]
    pub(crate) fn error(&self) -> &str {
        let mut errors = self.err.lines().filter(|line| line.starts_with("E! "));
        let (Some(error), None) = (errors.next(), errors.next()) else { panic!("not one error: {self:#?}") };
        // Debug formatting of a Rust value, or a panic.
        for inhuman in ["Some(", "Err(", "Error {", "kind:", "Kind", "Custom", "panick", "Internal error"] {
            assert!(!error.contains(inhuman), "{inhuman:?} is no word for people: {error}");
        }
        error
    }
}

/// Writes a configuration file into an empty directory of the test's own.
pub(crate) fn config(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("config.toml");
    std::fs::write(&path, text).expect("the target directory can be written");
    path
}

fn follow(stream: impl Read + Send + 'static, to: Sender<Said>, kind: fn(String) -> Said) {
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            // Lossless: line protocol and log lines are UTF-8, and what is not shows in the assertion.
            if to.send(kind(String::from_utf8_lossy(&bytes).into_owned())).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}
