//! `dump`: the line protocol of a few meters on stdout, by hand.

use anyhow::bail;

use crate::cli::DumpArgs;

use super::line_protocol;
use super::meters::Meters;

/// Prints line protocol; exit code 2 when a meter's last gather was not a success.
///
/// # Errors
/// What is wrong with the addresses or options.
pub async fn dump(args: DumpArgs) -> anyhow::Result<u8> {
    let count = args.count.or(args.interval.is_none().then_some(1));
    if args.meters.names_none() {
        bail!("name a meter (dump 192.168.1.50), a configuration (--config FILE), or try --simulated");
    }
    let meters = Meters::named(&args.meters, &args.listen, args.interval).await?;
    let done = line_protocol::print(meters.config.clone(), count).await;
    meters.end().await;
    done
}
