//! The same registers of the same meters every second: Telegraf's own Modbus input, Telegraf with our plugin,
//! the plugin alone, and the floor: an epoll loop that moves the same bytes and does nothing else.
//!
//! Each round runs all of them, one after the other; a ratio is the median of the rounds' ratios. CPU is
//! measured with lines that go nowhere; what was gathered and when is measured in a run of its own.

use std::process::Command;
use std::time::Duration;

use crate::common::peer::scratch;
use crate::effort::Effort;
use crate::page::{Table, median};
use crate::plant::Plant;
use crate::plugin::{self, Reading};
use crate::readers::worker;
use crate::subject::{Samples, Subject, Took};
use crate::telegraf::{self, Output};

const INTERVAL: Duration = Duration::from_secs(1);

/// A program that gathers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    TelegrafModbus,
    TelegrafPlugin,
    Plugin,
    Floor,
}

impl Arm {
    const ALL: [Arm; 4] = [Arm::TelegrafModbus, Arm::TelegrafPlugin, Arm::Plugin, Arm::Floor];

    fn title(self) -> &'static str {
        match self {
            Arm::TelegrafModbus => "Telegraf, inputs.modbus",
            Arm::TelegrafPlugin => "Telegraf + telegraf-pm500",
            Arm::Plugin => "telegraf-pm500 alone",
            Arm::Floor => "the epoll loop",
        }
    }

    fn command(self, plant: &Plant, output: Output, seconds: u64) -> Command {
        let reading = || Reading::modbus().configuration(plant.addresses());
        match self {
            Arm::Plugin => plugin::command(&reading()),
            Arm::Floor => {
                let mut command = worker(&["gathers", "modbus", &seconds.to_string()]);
                command.args(plant.addresses().map(|meter| meter.to_string()));
                command
            }
            Arm::TelegrafModbus | Arm::TelegrafPlugin => {
                let text = match self {
                    Arm::TelegrafModbus => telegraf::with_modbus(plant.addresses(), output),
                    _ => telegraf::with_plugin(&reading(), output),
                };
                let path = scratch("bench-telegraf").join("telegraf.conf");
                std::fs::write(&path, text).expect("the target directory can be written");
                telegraf::command(&path)
            }
        }
    }

    /// Runs it on meters of its own. With [`Output::Stdout`] what it gathered is known, and how many requests
    /// a gather took.
    fn run(self, meters: u32, output: Output, effort: &Effort) -> (Took, Samples, f64) {
        let plant = Plant::start(meters);
        let seconds = (effort.settle + effort.window).as_secs() + 5;
        let subject = Subject::start(&mut self.command(&plant, output, seconds), output == Output::Stdout);
        let took = subject.measure(&plant, effort.settle, effort.window);
        if output == Output::Stdout {
            subject.wait_until("a sample of each meter", |heard| heard.samples.len() == meters as usize);
        }
        let heard = subject.end();
        let samples = took.samples(&heard, meters, INTERVAL);
        let gathers: usize = heard.samples.values().map(Vec::len).sum();
        let asked = plant.end();
        assert_eq!(asked.writes, 0, "{self:?} wrote to a meter");
        assert!(asked.requests >= u64::from(meters) * 3, "{self:?} did not read all three tables: {asked:?}");
        (took, samples, asked.requests as f64 / gathers as f64)
    }
}

pub(crate) fn run(effort: &Effort) -> Vec<Table> {
    let mut cost = Table::new(
        "side_by_side",
        &[
            "meters, program",
            "ratio to the epoll loop",
            "ratio to inputs.modbus",
            "CPU µs per meter-gather",
            "bytes per gather",
            "RSS MiB",
            "meters' CPU µs",
        ],
    );
    let mut times = Table::new(
        "side_by_side_times",
        &[
            "meters, program",
            "samples due",
            "samples",
            "missed",
            "jitter p50 ms",
            "jitter p99 ms",
            "requests per gather, start included",
        ],
    );
    for &meters in effort.side_by_side {
        // A thousand meters take long to start: once is enough to see what happens to the samples.
        let rounds = if meters > 100 { 1 } else { effort.rounds };
        let rounds: Vec<[Took; 4]> =
            (0..rounds).map(|_| Arm::ALL.map(|arm| arm.run(meters, Output::Discard, effort).0)).collect();
        let gathers = |took: &Took| f64::from(meters) * took.seconds / INTERVAL.as_secs_f64();
        for (index, arm) in Arm::ALL.into_iter().enumerate() {
            let over = |value: &dyn Fn(&Took) -> f64| median(rounds.iter().map(|round| value(&round[index])));
            // Pairs of one round: what else the machine does is the same for both.
            let to =
                |other: Arm| median(rounds.iter().map(|round| round[index].cpu / round[other as usize].cpu));
            cost.row([
                format!("{meters}, {}", arm.title()),
                format!("{:.2}", to(Arm::Floor)),
                format!("{:.3}", to(Arm::TelegrafModbus)),
                format!("{:.0}", over(&|took| took.cpu / gathers(took)) * 1e6),
                format!("{:.0}", over(&|took| took.bytes as f64 / gathers(took))),
                format!("{:.1}", over(&|took| took.rss as f64 / 1024.0)),
                format!("{:.0}", over(&|took| took.plant / gathers(took)) * 1e6),
            ]);
        }
        for arm in [Arm::TelegrafModbus, Arm::TelegrafPlugin, Arm::Plugin] {
            let (_, samples, requests) = arm.run(meters, Output::Stdout, effort);
            times.row([
                format!("{meters}, {}", arm.title()),
                format!("{:.0}", samples.due),
                samples.done.to_string(),
                samples.missed.to_string(),
                format!("{:.1}", samples.p50),
                format!("{:.1}", samples.p99),
                format!("{requests:.2}"),
            ]);
        }
    }
    vec![cost, times]
}
