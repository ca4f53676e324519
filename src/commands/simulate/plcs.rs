//! The PLCs beside simulated meters: one for each meter and assembly, which come and go as they were told.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::voice::Voice;
use crate::cli::OwnerArgs;
use crate::simulator::{Owner, OwnerCounts, OwnerOptions, OwnerStatus};

/// One PLC for each meter and assembly, each on an address of its own.
///
/// # Errors
/// An address that a PLC cannot live on, with how to choose another.
pub(super) fn start(
    meters: impl Iterator<Item = SocketAddr>,
    args: &OwnerArgs,
    fitting: &OwnerOptions,
) -> anyhow::Result<Vec<Life>> {
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
                ..fitting.clone()
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
pub(super) struct Life {
    pub(super) owner: Owner,
    meter: SocketAddr,
    /// What it had in its earlier lives.
    had: OwnerCounts,
    stop_after: Option<Duration>,
    crash_after: Option<Duration>,
    return_after: Option<Duration>,
}

impl Life {
    /// Lives until the end, and then says what it has had.
    pub(super) async fn run(mut self, end: CancellationToken, voice: Voice) {
        let local = self.owner.local();
        loop {
            let leaves = self.stop_after.or(self.crash_after).unwrap_or(Duration::MAX);
            let ended = tokio::select! {
                () = end.cancelled() => true,
                () = sleep(leaves) => false,
                () = report(&self.owner, &voice) => false,
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
                say(&voice, local, &format!("opened {opened}, frames received {frames}, frames lost {lost}"));
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
async fn report(owner: &Owner, voice: &Voice) {
    let mut said = OwnerStatus::Connecting;
    loop {
        said = owner.wait_for(|status| *status != said).await;
        say(voice, owner.local(), &said.to_string());
    }
}

fn say(voice: &Voice, plc: Ipv4Addr, what: &str) {
    voice.say(format!("simulated PLC owner {plc}: {what}\n"));
}
