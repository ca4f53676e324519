//! `simulate`: meters on loopback for people who have none, and the PLCs that own them.

mod line;
mod plc_with_tags;
mod plcs;
mod voice;

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::anyhow;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cli::{ControllerArgs, OwnerArgs, SimulateArgs};
use crate::host::descriptors;
use crate::host::signals::Ending;
use crate::meter::Profile;
use crate::simulator::{Defects, FrameDefects, FrameShape, Options, OwnerOptions, SimulatedMeter, Simulator};

use super::GOOD;
use plcs::Life;
use voice::Voice;

/// PLCs that are not connected by then connect later, or never.
const OWNERS_OPEN: Duration = Duration::from_secs(2);
/// What the PLCs may take to close their connections.
const OWNERS_CLOSE: Duration = Duration::from_secs(2);

/// Starts the meters, prints one line for each meter and each PLC when all are ready, and serves until it is
/// asked to end. Each PLC says when its connection changes, and at the end what it received; the meters say in one
/// line what they were asked.
///
/// # Errors
/// An address that cannot be listened on, with how to choose another.
pub async fn simulate(args: SimulateArgs) -> anyhow::Result<u8> {
    let profile = match &args.profile {
        Some(path) => Profile::load(path)?,
        None => Profile::built_in(),
    };
    let energy_layout = args.energy_layout();
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
        state: args.state,
        wiring: args.wiring,
        absent: args.absent,
        power: args.load,
        system_voltage: args.system_voltage,
        counters: args.counters,
        counters_every: args.counters_every,
        partials_reset: args.partials_reset,
        no_export: args.no_export,
        energy_layout,
        profile,
        ..Options::default()
    };
    descriptors::raise_limit();
    if args.line.serial {
        return line::serve(options, &args.line).await;
    }
    serve(options, args.frames, &args.owner, &args.controller).await
}

async fn serve(
    options: Options,
    shape: FrameShape,
    owners: &OwnerArgs,
    controller: &ControllerArgs,
) -> anyhow::Result<u8> {
    let mut ending = Ending::listen()?;
    // A PLC alone is for a meter elsewhere.
    let count = if owners.owner_of.is_some() { 0 } else { options.count };
    let eip_port = options.eip_port;
    let fitting = OwnerOptions::fitting(&options.variants);
    let simulator = Simulator::start(Options { count, ..options }).await.map_err(explain)?;
    for meter in &simulator.meters {
        meter.set_defects(Defects {
            frames: FrameDefects { shape, ..FrameDefects::default() },
            ..Defects::default()
        });
    }
    let elsewhere = owners.owner_of.map(|meter| SocketAddr::from((meter, eip_port)));
    let here = simulator.meters.iter().filter(|_| owners.owner).map(SimulatedMeter::eip);
    let lives = plcs::start(here.chain(elsewhere), owners, &fitting)?;
    let meters: Vec<SocketAddr> = simulator.meters.iter().map(SimulatedMeter::eip).collect();
    let tags = plc_with_tags::start(&meters, eip_port, controller, &fitting).await?;
    // A listener that is started when the lines are printed finds its owner. It hears a stream from the middle:
    // one that begins when it comes looks as if it was made for it alone.
    let opened = async {
        for life in &lives {
            life.owner.received(1).await;
        }
    };
    let _ = timeout(OWNERS_OPEN, opened).await;
    let (voice, silence) = Voice::new(io::stdout())?;
    voice.say(announcement(&simulator, &lives));
    let end = CancellationToken::new();
    let mut running: JoinSet<()> =
        lives.into_iter().map(|life| life.run(end.clone(), voice.clone())).collect();
    if let Some(tags) = tags {
        voice.say(plc_with_tags::announcement(&tags, controller));
        running.spawn(plc_with_tags::run(tags, controller.clone(), end.clone(), voice.clone()));
    }
    ending.asked().await;
    end.cancel();
    let _ = timeout(OWNERS_CLOSE, async { while running.join_next().await.is_some() {} }).await;
    if !simulator.meters.is_empty() {
        voice.say(asked(&simulator.meters));
    }
    drop((running, voice));
    silence.fall().await;
    Ok(GOOD)
}

/// One line for each meter and each PLC, which says where it is.
fn announcement(simulator: &Simulator, lives: &[Life]) -> String {
    let mut text = String::new();
    for meter in &simulator.meters {
        let (eip, modbus) = (meter.eip(), meter.modbus());
        let _ = writeln!(text, "simulated PowerMonitor 500: EtherNet/IP {eip}, Modbus TCP {modbus}");
    }
    for Life { owner, .. } in lives {
        let (assembly, rpi) = (owner.options().assembly, humantime::format_duration(owner.options().rpi));
        let local = owner.local();
        let _ =
            writeln!(text, "simulated PLC owner: input-only, assembly {assembly}, RPI {rpi}, from {local}");
    }
    text
}

/// What the meters were asked in all.
fn asked(meters: &[SimulatedMeter]) -> String {
    let (mut requests, mut writes, mut frames) = (0, 0, 0);
    for record in meters.iter().map(SimulatedMeter::record) {
        requests += record.asked().map(|(_, count)| count).sum::<u64>();
        writes += record.writes().iter().map(|(_, count)| count).sum::<u64>();
        frames += record.io.frames.values().sum::<u64>();
    }
    format!("simulated meters: requests {requests}, of them writes {writes}, frames sent {frames}\n")
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

    fn simulate_args(line: &str) -> SimulateArgs {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Some(Command::Simulate(args)) => *args,
            other => panic!("{other:?}"),
        }
    }

    fn owners(line: &str) -> OwnerArgs {
        simulate_args(line).owner
    }

    #[tokio::test]
    async fn each_meter_and_each_plc_has_one_line_that_says_where_it_is() {
        let simulator = Simulator::start(Options { count: 2, ..Options::default() }).await.unwrap();
        let args = owners("x simulate --owner --owner-address 127.0.2.1 --owner-rpi 50ms");
        let lives =
            plcs::start(simulator.meters.iter().map(SimulatedMeter::eip), &args, &OwnerOptions::default())
                .unwrap();
        let port = simulator.meters[0].eip().port();
        let modbus = simulator.meters[0].modbus().port();
        let text = announcement(&simulator, &lives);
        let first = format!(
            "simulated PowerMonitor 500: EtherNet/IP 127.0.0.1:{port}, Modbus TCP 127.0.0.1:{modbus}\n"
        );
        assert!(text.starts_with(&first), "{text}");
        let last = "simulated PLC owner: input-only, assembly 102, RPI 50ms, from 127.0.2.4\n";
        assert!(text.ends_with(last), "{text}");
        assert_eq!(text.lines().count(), 6);
    }

    #[tokio::test]
    async fn a_port_in_use_is_answered_with_the_options_that_help() {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let port = simulator.meters[0].modbus().port();
        let options = Options { modbus_port: port, ..Options::default() };
        let controller = simulate_args("x simulate").controller;
        let error = serve(options, FrameShape::Usual, &owners("x simulate"), &controller).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot serve Modbus TCP on 127.0.0.1:{port}: the port is in use; choose another port with \
                 --eip-port, --io-port or --modbus-port, or another address with --bind"
            )
        );
    }
}
