//! `dump`: the line protocol of a few meters on stdout, by hand.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use anyhow::bail;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::cli::DumpArgs;
use crate::collector::Collector;
use crate::collector::health::Outcome;
use crate::collector::state::State;
use crate::collector::task;
use crate::config::{ByHand, Config, MeterConfig, Overrides};
use crate::simulator::{Options, Owner, OwnerOptions, Simulator};

use super::{GOOD, METER_FAILED, load};

/// Prints line protocol; exit code 2 when a meter's last gather was not a success.
///
/// # Errors
/// What is wrong with the addresses or options.
pub async fn dump(args: DumpArgs) -> anyhow::Result<u8> {
    let count = args.count.or(args.interval.is_none().then_some(1));
    if let Some(path) = &args.config {
        return gather(load(path, &Overrides { interval: args.interval })?, count).await;
    }
    if !args.simulated {
        if args.addresses.is_empty() {
            bail!("Name a meter (dump 192.168.1.50), a configuration (--config FILE), or try --simulated");
        }
        let meters = args.addresses.iter().map(|address| (None, address.clone())).collect();
        return gather(by_hand(args, meters)?, count).await;
    }
    if args.listen {
        return listen_simulated(args, count).await;
    }
    // One simulated meter for each way to read it: a real one may pause EtherNet/IP while Modbus is used.
    let options = Options { eip_port: 0, modbus_port: 0, count: 2, ..Options::default() };
    let simulator = Simulator::start(options).await?;
    let [first, second] = simulator.meters.as_slice() else { bail!("Cannot simulate two meters") };
    let meters = [
        (Some("simulated-eip".to_owned()), format!("eip://{}", first.eip())),
        (Some("simulated-modbus".to_owned()), format!("modbus://{}", second.modbus())),
    ];
    gather(by_hand(args, meters.into())?, count).await
}

/// Listens beside a simulated owner. UDP port 2222 exists once per address, so meter, owners and we each
/// have our own.
async fn listen_simulated(args: DumpArgs, count: Option<u64>) -> anyhow::Result<u8> {
    let meter = Ipv4Addr::new(127, 0, 0, 2);
    let simulator = Simulator::start(Options { bind: meter, ..Options::default() }).await?;
    let [meter] = simulator.meters.as_slice() else { bail!("Cannot simulate a meter") };
    let mut owners = Vec::new();
    for (assembly, host) in [(101, 1), (102, 2)] {
        let options = OwnerOptions { assembly, ..OwnerOptions::default() };
        let owner = Owner::start(meter.eip(), Ipv4Addr::new(127, 0, 1, host), options)?;
        // A stream that has just begun would look as if it had begun for us.
        owner.received(3).await;
        owners.push(owner);
    }
    let meters = vec![(Some("simulated".to_owned()), meter.eip().to_string())];
    let done = gather(by_hand(args, meters)?, count).await;
    for owner in owners {
        owner.stop().await;
    }
    done
}

/// A configuration for meters named on the command line.
fn by_hand(args: DumpArgs, meters: Vec<(Option<String>, String)>) -> anyhow::Result<Config> {
    let hand = ByHand {
        meters,
        interval: args.interval,
        listen: args.listen,
        rpi: args.rpi,
        config_instance: args.config_instance,
        every_frame: args.every_frame,
        tables: args.tables,
        evidence: args.evidence,
        profile: args.profile,
        identity: args.identity,
        map_check: args.map_check,
        word_order: args.word_order,
        unit_id: args.unit_id,
    };
    Config::by_hand(&hand).map_err(anyhow::Error::msg)
}

/// Gathers from all meters side by side and prints each meter's lines as they come.
///
/// # Errors
/// When stdout cannot be written; a reader that has read enough is no error.
pub(super) async fn gather(config: Config, count: Option<u64>) -> anyhow::Result<u8> {
    config.warnings.iter().for_each(|warning| log::warn!("{warning}"));
    if config.meters.is_empty() {
        log::info!("No meter is configured; add an [[inputs.powermonitor_500.meter]] table");
    }
    let failed = Arc::new(AtomicBool::new(false));
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    for meter in config.meters {
        tasks.spawn(gather_one(meter, count, failed.clone(), stop.clone()));
    }
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            done = tasks.join_next() => match done {
                Some(done) => {
                    if !done?? {
                        stop.cancel();
                    }
                }
                None => break,
            },
            _ = &mut interrupt, if !stop.is_cancelled() => stop.cancel(),
        }
    }
    Ok(if failed.load(Ordering::Relaxed) { METER_FAILED } else { GOOD })
}

/// Gathers from one meter; returns `false` when nobody reads any more.
async fn gather_one(
    meter: MeterConfig,
    count: Option<u64>,
    failed: Arc<AtomicBool>,
    stop: CancellationToken,
) -> anyhow::Result<bool> {
    let mut schedule = task::schedule(&meter, 0, 1, SystemTime::now());
    let mut collector = Collector::new(Arc::new(meter), State::in_memory());
    let mut left = count;
    let mut wanted = true;
    while wanted && left != Some(0) && !stop.is_cancelled() {
        let due = schedule.take(SystemTime::now());
        if due.is_empty() {
            let wait = schedule.next().duration_since(SystemTime::now()).unwrap_or_default();
            tokio::select! {
                () = sleep(wait) => {}
                () = stop.cancelled() => {}
            }
            continue;
        }
        wanted = print(collector.gather(due).await.bytes())?;
        if due.status {
            left = left.map(|left| left - 1);
        }
    }
    if collector.health().outcome != Outcome::Success {
        failed.store(true, Ordering::Relaxed);
    }
    collector.close().await;
    Ok(wanted)
}

/// Writes to stdout in one piece; `false` when the reader has gone, which is no error (`dump | head`).
pub(super) fn print(bytes: &[u8]) -> anyhow::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}
