//! `simulate`: meters on loopback for people who have none.

use std::io::{self, Write};

use anyhow::anyhow;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::SimulateArgs;
use crate::simulator::{Options, Simulator};

use super::GOOD;

/// Starts the meters, prints one line for each when all are ready, and serves until SIGINT or SIGTERM.
///
/// # Errors
/// An address that cannot be listened on, with how to choose another.
pub async fn simulate(args: SimulateArgs) -> anyhow::Result<u8> {
    serve(Options {
        bind: args.bind,
        count: args.count,
        eip_port: args.eip_port,
        modbus_port: args.modbus_port,
        frozen: args.frozen,
        word_order: args.word_order,
        info_size: args.info_size,
        hole: args.hole,
        modbus_suspends_eip: args.modbus_suspends_eip,
        ..Options::default()
    })
    .await
}

async fn serve(options: Options) -> anyhow::Result<u8> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let simulator = Simulator::start(options).await.map_err(explain)?;
    announce(&simulator, &mut io::stdout().lock())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(GOOD)
}

fn announce(simulator: &Simulator, out: &mut impl Write) -> io::Result<()> {
    for meter in &simulator.meters {
        let (eip, modbus) = (meter.eip(), meter.modbus());
        writeln!(out, "simulated PowerMonitor 500: EtherNet/IP {eip}, Modbus TCP {modbus}")?;
    }
    out.flush()
}

fn explain(error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrNotAvailable => "choose an address of this host with --bind",
        _ => "choose another port with --eip-port or --modbus-port, or another address with --bind",
    };
    anyhow!("{error}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_meter_has_one_line_that_says_where_it_is() {
        let simulator = Simulator::start(Options { count: 2, ..Options::default() }).await.unwrap();
        let mut out = Vec::new();
        announce(&simulator, &mut out).unwrap();
        let port = simulator.meters[0].eip().port();
        let modbus = simulator.meters[0].modbus().port();
        let text = String::from_utf8(out).unwrap();
        let first = format!(
            "simulated PowerMonitor 500: EtherNet/IP 127.0.0.1:{port}, Modbus TCP 127.0.0.1:{modbus}\n"
        );
        assert!(text.starts_with(&first), "{text}");
        assert_eq!(text.lines().count(), 2);
    }

    #[tokio::test]
    async fn a_port_in_use_is_answered_with_the_options_that_help() {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let port = simulator.meters[0].modbus().port();
        let error = serve(Options { modbus_port: port, ..Options::default() }).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot serve Modbus TCP on 127.0.0.1:{port}: the port is in use; choose another port with \
                 --eip-port or --modbus-port, or another address with --bind"
            )
        );
    }
}
