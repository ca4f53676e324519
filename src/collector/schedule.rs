//! When which table is due.
//!
//! Pure: time is an argument. On the plugin's own clock, tables are due at multiples of their period on the
//! wall clock, shifted by the meter's stagger so that many meters do not start at once. Energy is never
//! shifted: intervals are billed from boundary to boundary. With outside triggers, a table is due when its
//! period has passed since it was last due. With a load profile energy is exact: due at multiples of its period
//! on the wall clock whatever else is written, and with outside triggers at the first one after each. The counters
//! since start wake nobody: they are due with the first status line after their period.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::meter::{Table, TableSet};

/// What falls due together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// Tables to read over the meter's connection.
    pub tables: TableSet,
    /// Tables to read over Modbus beside it.
    pub beside: TableSet,
    /// Whether a status line is due.
    pub status: bool,
    /// Whether the counters since start are due with it.
    pub traffic: bool,
    /// Whole periods that passed unserved since the last time.
    pub missed: u64,
    /// Tables of which one or more such periods passed.
    pub skipped: TableSet,
    /// Whether somebody else sets the pace, so that periods promise nothing.
    pub triggered: bool,
    /// Whether energy is due because an interval of the load profile ends: worth a try even when the meter did
    /// not answer before.
    pub boundary: bool,
}

impl Due {
    /// Whether nothing is due.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.beside.is_empty() && !self.status
    }
}

/// What an entry makes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Table(Table),
    Beside(Table),
    Status,
    Traffic,
}

#[derive(Debug, Clone)]
struct Entry {
    item: Item,
    period: Duration,
    /// Shift against multiples of the period.
    phase: Duration,
    /// Due at multiples of the period on the wall clock, and at no other time.
    exact: bool,
    next: SystemTime,
    last: Option<SystemTime>,
}

/// How a meter's schedule is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Period of the status line.
    pub interval: Duration,
    /// Period of the counters since start.
    pub traffic: Duration,
    /// Align to multiples of the period on the wall clock.
    pub round: bool,
    /// The user's `collection_offset`.
    pub offset: Duration,
    /// This meter's share of the stagger.
    pub stagger: Duration,
    /// Length of the load profile's intervals, if there is one.
    pub profile: Option<Duration>,
}

/// The schedule of one meter.
#[derive(Debug, Clone)]
pub struct Schedule {
    entries: Vec<Entry>,
    start: SystemTime,
    round: bool,
    profile: Option<Duration>,
}

/// The longest stagger of a first gather.
pub const LONGEST_STAGGER: Duration = Duration::from_secs(2);
/// By how much a wall clock that is disciplined jumps now and then.
const TREMOR: Duration = Duration::from_millis(50);

/// A trigger that comes a little early still finds its table due.
fn slack(period: Duration) -> Duration {
    (period / 10).min(Duration::from_secs(1))
}

impl Schedule {
    /// Everything in `tables` is due at `now`; `beside` first at its next boundary, never at start.
    pub fn new(
        layout: Layout,
        tables: impl IntoIterator<Item = (Table, Duration)>,
        beside: impl IntoIterator<Item = (Table, Duration)>,
        now: SystemTime,
    ) -> Self {
        let start = now + layout.stagger;
        let mut schedule =
            Schedule { entries: Vec::new(), start, round: layout.round, profile: layout.profile };
        let shifted = layout.offset + layout.stagger;
        let tables = tables.into_iter().map(|(table, period)| {
            let phase = if table == Table::Energy { layout.offset } else { shifted };
            (Item::Table(table), period, phase)
        });
        // In this order: whether the status is due decides whether the counters may be.
        let health = [(Item::Status, layout.interval, shifted), (Item::Traffic, layout.traffic, shifted)];
        for (item, period, phase) in tables.chain(health) {
            let exact = layout.profile.is_some() && item == Item::Table(Table::Energy);
            schedule.entries.push(Entry { item, period, phase, exact, next: start, last: None });
        }
        let beside: Vec<(Table, Duration)> = beside.into_iter().collect();
        // One that is read between two boundaries would keep energy from being read at the second.
        let exact = layout.profile.is_some() && beside.iter().any(|(table, _)| *table == Table::Energy);
        for (table, period) in beside {
            let phase = layout.offset;
            let entry = Entry { item: Item::Beside(table), period, phase, exact, next: now, last: None };
            let next = schedule.following(&entry, now);
            schedule.entries.push(Entry { next, ..entry });
        }
        schedule
    }

    /// When something is due next on the own clock.
    pub fn next(&self) -> SystemTime {
        let waking = self.entries.iter().filter(|entry| entry.item != Item::Traffic);
        waking.map(|entry| entry.next).min().unwrap_or(self.start)
    }

    /// Whether energy is due at that time, which no jitter may move.
    pub fn next_is_exact(&self) -> bool {
        let next = self.next();
        let exact = |entry: &Entry| entry.exact || entry.item == Item::Table(Table::Energy);
        self.entries.iter().any(|entry| entry.next == next && exact(entry))
    }

    /// When the wall clock was set back: wait for the next boundary, not for the old one.
    pub fn follow_clock(&mut self, now: SystemTime) {
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            let stagger = if entry.last.is_none() { LONGEST_STAGGER } else { Duration::ZERO };
            if entry.next > now + entry.period + stagger + TREMOR {
                self.entries[at].next = self.following(entry, now);
            }
        }
    }

    /// Takes what is due on the own clock.
    pub fn take(&mut self, now: SystemTime) -> Due {
        self.follow_clock(now);
        let mut due = Due::default();
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            if entry.next > now || (entry.item == Item::Traffic && !due.status) {
                continue;
            }
            if entry.last.is_some() {
                let behind = now.duration_since(entry.next).unwrap_or_default();
                let missed = (behind.as_nanos() / entry.period.as_nanos().max(1)) as u64;
                match entry.item {
                    Item::Status => due.missed = missed,
                    Item::Table(table) | Item::Beside(table) if missed > 0 => due.skipped.insert(table),
                    _ => {}
                }
            }
            due.boundary |= self.is_boundary(entry, now);
            due.add(entry.item);
            let next = self.following(&self.entries[at], now);
            let entry = &mut self.entries[at];
            entry.next = next;
            entry.last = Some(now);
        }
        due
    }

    /// Whether an interval of the load profile has ended since the entry was due.
    fn is_boundary(&self, entry: &Entry, now: SystemTime) -> bool {
        let energy = matches!(entry.item, Item::Table(Table::Energy) | Item::Beside(Table::Energy));
        let nanos = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let ended = |length: Duration| nanos(now) / length.as_nanos() * length.as_nanos();
        energy && self.profile.is_some_and(|length| ended(length) >= nanos(entry.next))
    }

    /// Takes what is due at an outside trigger; the status line always is.
    pub fn take_triggered(&mut self, now: SystemTime) -> Due {
        let mut due = Due { triggered: true, ..Due::default() };
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            let ripe = match (entry.item, entry.last) {
                (Item::Status, _) | (Item::Table(_) | Item::Traffic, None) => true,
                (Item::Beside(_), _) => entry.next <= now,
                (Item::Table(_), Some(_)) if entry.exact => entry.next <= now,
                (Item::Table(_) | Item::Traffic, Some(last)) => match now.duration_since(last) {
                    Ok(passed) => passed + slack(entry.period) >= entry.period,
                    // The wall clock was set back.
                    Err(_) => true,
                },
            };
            if ripe {
                due.boundary |= self.is_boundary(entry, now);
                due.add(entry.item);
                let next = self.following(&self.entries[at], now);
                let entry = &mut self.entries[at];
                entry.next = next;
                entry.last = Some(now);
            }
        }
        due
    }

    /// The first time after `now` at which the entry is due.
    fn following(&self, entry: &Entry, now: SystemTime) -> SystemTime {
        let origin = match (entry.exact, self.round) {
            (true, _) => UNIX_EPOCH,
            (false, true) => UNIX_EPOCH + entry.phase,
            (false, false) => self.start,
        };
        let since = now.duration_since(origin).unwrap_or_default().as_nanos();
        let period = entry.period.as_nanos().max(1);
        let ahead = (since / period + 1) * period - since;
        now + Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX / 4))
    }
}

impl Due {
    fn add(&mut self, item: Item) {
        match item {
            Item::Table(table) => self.tables.insert(table),
            Item::Beside(table) => self.beside.insert(table),
            Item::Status => self.status = true,
            Item::Traffic => self.traffic = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000) + Duration::from_secs_f64(seconds)
    }

    fn schedule(stagger: f64, now: SystemTime) -> Schedule {
        let layout = Layout {
            interval: 10 * SECOND,
            traffic: 60 * SECOND,
            round: true,
            offset: Duration::ZERO,
            stagger: Duration::from_secs_f64(stagger),
            profile: None,
        };
        let tables = [(Table::Realtime, 10 * SECOND), (Table::Energy, 60 * SECOND)];
        Schedule::new(layout, tables, [(Table::Settings, 900 * SECOND)], now)
    }

    fn tables(due: Due) -> Vec<Table> {
        due.tables.iter().collect()
    }

    #[test]
    fn everything_is_due_at_start_except_modbus_beside_a_plc() {
        let mut schedule = schedule(0.0, at(3.0));
        let due = schedule.take(at(3.0));
        assert_eq!(tables(due), [Table::Realtime, Table::Energy]);
        assert!(due.status && due.beside.is_empty() && due.missed == 0);
        assert_eq!(schedule.next(), at(10.0));
    }

    #[test]
    fn realtime_is_staggered_and_energy_is_on_the_boundary() {
        let mut schedule = schedule(1.5, at(3.0));
        schedule.take(at(4.5));
        assert_eq!(schedule.next(), at(11.5));
        assert_eq!(tables(schedule.take(at(11.5))), [Table::Realtime]);
        for tick in [21.5, 31.5, 41.5, 51.5] {
            schedule.take(at(tick));
        }
        assert_eq!(schedule.next(), at(60.0));
        let due = schedule.take(at(60.001));
        assert_eq!((tables(due), due.status), (vec![Table::Energy], false));
        assert_eq!(schedule.next(), at(61.5));
    }

    #[test]
    fn counters_come_with_the_first_status_line_of_each_of_their_periods_and_wake_nobody() {
        let traffic = |schedule: &mut Schedule, from: u64, to: u64| {
            (from..to).filter(|second| schedule.take(at(*second as f64)).traffic).collect::<Vec<_>>()
        };
        assert_eq!(traffic(&mut schedule(0.0, at(3.0)), 3, 200), [3, 60, 120, 180]);
        // A status every 7 s, or every 10 min: there is no other time.
        let layout = |interval| Layout {
            interval,
            traffic: 60 * SECOND,
            round: false,
            offset: Duration::ZERO,
            stagger: Duration::ZERO,
            profile: None,
        };
        let mut odd = Schedule::new(layout(7 * SECOND), [], [], at(0.0));
        assert_eq!(traffic(&mut odd, 0, 200), [0, 63, 126, 182]);
        let mut slow = Schedule::new(layout(600 * SECOND), [], [], at(0.0));
        assert!(slow.take(at(0.0)).traffic);
        assert_eq!(slow.next(), at(600.0));
        let mut triggered = schedule(0.0, at(0.0));
        let due = [0.0, 10.0, 50.0, 59.5, 70.0].map(|second| triggered.take_triggered(at(second)).traffic);
        assert_eq!(due, [true, false, false, true, false]);
    }

    #[test]
    fn modbus_beside_a_plc_waits_for_its_boundary_even_when_triggered() {
        let mut schedule = schedule(0.0, at(3.0));
        assert!(schedule.take_triggered(at(3.0)).beside.is_empty());
        assert!(schedule.take_triggered(at(899.0)).beside.is_empty());
        assert!(schedule.take_triggered(at(900.1)).beside.contains(Table::Settings));
        assert!(schedule.take_triggered(at(901.0)).beside.is_empty());
    }

    #[test]
    fn a_gather_that_overran_says_how_many_it_swallowed() {
        let mut schedule = schedule(0.0, at(0.0));
        schedule.take(at(0.0));
        let due = schedule.take(at(34.0));
        assert_eq!((due.missed, due.skipped), (2, Table::Realtime.into()), "energy is due once a minute");
        assert_eq!(schedule.next(), at(40.0));
    }

    #[test]
    fn a_trigger_reads_the_tables_whose_period_has_passed() {
        let mut schedule = schedule(0.0, at(0.0));
        assert_eq!(tables(schedule.take_triggered(at(0.0))), [Table::Realtime, Table::Energy]);
        assert_eq!(tables(schedule.take_triggered(at(5.0))), []);
        assert_eq!(tables(schedule.take_triggered(at(9.9))), [Table::Realtime]);
        assert_eq!(tables(schedule.take_triggered(at(60.0))), [Table::Realtime, Table::Energy]);
    }

    #[test]
    fn with_a_load_profile_energy_is_due_at_every_boundary_whatever_else_is_written() {
        let layout = Layout {
            interval: 10 * SECOND,
            traffic: 60 * SECOND,
            round: false,
            offset: 3 * SECOND,
            stagger: SECOND,
            profile: Some(900 * SECOND),
        };
        let energy = [(Table::Energy, 300 * SECOND)];
        let mut schedule = Schedule::new(layout, energy, [], at(7.0));
        let mut boundaries = 0;
        while schedule.next() < at(1801.0) {
            let (next, exact) = (schedule.next(), schedule.next_is_exact());
            let due = schedule.take(next);
            let on = |seconds: u64| {
                (next.duration_since(at(0.0)).unwrap().as_millis() as u64).is_multiple_of(seconds * 1000)
            };
            if next > at(8.0) {
                assert_eq!(
                    (due.tables.contains(Table::Energy), due.boundary),
                    (on(300), on(900)),
                    "{next:?}"
                );
                assert!(exact || !on(300));
            }
            boundaries += u64::from(due.boundary);
        }
        assert_eq!(boundaries, 2);
        let mut beside = Schedule::new(layout, [], energy, at(7.0));
        assert!(beside.take(at(8.0)).beside.is_empty());
        assert!(!beside.take(at(300.0)).boundary);
        let due = beside.take(at(900.0));
        assert!(due.boundary && due.beside.contains(Table::Energy));
        let mut triggered = Schedule::new(layout, energy, [], at(7.0));
        triggered.take_triggered(at(890.0));
        assert!(triggered.take_triggered(at(899.0)).tables.is_empty());
        assert!(triggered.take_triggered(at(909.0)).boundary, "the first trigger after it");
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_the_gathers() {
        let mut schedule = schedule(0.0, at(7200.0));
        schedule.take(at(7200.0));
        let due = schedule.take(at(3601.0));
        assert!(due.is_empty());
        assert_eq!(schedule.next(), at(3610.0));
        schedule.take(at(3610.0));
        assert!(schedule.take(at(3607.0)).is_empty());
        assert_eq!(schedule.next(), at(3610.0), "not at 3620, for that would be 13 seconds of nothing");
    }
}
