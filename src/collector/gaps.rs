//! Lost data, told from zero load: which table was not read from when to when, and why.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::meter::Table;

use super::events::Event;

#[derive(Debug, Clone, Default)]
struct Track {
    last: Option<SystemTime>,
    broken: Option<String>,
}

/// Remembers per table when it was last read and whether it failed since.
#[derive(Debug, Default)]
pub struct Gaps {
    tracks: BTreeMap<Table, Track>,
    found: Vec<(Table, SystemTime, SystemTime, String)>,
}

impl Gaps {
    /// A table was last read at this time, before the plugin started.
    pub fn restore(&mut self, table: Table, last: SystemTime) {
        let reason = "the plugin was not running".to_owned();
        self.tracks.insert(table, Track { last: Some(last), broken: Some(reason) });
    }

    /// A table that was due was not read, or not completely.
    pub fn broke(&mut self, table: Table, reason: &str) {
        let track = self.tracks.entry(table).or_default();
        track.broken.get_or_insert_with(|| reason.to_owned());
    }

    /// A table was read. `period` is how often it should be: a longer silence without a failure, such as a
    /// suspended host, is a gap as well.
    pub fn read(&mut self, table: Table, at: SystemTime, period: Option<Duration>) {
        let track = self.tracks.entry(table).or_default();
        let broken = track.broken.take();
        if let Some(last) = track.last.replace(at) {
            let silence = at.duration_since(last).unwrap_or_default();
            let late = period.is_some_and(|period| silence > period.mul_f64(2.5));
            // A restart within the period lost nothing.
            let lost = period.is_none_or(|period| silence > period.mul_f64(1.5));
            match broken {
                Some(reason) if lost => self.found.push((table, last, at, reason)),
                None if late => self.found.push((table, last, at, "no gather took place".to_owned())),
                _ => {}
            }
        }
    }

    /// When a table was last read.
    pub fn last_read(&self, table: Table) -> Option<SystemTime> {
        self.tracks.get(&table)?.last
    }

    /// The gaps that ended since the last call; tables that share start and reason share an event.
    pub fn ended(&mut self) -> Vec<Event> {
        let mut grouped: Vec<(Vec<&'static str>, SystemTime, SystemTime, String)> = Vec::new();
        for (table, from, to, reason) in self.found.drain(..) {
            match grouped.iter_mut().find(|(_, start, _, why)| near(*start, from) && *why == reason) {
                Some((tables, start, end, _)) => {
                    tables.push(table.name());
                    (*start, *end) = ((*start).min(from), (*end).max(to));
                }
                None => grouped.push((vec![table.name()], from, to, reason)),
            }
        }
        let event = |(tables, from, to, reason): (Vec<&str>, SystemTime, SystemTime, String)| {
            let tables = tables.join(",");
            let length = to.duration_since(from).unwrap_or_default().as_secs_f64();
            Event {
                kind: "gap",
                message: format!("No data of {tables} for {length:.1} s"),
                reason: Some(reason),
                table: Some(tables),
                span: Some((from, to)),
                ..Event::default()
            }
        };
        grouped.into_iter().map(event).collect()
    }
}

/// Tables of one gather arrive within a second of each other.
fn near(a: SystemTime, b: SystemTime) -> bool {
    a.duration_since(b).or_else(|_| b.duration_since(a)).is_ok_and(|apart| apart < Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
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
            gaps.broke(Table::Realtime, "no reply");
            gaps.broke(Table::Alarm, "no reply");
        }
        for table in [Table::Realtime, Table::Alarm] {
            gaps.read(table, at(50), PERIOD);
        }
        let events = gaps.ended();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].span, Some((at(10), at(50))));
        assert_eq!(events[0].table.as_deref(), Some("realtime,alarm"));
        assert_eq!(events[0].reason.as_deref(), Some("no reply"));
        assert!(gaps.ended().is_empty());
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
        gaps.broke(Table::Realtime, "no reply");
        gaps.read(Table::Realtime, at(50), PERIOD);
        assert!(gaps.ended().is_empty());
    }
}
