//! The load profile from outside: what stands in the intervals is what the meter counted, from boundary to
//! boundary, through resets, exchanged meters and restarts.
//!
//! Most tests run intervals of two seconds, which no configuration allows; one waits for a minute to end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use telegraf_pm500::collector::state::State;
use telegraf_pm500::collector::{Collector, task};
use telegraf_pm500::config::MeterConfig;
use telegraf_pm500::meter::Table;
use telegraf_pm500::meter::WordOrder;
use telegraf_pm500::simulator::{Defects, Options, SimulatedMeter};
use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::common::line::Line;
use crate::common::lines::Lines;
use crate::common::peer::scratch;
use crate::common::program::{Program, config};
use crate::common::reading::{self, meter};
use crate::common::simulated::Simulated;
use crate::common::steady::steady;

const ENERGY: &str = "powermonitor_500_energy";
const INTERVAL: &str = "powermonitor_500_interval";
const MILLION: i64 = 1_000_000;
/// Interval length in ms.
const LENGTH: i64 = 2000;

/// Settings with short intervals.
fn short(meter: &SimulatedMeter, options: &str) -> MeterConfig {
    let address = format!("address = \"{}\"\nconnection = \"modbus\"", meter.modbus());
    let mut config = reading::config(&format!("{address}\ninterval = \"500ms\"\n{options}"));
    config.interval_energy = Some(Duration::from_millis(LENGTH as u64));
    config.intervals.insert(Table::Energy, Duration::from_millis(500));
    config
}

/// Gathers on the meter's own schedule until this many intervals have ended; `at_each` is told how many so far.
async fn run(config: MeterConfig, count: usize, mut at_each: impl FnMut(usize)) -> Vec<Line> {
    let mut schedule = task::schedule(&config, 0, 1, SystemTime::now());
    let mut collector = Collector::new(Arc::new(config), State::in_memory());
    let (mut lines, mut ended) = (Vec::new(), 0);
    while ended < count {
        let due = schedule.take(SystemTime::now());
        if due.is_empty() {
            sleep(schedule.next().duration_since(SystemTime::now()).unwrap_or_default()).await;
            continue;
        }
        let gathered = Lines::of(&collector.gather(due).await);
        for _ in gathered.all(INTERVAL) {
            ended += 1;
            at_each(ended);
        }
        lines.extend(gathered.into_lines());
    }
    collector.close().await;
    lines
}

fn of<'a>(lines: &'a [Line], measurement: &str) -> Vec<&'a Line> {
    lines.iter().filter(|line| line.measurement == measurement).collect()
}

/// 0, 1 or 3, as the offsets say; a busy host may read late, or not at all between two boundaries: the same
/// reading is then the nearest to both.
fn by_offsets(interval: &Line) -> i64 {
    let on = |field: &str| interval.integer(field).abs() <= 1000;
    match between(interval) {
        0 => 3,
        _ => i64::from(!(on("start_offset_ms") && on("end_offset_ms"))),
    }
}

/// Milliseconds between the readings of its boundaries.
fn between(interval: &Line) -> i64 {
    LENGTH - interval.integer("start_offset_ms") + interval.integer("end_offset_ms")
}

fn known(interval: &Line) -> bool {
    interval.fields.contains_key("active_import_wh")
}

/// One interval has the reset inside, and every other is what its offsets say.
#[track_caller]
fn assert_one_reset(intervals: &[&Line]) {
    let is_reset = |line: &&&Line| line.integer("quality_code") == 2;
    assert_eq!(intervals.iter().filter(is_reset).count(), 1, "{intervals:#?}");
    for interval in intervals.iter().filter(|line| !is_reset(line)) {
        assert_eq!(interval.integer("quality_code"), by_offsets(interval), "{interval:#?}");
        assert_eq!(known(interval), by_offsets(interval) != 3, "{interval:#?}");
    }
}

/// The reading nearest to a boundary.
fn nearest(lines: &[Line], boundary: i64) -> &Line {
    of(lines, ENERGY).into_iter().min_by_key(|line| (line.time - boundary).abs()).unwrap()
}

#[tokio::test]
async fn every_interval_is_the_difference_of_the_counters_at_its_boundaries_in_either_word_order() {
    for word_order in [WordOrder::LowFirst, WordOrder::HighFirst] {
        let meter = meter(Options { word_order, ..Options::default() }).await;
        let config = short(&meter, &format!("word_order = \"{word_order}\""));
        let lines = run(config, 4, |_| ()).await;
        let intervals = of(&lines, INTERVAL);
        let mut before = None;
        for interval in &intervals {
            assert_eq!(interval.time % (LENGTH * MILLION), 0, "{interval:#?}");
            assert!(before.is_none_or(|before| interval.time == before + LENGTH * MILLION), "{interval:#?}");
            let first = before.map_or_else(|| of(&lines, ENERGY)[0], |before| nearest(&lines, before));
            let last = nearest(&lines, interval.time);
            before = Some(interval.time);
            let offset = interval.integer("end_offset_ms");
            assert!((offset - (last.time - interval.time) / MILLION).abs() <= 1, "{interval:#?} {last:#?}");
            assert_eq!(interval.integer("quality_code"), by_offsets(interval), "{interval:#?}");
            assert_eq!(known(interval), by_offsets(interval) != 3, "{interval:#?}");
            if !known(interval) {
                continue;
            }
            for field in
                ["active_import_wh", "reactive_import_varh", "active_export_wh", "reactive_export_varh"]
            {
                assert_eq!(
                    interval.integer(field),
                    last.integer(field) - first.integer(field),
                    "{interval:#?}"
                );
            }
            let seconds = (last.time - first.time) as f64 / 1.0e9;
            let watts = interval.integer("active_import_wh") as f64 * 3600.0 / seconds;
            // The first one may have been nearly over at the start: no mean is made of less than a second.
            if seconds >= 1.0 {
                assert!(
                    (interval.float("active_power_avg_w") - watts).abs() < watts / 100.0,
                    "{interval:#?}"
                );
            } else {
                assert!(!interval.fields.contains_key("active_power_avg_w"), "{interval:#?}");
            }
        }
        // The load takes dozens of Wh in a second.
        let mut long = intervals.iter().filter(|line| known(line) && between(line) >= 1000).peekable();
        assert!(long.peek().is_some(), "{intervals:#?}");
        assert!(long.all(|line| line.integer("active_import_wh") > 0), "the meter counts: {intervals:#?}");
    }
}

#[tokio::test]
async fn an_interval_with_a_reset_says_so_and_the_next_one_is_good_again() {
    let meter = meter(Options::default()).await;
    let lines = run(short(&meter, ""), 4, |ended| {
        if ended == 2 {
            meter.reset_counters();
        }
    });
    let lines = lines.await;
    assert_one_reset(&of(&lines, INTERVAL));
    let mut known = of(&lines, INTERVAL).into_iter().filter(|line| known(line));
    assert!(known.all(|line| (0..1000).contains(&line.integer("active_import_wh"))), "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.is_event("127.0.0.1", "counter_reset")).count(), 1);
}

#[tokio::test]
async fn another_meter_is_no_reset_and_its_counters_are_compared_with_nothing() {
    let meter = meter(Options::default()).await;
    let lines = run(short(&meter, ""), 4, |ended| {
        if ended == 2 {
            meter.exchange(7);
        }
    });
    let lines = lines.await;
    assert_one_reset(&of(&lines, INTERVAL));
    let count = |event: &str| lines.iter().filter(|line| line.is_event("127.0.0.1", event)).count();
    assert_eq!((count("meter_swapped"), count("counter_reset")), (1, 0));
}

#[test]
fn an_outage_over_boundaries_leaves_labeled_intervals_that_lose_nothing() {
    steady(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(outage_over_boundaries());
    });
}

async fn outage_over_boundaries() {
    let meter = meter(Options::default()).await;
    let config = short(&meter, "timeout = \"100ms\"\ngather_timeout = \"200ms\"");
    // It fails at a boundary, and nobody heals it before the one after the next has passed.
    let (silent, healed) = (Defects { silent: true, ..Defects::default() }, Defects::default());
    let heal = async {
        sleep(Duration::from_millis(4 * LENGTH as u64)).await;
        meter.set_defects(silent);
        sleep(Duration::from_millis(3 * LENGTH as u64)).await;
        meter.set_defects(healed);
    };
    let (lines, ()) = tokio::join!(run(config, 9, |_| ()), heal);
    let intervals = of(&lines, INTERVAL);
    let qualities: Vec<i64> = intervals.iter().map(|line| line.integer("quality_code")).collect();
    assert!(qualities.contains(&3) && qualities.contains(&1), "{qualities:?}");
    assert!(
        intervals.iter().all(|line| known(line) == (line.integer("quality_code") != 3)),
        "{intervals:#?}"
    );
    let sum: i64 =
        intervals.iter().filter(|line| known(line)).map(|line| line.integer("active_import_wh")).sum();
    let (first, last) = (of(&lines, ENERGY)[0], nearest(&lines, intervals.last().unwrap().time));
    assert_eq!(sum, last.integer("active_import_wh") - first.integer("active_import_wh"), "{intervals:#?}");
    // Energy of several intervals in one is no peak.
    let mut with_mean = intervals.iter().filter(|line| known(line) && between(line) >= 1000);
    assert!(with_mean.clone().count() >= 5, "{intervals:#?}");
    assert!(with_mean.all(|line| line.float("active_power_avg_w") < 120_000.0), "{intervals:#?}");
    let mut gaps = lines.iter().filter(|line| line.is_event("127.0.0.1", "gap"));
    assert!(gaps.any(|gap| gap.text("table").contains("energy")), "{lines:#?}");
}

#[test]
fn a_restart_in_the_middle_of_an_interval_loses_none_of_its_energy() {
    let meters = Simulated::with(Options { count: 1, ..Options::default() });
    let text = format!(
        "[[inputs.powermonitor_500]]\nstate_file = \"state.json\"\ninterval = \"200ms\"\nconnection = \"modbus\"\n\
         intervals = {{ energy = \"1s\" }}\ninterval_energy = \"1m\"\n\
         [[inputs.powermonitor_500.meter]]\nname = \"a\"\naddress = \"{}\"\n",
        meters.modbus(0)
    );
    let config = config(&scratch("interval_restart"), &text);
    let start = || Program::start(&["--config", config.to_str().unwrap()]);
    let mut first = start();
    for _ in 0..2 {
        first.wait_for("energy", |line| line.is("a", "_energy"));
    }
    let mut lines = first.finish().lines();
    let mut second = start();
    second.wait_for("a boundary", |line| line.is("a", "_interval"));
    lines.extend(second.finish().lines());
    let intervals = of(&lines, INTERVAL);
    let sum: i64 = intervals.iter().map(|line| line.integer("active_import_wh")).sum();
    let (first, last) = (of(&lines, ENERGY)[0], nearest(&lines, intervals.last().unwrap().time));
    assert_eq!(sum, last.integer("active_import_wh") - first.integer("active_import_wh"), "{lines:#?}");
    assert!(sum > 0, "{intervals:#?}");
    let begin = intervals[0].time - 60_000 * MILLION + intervals[0].integer("start_offset_ms") * MILLION;
    assert!((begin - first.time).abs() <= MILLION, "it began before the restart: {lines:#?}");
}
