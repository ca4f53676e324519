//! The meters that a command is about: from its arguments, from a file, or simulated for it.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;

use crate::cli::{ListenArgs, MeterArgs};
use crate::config::{self, Config, Named, Overrides};
use crate::simulator::{Options, OwnedMeter, Simulator};

/// Meters, and what must live as long as they are read.
pub(super) struct Meters {
    /// Their settings.
    pub(super) config: Config,
    simulated: Simulated,
}

enum Simulated {
    Nothing,
    Meters(#[expect(dead_code, reason = "it serves until it is dropped")] Simulator),
    Owned(OwnedMeter),
}

impl Meters {
    /// The meters that the arguments name. `interval` replaces that of the configuration.
    ///
    /// # Errors
    /// What is wrong with the arguments or the configuration, or why nothing can be simulated.
    pub(super) async fn named(
        args: &MeterArgs,
        listen: &ListenArgs,
        interval: Option<Duration>,
    ) -> anyhow::Result<Meters> {
        let none = Simulated::Nothing;
        if let Some(path) = &args.config {
            let config = Config::load(path, &Overrides { interval })?;
            return Ok(Meters { config, simulated: none });
        }
        let by_hand = |meters: &[Named]| -> anyhow::Result<Config> {
            let mut options = listen.options(args.reading.options());
            options.interval = interval;
            Ok(config::by_hand(meters, options)?)
        };
        if !args.simulated {
            for meter in &args.meters {
                let host = &meter.location.address.host;
                if host.ends_with(".toml") || (meter.name.is_none() && Path::new(host).is_file()) {
                    bail!("\"{host}\" is a file, name it with --config {host}");
                }
            }
            return Ok(Meters { config: by_hand(&args.meters)?, simulated: none });
        }
        if listen.listen {
            let owned = OwnedMeter::start().await?;
            let Some(meter) = owned.meter() else { bail!("cannot simulate a meter") };
            let config = by_hand(&[format!("simulated={}", meter.eip()).parse()?])?;
            return Ok(Meters { config, simulated: Simulated::Owned(owned) });
        }
        // One simulated meter for each way to read it: a real one may pause EtherNet/IP while Modbus is used.
        let options = Options { eip_port: 0, modbus_port: 0, count: 2, ..Options::default() };
        let simulator = Simulator::start(options).await?;
        let [first, second] = simulator.meters.as_slice() else { bail!("cannot simulate two meters") };
        let config = by_hand(&[
            format!("simulated-eip=eip://{}", first.eip()).parse()?,
            format!("simulated-modbus=modbus://{}", second.modbus()).parse()?,
        ])?;
        Ok(Meters { config, simulated: Simulated::Meters(simulator) })
    }

    /// Ends what was simulated as it should end.
    pub(super) async fn end(self) {
        if let Simulated::Owned(owned) = self.simulated {
            owned.stop().await;
        }
    }
}
