//! The life of one meter's task: wait until something is due, gather, hand the lines on, until told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Collector;
use super::clock::WallClock;
use super::report::Report;
use super::schedule::{Due, LONGEST_STAGGER, Layout, Schedule};
use crate::config::MeterConfig;

/// No sleep is longer, so that a wall clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);
/// A gather that begins later than this after it was due counts as late.
const LATE: Duration = Duration::from_secs(1);
/// What is left of the shutdown's 2 s: one for a gather under way, one for closing.
const TO_FINISH: Duration = Duration::from_secs(1);

/// Who sets the pace: the plugin's triggers, as every meter's task sees them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// Outside triggers set the pace from now on; the own clock is off.
    pub external: bool,
    /// How many triggers there were; several that come during one gather make one gather.
    pub triggers: u64,
}

/// Counters over all meters, for the plugin's own line.
#[derive(Debug, Default)]
pub struct Totals {
    /// Meters whose last gather read at least one table.
    pub up: AtomicU64,
    /// Gathers that began late.
    pub late: AtomicU64,
}

/// Meters that begin at nearly the same time begin at the same time: a process that is woken for one of them
/// then serves all of them.
const SLOT: Duration = Duration::from_millis(50);

/// The schedule of a meter: `index` of `count` meters gives its share of the stagger.
pub fn schedule(config: &MeterConfig, index: usize, count: usize, now: SystemTime) -> Schedule {
    let layout = Layout {
        interval: config.interval,
        traffic: config.traffic_interval,
        round: config.round_interval,
        offset: config.collection_offset,
        stagger: stagger(config.interval, index, count),
        profile: config.interval_energy,
    };
    let tables = config.tables.iter().map(|table| (table, config.period(table)));
    let beside = config.modbus_tables.iter().map(|table| (table, config.period(table)));
    Schedule::new(layout, tables, beside, now)
}

/// Spreads the meters over half the interval, 2 s at most, in whole slots.
fn stagger(interval: Duration, index: usize, count: usize) -> Duration {
    let spread = (interval / 2).min(LONGEST_STAGGER);
    let slots = spread.as_millis().div_ceil(SLOT.as_millis()) as usize;
    SLOT * u32::try_from(index * slots / count.max(1)).unwrap_or_default()
}

/// Runs a collector until `stop`; what it found goes to `sink`.
pub async fn run(
    mut collector: Collector,
    mut schedule: Schedule,
    mut pace: watch::Receiver<Pace>,
    stop: CancellationToken,
    totals: Arc<Totals>,
    mut sink: impl FnMut(Report),
) {
    let mut up = Up { counted: false, totals: &totals };
    let mut told = true;
    let jitter = collector.config().collection_jitter;
    loop {
        let jitter = jitter.mul_f64(rand::random());
        let Some(due) = next(&mut schedule, collector.clock(), jitter, &mut pace, &stop, &totals).await
        else {
            break;
        };
        let report = {
            let gather = collector.gather(due);
            tokio::pin!(gather);
            tokio::select! {
                report = &mut gather => Some(report),
                () = stop.cancelled() => timeout(TO_FINISH, gather).await.ok(),
            }
        };
        if let Some(report) = report {
            up.set(report.health.up);
            told = report.traffic_due;
            sink(report);
        }
    }
    // Nobody waits longer for a meter that does not take its good-bye.
    let _ = timeout(TO_FINISH, collector.close()).await;
    if !told {
        sink(collector.last_word());
    }
}

/// This meter's share of [`Totals::up`], given back however the task ends.
struct Up<'a> {
    counted: bool,
    totals: &'a Totals,
}

impl Up<'_> {
    fn set(&mut self, up: bool) {
        match (self.counted, up) {
            (false, true) => self.totals.up.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.totals.up.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
        self.counted = up;
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// Waits until something is due, and `jitter` longer on the own clock; `None` when it is time to stop.
async fn next(
    schedule: &mut Schedule,
    clock: &WallClock,
    jitter: Duration,
    pace: &mut watch::Receiver<Pace>,
    stop: &CancellationToken,
    totals: &Totals,
) -> Option<Due> {
    loop {
        // A gather may have ended in another time than it began in.
        schedule.follow_clock(clock.now());
        let wait = async {
            if pace.borrow().external {
                let _ = pace.changed().await;
                return true;
            }
            let jitter = if schedule.next_is_exact() { Duration::ZERO } else { jitter };
            let until = schedule.next() + jitter;
            let left = until.duration_since(clock.now()).unwrap_or_default();
            tokio::select! {
                () = sleep(left.min(LONGEST_SLEEP)) => left > LONGEST_SLEEP,
                changed = pace.changed() => changed.is_ok(),
            }
        };
        let woken = tokio::select! {
            () = stop.cancelled() => return None,
            woken = wait => woken,
        };
        let now = clock.now();
        let due = if pace.borrow().external {
            schedule.take_triggered(now)
        } else if woken {
            continue;
        } else {
            let behind = now.duration_since(schedule.next() + jitter).unwrap_or_default();
            if behind > LATE {
                totals.late.fetch_add(1, Ordering::Relaxed);
            }
            schedule.take(now)
        };
        if !due.is_empty() {
            return Some(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::clock::Clock;
    use crate::collector::state::State;
    use crate::config::{Config, Overrides};
    use crate::meter::{Access, Span};
    use crate::source::{Answer, Deadline, Source};
    use async_trait::async_trait;

    #[test]
    fn meters_are_spread_evenly_and_share_their_starts() {
        let second = Duration::from_secs(1);
        let starts = (0..100).map(|index| stagger(second, index, 100));
        let mut counts = std::collections::BTreeMap::new();
        starts.for_each(|start| *counts.entry(start).or_insert(0) += 1);
        assert_eq!((counts.len(), counts[&Duration::ZERO], counts[&(9 * SLOT)]), (10, 10, 10));
        // Never later than half the interval, nor than two seconds.
        assert!(stagger(Duration::from_millis(200), 99, 100) < Duration::from_millis(100));
        assert!(stagger(3600 * second, 999, 1000) < 2 * second);
        assert_eq!(stagger(second, 0, 1), Duration::ZERO);
    }

    /// A host whose wall clock somebody sets.
    #[derive(Debug)]
    struct SetClock {
        start: tokio::time::Instant,
        ahead: std::sync::Mutex<Duration>,
    }

    impl Clock for SetClock {
        fn wall(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + *self.ahead.lock().unwrap() + self.since_boot()
        }

        fn since_boot(&self) -> Duration {
            self.start.elapsed()
        }
    }

    /// A meter that accepts and stays silent, while the clock is set back by an hour.
    #[derive(Debug)]
    struct Silent(Arc<SetClock>);

    #[async_trait]
    impl Source for Silent {
        fn access(&self) -> Access {
            Access::Assemblies
        }

        async fn read(&mut self, _: &[Span], _: Deadline) -> Answer {
            sleep(Duration::from_millis(500)).await;
            let mut ahead = self.0.ahead.lock().unwrap();
            *ahead = (*ahead).min(Duration::from_secs(1_000_000));
            Answer::default()
        }

        async fn close(&mut self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_while_a_gather_runs_silences_no_meter() {
        let text = "[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\naddress = \"a\"\ninterval = \"2s\"\n";
        let config = Config::parse(text, &Overrides::default()).unwrap().meters.remove(0);
        let ahead = std::sync::Mutex::new(Duration::from_secs(1_003_600));
        let clock = Arc::new(SetClock { start: tokio::time::Instant::now(), ahead });
        let schedule = schedule(&config, 0, 1, clock.wall());
        let source = Box::new(Silent(clock.clone()));
        let collector = Collector::reading(Arc::new(config), State::in_memory(), (source, None), clock);
        let (count, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let counted = count.clone();
        let sink =
            move |report: Report| _ = counted.fetch_add(u64::from(report.status_due), Ordering::Relaxed);
        let (_pace, paced) = watch::channel(Pace::default());
        let life = run(collector, schedule, paced, stop.clone(), Arc::default(), sink);
        let end = async {
            sleep(Duration::from_secs(21)).await;
            stop.cancel();
        };
        tokio::join!(life, end);
        assert!(count.load(Ordering::Relaxed) >= 10, "{count:?} status lines in 21 s");
    }
}
