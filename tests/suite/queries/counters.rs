//! What counters of real meters do, at random: a collector reads meters whose counters glitch, are reset, jump, return, roll
//! over and step back, which are exchanged and left alone, while the plugin is started again. What it writes goes into
//! every database, and each language must say what the plugin's own intervals say.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use telegraf_pm500::collector::Collector;
use telegraf_pm500::collector::clock::Clock;
use telegraf_pm500::collector::schedule::Due;
use telegraf_pm500::collector::state::State;
use telegraf_pm500::config::MeterConfig;
use telegraf_pm500::lines::{Batch, Lines};
use telegraf_pm500::meter::{Access, Block, Span, Table};
use telegraf_pm500::source::{Answer, Deadline, FailureKind, Link, Source};

use super::engine::{Engines, Row};
use super::grafana::read;
use crate::common::line::Line;
use crate::common::reading::{config, set};

const MINUTE: Duration = Duration::from_secs(60);
const HOURS: u64 = 19;
/// Readings arrive a little after the full minute.
const LATE: Duration = Duration::from_millis(20);
const ENERGY: u16 = 0x0500;
const SERIAL: u16 = 0x0020;

/// What one reading of the import counter shows.
#[derive(Debug, Clone, Copy)]
enum Look {
    Shows(i64),
    Fails,
}

/// A meter as its registers show it.
#[derive(Debug)]
struct Meter {
    now: SystemTime,
    start: SystemTime,
    serial: u32,
    used: i64,
    level: i64,
    /// The next readings, where they are not what the counter is.
    looks: VecDeque<Look>,
}

impl Meter {
    fn shows(&self) -> i64 {
        self.used + self.level
    }

    /// The registers of the energy table; none when the reading fails.
    fn energy(&mut self) -> Option<Vec<u16>> {
        let import = match self.looks.pop_front() {
            Some(Look::Fails) => return None,
            Some(Look::Shows(import)) => import,
            None => self.shows(),
        };
        let counters = [import, 5, 0, 12, import, 5, 0, 12, 12_345];
        Some(counters.iter().flat_map(|value| [0, 16, 32, 48].map(|by| (value >> by) as u16)).collect())
    }

    /// The registers of its serial number.
    fn letters(&self) -> Vec<u16> {
        let letters = format!("SN{:011}\0", self.serial).into_bytes();
        letters.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    }
}

/// The way to it, and the clock on its wall.
#[derive(Debug, Clone)]
struct Wire(Arc<Mutex<Meter>>);

#[async_trait]
impl Source for Wire {
    fn access(&self) -> Access {
        Access::Registers
    }

    async fn read(&mut self, wanted: &[Span], _: Deadline) -> Answer {
        let mut meter = self.0.lock().unwrap();
        let mut answer = Answer { link: Link::Modbus, ..Answer::default() };
        for (start, count) in [(ENERGY, 36), (SERIAL, 7)] {
            let touches = |span: &&Span| matches!(span, Span::Registers { start: at, .. } if (start..start + count).contains(at));
            let Some(first) = wanted.iter().find(touches) else { continue };
            let words = if start == ENERGY { meter.energy() } else { Some(meter.letters()) };
            match words {
                Some(words) => answer.blocks.push(Block {
                    span: Span::Registers { start, count },
                    bytes: words.into_iter().flat_map(u16::to_be_bytes).collect(),
                    at: meter.now,
                }),
                None => answer.failures.push((*first, FailureKind::Timeout.because("no reply within 5s"))),
            }
        }
        answer
    }

    async fn close(&mut self) {}
}

impl Clock for Wire {
    fn wall(&self) -> SystemTime {
        self.0.lock().unwrap().now
    }

    fn since_boot(&self) -> Duration {
        let meter = self.0.lock().unwrap();
        meter.now.duration_since(meter.start).unwrap()
    }
}

/// A meter and the plugin that reads it.
struct Bench {
    config: Arc<MeterConfig>,
    state: State,
    wire: Wire,
    collector: Collector,
    lines: Lines,
    text: String,
}

impl Bench {
    fn new(name: &str, start: SystemTime, level: i64) -> Bench {
        let config = Arc::new(config(&format!(
            "address = \"192.0.2.1\"\nname = \"{name}\"\nconnection = \"modbus\"\ntables = [\"energy\"]\n\
             intervals = {{ energy = \"1m\" }}\ninterval_energy = \"60m\""
        )));
        let looks = VecDeque::new();
        let meter = Meter { now: start, start, serial: 1, used: 0, level, looks };
        let (state, wire) = (State::in_memory(), Wire(Arc::new(Mutex::new(meter))));
        let collector = Bench::collector(&config, &state, &wire);
        Bench { config, state, wire, collector, lines: Lines::default(), text: String::new() }
    }

    fn collector(config: &Arc<MeterConfig>, state: &State, wire: &Wire) -> Collector {
        Collector::reading(
            config.clone(),
            state.clone(),
            (Box::new(wire.clone()), None),
            Arc::new(wire.clone()),
        )
    }

    fn restart(&mut self) {
        self.collector = Bench::collector(&self.config, &self.state, &self.wire);
    }

    async fn gather(&mut self) {
        let due = Due { tables: set(&[Table::Energy]), ..Due::default() };
        let batch = self.lines.render(&self.collector.gather(due).await, Batch::default());
        write!(self.text, "{}", std::str::from_utf8(batch.bytes()).unwrap()).unwrap();
    }

    /// Lets a minute pass.
    async fn minute(&mut self, random: &mut StdRng) {
        tokio::time::advance(MINUTE).await;
        let mut meter = self.wire.0.lock().unwrap();
        meter.now += MINUTE;
        meter.used += random.random_range(0..500);
    }

    fn meter<T>(&self, what: impl FnOnce(&mut Meter) -> T) -> T {
        what(&mut self.wire.0.lock().unwrap())
    }
}

/// One meter's hours; with `gaps` it is left alone for some minutes now and then. What it consumed, and the lines.
async fn live(name: &str, start: SystemTime, gaps: bool, random: &mut StdRng) -> (i64, String) {
    let mut bench = Bench::new(name, start + LATE, random.random_range(1_000_000..900_000_000));
    bench.gather().await;
    let (mut left, mut minute) = (None, 0);
    while minute < HOURS * 60 {
        bench.minute(random).await;
        minute += 1;
        let within = (5..40).contains(&(minute % 60));
        let (shows, used) = bench.meter(|meter| (meter.shows(), meter.used));
        let event = match random.random_range(0..100) {
            event if !within || (shows < 40_000 && event < 7) => 99,
            event => event,
        };
        let looks = match event {
            0 => vec![Look::Shows(0)],
            1 => vec![Look::Shows(shows / 3), Look::Fails],
            2 => vec![Look::Shows(7), Look::Shows(9_000_000_000_000)],
            3 => vec![Look::Shows(shows - 60)],
            _ => Vec::new(),
        };
        let level = match event {
            4 => Some(random.random_range(0..50) - used),
            5 => {
                let to = if shows > 1_000_000_000_000 || random.random() { 3 } else { 9_000_000_000_000 };
                left = Some(shows - used);
                Some(to - used)
            }
            6 if left.is_none() => {
                bench.meter(|meter| meter.level = (1 << 32) - 300 - used);
                bench.gather().await;
                bench.minute(random).await;
                minute += 1;
                Some(20 - bench.meter(|meter| meter.used))
            }
            7 | 8 => left.take(),
            _ => None,
        };
        if event == 9 {
            bench.restart();
        }
        if (event == 10 || event == 11) && gaps {
            for _ in 0..random.random_range(3..15) {
                bench.minute(random).await;
                minute += 1;
            }
        }
        bench.meter(|meter| {
            meter.looks.extend(looks);
            meter.level = level.unwrap_or(meter.level);
            if event == 10 && gaps {
                meter.serial += 1;
                meter.level = random.random_range(1_000_000..900_000_000);
                left = None;
            }
        });
        bench.gather().await;
        if event == 4 {
            left = None;
        }
        if event == 3 {
            // A level that moves before the counter has passed its highest value takes the noise with it.
            bench.minute(random).await;
            minute += 1;
            bench.gather().await;
        }
    }
    (bench.meter(|meter| meter.used), bench.text)
}

/// Wh by meter and hour, of the plugin's own intervals.
fn intervals(text: &str) -> BTreeMap<(String, i64), i64> {
    let lines = Line::all(text).into_iter();
    let lines = lines.filter(|line| line.measurement == "powermonitor_500_interval");
    let hour = |line: &Line| line.time / 1_000_000_000 - 3600;
    lines.map(|line| ((line.tags["meter"].clone(), hour(&line)), line.integer("active_import_wh"))).collect()
}

fn wh(row: &Row) -> i64 {
    (row["kwh"].as_f64().unwrap() * 1000.0).round() as i64
}

#[test]
fn whatever_counters_do_every_language_says_what_the_intervals_say_and_never_more_than_was_consumed() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let start = UNIX_EPOCH + Duration::from_secs(now - now % 3600 - HOURS * 3600);
    let (mut used, mut text) = (BTreeMap::new(), String::new());
    for seed in 0..16 {
        let name = format!("meter-{seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let (consumed, lines) = runtime.block_on(live(&name, start, seed % 2 == 0, &mut random));
        text += &lines;
        used.insert(name, consumed);
    }
    for event in
        ["glitch", "reset", "jumped", "returned", "rollover"].map(|event| format!("event=counter_{event}"))
    {
        assert!(text.contains(&event), "no {event}");
    }
    assert!(text.contains("event=meter_swapped"));
    let intervals = intervals(&text);
    let mut whole: BTreeMap<String, i64> = BTreeMap::new();
    for ((meter, _), wh) in &intervals {
        *whole.entry(meter.clone()).or_default() += wh;
    }
    for (meter, consumed) in &used {
        let whole = whole[meter];
        assert!(whole <= *consumed && whole > consumed / 2, "{meter}: {whole} of {consumed}");
    }
    let engines = Engines::filled("queries_counters", &text);
    for language in ["flux", "influxql", "sql"] {
        let rows = engines.ask(language, &read(&format!("queries/consumption.{language}")));
        let told: BTreeMap<String, i64> =
            rows.iter().map(|row| (row["meter"].as_str().unwrap().to_owned(), wh(row))).collect();
        assert_eq!(told, whole, "{language}");
        // Where no gap lies across the full hour, each hour is the same as well.
        let rows = engines.ask(language, &read(&format!("queries/energy_per_hour.{language}")));
        for row in rows {
            let hour = row["time"].as_i64().unwrap() / 1_000_000_000 / 3600 * 3600;
            let key = (row["meter"].as_str().unwrap().to_owned(), hour);
            assert_eq!(Some(&wh(&row)), intervals.get(&key), "{language}: {key:?}");
        }
    }
}
