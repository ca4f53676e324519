//! `verify`: is the register map right for this meter?

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::cli::VerifyArgs;
use crate::config::{BUILT_IN_PROFILE, ByHand, Config, Connection, MeterConfig};
use crate::meter::{Profile, Table};
use crate::source::{Endpoint, Timeouts, modbus};
use crate::verify::observe::{self, Plan};
use crate::verify::report::{self, Subject};
use crate::verify::{Given, Observation, conclude, profile_writer};

use super::{GOOD, MAP_CONTRADICTED, METER_FAILED, dump};

/// Reads the meter, prints what its numbers prove, and writes the files that were asked for.
///
/// # Errors
/// What is wrong with the arguments, or a file that cannot be written.
pub async fn verify(args: &VerifyArgs) -> anyhow::Result<u8> {
    let profile = match &args.profile {
        Some(path) => Profile::load(path).map_err(anyhow::Error::msg)?,
        None => Profile::built_in(),
    };
    for (field, _) in &args.expect {
        if profile.index_of(Table::Realtime, field).is_none() {
            bail!("--expect {field}: there is no such realtime field; \"telegraf-pm500 fields\" lists them");
        }
    }
    let meter = locate(&args.address)?;
    let plan = plan(args, &meter, profile.clone());
    let mut say = |what: String| log::info!("{}: {what}", args.address);
    let seen = match observe::observe(&plan, &mut say).await {
        Ok(seen) => seen,
        Err(failure) => {
            log::error!("{}: {failure}", args.address);
            return Ok(METER_FAILED);
        }
    };
    let given = Given {
        word_order: args.word_order.or(profile.word_order).unwrap_or_default(),
        profile,
        expected: args.expect.clone(),
    };
    let conclusion = conclude(&given, &seen);
    let subject = subject(args, &given.profile, &seen);
    if args.json {
        let document = report::json(&subject, &conclusion, &seen);
        dump::print(format!("{}\n", serde_json::to_string_pretty(&document)?).as_bytes())?;
    } else {
        dump::print(report::text(&subject, &conclusion, &seen).as_bytes())?;
    }
    if let Some(path) = &args.report {
        write(path, &report::markdown(&subject, &conclusion, &seen))?;
    }
    if let Some(path) = &args.write_profile {
        let head = subject.head(&conclusion, &seen);
        write(path, &profile_writer::write(&conclusion.profile, &head))?;
        Profile::load(path).map_err(anyhow::Error::msg).context("the written profile is not sound")?;
    }
    Ok(match (conclusion.is_contradicted(), seen.failures.is_empty()) {
        (true, _) => MAP_CONTRADICTED,
        (false, false) => METER_FAILED,
        (false, true) => GOOD,
    })
}

/// The meter, as `dump` finds it.
fn locate(address: &str) -> anyhow::Result<MeterConfig> {
    let hand = ByHand { meters: vec![(None, address.to_owned())], ..ByHand::default() };
    let mut meters = Config::by_hand(&hand).map_err(anyhow::Error::msg)?.meters;
    meters.pop().context("no meter is named")
}

fn plan(args: &VerifyArgs, meter: &MeterConfig, profile: Arc<Profile>) -> Plan {
    let endpoint = |port: u16| Endpoint { host: meter.address.host.clone(), port };
    let over_modbus = meter.connection == Connection::Modbus;
    Plan {
        eip: (!over_modbus).then(|| endpoint(meter.port())),
        modbus: match (over_modbus, args.may_interrupt_plc) {
            (true, _) => Some(endpoint(meter.port())),
            (false, true) => Some(endpoint(args.modbus_port)),
            (false, false) => None,
        },
        settings: modbus::Settings {
            unit_id: args.unit_id,
            word_order: args.word_order.unwrap_or_default(),
            close_after_gather: false,
            max_registers: 125,
        },
        profile,
        readings: args.readings,
        interval: args.interval,
        timeouts: Timeouts { connect: args.timeout, request: args.timeout },
        require_identity: args.identity == "require",
    }
}

fn subject(args: &VerifyArgs, profile: &Profile, seen: &Observation) -> Subject {
    let device = seen.identity.as_ref().map(|identity| {
        let name = profile.catalog(identity.product_code).unwrap_or(&identity.product_name);
        let (major, minor) = identity.revision;
        format!("{name}, revision {major}.{minor}, CIP serial number {}", identity.serial)
    });
    Subject {
        address: args.address.clone(),
        profile: args.profile.as_ref().map_or(BUILT_IN_PROFILE.to_owned(), |path| path.display().to_string()),
        date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        device,
        version: env!("CARGO_PKG_VERSION"),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
