//! The execd life: meters' tasks run, triggers come in, lines go out, until Telegraf says stop.
//!
//! ```text
//! stdin, signals ─→ triggers ─→ Pace ─→ collector tasks ─→ Batch ─→ output ─→ stdout
//! ```
//!
//! At the end every task gets 2 s to finish its gather and close its session, then what is queued is
//! written, and the process [takes its leave](leave).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use crate::collector::Collector;
use crate::collector::clock::{self, WallClock};
use crate::collector::state::State;
use crate::collector::task::{self, Pace, Totals};
use crate::config::Config;
use crate::enip::hub::Hub;
use crate::host::descriptors;
use crate::metric::{Batch, Field, schema, timestamp};

pub mod output;
pub mod triggers;

use output::Output;

/// How long the meters' tasks may take to end.
const TO_CLOSE: Duration = Duration::from_secs(2);
/// How long what is queued may take to be written at the end.
const TO_FLUSH: Duration = Duration::from_secs(1);
/// How long the process lingers after its last word.
const LINGER: Duration = Duration::from_millis(100);
/// How often the state file is written when something changed.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Runs the plugin until stdin ends, a signal says stop, or nobody reads stdout any more.
///
/// # Errors
/// Only for what fails at start; a meter's fault never ends the plugin.
pub async fn run(config: Config, external: bool) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let output = Output::start(std::io::stdout(), output::LIMIT, stop.clone())
        .context("cannot start the output thread")?;
    let (pace, paced) = watch::channel(Pace { external, triggers: 0 });
    triggers::listen(pace, stop.clone()).context("cannot listen to stdin and signals")?;
    let state = open_state(&config);
    announce(&config);
    descriptors::raise_limit();

    let (totals, hub) = (Arc::new(Totals::default()), Hub::default());
    let mut tasks = JoinSet::new();
    let (count, now) = (config.meters.len(), SystemTime::now());
    for (index, meter) in config.meters.iter().enumerate() {
        let meter = Arc::new(meter.clone());
        let (state, hub, output) = (state.clone(), hub.clone(), output.clone());
        let (paced, stop, totals) = (paced.clone(), stop.clone(), totals.clone());
        tasks.spawn(async move {
            let mut start = now;
            loop {
                let schedule = task::schedule(&meter, index, count, start);
                let mut collector = Collector::with_hub(meter.clone(), state.clone(), hub.clone());
                collector.say_started();
                let output = output.clone();
                let sink = move |batch| output.push(batch);
                let run = task::run(collector, schedule, paced.clone(), stop.clone(), totals.clone(), sink);
                // A task of its own, so that an internal error costs this meter one interval, not its life.
                if tokio::spawn(run).await.is_ok() {
                    return;
                }
                start = SystemTime::now() + meter.interval;
            }
        });
    }
    housekeeping(&config, &state, &totals, &output, paced, &stop).await;
    let _ = timeout(TO_CLOSE, async { while tasks.join_next().await.is_some() {} }).await;
    save(&state);
    output.flush(TO_FLUSH);
    leave();
    Ok(())
}

fn announce(config: &Config) {
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    if config.meters.is_empty() {
        log::info!("No meter is configured; add an [[inputs.powermonitor_500.meter]] table");
    }
}

fn open_state(config: &Config) -> State {
    let Some(path) = &config.state_file else { return State::in_memory() };
    let (state, problem) = State::open(path);
    if let Some(problem) = problem {
        log::warn!("{problem}; nothing before is known");
    }
    state
}

fn save(state: &State) {
    if let Err(problem) = state.save() {
        log::warn!("{problem}");
    }
}

/// Writes the plugin's own line every interval or trigger, and the state file every minute, until `stop`.
async fn housekeeping(
    config: &Config,
    state: &State,
    totals: &Totals,
    output: &Output,
    mut pace: watch::Receiver<Pace>,
    stop: &CancellationToken,
) {
    let started = Instant::now();
    let mut lines = interval_at(tokio::time::Instant::now() + config.interval, config.interval);
    lines.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut wall = WallClock::default();
    let mut saves = interval_at(tokio::time::Instant::now() + SAVE_EVERY, SAVE_EVERY);
    loop {
        let external = pace.borrow().external;
        tokio::select! {
            () = stop.cancelled() => return,
            _ = saves.tick() => {
                save(state);
                continue;
            }
            _ = lines.tick(), if !external => {}
            Ok(()) = pace.changed() => {}
        }
        if let Some(by) = wall.step() {
            log::warn!("The clock of this host was set {}", clock::in_words(by));
        }
        let mut batch = Batch::default();
        plugin_line(&mut batch, config, started, totals, output.dropped());
        output.push(batch);
    }
}

/// Appends the plugin's own line.
fn plugin_line(batch: &mut Batch, config: &Config, started: Instant, totals: &Totals, dropped: u64) {
    let integer = |value: u64| Field::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let fields = [
        ("version", Field::Text(env!("CARGO_PKG_VERSION"))),
        ("uptime_s", integer(started.elapsed().as_secs())),
        ("meters", integer(config.meters.len() as u64)),
        ("meters_up", integer(totals.up.load(Ordering::Relaxed))),
        ("lines_dropped", integer(dropped)),
        ("gathers_late", integer(totals.late.load(Ordering::Relaxed))),
    ];
    let at = timestamp(SystemTime::now(), Duration::from_millis(1));
    batch.line(schema::PLUGIN, &[], None, fields, at);
}

/// Ends both pipes to Telegraf, by putting /dev/null in their places, and lingers 100 ms. When the process is gone
/// before they are read to their end, Telegraf loses what is in them, and logs an error of its own.
pub fn leave() {
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
    std::thread::sleep(LINGER);
}
