//! `discover`: which EtherNet/IP devices are out there, and which of them are meters?

use anyhow::Context;

use crate::cli::DiscoverArgs;
use crate::discovery::ask::{self, Manner};
use crate::discovery::{found, show, targets};
use crate::display::Page;
use crate::meter::Profile;

use super::{GOOD, METER_FAILED, answer};

/// Asks everybody on the local networks, or the addresses that were named, and prints who answered; exit code 2
/// when nobody did.
///
/// # Errors
/// What is wrong with the addresses, or why nothing can be asked.
pub async fn discover(args: &DiscoverArgs) -> anyhow::Result<u8> {
    let manner = Manner { port: args.port, rate: args.rate, patience: args.timeout };
    let answers = if args.targets.is_empty() {
        let interfaces = ask::chosen(&args.interface)?;
        for interface in &interfaces {
            log::info!("Asking everybody on {} ({})", interface.name, interface.everybody);
        }
        if interfaces.is_empty() {
            anyhow::bail!("no interface leads to a network; name addresses or a range instead");
        }
        let answers = ask::everybody(&interfaces, manner).await;
        for (interface, error) in &answers.unasked {
            log::warn!("Nobody on {} ({}) could be asked: {error}", interface.name, interface.everybody);
        }
        answers
    } else {
        let targets = targets::parse(&args.targets)?;
        match targets.len() {
            1 => log::info!("Asking 1 address"),
            count => log::info!("Asking {count} addresses, {} in a second", manner.rate),
        }
        ask::each(&targets, manner).await.context("cannot ask")?
    };
    for (sender, reason) in &answers.malformed {
        log::warn!("{sender} answers, but not as it should: {reason}");
    }
    let devices = found::devices(&Profile::built_in(), &answers.listed);
    if args.json {
        answer::print_json(&show::json(&devices))?;
    } else if !devices.is_empty() {
        answer::print(show::text(&devices, Page::of_stdout()))?;
    }
    if devices.is_empty() {
        if !answers.malformed.is_empty() {
            return Ok(METER_FAILED);
        }
        let beyond = match args.targets.is_empty() {
            true => "be beyond a router, where a broadcast does not go (name its address or range)",
            false => "have another address",
        };
        log::error!(
            "No EtherNet/IP device answered: a meter may be off, {beyond}, or stand behind a firewall that holds UDP {} \
             back",
            args.port
        );
        return Ok(METER_FAILED);
    }
    Ok(GOOD)
}
