//! Benchmarks: what the plugin costs, beside what others cost, on one machine in one run.
//!
//! ```text
//! tests/bench/run.sh            everything; writes the tables and the plot of tests/results/scale.md
//! tests/bench/run.sh growth     one or more by name
//! tests/bench/run.sh --smoke    each for a few seconds, in the debug build: do the counts add up?
//!
//! plant      simulated meters in a process of their own      clock      CPU, memory, bytes
//! subject    a program that is measured, alone on its core   worker     the programs compared with ours, the floor among them
//! plugin     the plugin's configuration                      telegraf   Telegraf's
//!
//! growth, side_by_side, readers, encoding, first_line, recovery, long      one benchmark each
//! page, plot                                                               what is kept
//! ```
//!
//! Everything happens in a network namespace that has nothing but loopback. The program that is measured has a
//! core of its own; the meters, and whoever listens, have the others. Nothing here judges a time: that counts
//! add up is asserted, the rest is printed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may panic, its helpers too")]

#[path = "../common/mod.rs"]
mod common;

mod clock;
mod effort;
mod encoding;
mod first_line;
mod floor;
mod growth;
mod long;
mod page;
mod plant;
mod plot;
mod plugin;
mod readers;
mod recovery;
mod side_by_side;
mod subject;
mod telegraf;
mod worker;

use std::time::Instant;

use effort::Effort;
use page::Table;

/// Measures, and returns what the page shows.
type Benchmark = fn(&Effort) -> Vec<Table>;

const BENCHMARKS: [(&str, Benchmark); 8] = [
    ("encoding", encoding::run),
    ("first_line", first_line::run),
    ("readers", readers::run),
    ("side_by_side", side_by_side::run),
    ("growth", growth::run),
    ("recovery", recovery::run),
    ("long", long::run),
    ("listened", long::listened),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == "worker"
    {
        return worker::run(rest);
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if common::namespace::ran_apart_with(&words) {
        return;
    }
    common::cores::leave_the_measured_one();
    // `cargo bench` says so; without it this is one of the tests.
    let measured = words.contains(&"--bench");
    let effort = if measured { Effort::full() } else { Effort::smoke() };
    let wanted: Vec<&str> = words.into_iter().filter(|word| !word.starts_with('-')).collect();
    let machine = page::machine();
    println!("{machine}");
    if measured {
        page::keep(&machine);
    }
    let mut ran = 0;
    for (name, benchmark) in BENCHMARKS {
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        let began = Instant::now();
        let tables = benchmark(&effort);
        println!("\n{name}, {:.0} s", began.elapsed().as_secs_f64());
        for table in &tables {
            println!("{table}");
            if measured {
                page::keep(table);
            }
        }
        ran += 1;
    }
    println!("\ntest result: ok. {ran} passed; 0 failed; benchmarks");
}
