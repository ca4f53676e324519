//! What happened to two meters in the last hours, as lines that the plugin would have written, and what follows from
//! it. Written by hand, because hours cannot be waited for: press-4 is well; press-5 has an unbalanced load, was
//! away for 75 minutes, had its counters reset and is down now.

use std::fmt::Write;

use jiff::Timestamp;

pub(crate) const MINUTE: i64 = 60_000_000_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// Readings arrive a little after the full minute.
const LATE: i64 = 20_000_000;
/// Minutes between which press-5 was away, both read.
const AWAY: (i64, i64) = (90, 165);
/// Minute at which press-5 was read first after its reset.
const RESET: i64 = 200;

/// The lines, and the moment they begin.
pub(crate) struct History {
    pub(crate) lines: String,
    /// A full hour, five hours and more before now; nanoseconds since the epoch.
    pub(crate) start: i64,
    /// When the last status lines were written.
    pub(crate) now: i64,
}

impl History {
    pub(crate) fn new() -> History {
        let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap();
        let start = now - now % HOUR - 6 * HOUR;
        let mut history = History { lines: String::new(), start, now };
        for minute in 0..=300 {
            history.energy(minute);
            history.realtime(minute);
        }
        history.events();
        history.intervals();
        history.statuses();
        history.counters();
        history
    }

    /// The start of an hour.
    pub(crate) fn hour(&self, hour: i64) -> i64 {
        self.start + hour * HOUR
    }

    /// A minute of the history.
    pub(crate) fn minute(&self, minute: i64) -> i64 {
        self.start + minute * MINUTE
    }

    fn line(&mut self, measurement: &str, tags: &str, fields: &str, time: i64) {
        writeln!(self.lines, "powermonitor_500{measurement},{tags} {fields} {time}").unwrap();
    }

    /// 6 kW at press-4, 3 kW at press-5.
    fn energy(&mut self, minute: i64) {
        let time = self.minute(minute) + LATE;
        let fields = format!(
            "active_import_wh={}i,reactive_import_varh=5i,counting_since_ms=0i",
            9_007_199_254_741 + 100 * minute
        );
        self.line("_energy", "meter=press-4", &fields, time);
        if minute > AWAY.0 && minute < AWAY.1 {
            return;
        }
        let counted = if minute < RESET { 5_000_000 + 50 * minute } else { 50 * (minute - RESET) + 7 };
        let since = if minute < RESET { 0 } else { self.minute(RESET) / 1_000_000 };
        let fields = format!("active_import_wh={counted}i,counting_since_ms={since}i");
        self.line("_energy", "meter=press-5", &fields, time);
    }

    /// Power rises by 4 kW a quarter around 40 kW, and swings by 1 kW around its mean.
    fn realtime(&mut self, minute: i64) {
        if minute >= 45 {
            return;
        }
        let swing = if minute % 15 == 14 { 0 } else { 1000 - 2000 * (minute % 15 % 2) };
        let power = 40_000 + 4000 * (minute / 15) + swing;
        let balanced = "voltage_l1_n_v=230.0,voltage_l2_n_v=230.0,voltage_l3_n_v=230.0,current_l1_a=60.0,current_l2_a=60.0,current_l3_a=60.0";
        let unbalanced = "voltage_l1_n_v=231.0,voltage_l2_n_v=232.0,voltage_l3_n_v=227.0,current_l1_a=100.0,current_l2_a=70.0,current_l3_a=100.0";
        let idle = "voltage_l1_n_v=231.0,voltage_l2_n_v=232.0,voltage_l3_n_v=227.0,current_l1_a=0.0,current_l2_a=0.0,current_l3_a=0.3";
        let time = self.minute(minute) + LATE;
        self.line("", "meter=press-4", &format!("{balanced},active_power_total_w={power}.0"), time);
        let (load, power) = if minute < 30 { (unbalanced, "60000.0") } else { (idle, "0.0") };
        self.line("", "meter=press-5", &format!("{load},active_power_total_w={power}"), time);
    }

    fn events(&mut self) {
        let (from, to) = (self.minute(AWAY.0), self.minute(AWAY.1));
        let gap = format!(
            r#"message="No data of realtime,energy for 75 min",reason="no reply",table="realtime,energy",duration_s={}.0,from_ms={}i,to_ms={}i"#,
            (AWAY.1 - AWAY.0) * 60,
            from / 1_000_000,
            to / 1_000_000
        );
        self.line("_event", "event=gap,meter=press-5", &gap, from);
        let reset =
            r#"message="Counter fell",table="energy",field="active_import_wh",before=5009950.0,after=7.0"#;
        self.line("_event", "event=counter_reset,meter=press-5", reset, self.minute(RESET));
        let started = r#"message="The plugin started reading this meter",reason="nothing before is known""#;
        self.line("_event", "event=started,meter=press-4", started, self.start);
    }

    fn intervals(&mut self) {
        let quality = [
            "active_import_wh=1500i,active_power_avg_w=6000.0,coverage_pct=100.0,quality_code=0i,interval_s=900i",
            "active_import_wh=900i,active_power_avg_w=6000.0,coverage_pct=60.0,quality_code=1i,interval_s=900i",
            "coverage_pct=0.0,quality_code=3i,interval_s=900i",
        ];
        for (quarter, fields) in (1..).zip(quality) {
            self.line("_interval", "meter=press-4", fields, self.minute(15 * quarter));
        }
    }

    fn statuses(&mut self) {
        for (ago, up, age) in [(20, 1, 5), (10, 0, 115_005), (0, 0, 125_005)] {
            let time = self.now - ago * 1_000_000_000;
            let good = r#"up=1i,result_code=0i,realtime_age_ms=4i,result="success""#;
            self.line("_status", "meter=press-4", good, time);
            let result = if up == 1 { "success" } else { "timeout" };
            let fields = format!(r#"up={up}i,result_code=2i,realtime_age_ms={age}i,result="{result}""#);
            self.line("_status", "meter=press-5", &fields, time);
        }
    }

    fn counters(&mut self) {
        for (ago, timeouts) in [(2, 1), (1, 4), (0, 9)] {
            let fields = format!("timeouts={timeouts}i,gaps=1i,counter_resets=1i");
            self.line("_traffic", "meter=press-5", &fields, self.now - ago * MINUTE);
        }
    }

    /// The start of the UTC day of a moment.
    pub(crate) fn day(time: i64) -> i64 {
        time - time % (24 * HOUR)
    }
}
