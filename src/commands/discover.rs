//! `discover`: which EtherNet/IP devices are out there, and which of them are meters?

use anyhow::Context;

use crate::cli::DiscoverArgs;
use crate::discovery::ask::{self, Manner};
use crate::discovery::{found, show, targets};
use crate::meter::Profile;

use super::{GOOD, METER_FAILED, dump};

/// Asks everybody on the local networks, or the addresses that were named, and prints who answered; exit code 2
/// when nobody did.
///
/// # Errors
/// What is wrong with the addresses, or why nothing can be asked.
pub async fn discover(args: &DiscoverArgs) -> anyhow::Result<u8> {
    let manner = Manner { port: args.port, rate: args.rate, patience: args.timeout };
    let answers = if args.targets.is_empty() {
        let interfaces = ask::chosen(&args.interface).map_err(anyhow::Error::msg)?;
        for interface in &interfaces {
            log::info!("Asking everybody on {} ({})", interface.name, interface.everybody);
        }
        if interfaces.is_empty() {
            anyhow::bail!("no interface leads to a network; name addresses or a range instead");
        }
        ask::everybody(&interfaces, manner).await.context("cannot broadcast")?
    } else {
        let targets = targets::parse(&args.targets).map_err(anyhow::Error::msg)?;
        log::info!("Asking {} addresses, {} in a second", targets.len(), manner.rate);
        ask::each(&targets, manner).await.context("cannot ask")?
    };
    for (sender, reason) in &answers.malformed {
        log::debug!("{sender} sent something else: {reason}");
    }
    let devices = found::devices(&Profile::built_in(), &answers.listed);
    if args.json {
        let document = serde_json::to_string_pretty(&show::json(&devices))?;
        dump::print(format!("{document}\n").as_bytes())?;
    } else if !devices.is_empty() {
        dump::print(show::text(&devices).as_bytes())?;
    }
    if devices.is_empty() {
        log::warn!(
            "No EtherNet/IP device answered; a firewall on UDP {} may be the reason, and a broadcast stays in its own \
             network: name addresses beyond a router",
            args.port
        );
        return Ok(METER_FAILED);
    }
    Ok(GOOD)
}
