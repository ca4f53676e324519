//! The lines of a recorded set of gathers, byte for byte as the program wrote them before it was rebuilt, apart from
//! what was mended since.
//!
//! A difference that is meant is taken over with `GOLDEN=write cargo test --lib golden`, and looked at in the diff.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Collector;
use super::clock::Clock;
use super::schedule::Due;
use super::state::State;
use crate::config::{Config, Connection, MeterConfig, Overrides};
use crate::lines::{Batch, Lines};
use crate::meter::{Access, TableSet};

mod script;
mod source;

use script::{Scenario, Step, scenarios};
use source::Script;

/// A host's clocks that stand where they are put.
#[derive(Debug)]
struct Fixed {
    start: SystemTime,
    now: Mutex<SystemTime>,
}

impl Clock for Fixed {
    fn wall(&self) -> SystemTime {
        *self.now.lock().unwrap()
    }

    fn since_boot(&self) -> Duration {
        self.wall().duration_since(self.start).unwrap()
    }
}

fn settings(scenario: &Scenario) -> Arc<MeterConfig> {
    let head = "[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]";
    let text = format!("{head}\n{}\n", scenario.config);
    Arc::new(Config::parse(&text, &Overrides::default()).unwrap().meters.remove(0))
}

fn due(step: &Step) -> Due {
    let tables = step.tables.iter().copied().collect();
    Due {
        tables,
        status: true,
        traffic: true,
        missed: step.missed,
        skipped: if step.missed > 0 { tables } else { TableSet::EMPTY },
        boundary: step.boundary,
        ..Due::default()
    }
}

/// Plays a scenario; before the lines of each gather stands its time in ms.
async fn play(scenario: Scenario) -> String {
    let config = settings(&scenario);
    let start = UNIX_EPOCH + Duration::from_millis(scenario.start);
    let times: Vec<SystemTime> =
        scenario.steps.iter().map(|step| start + Duration::from_secs_f64(step.at)).collect();
    let clock = Arc::new(Fixed { start, now: Mutex::new(start) });
    let access = match config.connection {
        Connection::Modbus => Access::Registers,
        _ => Access::Assemblies,
    };
    let steps = Arc::new(Mutex::new(None));
    let script = Script { access, current: steps.clone(), identity: None };
    let mut collector =
        Collector::reading(config, State::in_memory(), (Box::new(script), None), clock.clone());
    collector.say_started();
    let (mut lines, mut text) = (Lines::default(), String::new());
    for (step, now) in scenario.steps.into_iter().zip(times) {
        *clock.now.lock().unwrap() = now;
        let due = due(&step);
        *steps.lock().unwrap() = Some((now, step));
        let batch = lines.render(&collector.gather(due).await, Batch::default());
        text += &format!("# {}\n", now.duration_since(UNIX_EPOCH).unwrap().as_millis());
        text += std::str::from_utf8(batch.bytes()).unwrap();
    }
    text
}

#[tokio::test(start_paused = true)]
async fn recorded_gathers_make_the_lines_that_they_always_made() {
    for scenario in scenarios() {
        let name = scenario.name;
        let path = format!("{}/src/collector/golden/{name}.lp", env!("CARGO_MANIFEST_DIR"));
        let text = play(scenario).await;
        if std::env::var_os("GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        for (line, expected) in text.lines().zip(golden.lines()) {
            assert_eq!(line, expected, "{name}");
        }
        assert_eq!(text, golden, "{name}");
    }
}
