//! The controller whose tags hold the meters' assemblies: its start, its lines, and the defects of its modules.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::anyhow;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::voice::Voice;
use crate::cli::ControllerArgs;
use crate::simulator::{Controller, ControllerDefects, ControllerOptions, OwnerOptions};

/// Module connections that are not there by then come later, or never.
const CONNECTED: Duration = Duration::from_secs(2);

/// Starts the controller, if there is to be one.
///
/// # Errors
/// An address that cannot be listened on, with how to choose another.
pub(super) async fn start(
    meters: &[SocketAddr],
    port: u16,
    args: &ControllerArgs,
    fitting: &OwnerOptions,
) -> anyhow::Result<Option<Controller>> {
    if !args.controller {
        return Ok(None);
    }
    let options = ControllerOptions {
        bind: args.controller_address,
        port,
        slot: args.controller_slot,
        bridge: args.controller_bridge,
        sessions: u64::from(args.controller_sessions),
        assemblies: args.controller_assembly.clone(),
        modules: fitting.clone(),
        ..ControllerOptions::default()
    };
    let controller = Controller::start(meters, options)
        .await
        .map_err(|error| anyhow!("{error}; choose another address with --controller-address"))?;
    controller.set_defects(defects(args, false));
    let _ = timeout(CONNECTED, controller.connected()).await;
    Ok(Some(controller))
}

/// Where it is, and what its tags are called.
pub(super) fn announcement(controller: &Controller, args: &ControllerArgs) -> String {
    let (address, slot) = (controller.address(), args.controller_slot);
    let mut text = format!("simulated Logix controller: EtherNet/IP {address}, route 1,{slot}\n");
    for tag in controller.tags() {
        let _ = writeln!(text, "simulated Logix controller: tag {} {}", tag.name, tag.shape);
    }
    text
}

/// Lives until the end, and defects its modules as it was told.
pub(super) async fn run(controller: Controller, args: ControllerArgs, end: CancellationToken, voice: Voice) {
    let turns = async {
        let Some(healthy) = args.controller_fault_after else { return std::future::pending().await };
        loop {
            sleep(healthy).await;
            controller.set_defects(defects(&args, true));
            voice.say("simulated Logix controller: module connections faulted\n".to_owned());
            let Some(faulted) = args.controller_heal_after else { return std::future::pending().await };
            sleep(faulted).await;
            controller.set_defects(defects(&args, false));
            voice.say("simulated Logix controller: module connections healed\n".to_owned());
        }
    };
    tokio::select! {
        () = end.cancelled() => {}
        () = turns => {}
    }
    let record = controller.record();
    let (messages, sessions, writes) = (record.messages, record.sessions, record.writes().len());
    voice.say(format!(
        "simulated Logix controller: sessions {sessions}, messages {messages}, kinds of writes {writes}\n"
    ));
    controller.end().await;
}

fn defects(args: &ControllerArgs, modules_faulted: bool) -> ControllerDefects {
    ControllerDefects {
        modules_faulted,
        delay: args.controller_delay.unwrap_or_default(),
        program_mode: args.controller_program_mode,
        fault_tags_lie: args.controller_fault_tags_lie,
        ..ControllerDefects::default()
    }
}
