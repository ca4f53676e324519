//! A program that is measured: on a core of its own, heard on stdout, asked what it takes.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};

use crate::clock;
use crate::plant::Plant;

/// What was heard on stdout.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Times of the realtime lines by meter, in nanoseconds since the epoch.
    pub(crate) samples: HashMap<String, Vec<i64>>,
    /// When the first realtime line was read.
    pub(crate) first: Option<Instant>,
    /// When the newest realtime line was read.
    pub(crate) newest: Option<Instant>,
    /// The newest counters of each meter.
    pub(crate) counters: HashMap<String, String>,
}

impl Heard {
    fn hear(&mut self, line: &str) {
        let measurement = line.split([',', ' ']).next().unwrap_or_default();
        // The names of the meters here are addresses, so that nothing is escaped.
        let meter = line.split_once("meter=").and_then(|(_, rest)| rest.split([',', ' ']).next());
        let (Some(meter), Some((_, time))) = (meter, line.rsplit_once(' ')) else { return };
        match measurement {
            "powermonitor_500" => {
                let now = Instant::now();
                self.first.get_or_insert(now);
                self.newest = Some(now);
                let time = time.trim_end().parse().expect("a line ends with its time");
                self.samples.entry(meter.to_owned()).or_default().push(time);
            }
            "powermonitor_500_traffic" => {
                self.counters.insert(meter.to_owned(), line.to_owned());
            }
            _ => {}
        }
    }
}

/// A running program.
pub(crate) struct Subject {
    child: Child,
    heard: Arc<Mutex<Heard>>,
    reader: Option<JoinHandle<()>>,
    /// When it was started.
    pub(crate) started: Instant,
}

/// What a program took while it gathered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Took {
    /// Seconds of the window.
    pub(crate) seconds: f64,
    /// CPU of the program and what it started, in seconds.
    pub(crate) cpu: f64,
    /// CPU of the simulated meters, in seconds.
    pub(crate) plant: f64,
    /// Bytes on the wire, headers of IP and TCP included.
    pub(crate) bytes: u64,
    /// Resident memory at the end, and the most it was, in KiB.
    pub(crate) rss: u64,
    pub(crate) peak: u64,
    /// Time of the window's begin and end, in nanoseconds since the epoch.
    window: (i64, i64),
}

impl Subject {
    /// Starts a program; `to_stdout` says whether its lines are wanted.
    pub(crate) fn start(command: &mut Command, to_stdout: bool) -> Subject {
        let started = Instant::now();
        let out = if to_stdout { Stdio::piped() } else { Stdio::null() };
        let spawned = command.stdin(Stdio::piped()).stdout(out).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let heard = Arc::new(Mutex::new(Heard::default()));
        let reader = child.stdout.take().map(|out| {
            let heard = heard.clone();
            std::thread::spawn(move || {
                let mut out = BufReader::new(out);
                let mut line = String::new();
                while out.read_line(&mut line).is_ok_and(|count| count > 0) {
                    heard.lock().expect("no panic").hear(&line);
                    line.clear();
                }
            })
        });
        Subject { child, heard, reader, started }
    }

    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("the reader does not panic")
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        clock::memory(self.child.id()).0
    }

    /// Waits until what was heard is enough.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, enough: impl Fn(&Heard) -> bool) {
        let until = Instant::now() + Duration::from_secs(120);
        while !enough(&self.heard()) {
            assert!(Instant::now() < until, "never {what}");
            sleep(Duration::from_millis(2));
        }
    }

    /// What it takes in a window that begins after `settle`.
    pub(crate) fn measure(&self, plant: &Plant, settle: Duration, window: Duration) -> Took {
        sleep(settle);
        let cpu = |ids: &[u32]| ids.iter().map(|id| clock::cpu(*id)).sum::<Duration>();
        let family = clock::family(self.child.id());
        let (began, from) = (Instant::now(), now());
        let (cpu_before, plant_before, wire_before) = (cpu(&family), plant.cpu(), clock::loopback());
        sleep(window);
        let (cpu_after, plant_after, wire_after) = (cpu(&family), plant.cpu(), clock::loopback());
        let memory = family.iter().map(|id| clock::memory(*id));
        let (rss, peak) = memory.fold((0, 0), |(rss, peak), (now, most)| (rss + now, peak + most));
        Took {
            seconds: began.elapsed().as_secs_f64(),
            cpu: (cpu_after - cpu_before).as_secs_f64(),
            plant: (plant_after - plant_before).as_secs_f64(),
            bytes: wire_after.0 - wire_before.0,
            rss,
            peak,
            window: (from, now()),
        }
    }

    /// Ends the program as Telegraf ends a plugin, or by a signal where that does nothing.
    pub(crate) fn end(mut self) -> Heard {
        drop(self.child.stdin.take());
        let id = i32::try_from(self.child.id()).expect("an id is positive");
        // It may have ended already.
        let _ = kill_process(Pid::from_raw(id).expect("an id is not zero"), Signal::TERM);
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        std::mem::take(&mut *self.heard())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The samples of one window, judged by their times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    /// Samples that were due, by the length of the window.
    pub(crate) due: f64,
    pub(crate) done: u64,
    /// Intervals between two samples of a meter that left out one or more.
    pub(crate) missed: u64,
    /// How far the time between two samples was from the interval, in ms: median, 99 %.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Took {
    /// The samples heard in this window.
    pub(crate) fn samples(&self, heard: &Heard, meters: u32, interval: Duration) -> Samples {
        let interval = interval.as_nanos() as f64;
        let (mut done, mut missed, mut jitter) = (0, 0, Vec::new());
        for times in heard.samples.values() {
            let times: Vec<i64> =
                times.iter().copied().filter(|time| (self.window.0..self.window.1).contains(time)).collect();
            done += times.len() as u64;
            for pair in times.windows(2) {
                let apart = (pair[1] - pair[0]) as f64;
                missed += ((apart / interval).round() as u64).saturating_sub(1);
                jitter.push((apart - interval).abs() / 1e6);
            }
        }
        jitter.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (jitter.len() as f64 * share) as usize;
            jitter.get(index.min(jitter.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
        };
        let due = f64::from(meters) * self.seconds * 1e9 / interval;
        Samples { due, done, missed, p50: at(0.5), p99: at(0.99) }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    i64::try_from(since.as_nanos()).expect("this century")
}
