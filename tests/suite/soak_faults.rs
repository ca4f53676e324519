//! Twenty-four meters under a scripted mix of faults: every gather that was due is a line or declared lost, no value is
//! wrong, nothing grows and nothing is left over.
//!
//! The smoke test runs for twenty seconds of faults. The real one, whose result is in tests/results/soak_faults.txt, is
//!
//! ```text
//! SOAK_SECONDS=3600 cargo test --release --features wire-tests --test suite soak_faults -- --nocapture
//! ```
//!
//! The meters, their PLCs and the relays live in this process, the plugin is the real program in its own: stdin held
//! open, stdout read, as Telegraf runs it. `SOAK_SEED` replays a script. Progress goes to stderr; the table is printed
//! at the end in any case.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::ledger::Sums;
use crate::common::line::Line;
use crate::common::namespace::apart;
use crate::common::plant::{Kind, METERS, Plant};
use crate::common::program::{Program, config};
use crate::common::usage::{Usage, machine, usual_descriptors};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How often the meters are looked at for what they hold.
const LOOK: Duration = Duration::from_millis(100);
/// A line is judged when the meter has been looked at for this long after it.
const JUDGE_AFTER: Duration = Duration::from_secs(1);
/// What the memory may grow by from the first fault to the end.
const MOST_GROWTH_KIB: u64 = 2048;
/// Rows of the table of usage.
const ROWS: u32 = 12;

#[test]
fn every_gather_that_was_due_is_a_line_or_declared_lost_whatever_goes_wrong() {
    apart(|| {
        let seconds = setting("SOAK_SECONDS").unwrap_or(20);
        let seed = setting("SOAK_SEED").unwrap_or_else(|| rand::random_range(0..1_000_000));
        Soak::start(Duration::from_secs(seconds), seed).run();
    });
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// The plant, the plugin and what is known of both. Dropping it prints the table.
struct Soak {
    duration: Duration,
    seed: u64,
    plant: Plant,
    program: Program,
    began: Instant,
    looked: Instant,
    waiting: VecDeque<(Instant, usize, Line)>,
    usage: Vec<(f64, Usage)>,
    values: u64,
    wrong: u64,
    ended: &'static str,
    problems: Vec<String>,
}

impl Soak {
    fn start(duration: Duration, seed: u64) -> Soak {
        let plant = Plant::start(duration > Duration::from_secs(300));
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soak_faults");
        // Whatever an earlier run has left.
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("the target directory can be written");
        let path = config(&directory, &plant.config());
        let program = Program::start(&["--config", path.to_str().expect("the target directory is UTF-8")]);
        let now = Instant::now();
        Soak {
            duration,
            seed,
            plant,
            program,
            began: now,
            looked: now,
            waiting: VecDeque::new(),
            usage: Vec::new(),
            values: 0,
            wrong: 0,
            ended: "before its end",
            problems: Vec::new(),
        }
    }

    fn run(mut self) {
        self.wait_until_well();
        self.plant.open_the_books();
        self.began = Instant::now();
        self.measure_at_rest();
        self.torment();
        self.plant.heal_all();
        let settled = self.wait_until_well();
        self.measure_at_rest();
        let sums = self.plant.sums();
        self.problems.extend(self.plant.problems());
        let goodbye = self.plant.expect_goodbye();

        self.program.close_stdin();
        let ended = self.end_of_program();
        self.ended = if settled { "as it should" } else { "with meters that did not recover" };
        self.problems.extend(goodbye.check(&self.plant));
        let growth = self.growth();
        drop_and_judge(self, ended, &sums, growth);
    }

    /// Takes what the plugin has written, looks at the meters, and judges the lines that are old enough.
    fn turn(&mut self) {
        for line in self.program.take(Duration::from_millis(20)) {
            if let Some(meter) = self.plant.enter(&line) {
                self.waiting.push_back((Instant::now(), meter, line));
            }
        }
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.plant.look();
        }
        while self.waiting.front().is_some_and(|(at, ..)| at.elapsed() > JUDGE_AFTER) {
            let Some((_, meter, line)) = self.waiting.pop_front() else { return };
            match self.plant.judge(meter, &line) {
                Ok(values) => self.values += values as u64,
                Err(wrong) => {
                    eprintln!("PROBLEM: {wrong}");
                    self.wrong += 1;
                    self.problems.push(wrong);
                }
            }
        }
    }

    /// Until every meter is read as configured; whether that was reached.
    fn wait_until_well(&mut self) -> bool {
        // A lost owner is looked for after one minute, and after two if that was in vain.
        let until = Instant::now() + Duration::from_secs(if self.plant.long { 600 } else { 90 });
        let since = Instant::now();
        while Instant::now() < until {
            self.turn();
            if self.plant.is_well() && since.elapsed() > crate::common::plant::INTERVAL * 3 {
                return true;
            }
        }
        self.problems.push(format!("not well in the end: {}", self.plant.ill().join(", ")));
        false
    }

    /// The script: a new fault on a meter that has none, again and again; most last a while.
    fn torment(&mut self) {
        let mut random = StdRng::seed_from_u64(self.seed);
        let (pace, longest) = if self.plant.long { (1500..3500, 25_000) } else { (250..600, 3_000) };
        let (mut next, mut row) = (Instant::now(), 0);
        while self.began.elapsed() < self.duration {
            self.turn();
            self.plant.heal_what_is_over();
            if Instant::now() >= next {
                next += Duration::from_millis(random.random_range(pace.clone()));
                let lasts = Duration::from_millis(random.random_range(500..longest));
                self.plant.strike(&mut random, lasts);
            }
            if self.began.elapsed() > self.duration / ROWS * (row + 1) {
                row += 1;
                self.measure();
            }
        }
    }

    /// With the usual number of descriptors: what stays open shows.
    fn measure_at_rest(&mut self) {
        let until = Instant::now() + crate::common::plant::INTERVAL * 2;
        let mut seen = Vec::new();
        while Instant::now() < until {
            self.turn();
            seen.push(Usage::of(self.program.id()).descriptors);
        }
        self.measure();
        if let Some((_, usage)) = self.usage.last_mut() {
            usage.descriptors = usual_descriptors(&seen);
        }
    }

    fn measure(&mut self) {
        let at = self.began.elapsed().as_secs_f64();
        let usage = Usage::of(self.program.id());
        eprintln!(
            "{at:>6.0} s  {:>6} KiB  {:>3} descriptors  {:>4} faults so far  {} problems",
            usage.rss_kib,
            usage.descriptors,
            self.plant.strikes(),
            self.problems.len()
        );
        self.usage.push((at, usage));
    }

    fn end_of_program(&mut self) -> crate::common::program::Ended {
        let idle = std::process::Command::new("true");
        let program = Program::from_command(idle, std::process::Stdio::piped());
        std::mem::replace(&mut self.program, program).end()
    }

    /// Memory from the first fault to the end, and whether descriptors or threads were left.
    fn growth(&self) -> (u64, bool) {
        let (Some((_, start)), Some((_, end))) = (self.usage.first(), self.usage.last()) else {
            return (0, false);
        };
        let left = end.descriptors > start.descriptors || end.threads > start.threads;
        (end.rss_kib.saturating_sub(start.rss_kib), left)
    }
}

/// Prints the table, then says what was wrong.
fn drop_and_judge(
    mut soak: Soak,
    ended: crate::common::program::Ended,
    sums: &Sums,
    (grown, left): (u64, bool),
) {
    let panicked = ended.err.lines().filter(|line| line.contains("panicked")).count();
    if ended.code != Some(0) || panicked > 0 {
        soak.problems.push(format!("the plugin ended with {:?}, {panicked} panics", ended.code));
    }
    let problems = soak.problems.clone();
    let (difference, values) = (sums.difference(), soak.values);
    drop(soak);
    assert_eq!(problems, [""; 0]);
    assert_eq!(difference, 0, "gathers are unaccounted for");
    assert!(values > 0, "nothing was judged");
    assert!(grown <= MOST_GROWTH_KIB, "memory grew by {grown} KiB");
    assert!(!left, "descriptors or threads are left over");
}

impl Drop for Soak {
    fn drop(&mut self) {
        println!(
            "{}\n{METERS} meters, gathers every {} s, {} s of faults, seed {}; it ended {}\n",
            machine(),
            crate::common::plant::INTERVAL.as_secs(),
            self.duration.as_secs(),
            self.seed,
            self.ended
        );
        println!(
            "{:<14}{:>8}{:>10}{:>9}{:>10}{:>8}{:>12}",
            "", "due", "complete", "partial", "declared", "missed", "difference"
        );
        let row = |name: &str, sums: &Sums| {
            let (due, complete) = (sums.due + sums.status_due, sums.complete + sums.statuses);
            let Sums { partial, declared, missed, .. } = sums;
            let difference = sums.difference();
            println!("{name:<14}{due:>8}{complete:>10}{partial:>9}{declared:>10}{missed:>8}{difference:>12}");
        };
        for kind in Kind::ALL {
            row(kind.name(), &self.plant.sums_of(kind));
        }
        row("sum", &self.plant.sums());
        println!("\nValues judged: {}; lines with a wrong one: {}\n", self.values, self.wrong);
        self.plant.print_strikes();
        self.plant.print_results();
        println!("\n{:<10}{:>9}{:>10}{:>13}{:>9}", "after s", "CPU s", "RSS KiB", "descriptors", "threads");
        for (at, Usage { cpu, rss_kib, descriptors, threads }) in &self.usage {
            println!("{at:<10.0}{cpu:>9.2}{rss_kib:>10}{descriptors:>13}{threads:>9}");
        }
        for problem in self.problems.iter().take(20) {
            println!("PROBLEM: {problem}");
        }
        if self.problems.len() > 20 {
            println!("and {} more", self.problems.len() - 20);
        }
    }
}
