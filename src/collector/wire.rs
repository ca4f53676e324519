//! Asks the meter: its own connection, and Modbus beside it where and when that is allowed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

use crate::config::MeterConfig;
use crate::meter::identity::Identity;
use crate::meter::reading::milliseconds;
use crate::meter::{Access, Readings, Span, Table, TableSet, WordOrder, block};
use crate::source::{Answer, Deadline, Failure, FailureKind, Leftover, Source};

use super::intake::{Taken, take_in};

/// No table is read more often, whoever asks: the limit that the meter was tested with.
const AT_MOST_EVERY: Duration = Duration::from_millis(200);
/// Modbus beside EtherNet/IP is used at most this often, also across restarts.
const BESIDE_AT_MOST_EVERY: Duration = Duration::from_secs(300);
/// How long EtherNet/IP may be silent after our own Modbus before that counts as a fault. The maker is
/// reported to say that it recovers by itself; how fast is unknown.
const PAUSE_AFTER_MODBUS: Duration = Duration::from_secs(60);

/// The ways to one meter.
#[derive(Debug)]
pub struct Wire {
    config: Arc<MeterConfig>,
    source: Box<dyn Source>,
    /// Modbus beside EtherNet/IP, if the config allows it.
    beside: Option<Box<dyn Source>>,
    paused_until: Option<Instant>,
    /// What sets of tables are asked by; the same few come again and again.
    spans: Vec<(TableSet, Vec<Span>)>,
    /// When each table was last asked for.
    asked: [Option<Instant>; Table::ALL.len()],
}

/// What came of one question; the values are in the readings.
#[derive(Debug, Default)]
pub struct Asked {
    /// What the source answered.
    pub answer: Answer,
    /// What failed, by table.
    pub failures: Vec<(Table, Failure)>,
}

impl Wire {
    /// Nothing is connected yet.
    pub fn new(config: Arc<MeterConfig>, source: Box<dyn Source>, beside: Option<Box<dyn Source>>) -> Wire {
        Wire {
            config,
            source,
            beside,
            paused_until: None,
            spans: Vec::new(),
            asked: [None; Table::ALL.len()],
        }
    }

    /// The order of words in use, where registers are read.
    pub fn word_order(&self) -> Option<WordOrder> {
        (self.source.access() == Access::Registers).then_some(self.config.word_order)
    }

    /// What the device said it is when the connection was made, where a protocol asks that at each connect.
    pub fn identity(&self) -> Option<&Identity> {
        self.source.identity()
    }

    /// The controller that the values come out of, if they do.
    pub fn controller(&self) -> Option<&Identity> {
        self.source.controller()
    }

    /// Whether a protocol asks who answers at each connect.
    pub fn identifies(&self) -> bool {
        self.source.access() != Access::Registers
    }

    /// Whether it must be looked after at every gather.
    pub fn listens(&self) -> bool {
        self.source.listens()
    }

    /// Packet interval of what is heard.
    pub fn rpi(&self) -> Option<Duration> {
        self.source.heard().map(|(_, rpi)| rpi)
    }

    /// The packet intervals that were agreed last, by assembly.
    pub fn packet_intervals(&self) -> BTreeMap<u16, Duration> {
        self.source.packet_intervals()
    }

    /// Class 1 connections that are open, to be closed after a crash.
    pub fn open_connections(&self) -> Vec<Leftover> {
        self.source.open_connections()
    }

    /// Whether a meter that did not answer has shown life since.
    pub async fn shows_life(&mut self) -> bool {
        self.source.shows_life().await
    }

    /// Asks for these tables; none at all means that listened connections are looked after.
    pub async fn read(&mut self, wanted: TableSet, readings: &mut Readings) -> Asked {
        self.spare(wanted).await;
        let at = self.spans.iter().position(|(tables, _)| *tables == wanted).unwrap_or_else(|| {
            let spans = block::spans(&self.config.profile, wanted, self.source.access());
            self.spans.push((wanted, spans));
            self.spans.len() - 1
        });
        let deadline = Deadline::within(self.config.gather_timeout);
        let answer = self.source.read(&self.spans[at].1, deadline).await;
        let mut asked = self.take_in(answer, wanted, readings);
        if self.paused_until.is_some_and(|until| Instant::now() < until) {
            for (_, failure) in &mut asked.failures {
                if matches!(failure.kind, FailureKind::Timeout | FailureKind::Connection) {
                    *failure = FailureKind::Suspended.because("EtherNet/IP pauses after our own Modbus");
                }
            }
        }
        asked
    }

    /// The tables among these that may be read over Modbus now, which was used last at `last` ms since the epoch:
    /// not within five minutes of it, on either side, for the clock may have been set back since.
    pub fn allowed_beside(&self, tables: TableSet, last: Option<i64>, now: SystemTime) -> TableSet {
        let pause = BESIDE_AT_MOST_EVERY.as_millis() as u64 - 1000;
        match last {
            Some(last) if milliseconds(now).abs_diff(last) < pause => TableSet::EMPTY,
            _ if self.beside.is_none() => TableSet::EMPTY,
            _ => tables,
        }
    }

    /// Asks for these tables over Modbus beside EtherNet/IP.
    pub async fn read_beside(&mut self, tables: TableSet, readings: &mut Readings) -> Asked {
        let Some(beside) = &mut self.beside else { return Asked::default() };
        let spans = block::spans(&self.config.profile, tables, beside.access());
        let answer = beside.read(&spans, Deadline::within(self.config.gather_timeout)).await;
        beside.close().await;
        // A port that refused us has stopped nothing.
        if answer.traffic.requests > 0 {
            self.paused_until = Some(Instant::now() + PAUSE_AFTER_MODBUS);
        }
        self.take_in(answer, tables, readings)
    }

    /// Ends the connections as the protocols want it.
    pub async fn close(&mut self) {
        self.source.close().await;
        if let Some(beside) = &mut self.beside {
            beside.close().await;
        }
    }

    /// Waits until none of these tables is asked for too soon again.
    async fn spare(&mut self, wanted: TableSet) {
        let last = wanted.iter().filter_map(|table| self.asked[table as usize]).max();
        if let Some(last) = last {
            sleep_until(last + AT_MOST_EVERY).await;
        }
        let now = Instant::now();
        wanted.iter().for_each(|table| self.asked[table as usize] = Some(now));
    }

    /// Blocks → readings, the only time that they are decoded.
    fn take_in(&self, mut answer: Answer, tables: TableSet, readings: &mut Readings) -> Asked {
        let how = (&*self.config.profile, self.config.word_order);
        let Taken { failures, unusable } = take_in(&answer, tables, how, readings);
        answer.exhibits.extend(unusable);
        Asked { answer, failures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Overrides};
    use std::sync::Mutex;

    /// Answers nothing, and notes when it was asked.
    #[derive(Debug)]
    struct Times(Arc<Mutex<Vec<Instant>>>);

    #[async_trait::async_trait]
    impl Source for Times {
        fn access(&self) -> Access {
            Access::Assemblies
        }

        async fn read(&mut self, _: &[Span], _: Deadline) -> Answer {
            self.0.lock().unwrap().push(Instant::now());
            Answer::default()
        }

        async fn close(&mut self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn no_table_is_read_twice_in_200_ms_whoever_asks_and_another_one_need_not_wait() {
        let text =
            "[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\naddress = \"192.0.2.1\"\n";
        let config = Arc::new(Config::parse(text, &Overrides::default()).unwrap().meters.remove(0));
        let mut readings = Readings::new(config.profile.elements.len());
        let times = Arc::default();
        let mut wire = Wire::new(config, Box::new(Times(Arc::clone(&times))), None);
        let (realtime, alarm) = (TableSet::from(Table::Realtime), TableSet::from(Table::Alarm));
        for tables in [realtime, realtime, alarm, realtime.union(alarm), TableSet::EMPTY] {
            wire.read(tables, &mut readings).await;
        }
        let times = times.lock().unwrap();
        let apart: Vec<u128> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
        assert_eq!(apart, [200, 0, 200, 0]);
    }
}
