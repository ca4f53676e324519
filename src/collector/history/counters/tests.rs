//! What a bill and an alarm may rely on, on a clock of the test's own.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, UNIX_EPOCH};

use crate::collector::event::{Event, Step};
use crate::collector::history::{DeviceHistory, History, Record};
use crate::collector::report::Device;
use crate::config::{Config, MeterConfig, Overrides};
use crate::meter::names::{ACTIVE_IMPORT, RUN_TIME};
use crate::meter::{Profile, Readings, Table, TableSet, Value};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// 2027-01-15 08:00:00 UTC.
const START: i64 = 1_800_000_000_000;

/// One meter's history, asked once or twice a gather.
struct Bench {
    config: MeterConfig,
    profile: std::sync::Arc<Profile>,
    history: History,
    now: i64,
}

impl Bench {
    /// Of a meter whose transformers are known: 600 kVA.
    fn new() -> Bench {
        let settings = [("ct_ratio".to_owned(), 40.0), ("vt_ratio".to_owned(), 1.0)].into();
        Bench::of(Record { settings, serial_number: "first".to_owned(), ..Record::default() })
    }

    fn of(record: Record) -> Bench {
        let meter = "address = \"192.0.2.1\"\nconnection = \"modbus\"\ntables = [\"energy\"]\n";
        let text = format!("[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\n{meter}");
        let config = Config::parse(&text, &Overrides::default()).unwrap().meters.remove(0);
        Bench { config, profile: Profile::built_in(), history: history(Some(record)), now: START }
    }

    /// The energy table with this value of the import counter, or without; the others stand still.
    fn readings(&self, import: Option<i64>) -> Readings {
        let mut readings = Readings::new(self.profile.elements.len());
        readings.arrived(Table::Energy, UNIX_EPOCH + Duration::from_millis(self.now.unsigned_abs()));
        for (index, element) in self.profile.elements_of(Table::Energy) {
            let value = if element.name == ACTIVE_IMPORT { import } else { Some(7) };
            readings.set(index, value.map(Value::Integer));
        }
        readings
    }

    /// A gather that reads these, one after the other: what it said, whether the import counter left, and the energy
    /// of the intervals that it ended.
    fn gather(&mut self, looks: &[Option<i64>]) -> (Vec<Event>, bool, i64) {
        let mut looks: Vec<Readings> = looks.iter().map(|import| self.readings(*import)).collect();
        let profile = self.profile.clone();
        let counted = self.history.count(&profile, &looks.iter().collect::<Vec<_>>());
        let last = looks.last_mut().unwrap();
        counted.held.iter().for_each(|index| last.set(*index, None));
        let index = profile.index_of(Table::Energy, ACTIVE_IMPORT).unwrap();
        let ended = self.history.intervals(&self.config, last, counted.moved);
        let energy = ended.iter().filter_map(|interval| interval.energy[0]).sum();
        (counted.events, last.get(index).is_some(), energy)
    }

    /// The same after a minute, with one look.
    fn next(&mut self, import: i64) -> Vec<Event> {
        self.now += MINUTE;
        self.gather(&[Some(import)]).0
    }

    /// Another meter answers, with transformers as the one before.
    fn exchange(&mut self, serial: i32) {
        let texts = vec![("serial_number".to_owned(), serial.to_string())];
        let device = DeviceHistory::new(Device { texts, ..Device::default() });
        self.history.recognize(&device, UNIX_EPOCH + Duration::from_millis(self.now.unsigned_abs()));
        let mut readings = Readings::new(self.profile.elements.len());
        readings.arrived(Table::Settings, UNIX_EPOCH + Duration::from_millis(self.now.unsigned_abs()));
        for (name, ratio) in [("ct_ratio", 40.0), ("vt_ratio", 1.0)] {
            let index = self.profile.index_of(Table::Settings, name).unwrap();
            readings.set(index, Some(Value::Real(ratio)));
        }
        self.history.follow(&self.profile, &readings);
    }

    /// The value of the import counter that is believed.
    fn believed(&self) -> i64 {
        self.history.record().counters[ACTIVE_IMPORT]
    }

    /// What the interval under way has so far.
    fn under_way(&self) -> i64 {
        let running = serde_json::to_value(&self.history.record().interval).unwrap();
        running["sums"][0].as_i64().unwrap_or(0)
    }

    /// The plugin starts again with what the state file has.
    fn restart(&mut self) {
        let text = serde_json::to_string(self.history.record()).unwrap();
        self.history = history(Some(serde_json::from_str(&text).unwrap()));
    }
}

fn history(record: Option<Record>) -> History {
    History::new(record, TableSet::from(Table::Energy), Some(Duration::from_secs(900)))
}

fn step(before: i64, after: i64) -> Vec<Step> {
    vec![Step { field: ACTIVE_IMPORT.to_owned(), before, after }]
}

#[test]
fn one_reading_of_zero_is_dropped_and_said_and_is_no_reset() {
    let mut bench = Bench::new();
    bench.next(5_001_245);
    bench.now += MINUTE;
    assert_eq!(bench.gather(&[Some(0)]), (vec![], false, 0), "what nobody knows yet does not leave");
    assert_eq!(bench.next(5_001_250), [Event::CounterGlitch(step(5_001_245, 0))]);
    assert_eq!(bench.next(5_001_260), []);
}

#[test]
fn a_second_look_in_the_same_gather_decides_at_once() {
    let mut bench = Bench::new();
    bench.next(5_001_245);
    bench.now += MINUTE;
    let (events, left, _) = bench.gather(&[Some(0), Some(5_001_250)]);
    assert_eq!((events, left), (vec![Event::CounterGlitch(step(5_001_245, 0))], true));
    bench.now += MINUTE;
    let (events, left, _) = bench.gather(&[Some(0), Some(0)]);
    assert_eq!((events, left), (vec![Event::CounterReset(step(5_001_250, 0))], true));
    assert_eq!(bench.next(80), []);
}

#[test]
fn a_counter_that_was_low_for_a_while_and_comes_back_has_returned_also_after_a_restart() {
    let mut bench = Bench::new();
    bench.next(5_001_245);
    assert_eq!((bench.next(0), bench.next(4)), (vec![], vec![Event::CounterReset(step(5_001_245, 4))]));
    bench.next(9);
    bench.restart();
    bench.now += 3 * HOUR;
    assert_eq!(bench.next(5_001_300), []);
    bench.restart();
    assert_eq!(bench.next(5_001_301), [Event::CounterReturned(step(9, 5_001_301))]);
    assert_eq!(bench.next(5_001_310), []);
}

#[test]
fn a_counter_that_jumped_and_comes_back_has_returned_too() {
    let mut bench = Bench::new();
    bench.next(1000);
    assert_eq!(bench.next(9_000_000_000), []);
    assert_eq!(bench.next(9_000_000_001), [Event::CounterJumped(step(1000, 9_000_000_001))]);
    assert_eq!(bench.next(1004), []);
    assert_eq!(bench.next(1005), [Event::CounterReturned(step(9_000_000_001, 1005))]);
}

#[test]
fn a_counter_that_counts_up_again_after_a_reset_does_not_return() {
    let mut bench = Bench::new();
    bench.next(3000);
    bench.next(0);
    assert_eq!(bench.next(0).len(), 1);
    for import in (100..5000).step_by(100) {
        assert_eq!(bench.next(import), []);
    }
}

#[test]
fn a_counter_that_is_reset_again_and_again_never_returns() {
    let mut bench = Bench::new();
    bench.next(1000);
    for _ in 0..4 {
        bench.next(0);
        let events = bench.next(0);
        assert!(matches!(&events[..], [Event::CounterReset(_)]), "{events:?}");
        for import in [20, 40, 60] {
            assert_eq!(bench.next(import), []);
        }
    }
}

#[test]
fn a_counter_that_counts_on_while_nobody_watches_does_not_return_either() {
    let mut bench = Bench::new();
    bench.next(50_000);
    bench.next(0);
    assert_eq!(bench.next(0).len(), 1);
    // 10 kWh in four hours, and 42 in twelve.
    bench.now += 4 * HOUR;
    bench.next(10_000);
    bench.now += 12 * HOUR;
    assert_eq!(bench.next(52_000), []);
}

#[test]
fn a_counter_that_is_elsewhere_for_more_than_a_day_has_not_returned() {
    let mut bench = Bench::new();
    bench.next(50_000_000);
    bench.next(0);
    bench.next(0);
    bench.now += 25 * HOUR;
    // More than 600 kVA can count in that time.
    bench.next(60_000_000);
    assert_eq!(bench.next(60_000_000), [Event::CounterJumped(step(0, 60_000_000))]);
}

#[test]
fn a_counter_near_its_end_rolls_over_wherever_that_is() {
    for end in [1_000_000_000, 1 << 32, 9_999_999_999_999] {
        let mut bench = Bench::new();
        bench.next(end - 500);
        bench.next(700);
        assert_eq!(bench.next(710), [Event::CounterRollover(step(end - 500, 710))], "{end}");
    }
}

#[test]
fn steps_back_of_a_few_units_are_noise_that_is_said_once_and_the_energy_stays_right() {
    let mut bench = Bench::new();
    bench.next(40_000);
    assert_eq!(bench.next(39_999), [Event::CounterWavered(step(40_000, 39_999))]);
    let mut energy = 0;
    for import in [40_010, 39_940, 40_020, 40_019, 40_030].repeat(4) {
        bench.now += 5 * MINUTE;
        let (events, left, ended) = bench.gather(&[Some(import)]);
        assert_eq!((events, left), (vec![], true), "{import}");
        assert!(ended >= 0);
        energy += ended;
    }
    assert_eq!(energy, 30);
}

#[test]
fn a_small_counter_that_a_person_resets_is_reset_and_not_noise() {
    let mut bench = Bench::new();
    bench.next(60);
    bench.next(3);
    assert_eq!(bench.next(4), [Event::CounterReset(step(60, 4))]);
}

#[test]
fn no_rise_is_doubted_that_the_meter_can_measure() {
    let mut bench = Bench::new();
    bench.next(1_000_000);
    // 600 kW for a minute, and for a day that nobody watched.
    assert_eq!(bench.next(1_010_000), []);
    bench.now += 24 * HOUR;
    assert_eq!(bench.next(15_400_000), []);
    // Five GWh in a minute, which stay.
    bench.next(5_015_400_000);
    assert_eq!(bench.next(5_015_400_100), [Event::CounterJumped(step(15_400_000, 5_015_400_100))]);
}

#[test]
fn the_first_zero_of_a_meter_that_starts_is_no_level_from_which_energy_is_counted() {
    let mut bench = Bench::new();
    bench.next(0);
    bench.next(300_000);
    assert_eq!(bench.next(300_001), [Event::CounterJumped(step(0, 300_001))]);
    let mut bench = Bench::new();
    bench.next(0);
    assert_eq!((bench.next(90), bench.next(8000)), (vec![], vec![]), "a new meter counts from 0");
}

#[test]
fn a_clock_that_is_set_makes_no_rise_too_fast() {
    let mut bench = Bench::new();
    bench.next(1_000_000);
    bench.history.clock_stepped(-8 * HOUR);
    bench.now += -8 * HOUR + HOUR;
    assert_eq!(bench.next(1_500_000), []);
    // Set back while nobody watched: how long it was is not known.
    bench.restart();
    bench.now -= 2 * HOUR;
    assert_eq!(bench.next(2_500_000), []);
}

#[test]
fn lines_say_since_when_differences_of_the_counters_are_energy() {
    let mut bench = Bench::new();
    bench.next(500_000);
    bench.next(0);
    bench.next(500_100);
    assert_eq!(bench.history.counting_since_ms(), 0, "a glitch moved nothing");
    bench.next(0);
    bench.next(0);
    let reset = bench.now;
    bench.next(10);
    bench.restart();
    bench.history.clock_stepped(-HOUR);
    assert_eq!(bench.history.counting_since_ms(), reset);
    bench.exchange(1);
    assert_eq!(bench.history.counting_since_ms(), bench.now);
}

#[test]
fn a_reset_of_all_counters_is_one_event_with_every_last_value() {
    let mut bench = Bench::new();
    let mut all = |value: i64| {
        bench.now += MINUTE;
        let mut readings = bench.readings(Some(value));
        for (index, element) in bench.profile.elements_of(Table::Energy) {
            let value = if element.name == RUN_TIME { 1 } else { value };
            readings.set(index, Some(Value::Integer(value)));
        }
        bench.history.count(&bench.profile, &[&readings]).events
    };
    all(9_007_199_254_993);
    all(1);
    let events = all(1);
    let [Event::CounterReset(steps)] = &events[..] else { panic!("{events:?}") };
    assert!(steps.len() == 8 && steps.iter().all(|step| step.before == 9_007_199_254_993));
    assert!(all(2).is_empty());
}

#[test]
fn a_state_file_of_the_version_before_and_a_garbled_one_cost_no_more_than_a_doubt() {
    let old = Record { counters: [(ACTIVE_IMPORT.to_owned(), 5000)].into(), ..Record::default() };
    let mut bench = Bench::of(old);
    assert_eq!(bench.next(90_000), [], "how long it was off is not known");
    let garbled = r#"{"counters": {"active_import_wh": -9223372036854775808},
        "counter_tracks": {"active_import_wh": {"at": 9223372036854775807, "odd": {"value": -1, "at": -5}}},
        "largest_apparent_va": 1e308}"#;
    let mut bench = Bench::of(serde_json::from_str(garbled).unwrap());
    bench.history.clock_stepped(i64::MAX);
    for import in [500, 501, 502] {
        bench.next(import);
    }
    assert_eq!(bench.next(503), []);
}

/// A meter whose counter shows what was consumed, from some level on.
struct Meter {
    used: i64,
    level: i64,
    /// The level before the counter fell or jumped.
    left: Option<i64>,
}

impl Meter {
    fn shows(&self) -> i64 {
        self.used + self.level
    }
}

/// Glitches, resets, jumps, returns, roll-overs, noise, exchanges, gaps and restarts at random, with a second look and
/// without: what the intervals hold is never more than what was consumed, and all of it but what was consumed
/// around a move of the level.
#[test]
fn whatever_counters_do_the_intervals_add_up_to_what_was_consumed_and_never_to_more() {
    for seed in 0..400 {
        let mut random = StdRng::seed_from_u64(seed);
        let looks_again = seed % 2 == 0;
        let mut bench = Bench::new();
        let mut meter = Meter { used: 0, level: random.random_range(1_000_000..900_000_000), left: None };
        let mut total = bench.gather(&[Some(meter.shows())]).2;
        // What is certain, what was consumed when the counter left last, and how often its level moved.
        let (mut certain, mut known, mut moves, mut moved, mut odd_before) = (0, 0, 0, false, false);
        for round in 0..300 {
            let away = if random.random_ratio(1, 15) { random.random_range(1..30 * MINUTE) } else { 0 };
            bench.now += MINUTE + away;
            // Up to 30 kW.
            meter.used += random.random_range(0..=(MINUTE + away) / 120);
            let event = match random.random_range(0..40) {
                // A counter that has hardly begun to count cannot fall visibly, and is soon where it was.
                0 | 1 if meter.shows().min(bench.believed()) < 40_000 => 5,
                // A level that moves twice between two readings moved by something else.
                0..=4 if moved => 5,
                7..=9 if meter.shows() < 1000 => 5,
                event => event,
            };
            let before = meter.level;
            match event {
                0 => meter.level = random.random_range(0..50) - meter.used,
                1 => {
                    meter.left = Some(meter.level);
                    let to = [3, 9_000_000_000_000][random.random_range(0..2)];
                    meter.level = if meter.shows() > to { 3 } else { to } - meter.used;
                }
                2 => meter.level = meter.left.take().unwrap_or(meter.level),
                3 => {
                    bench.exchange(round);
                    meter.level = random.random_range(1_000_000..900_000_000);
                }
                4 => {
                    bench.exchange(round);
                    meter.level = (1 << 32) - 30 - meter.used;
                    total += bench.gather(&[Some(meter.shows())]).2;
                    bench.now += MINUTE;
                    meter.level = 4 - meter.used;
                }
                5 => bench.restart(),
                6 => {
                    total += bench.gather(&[None]).2;
                    bench.now += MINUTE;
                }
                _ => {}
            }
            if meter.level != before || event == 4 {
                (moves, moved) = (moves + 1, true);
                // Where it was before the last move is remembered, and no more.
                meter.left = meter.left.filter(|_| event == 1);
            }
            let shown = meter.shows();
            let seen = match event {
                7 => [0, shown / 3, shown + 2_000_000_000][random.random_range(0..3)],
                8 => (shown - random.random_range(1..90)).max(0),
                _ => shown,
            };
            if event == 9 {
                // Two wrong readings before the right one, of which each says something else.
                total += bench.gather(&[Some(shown + 5_000_000_000), Some(shown + 3_000_000_000)]).2;
                bench.now += MINUTE;
            }
            let mut looks = vec![Some(seen)];
            if looks_again && bench.history.is_puzzled(&bench.profile, &bench.readings(Some(seen))) {
                looks.push(Some(shown));
            }
            let (_, left, energy) = bench.gather(&looks);
            total += energy;
            let odd = moved || seen != shown;
            assert!(left || (!looks_again && (odd || odd_before)), "seed {seed}: held for no reason");
            odd_before = odd;
            let right = *looks.last().unwrap() == Some(shown);
            if left && right {
                certain += if moved { 0 } else { meter.used - known };
                (known, moved) = (meter.used, false);
            }
            if left && !right && event == 7 {
                // The second wrong reading that says the same is believed, until the counter returns.
                (moves, moved, meter.left) = (moves + 2, true, None);
            }
            let sum = total + bench.under_way();
            assert!(sum <= meter.used, "seed {seed}: {sum} of {}", meter.used);
            // A level that moved by less than the noise is not seen.
            assert!(sum >= certain - 100 * moves, "seed {seed}: {sum} of {certain}");
        }
    }
}
