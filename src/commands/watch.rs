//! `watch`: the values of meters, live in the terminal.
//!
//! ```text
//! meters' tasks (runtime) ─ reports ─→ the view's thread: keys in, screens out ─ quit ─→ meters' tasks end
//! ```
//!
//! The terminal has a thread of its own, so that one that stands still (Ctrl-S, a connection that hangs) stops no
//! reading. Whatever ends it leaves the terminal as it was.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use crossterm::event;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cli::WatchArgs;
use crate::collector::Collector;
use crate::collector::report::Report;
use crate::collector::state::State;
use crate::collector::task::{self, Pace, Totals};
use crate::config::MeterConfig;
use crate::display::Page;
use crate::display::watch::{Watch, Wish, draw};
use crate::host::signals::Ending;
use crate::source::Shared;

use super::GOOD;
use super::meters::Meters;

/// How often meters that are named by hand are read.
const BY_HAND: Duration = Duration::from_secs(1);
/// How often the screen is drawn when nothing happens: ages go on.
const REDRAW: Duration = Duration::from_millis(250);
/// Reports that wait for the view; what does not fit is dropped, for a newer one will come.
const WAITING: usize = 256;
/// How long the meters' tasks may take to end, and the screen.
const TO_CLOSE: Duration = Duration::from_secs(2);

/// Shows meters live until a key or a signal ends it.
///
/// # Errors
/// What is wrong with the arguments, the configuration or the terminal.
pub async fn watch(args: &WatchArgs) -> anyhow::Result<u8> {
    if args.meters.names_none() {
        bail!("name a meter (watch 192.168.1.50), a configuration (--config FILE), or try --simulated");
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!("watch needs a terminal; \"show --interval 1s\" prints to a pipe");
    }
    let interval = args.interval.or(args.meters.config.is_none().then_some(BY_HAND));
    let meters = Meters::named(&args.meters, &args.listen, interval).await?;
    let configs: Vec<Arc<MeterConfig>> = meters.config.meters.iter().cloned().map(Arc::new).collect();
    if std::io::stderr().is_terminal() {
        // A line on stderr would stand in the middle of the screen, and the screen says what is wrong.
        log::set_max_level(log::LevelFilter::Off);
    }
    let stop = CancellationToken::new();
    let (reports, coming) = sync_channel(WAITING);
    let view = Watch::new(configs.iter().cloned(), Page::of_stdout().color);
    let thread = std::thread::Builder::new().name("view".to_owned());
    let ended = stop.clone();
    let view = thread.spawn(move || {
        let done = present(view, &coming, &ended);
        ended.cancel();
        done
    });
    let view = view.context("cannot start a thread for the screen")?;
    read(&configs, &reports, &stop).await?;
    let shown = timeout(TO_CLOSE, tokio::task::spawn_blocking(move || view.join())).await;
    meters.end().await;
    // Where the terminal has gone, its library waits for keys for ever, at full speed. The process's end ends it.
    let Ok(shown) = shown else { return Ok(GOOD) };
    match shown? {
        Ok(shown) => shown.context("cannot use the terminal")?,
        Err(_) => bail!("the screen could not be drawn"),
    }
    Ok(GOOD)
}

/// Reads the meters as the plugin does, at the pace of their configuration, until `stop` or a signal.
async fn read(
    configs: &[Arc<MeterConfig>],
    reports: &SyncSender<(usize, Report)>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut ending = Ending::listen_in_a_terminal()?;
    let (_pace, paced) = tokio::sync::watch::channel(Pace::default());
    let (shared, totals) = (Shared::default(), Arc::new(Totals::default()));
    let mut tasks = JoinSet::new();
    for (index, config) in configs.iter().enumerate() {
        let schedule = task::schedule(config, index, configs.len(), SystemTime::now());
        let collector = Collector::sharing(config.clone(), State::in_memory(), shared.clone());
        let reports = reports.clone();
        let sink = move |report| {
            let _ = reports.try_send((index, report));
        };
        tasks.spawn(task::run(collector, schedule, paced.clone(), stop.clone(), totals.clone(), sink));
    }
    tokio::select! {
        () = stop.cancelled() => {}
        () = ending.asked() => {}
    }
    stop.cancel();
    let _ = timeout(TO_CLOSE, async { while tasks.join_next().await.is_some() {} }).await;
    Ok(())
}

/// Owns the terminal: draws, and does what keys say, until one says quit or `stop`.
fn present(
    mut view: Watch,
    coming: &Receiver<(usize, Report)>,
    stop: &CancellationToken,
) -> std::io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let shown = loop {
        if stop.is_cancelled() {
            break Ok(());
        }
        while let Ok((index, report)) = coming.try_recv() {
            view.take(index, report);
        }
        if let Err(error) = terminal.draw(|frame| draw::draw(&view, frame, SystemTime::now())) {
            break Err(error);
        }
        match event::poll(REDRAW).and_then(|waiting| if waiting { event::read().map(Some) } else { Ok(None) })
        {
            Ok(Some(event::Event::Key(key))) if view.key(key) == Wish::Quit => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    let restored = ratatui::try_restore();
    shown.and(restored)
}
