//! Reading assemblies 101 and 102 of one meter as fast as it answers: ours, other clients, and the bare bytes.

use std::path::Path;
use std::process::Command;

use crate::clock;
use crate::common::cores;
use crate::common::peer::peer;
use crate::common::process::run as run_to_its_end;
use crate::effort::Effort;
use crate::page::{Table, median};
use crate::plant::{EIP_PORT, Plant};

/// A program that reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Bare,
    Ours,
    RustEthernetIp,
    Pycomm3,
    Encoding,
}

/// What one run of a reader took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Took {
    /// Seconds.
    pub(crate) elapsed: f64,
    /// Seconds of CPU.
    pub(crate) cpu: f64,
    requests: f64,
    bytes: f64,
}

impl Reader {
    const COMPARED: [Reader; 4] = [Reader::Bare, Reader::Ours, Reader::RustEthernetIp, Reader::Pycomm3];

    fn title(self) -> &'static str {
        match self {
            Reader::Bare => "the bare bytes, blocking socket",
            Reader::Ours => "telegraf-pm500",
            Reader::RustEthernetIp => "rust-ethernet-ip 1.2",
            Reader::Pycomm3 => "pycomm3 1.2.16",
            Reader::Encoding => "encoding",
        }
    }

    /// Runs it for this many reads, from a meter that is started for it.
    pub(crate) fn run(self, meter: Option<&str>, reads: u64) -> Took {
        let name = match self {
            Reader::Bare => "bare",
            Reader::Ours => "ours",
            Reader::RustEthernetIp => "rust-ethernet-ip",
            Reader::Encoding => "encoding",
            Reader::Pycomm3 => "",
        };
        let mut command = if self == Reader::Pycomm3 {
            let mut python = cores::on_the_measured_one(peer("venv/bin/python"));
            python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/pycomm3_reader.py"));
            python
        } else {
            worker(&[name])
        };
        let said = run_to_its_end(command.args(meter).arg(reads.to_string()), "");
        let mut nanoseconds = said.split_whitespace().map(|text| text.parse::<f64>().expect("a number"));
        let mut next = || nanoseconds.next().expect("two numbers") / 1e9;
        Took { elapsed: next(), cpu: next(), ..Took::default() }
    }

    fn measure(self, reads: u64) -> Took {
        let plant = Plant::start(1);
        let meter = plant.addresses().next().expect("one meter");
        let (before, _) = clock::loopback();
        let took = self.run(Some(&format!("{meter}:{EIP_PORT}")), reads);
        let (after, _) = clock::loopback();
        let asked = plant.end();
        assert!(asked.requests >= reads && asked.writes == 0, "{self:?}: {reads} reads, {asked:?}");
        let per_read = |number: u64| number as f64 / reads as f64;
        Took { requests: per_read(asked.requests), bytes: per_read(after - before), ..took }
    }
}

/// This benchmark as one of the programs that are measured.
pub(crate) fn worker(arguments: &[&str]) -> Command {
    let itself = std::env::current_exe().expect("a benchmark knows its program");
    let mut command = cores::on_the_measured_one(itself);
    command.arg("worker").args(arguments);
    command
}

pub(crate) fn run(effort: &Effort) -> Vec<Table> {
    let rounds: Vec<[Took; 4]> =
        (0..effort.rounds).map(|_| Reader::COMPARED.map(|reader| reader.measure(effort.reads))).collect();
    let mut table = Table::new(
        "readers",
        &[
            "reader",
            "µs per read",
            "CPU µs per read",
            "time, ratio to bare",
            "CPU, ratio to bare",
            "requests",
            "bytes",
        ],
    );
    for (index, reader) in Reader::COMPARED.into_iter().enumerate() {
        let over = |value: fn(&Took) -> f64| median(rounds.iter().map(|round| value(&round[index])));
        let ratio = |value: fn(&Took) -> f64| {
            median(rounds.iter().map(|round| value(&round[index]) / value(&round[0])))
        };
        let each = effort.reads as f64 / 1e6;
        table.row([
            reader.title().to_owned(),
            format!("{:.1}", over(|took| took.elapsed) / each),
            format!("{:.1}", over(|took| took.cpu) / each),
            format!("{:.2}", ratio(|took| took.elapsed)),
            format!("{:.2}", ratio(|took| took.cpu)),
            format!("{:.2}", over(|took| took.requests)),
            format!("{:.0}", over(|took| took.bytes)),
        ]);
    }
    vec![table]
}
