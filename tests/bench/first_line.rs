//! From the start of the process to the first realtime line on its stdout, connect and reads included.

use crate::effort::Effort;
use crate::page::{Table, median};
use crate::plant::Plant;
use crate::plugin::{self, Reading};
use crate::subject::Subject;

pub(crate) fn run(effort: &Effort) -> Vec<Table> {
    let mut table =
        Table::new("first_line", &["start to first line", "median ms", "slowest ms", "RSS MiB after it"]);
    for reading in [Reading::default(), Reading::modbus()] {
        let plant = Plant::start(1);
        let configuration = reading.configuration(plant.addresses());
        let mut rss = Vec::new();
        let times: Vec<f64> = (0..effort.starts)
            .map(|_| {
                let subject = Subject::start(&mut plugin::command(&configuration), true);
                subject.wait_until("a first line", |heard| heard.first.is_some());
                rss.push(subject.memory() as f64 / 1024.0);
                let (started, first) = (subject.started, subject.heard().first);
                subject.end();
                first.map_or(f64::NAN, |first| (first - started).as_secs_f64() * 1e3)
            })
            .collect();
        assert!(times.iter().all(|time| *time > 0.0), "{times:?}");
        let slowest = times.iter().copied().fold(0.0, f64::max);
        table.row([
            format!("one meter, {}", reading.connection),
            format!("{:.1}", median(times.iter().copied())),
            format!("{slowest:.1}"),
            format!("{:.1}", median(rss)),
        ]);
    }
    vec![table]
}
