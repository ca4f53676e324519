//! Meters on an RS-485 line: where they are, and at the end what they were asked.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;

use anyhow::anyhow;

use super::super::GOOD;
use super::voice::Voice;
use crate::cli::LineArgs;
use crate::host::signals::Ending;
use crate::simulator::{Line, LineDefects, LineOptions, Options};

/// Serves a line until it is asked to end.
///
/// # Errors
/// No pseudo terminal, a link that cannot be made, an address that cannot be listened on.
pub(super) async fn serve(options: Options, args: &LineArgs) -> anyhow::Result<u8> {
    let mut ending = Ending::listen()?;
    let at = |port: Option<u16>| port.map(|port| SocketAddr::from((options.bind, port)));
    let line = Line::start(LineOptions {
        first_unit: args.first_unit,
        units: args.units,
        baud_rate: args.baud_rate,
        answer_time: args.answer_time,
        link: args.serial_link.clone(),
        gateway: at(args.gateway_port),
        rtu_over_tcp: at(args.rtu_over_tcp_port),
        meters: options,
    })
    .await
    .map_err(|error| match error.kind() {
        io::ErrorKind::Unsupported => anyhow!("{error}"),
        _ => anyhow!("{error}; choose others with --serial-link, --gateway-port, --rtu-over-tcp-port"),
    })?;
    line.set_defects(LineDefects {
        defects: args.line_fault.iter().copied().collect(),
        every: args.line_fault_every,
        silent: args.silent_unit.iter().copied().collect(),
        ..LineDefects::default()
    });
    let (voice, silence) = Voice::new(io::stdout())?;
    voice.say(announcement(&line));
    ending.asked().await;
    let record = line.record();
    let requests: u64 = record.requests.values().sum();
    let (answers, garbage, writes) = (record.answers, record.garbage, line.writes());
    voice.say(format!(
        "simulated RS-485 line: requests {requests}, answers {answers}, of them to writes {writes}, bytes that were \
         no request {garbage}\n"
    ));
    drop(voice);
    silence.fall().await;
    Ok(GOOD)
}

fn announcement(line: &Line) -> String {
    let mut text = String::new();
    let units: Vec<String> = line.units().map(|unit| unit.to_string()).collect();
    let _ = writeln!(text, "simulated RS-485 line: units {}", units.join(", "));
    if let Some(path) = line.path() {
        let _ = writeln!(text, "simulated RS-485 line: serial port {}", path.display());
    }
    if let Some(at) = line.gateway() {
        let _ = writeln!(text, "simulated RS-485 line: Modbus TCP {at}");
    }
    if let Some(at) = line.rtu_over_tcp() {
        let _ = writeln!(text, "simulated RS-485 line: RTU over TCP {at}");
    }
    text
}
