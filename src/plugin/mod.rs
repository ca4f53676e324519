//! The execd life: meters' tasks run, triggers come in, lines go out, until Telegraf says stop.
//!
//! ```text
//! stdin, signals ─→ triggers ─→ Pace ─→ collector tasks ─→ Report ─→ lines ─→ output ─→ stdout
//! ```
//!
//! At the end every task gets 2 s to finish its gather and close its session, then what is queued is
//! written, and the process [takes its leave](leave).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use crate::collector::Collector;
use crate::collector::clock::{self, WallClock};
use crate::collector::report::Report;
use crate::collector::state::State;
use crate::collector::task::{self, Pace, Totals};
use crate::config::Config;
use crate::host::{descriptors, stdio};
use crate::lines::plugin::Process;
use crate::lines::{Batch, Lines};
use crate::logging;
use crate::source::Shared;

pub mod output;
mod plan;
pub mod triggers;

use output::Output;

/// How long the meters' tasks may take to end.
const TO_CLOSE: Duration = Duration::from_secs(2);
/// How long what is queued may take to be written at the end.
const TO_FLUSH: Duration = Duration::from_secs(1);
/// How long what was logged may take to be written at the end.
const TO_SAY: Duration = Duration::from_millis(500);
/// How long the process lingers after its last word.
const LINGER: Duration = Duration::from_millis(100);
/// How long the state file may take to be read.
const TO_READ: Duration = Duration::from_secs(5);
/// How long the last save of the state file may take.
const TO_SAVE: Duration = Duration::from_secs(1);

/// Runs the plugin until stdin ends, a signal says stop, or nobody reads stdout any more.
///
/// # Errors
/// Only for what fails at start; a meter's fault never ends the plugin.
pub async fn run(config: Config, external: bool) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let output = Output::start(stdio::stdout(), stop.clone()).context("cannot start the output thread")?;
    let (pace, paced) = watch::channel(Pace { external, triggers: 0 });
    triggers::listen(pace, stop.clone()).context("cannot listen to stdin and signals")?;
    let state = open_state(&config).await;
    announce(&config, &state);
    descriptors::raise_limit();

    let (totals, shared) = (Arc::new(Totals::default()), Shared::default());
    let room = Arc::new(Mutex::new(Batch::default()));
    let mut tasks = JoinSet::new();
    let (count, now) = (config.meters.len(), SystemTime::now());
    for (index, meter) in config.meters.iter().enumerate() {
        let meter = Arc::new(meter.clone());
        let (state, shared, output) = (state.clone(), shared.clone(), output.clone());
        let room = room.clone();
        let (paced, stop, totals) = (paced.clone(), stop.clone(), totals.clone());
        tasks.spawn(async move {
            let mut start = now;
            let lines = Arc::new(Mutex::new(Lines::default()));
            loop {
                let schedule = task::schedule(&meter, index, count, start);
                let mut collector = Collector::sharing(meter.clone(), state.clone(), shared.clone());
                collector.say_started();
                let sink = sink(lines.clone(), room.clone(), output.clone());
                let run = task::run(collector, schedule, paced.clone(), stop.clone(), totals.clone(), sink);
                // A task of its own, so that an internal error costs this meter one interval, not its life.
                if tokio::spawn(run).await.is_ok() {
                    return;
                }
                start = SystemTime::now() + meter.interval;
            }
        });
    }
    housekeeping(&config, &totals, &output, paced, &stop).await;
    let _ = timeout(TO_CLOSE, async { while tasks.join_next().await.is_some() {} }).await;
    let unsaved = state.finish(TO_SAVE);
    output.flush(TO_FLUSH);
    unsaved.iter().for_each(|trouble| log::warn!("{trouble}"));
    leave();
    Ok(())
}

/// Says what a person should know at the start, and what is read.
fn announce(config: &Config, state: &State) {
    let news = config.basis.iter().filter(|sentence| state.is_news(sentence));
    for warning in news.chain(&config.warnings) {
        log::warn!("{warning}");
    }
    log::info!("{}", plan::sentence(config));
}

async fn open_state(config: &Config) -> State {
    let Some(path) = config.state_file.clone() else { return State::in_memory() };
    let meters = config.meters.iter().map(|meter| meter.name.clone()).collect();
    let (state, troubles) = State::open_within(path, meters, TO_READ).await;
    troubles.iter().for_each(|trouble| log::warn!("{trouble}"));
    state
}

/// Renders a meter's reports, in the room that all meters share, and queues their lines.
fn sink(lines: Arc<Mutex<Lines>>, room: Arc<Mutex<Batch>>, output: Output) -> impl FnMut(Report) {
    move |report| {
        // A panic in the middle of a report costs that report only.
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
        *room = lines.render(&report, std::mem::take(&mut room));
        output.push(&room);
    }
}

/// Writes the plugin's own line every interval or trigger, until `stop`.
async fn housekeeping(
    config: &Config,
    totals: &Totals,
    output: &Output,
    mut pace: watch::Receiver<Pace>,
    stop: &CancellationToken,
) {
    let started = Instant::now();
    let mut lines = interval_at(tokio::time::Instant::now() + config.interval, config.interval);
    lines.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut wall = WallClock::default();
    loop {
        let external = pace.borrow().external;
        tokio::select! {
            () = stop.cancelled() => return,
            _ = lines.tick(), if !external => {}
            Ok(()) = pace.changed() => {}
        }
        if let Some(by) = wall.step() {
            log::warn!("The clock of this host was set {}", clock::in_words(by));
        }
        let process = Process {
            uptime: started.elapsed(),
            meters: config.meters.len() as u64,
            meters_up: totals.up.load(Ordering::Relaxed),
            lines_dropped: output.dropped(),
            gathers_late: totals.late.load(Ordering::Relaxed),
        };
        output.push(&process.render());
    }
}

/// Says what is left to say, ends both pipes to Telegraf where the system lets it, and lingers 100 ms. When the process is
/// gone before they are read to their end, Telegraf loses what is in them, and logs an error of its own.
pub fn leave() {
    logging::flush(TO_SAY);
    stdio::let_go();
    std::thread::sleep(LINGER);
}
