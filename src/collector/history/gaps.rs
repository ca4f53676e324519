//! Lost data, told from zero load: which table was not read from when to when, and why.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::collector::event::{Cause, Gap};
use crate::meter::{Table, TableSet};

#[derive(Debug, Clone, Default)]
struct Track {
    last: Option<SystemTime>,
    broken: Option<Cause>,
    /// It was due since, and not read.
    missed: bool,
    /// A part of it was read since.
    partly: bool,
    /// It was due since, and nobody asked.
    skipped: bool,
    /// Its newest reading was the one before, once more.
    repeated: bool,
}

/// A gap of one table.
#[derive(Debug)]
struct Found {
    table: Table,
    from: SystemTime,
    to: SystemTime,
    cause: Cause,
    partly: bool,
}

/// Remembers per table when it was last read and whether it failed since.
#[derive(Debug, Default)]
pub struct Gaps {
    tracks: BTreeMap<Table, Track>,
    found: Vec<Found>,
}

impl Gaps {
    /// A table was last read at this time, before the plugin started.
    pub fn restore(&mut self, table: Table, last: SystemTime) {
        let broken = Some(Cause::NotRunning);
        self.tracks.insert(table, Track { last: Some(last), broken, ..Track::default() });
    }

    /// A table that was due was not read, or only `partly`.
    pub fn broke(&mut self, table: Table, cause: Cause, partly: bool) {
        let track = self.tracks.entry(table).or_default();
        track.missed = true;
        track.partly |= partly;
        if matches!(track.broken, None | Some(Cause::Clock(_))) {
            track.broken = Some(cause);
        }
    }

    /// A table was due, and there was no gather.
    pub fn skipped(&mut self, table: Table) {
        self.tracks.entry(table).or_default().skipped = true;
    }

    /// The wall clock was set, forward by this many ms. Time that comes again is no gap and hides none; time that
    /// was skipped is a hole in the data, and it is said why.
    pub fn clock_stepped(&mut self, by: i64) {
        let step = Duration::from_millis(by.unsigned_abs());
        for track in self.tracks.values_mut() {
            if by < 0 {
                track.last = track.last.map(|last| last.checked_sub(step).unwrap_or(SystemTime::UNIX_EPOCH));
            } else {
                track.broken.get_or_insert(Cause::Clock(by));
            }
        }
    }

    /// A table was read. `period` is how often it should be: a longer silence without a failure, such as a
    /// suspended host, is a gap as well.
    pub fn read(&mut self, table: Table, at: SystemTime, period: Option<Duration>) {
        let track = self.tracks.entry(table).or_default();
        let (broken, missed) = (track.broken.take(), std::mem::take(&mut track.missed));
        let (partly, skipped) = (std::mem::take(&mut track.partly), std::mem::take(&mut track.skipped));
        if let Some(last) = track.last.replace(at) {
            let repeated = std::mem::replace(&mut track.repeated, at == last);
            let silence = at.duration_since(last).unwrap_or_default();
            let beyond = |periods: f64| period.is_some_and(|period| silence > period.mul_f64(periods));
            // One that came late leaves less of a hole than one that never was.
            let late = beyond(2.5) || (skipped && beyond(1.5));
            // A restart within the period, or a clock that was set a little, lost nothing.
            let lost = missed || period.is_none_or(|period| silence > period.mul_f64(1.5));
            let cause = match broken {
                Some(cause) if lost => Some(cause),
                None if late => Some(if repeated { Cause::Silence } else { Cause::NoGather }),
                _ => None,
            };
            self.found.extend(cause.map(|cause| Found { table, from: last, to: at, cause, partly }));
        }
    }

    /// When a table was last read.
    pub fn last_read(&self, table: Table) -> Option<SystemTime> {
        self.tracks.get(&table)?.last
    }

    /// The gaps that ended since the last call; tables that share start and cause share one.
    pub fn ended(&mut self) -> Vec<Gap> {
        let mut ended: Vec<Gap> = Vec::new();
        for Found { table, from, to, cause, partly } in self.found.drain(..) {
            let tables = TableSet::from(table);
            let partly = if partly { tables } else { TableSet::EMPTY };
            let same = |gap: &&mut Gap| near(gap.from, from) && gap.cause.is_one_with(&cause);
            match ended.iter_mut().find(same) {
                Some(gap) => {
                    (gap.tables, gap.partly) = (gap.tables.union(tables), gap.partly.union(partly));
                    (gap.from, gap.to) = (gap.from.min(from), gap.to.max(to));
                }
                None => ended.push(Gap { tables, partly, from, to, cause, exchanged: false }),
            }
        }
        ended
    }
}

/// Tables of one gather arrive within a second of each other.
fn near(a: SystemTime, b: SystemTime) -> bool {
    a.duration_since(b).or_else(|_| b.duration_since(a)).is_ok_and(|apart| apart < Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::event::Event;
    use std::time::UNIX_EPOCH;

    const PERIOD: Option<Duration> = Some(Duration::from_secs(10));

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_failure_makes_one_gap_from_the_last_good_to_the_next_good_reading() {
        let mut gaps = Gaps::default();
        for table in [Table::Realtime, Table::Alarm] {
            gaps.read(table, at(10), PERIOD);
        }
        for _ in 0..3 {
            gaps.broke(Table::Realtime, Cause::Meter("no reply".to_owned()), false);
            // How each table met the same outage differs.
            gaps.broke(Table::Alarm, Cause::Meter("refused".to_owned()), false);
        }
        for table in [Table::Realtime, Table::Alarm] {
            gaps.read(table, at(50), PERIOD);
        }
        let events = gaps.ended();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].from, events[0].to), (at(10), at(50)));
        assert_eq!(events[0].tables, TableSet::from_iter([Table::Realtime, Table::Alarm]));
        assert_eq!(events[0].cause, Cause::Meter("no reply".to_owned()));
        assert!(gaps.ended().is_empty());
    }

    #[test]
    fn a_gap_of_which_half_came_does_not_say_that_there_is_no_data() {
        let mut gaps = Gaps::default();
        for (realtime, alarm, text) in [
            (true, false, "No data of alarm, and not all of realtime, for 20.0 s"),
            (true, true, "Not all data of realtime,alarm for 20.0 s"),
            (false, false, "No data of realtime,alarm for 20.0 s"),
        ] {
            let (cause, tables) = (Cause::Meter("no reply".to_owned()), [Table::Realtime, Table::Alarm]);
            let begin = gaps.last_read(Table::Alarm).unwrap_or(at(0));
            tables.iter().for_each(|table| gaps.read(*table, begin, PERIOD));
            gaps.broke(Table::Realtime, cause.clone(), realtime);
            gaps.broke(Table::Alarm, cause, alarm);
            tables.iter().for_each(|table| gaps.read(*table, begin + Duration::from_secs(20), PERIOD));
            let said: Vec<_> = gaps.ended().into_iter().map(|gap| Event::Gap(gap).to_string()).collect();
            assert_eq!(said, [text]);
        }
    }

    #[test]
    fn a_sample_that_was_repeated_is_silence_and_not_a_gather_that_did_not_take_place() {
        let mut gaps = Gaps::default();
        for time in [10, 10, 10] {
            gaps.read(Table::Realtime, at(time), PERIOD);
        }
        gaps.read(Table::Realtime, at(50), PERIOD);
        gaps.read(Table::Realtime, at(90), PERIOD);
        let causes: Vec<Cause> = gaps.ended().into_iter().map(|gap| gap.cause).collect();
        assert_eq!(causes, [Cause::Silence, Cause::NoGather]);
    }

    #[test]
    fn one_lost_reading_is_a_gap_however_late_the_one_before_it_came() {
        let mut gaps = Gaps::default();
        gaps.read(Table::Realtime, at(16), PERIOD);
        gaps.broke(Table::Realtime, Cause::Meter("no reply".to_owned()), false);
        gaps.read(Table::Realtime, at(30), PERIOD);
        assert_eq!(gaps.ended().len(), 1);
        gaps.read(Table::Realtime, at(44), PERIOD);
        assert!(gaps.ended().is_empty(), "14 s without a failure are a reading that came late");
    }

    #[test]
    fn a_reading_that_nobody_made_is_a_gap_where_one_that_came_late_is_none() {
        for (skipped, back, expected) in [(true, 22, 1), (false, 22, 0), (true, 14, 0)] {
            let mut gaps = Gaps::default();
            gaps.read(Table::Realtime, at(0), PERIOD);
            if skipped {
                gaps.skipped(Table::Realtime);
            }
            gaps.read(Table::Realtime, at(back), PERIOD);
            let causes: Vec<Cause> = gaps.ended().into_iter().map(|gap| gap.cause).collect();
            assert_eq!(causes, vec![Cause::NoGather; expected], "after {back} s, skipped {skipped}");
        }
    }

    #[test]
    fn the_time_without_the_plugin_is_a_gap_unless_the_restart_was_quick() {
        for (back, expected) in [(100, 1), (12, 0)] {
            let mut gaps = Gaps::default();
            gaps.restore(Table::Realtime, at(0));
            gaps.read(Table::Realtime, at(back), PERIOD);
            assert_eq!(gaps.ended().len(), expected, "back after {back} s");
        }
    }

    #[test]
    fn the_first_reading_ever_ends_no_gap() {
        let mut gaps = Gaps::default();
        gaps.broke(Table::Realtime, Cause::Meter("no reply".to_owned()), false);
        gaps.read(Table::Realtime, at(50), PERIOD);
        assert!(gaps.ended().is_empty());
    }

    #[test]
    fn a_clock_that_is_set_makes_no_negative_gap_and_hides_none() {
        let mut gaps = Gaps::default();
        gaps.read(Table::Realtime, at(10_000), PERIOD);
        gaps.clock_stepped(-3_600_000);
        gaps.read(Table::Realtime, at(6_410), PERIOD);
        assert!(gaps.ended().is_empty());
        gaps.clock_stepped(-3_600_000);
        gaps.broke(Table::Realtime, Cause::Meter("no reply".to_owned()), false);
        gaps.read(Table::Realtime, at(2_900), PERIOD);
        let events = gaps.ended();
        assert_eq!((events.len(), events[0].from, events[0].to), (1, at(2_810), at(2_900)));
        gaps.clock_stepped(3_600_000);
        gaps.read(Table::Realtime, at(6_510), PERIOD);
        let events = gaps.ended();
        assert_eq!((events.len(), events[0].from, events[0].to), (1, at(2_900), at(6_510)));
        assert!(events[0].cause.to_string().contains("set forward by 1h"));
    }
}
