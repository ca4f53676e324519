//! Reading by hand: meters side by side, each at its own pace, a few times or until interrupted.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::collector::Collector;
use crate::collector::health::Outcome;
use crate::collector::report::Report;
use crate::collector::state::State;
use crate::collector::task;
use crate::config::MeterConfig;
use crate::source::Shared;

/// Reports that wait while an earlier one is printed.
const WAITING: usize = 64;

/// Gathers `count` times from each meter, or until interrupted, and hands every report to `sink` with the number of its
/// meter; a sink that wants no more says `false`. Tells whether the last gather of every meter was a success.
///
/// # Errors
/// The sink's.
pub(super) async fn run(
    meters: &[MeterConfig],
    count: Option<u64>,
    mut sink: impl FnMut(usize, Report) -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let stop = CancellationToken::new();
    // One for all: there is one UDP port of class 1 at each address, and one session to each controller.
    let shared = Shared::default();
    let (reports, mut coming) = mpsc::channel(WAITING);
    let mut tasks = JoinSet::new();
    for (index, meter) in meters.iter().enumerate() {
        let collector = Collector::sharing(Arc::new(meter.clone()), State::in_memory(), shared.clone());
        tasks.spawn(read(collector, index, count, reports.clone(), stop.clone()));
    }
    drop(reports);
    let mut good = vec![false; meters.len()];
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut wrong = None;
    loop {
        tokio::select! {
            report = coming.recv() => {
                let Some((index, report)) = report else { break };
                if let Some(good) = good.get_mut(index) {
                    *good = report.health.outcome == Outcome::Success;
                }
                match sink(index, report) {
                    Ok(true) => {}
                    Ok(false) => stop.cancel(),
                    Err(error) => {
                        wrong = Some(error);
                        stop.cancel();
                    }
                }
            }
            _ = &mut interrupt, if !stop.is_cancelled() => stop.cancel(),
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    match wrong {
        Some(error) => Err(error),
        None => Ok(good.into_iter().all(|good| good)),
    }
}

/// Reads one meter.
async fn read(
    mut collector: Collector,
    index: usize,
    count: Option<u64>,
    reports: mpsc::Sender<(usize, Report)>,
    stop: CancellationToken,
) {
    let mut schedule = task::schedule(collector.config(), 0, 1, SystemTime::now());
    let mut left = count;
    while left != Some(0) && !stop.is_cancelled() {
        let due = schedule.take(SystemTime::now());
        if due.is_empty() {
            let wait = schedule.next().duration_since(SystemTime::now()).unwrap_or_default();
            tokio::select! {
                () = sleep(wait) => {}
                () = stop.cancelled() => {}
            }
            continue;
        }
        let report = collector.gather(due).await;
        if reports.send((index, report)).await.is_err() {
            break;
        }
        if due.status {
            left = left.map(|left| left - 1);
        }
    }
    collector.close().await;
}
