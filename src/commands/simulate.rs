//! `simulate`: meters on loopback for people who have none, and the PLCs that own them.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::cli::{OwnerArgs, SimulateArgs};
use crate::host::descriptors;
use crate::meter::Profile;
use crate::simulator::{Options, Owner, OwnerCounts, OwnerOptions, OwnerStatus, SimulatedMeter, Simulator};

use super::GOOD;

/// PLCs that are not connected by then connect later, or never.
const OWNERS_OPEN: Duration = Duration::from_secs(2);
/// What the PLCs may take to close their connections.
const OWNERS_CLOSE: Duration = Duration::from_secs(2);

/// Starts the meters, prints one line for each meter and each PLC when all are ready, and serves until SIGINT
/// or SIGTERM. Each PLC says when its connection changes, and at the end what it received; the meters say in one
/// line what they were asked.
///
/// # Errors
/// An address that cannot be listened on, with how to choose another.
pub async fn simulate(args: SimulateArgs) -> anyhow::Result<u8> {
    let profile = match &args.profile {
        Some(path) => Profile::load(path).map_err(anyhow::Error::msg)?,
        None => Profile::built_in(),
    };
    let options = Options {
        bind: args.bind,
        count: args.count,
        eip_port: args.eip_port,
        io_port: args.io_port,
        modbus_port: args.modbus_port,
        frozen: args.frozen,
        word_order: args.word_order,
        info_size: args.info_size,
        hole: args.hole,
        modbus_suspends_eip: args.modbus_suspends_eip,
        variants: args.variant,
        wiring: args.wiring,
        single_reals: args.single_reals,
        profile,
        ..Options::default()
    };
    descriptors::raise_limit();
    serve(options, &args.owner).await
}

async fn serve(options: Options, owners: &OwnerArgs) -> anyhow::Result<u8> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // A PLC alone is for a meter elsewhere.
    let count = if owners.owner_of.is_some() { 0 } else { options.count };
    let eip_port = options.eip_port;
    let simulator = Simulator::start(Options { count, ..options }).await.map_err(explain)?;
    let elsewhere = owners.owner_of.map(|meter| SocketAddr::from((meter, eip_port)));
    let here = simulator.meters.iter().filter(|_| owners.owner).map(SimulatedMeter::eip);
    let lives = start_owners(here.chain(elsewhere), owners)?;
    // A listener that is started when the lines are printed finds its owner. It hears a stream from the middle:
    // one that begins when it comes looks as if it was made for it alone.
    let opened = async {
        for life in &lives {
            life.owner.received(1).await;
        }
    };
    let _ = timeout(OWNERS_OPEN, opened).await;
    announce(&simulator, &lives, &mut io::stdout().lock())?;
    let end = CancellationToken::new();
    let mut running: JoinSet<()> = lives.into_iter().map(|life| life.run(end.clone())).collect();
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    end.cancel();
    let _ = timeout(OWNERS_CLOSE, async { while running.join_next().await.is_some() {} }).await;
    if !simulator.meters.is_empty() {
        // Whoever closed stdout does not want to know.
        let _ = writeln!(io::stdout(), "{}", asked(&simulator.meters));
    }
    Ok(GOOD)
}

/// One PLC for each meter and assembly, each on an address of its own.
fn start_owners(meters: impl Iterator<Item = SocketAddr>, args: &OwnerArgs) -> anyhow::Result<Vec<Life>> {
    let mut lives = Vec::new();
    for meter in meters {
        for &assembly in &args.owner_assembly {
            let number = u32::try_from(lives.len())?;
            let local = u32::from(args.owner_address).checked_add(number).map(Ipv4Addr::from);
            let local = local.context("there are not that many addresses behind --owner-address")?;
            let options = OwnerOptions {
                assembly,
                rpi: args.owner_rpi,
                unicast: args.owner_unicast,
                serial: u32::from(local),
                ..OwnerOptions::default()
            };
            let owner = Owner::start(meter, local, options)
                .map_err(|error| anyhow!("{error}; choose another address with --owner-address"))?;
            lives.push(Life {
                owner,
                meter,
                had: OwnerCounts::default(),
                stop_after: args.owner_stop_after,
                crash_after: args.owner_crash_after,
                return_after: args.owner_return_after,
            });
        }
    }
    Ok(lives)
}

/// A PLC that comes and goes as it was told.
struct Life {
    owner: Owner,
    meter: SocketAddr,
    /// What it had in its earlier lives.
    had: OwnerCounts,
    stop_after: Option<Duration>,
    crash_after: Option<Duration>,
    return_after: Option<Duration>,
}

impl Life {
    async fn run(mut self, end: CancellationToken) {
        let local = self.owner.local();
        loop {
            let leaves = self.stop_after.or(self.crash_after).unwrap_or(Duration::MAX);
            let ended = tokio::select! {
                () = end.cancelled() => true,
                () = sleep(leaves) => false,
                () = report(&self.owner) => false,
            };
            let options = self.owner.options().clone();
            let had = if ended || self.stop_after.is_some() {
                self.owner.stop().await
            } else {
                self.owner.crash().await
            };
            self.had += had;
            let returns = tokio::select! {
                () = end.cancelled() => false,
                () = sleep(self.return_after.unwrap_or(Duration::MAX)), if !ended => true,
            };
            if !returns {
                let OwnerCounts { opened, frames, lost } = self.had;
                say(local, &format!("opened {opened}, frames received {frames}, frames lost {lost}"));
                return;
            }
            self.owner = match Owner::start(self.meter, local, options) {
                Ok(owner) => owner,
                Err(error) => {
                    log::error!("The simulated PLC cannot return: {error}");
                    return;
                }
            };
        }
    }
}

/// Says every change of a PLC's connection, for ever.
async fn report(owner: &Owner) {
    let mut said = OwnerStatus::Connecting;
    loop {
        said = owner.wait_for(|status| *status != said).await;
        say(owner.local(), &said.to_string());
    }
}

fn say(plc: Ipv4Addr, what: &str) {
    // Whoever closed stdout does not want to know.
    let _ = writeln!(io::stdout(), "simulated PLC owner {plc}: {what}");
}

fn announce(simulator: &Simulator, lives: &[Life], out: &mut impl Write) -> io::Result<()> {
    for meter in &simulator.meters {
        let (eip, modbus) = (meter.eip(), meter.modbus());
        writeln!(out, "simulated PowerMonitor 500: EtherNet/IP {eip}, Modbus TCP {modbus}")?;
    }
    for Life { owner, .. } in lives {
        let (assembly, rpi) = (owner.options().assembly, humantime::format_duration(owner.options().rpi));
        let local = owner.local();
        writeln!(out, "simulated PLC owner: input-only, assembly {assembly}, RPI {rpi}, from {local}")?;
    }
    out.flush()
}

/// What the meters were asked in all.
fn asked(meters: &[SimulatedMeter]) -> String {
    let (mut requests, mut writes, mut frames) = (0, 0, 0);
    for record in meters.iter().map(SimulatedMeter::record) {
        requests += record.asked().map(|(_, count)| count).sum::<u64>();
        writes += record.writes().iter().map(|(_, count)| count).sum::<u64>();
        frames += record.io.frames.values().sum::<u64>();
    }
    format!("simulated meters: requests {requests}, of them writes {writes}, frames sent {frames}")
}

fn explain(error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrNotAvailable => "choose an address of this host with --bind",
        _ => {
            "choose another port with --eip-port, --io-port or --modbus-port, or another address with --bind"
        }
    };
    anyhow!("{error}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn owners(line: &str) -> OwnerArgs {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Some(Command::Simulate(args)) => args.owner,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn each_meter_and_each_plc_has_one_line_that_says_where_it_is() {
        let simulator = Simulator::start(Options { count: 2, ..Options::default() }).await.unwrap();
        let args = owners("x simulate --owner --owner-address 127.0.2.1 --owner-rpi 50ms");
        let lives = start_owners(simulator.meters.iter().map(SimulatedMeter::eip), &args).unwrap();
        let mut out = Vec::new();
        announce(&simulator, &lives, &mut out).unwrap();
        let port = simulator.meters[0].eip().port();
        let modbus = simulator.meters[0].modbus().port();
        let text = String::from_utf8(out).unwrap();
        let first = format!(
            "simulated PowerMonitor 500: EtherNet/IP 127.0.0.1:{port}, Modbus TCP 127.0.0.1:{modbus}\n"
        );
        assert!(text.starts_with(&first), "{text}");
        let last = "simulated PLC owner: input-only, assembly 101, RPI 50ms, from 127.0.2.2\n";
        assert!(text.ends_with(last), "{text}");
        assert_eq!(text.lines().count(), 4);
    }

    #[tokio::test]
    async fn a_port_in_use_is_answered_with_the_options_that_help() {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let port = simulator.meters[0].modbus().port();
        let options = Options { modbus_port: port, ..Options::default() };
        let error = serve(options, &owners("x simulate")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot serve Modbus TCP on 127.0.0.1:{port}: the port is in use; choose another port with \
                 --eip-port, --io-port or --modbus-port, or another address with --bind"
            )
        );
    }
}
