//! How cost grows: with the number of meters, with the tables, with the rate.

use std::time::Duration;

use crate::effort::Effort;
use crate::page::Table;
use crate::plant::Plant;
use crate::plot::{self, Point};
use crate::plugin::{self, Reading};
use crate::subject::{Heard, Samples, Subject, Took};

const TABLES: [&[&str]; 3] = [&["realtime"], &["realtime", "alarm"], &["realtime", "max", "demand", "alarm"]];
const INTERVALS: [u64; 4] = [200, 500, 1000, 2000];

/// One measured configuration of the plugin.
pub(crate) struct Measured {
    pub(crate) took: Took,
    pub(crate) samples: Samples,
    pub(crate) heard: Heard,
    pub(crate) meters: u32,
    reading: Reading,
}

impl Measured {
    /// Meter-gathers in the window, by the clock.
    pub(crate) fn gathers(&self) -> f64 {
        f64::from(self.meters) * self.took.seconds / self.reading.interval.as_secs_f64()
    }

    /// Share of one core.
    pub(crate) fn core(&self) -> f64 {
        self.took.cpu / self.took.seconds
    }

    /// Sum of a counter over the last counters of all meters.
    pub(crate) fn counter(&self, field: &str) -> u64 {
        let field = format!("{field}=");
        let of = |line: &String| {
            let (_, rest) = line.split_once(&field).unwrap_or_else(|| panic!("no {field} in {line}"));
            rest.split('i').next().and_then(|number| number.parse::<u64>().ok()).expect("a counter")
        };
        self.heard.counters.values().map(of).sum()
    }

    pub(crate) fn cells(&self) -> [String; 8] {
        let gathers = self.gathers();
        [
            format!("{:.0}", self.took.cpu / gathers * 1e6),
            format!("{:.2} %", self.core() * 100.0),
            format!("{:.0}", self.took.plant / gathers * 1e6),
            format!("{:.0}", self.took.bytes as f64 / gathers),
            format!("{:.1}", self.took.peak as f64 / 1024.0),
            format!("{}", self.samples.missed),
            format!("{:.1}", self.samples.p50),
            format!("{:.1}", self.samples.p99),
        ]
    }
}

/// The heads of [`Measured::cells`].
pub(crate) const CELLS: [&str; 8] = [
    "CPU µs per meter-gather",
    "of one core",
    "meters' CPU µs",
    "bytes",
    "peak RSS MiB",
    "missed",
    "jitter p50 ms",
    "jitter p99 ms",
];

/// Measures the plugin; what was asked must be accounted for, and nothing written.
pub(crate) fn measure(meters: u32, reading: Reading, settle: Duration, window: Duration) -> Measured {
    let plant = Plant::start(meters);
    let configuration = reading.configuration(plant.addresses());
    let subject = Subject::start(&mut plugin::command(&configuration), true);
    subject.wait_until("the counters of each meter", |heard| heard.counters.len() == meters as usize);
    let took = subject.measure(&plant, settle, window);
    let heard = subject.end();
    let samples = took.samples(&heard, meters, reading.interval);
    let measured = Measured { took, samples, heard, meters, reading };
    let asked = plant.end();
    assert_eq!(asked.writes, 0, "a meter was written to");
    let [requests, responses, timeouts, errors] =
        ["requests", "responses", "timeouts", "errors"].map(|field| measured.counter(field));
    assert!(requests - responses <= timeouts + errors, "requests without an answer that nobody counted");
    // A gather that was under way at the end is not counted.
    assert!(asked.requests >= requests && requests > 0, "{requests} counted, {asked:?}");
    measured
}

pub(crate) fn run(effort: &Effort) -> Vec<Table> {
    let head = |first: &'static str| [&[first][..], &CELLS].concat();
    let one = |meters, reading| measure(meters, reading, effort.settle, effort.window);

    let mut by_meters = Table::new("growth_meters", &head("meters, every 1 s"));
    let mut points = Vec::new();
    for connection in ["explicit", "modbus"] {
        for &meters in effort.meters {
            let reading = if connection == "modbus" { Reading::modbus() } else { Reading::default() };
            let measured = one(meters, reading);
            by_meters.row([format!("{meters}, {connection}")].into_iter().chain(measured.cells()));
            points.push(Point { series: connection, x: f64::from(meters), y: measured.core() * 100.0 });
        }
    }
    let mut fits =
        Table::new("growth_fit", &["least squares", "% of one core, without a meter", "per meter at 1 s"]);
    for connection in ["explicit", "modbus"] {
        let (base, slope) = plot::fit(points.iter().filter(|point| point.series == connection));
        fits.row([connection.to_owned(), format!("{base:.3}"), format!("{slope:.5}")]);
    }
    if effort.meters.len() > 2 {
        plot::draw(&points, "meters read every second", "% of one core");
    }

    let mut by_tables = Table::new("growth_tables", &head("tables, every 1 s"));
    for tables in TABLES {
        let measured = one(effort.some, Reading { tables, ..Reading::default() });
        by_tables.row([tables.join(", ")].into_iter().chain(measured.cells()));
    }
    let mut by_rate = Table::new("growth_rate", &head("realtime + alarm, every"));
    for milliseconds in INTERVALS {
        let interval = Duration::from_millis(milliseconds);
        let measured = one(effort.some, Reading { interval, ..Reading::default() });
        by_rate.row([format!("{milliseconds} ms")].into_iter().chain(measured.cells()));
    }
    vec![by_meters, fits, by_tables, by_rate]
}
