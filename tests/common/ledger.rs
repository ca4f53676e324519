//! The books of one meter, kept from nothing but the lines it led to: what was due, what came, what was declared
//! lost.
//!
//! What is due follows from the clock alone: one gather of a table per period between its first and its last
//! complete line. What is lost follows from the events of kind "gap" alone. The books are right when the two agree
//! with the lines, exactly.

use std::collections::BTreeMap;
use std::time::Duration;

use telegraf_pm500::meter::Table;

use super::line::Line;

/// One table of one meter.
#[derive(Debug, Clone)]
struct Book {
    table: Table,
    period: Duration,
    /// Fields of a complete line.
    fields: usize,
    first: Option<i64>,
    last: i64,
    complete: u64,
    /// Times of lines with fields missing that no gap covers.
    partial: Vec<i64>,
    declared: u64,
}

/// The books of one meter.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    interval: Duration,
    books: Vec<Book>,
    /// Complete lines of tables that share the status line's gather, since the last one.
    since_status: usize,
    first_status: Option<i64>,
    last_status: Option<Line>,
    statuses: u64,
    /// The counters of the first status line's gather, and the newest.
    first_traffic: Option<Line>,
    last_traffic: Option<Line>,
    gaps: u64,
    /// Status lines by their result.
    pub(crate) results: BTreeMap<String, u64>,
    /// Events by their kind.
    pub(crate) events: BTreeMap<String, u64>,
    /// What contradicts itself.
    pub(crate) problems: Vec<String>,
}

/// The sums of one meter, or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Gathers of tables that were due by the clock.
    pub(crate) due: u64,
    /// Complete lines.
    pub(crate) complete: u64,
    /// Lines with fields missing because the meter refuses them, which is no gap.
    pub(crate) partial: u64,
    /// Gathers that lie in a gap event.
    pub(crate) declared: u64,
    /// Status lines that were due by the clock.
    pub(crate) status_due: u64,
    /// Status lines.
    pub(crate) statuses: u64,
    /// What is counted as missed.
    pub(crate) missed: u64,
}

impl Sums {
    /// Due less accounted for.
    pub(crate) fn difference(&self) -> i128 {
        let tables = self.complete + self.partial + self.declared;
        let accounted = tables + self.statuses + self.missed;
        i128::from(self.due + self.status_due) - i128::from(accounted)
    }

    pub(crate) fn plus(self, other: &Sums) -> Sums {
        Sums {
            due: self.due + other.due,
            complete: self.complete + other.complete,
            partial: self.partial + other.partial,
            declared: self.declared + other.declared,
            status_due: self.status_due + other.status_due,
            statuses: self.statuses + other.statuses,
            missed: self.missed + other.missed,
        }
    }
}

impl Ledger {
    /// Empty books; each table has a period, and a number of fields when its line is complete.
    pub(crate) fn new(interval: Duration, tables: &[(Table, Duration, usize)]) -> Ledger {
        let book = |(table, period, fields): &(Table, Duration, usize)| Book {
            table: *table,
            period: *period,
            fields: *fields,
            first: None,
            last: 0,
            complete: 0,
            partial: Vec::new(),
            declared: 0,
        };
        Ledger {
            interval,
            books: tables.iter().map(book).collect(),
            since_status: 0,
            first_status: None,
            last_status: None,
            statuses: 0,
            first_traffic: None,
            last_traffic: None,
            gaps: 0,
            results: BTreeMap::new(),
            events: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// The newest status line.
    pub(crate) fn status(&self) -> Option<&Line> {
        self.last_status.as_ref()
    }

    /// Forgets everything before the next line: a start is not aligned to the clock.
    pub(crate) fn open(&mut self) {
        let empty: Vec<_> = self.books.iter().map(|book| (book.table, book.period, book.fields)).collect();
        *self = Ledger::new(self.interval, &empty);
    }

    /// Enters a line of this meter.
    pub(crate) fn enter(&mut self, line: &Line) {
        match line.measurement.as_str() {
            "powermonitor_500_status" => self.enter_status(line),
            "powermonitor_500_traffic" => self.enter_traffic(line),
            "powermonitor_500_event" => self.enter_event(line),
            measurement => {
                let at = self.books.iter().position(|book| book.table.measurement() == measurement);
                if let Some(at) = at {
                    self.enter_table(at, line);
                }
            }
        }
    }

    fn enter_table(&mut self, at: usize, line: &Line) {
        let (interval, book) = (self.interval, &mut self.books[at]);
        if line.time <= book.last {
            self.problems.push(format!("{}: the time {} came again or went back", book.table, line.time));
        }
        if line.fields.len() < book.fields {
            if book.first.is_some() {
                book.partial.push(line.time);
            }
            return;
        }
        book.first.get_or_insert(line.time);
        book.last = line.time;
        book.complete += 1;
        self.since_status += usize::from(book.period == interval);
    }

    fn enter_status(&mut self, line: &Line) {
        let result = line.text("result").to_owned();
        let together = self.books.iter().filter(|book| book.period == self.interval).count();
        let complete = std::mem::take(&mut self.since_status);
        if (result == "success") != (complete == together) && self.first_status.is_some() {
            self.problems.push(format!("the status is {result} with {complete} of {together} lines"));
        }
        *self.results.entry(result).or_default() += 1;
        self.first_status.get_or_insert(line.time);
        self.statuses += 1;
        self.last_status = Some(line.clone());
    }

    /// The counters follow the status line of their gather.
    fn enter_traffic(&mut self, line: &Line) {
        if self.first_traffic.is_none() {
            self.first_traffic = Some(line.clone());
            self.gaps = 0;
        }
        self.last_traffic = Some(line.clone());
        let counted = self.counted("gaps");
        if counted != self.gaps {
            self.problems.push(format!("{} gap events, and the counters say {counted}", self.gaps));
        }
    }

    /// By how much a counter has risen since the books were opened.
    fn counted(&self, field: &str) -> u64 {
        let (Some(first), Some(last)) = (&self.first_traffic, &self.last_traffic) else { return 0 };
        (last.integer(field) - first.integer(field)) as u64
    }

    fn enter_event(&mut self, line: &Line) {
        let kind = line.tags["event"].clone();
        if kind == "gap" {
            self.gaps += 1;
            let (from, to) = (line.integer("from_ms") * 1_000_000, line.integer("to_ms") * 1_000_000);
            for name in line.text("table").split(',') {
                if let Some(book) = self.books.iter_mut().find(|book| book.table.name() == name) {
                    let lost = periods(to - from, book.period).saturating_sub(1);
                    book.partial.retain(|at| !(from + 1..to).contains(at));
                    // A gap that ends with the first complete line began before the books did.
                    book.declared += if book.complete > 1 { lost } else { 0 };
                }
            }
        }
        *self.events.entry(kind).or_default() += 1;
    }

    /// The sums so far, up to the last complete line of each table and the last status line.
    pub(crate) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for book in &self.books {
            sums.due += book.first.map_or(0, |first| periods(book.last - first, book.period) + 1);
            sums.complete += book.complete;
            sums.partial += book.partial.len() as u64;
            sums.declared += book.declared;
        }
        if let (Some(first), Some(last)) = (self.first_status, &self.last_status) {
            sums.status_due = periods(last.time - first, self.interval) + 1;
            sums.missed = self.counted("gathers_missed");
        }
        sums.statuses = self.statuses;
        sums
    }
}

/// How many periods this time is, to the nearest: no line is late by half a period.
fn periods(nanoseconds: i64, period: Duration) -> u64 {
    (nanoseconds as f64 / period.as_nanos() as f64).round().max(0.0) as u64
}
