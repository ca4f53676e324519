//! `verify`: is the register map right for this meter?

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};

use super::output_file::OutputFile;
use crate::cli::VerifyArgs;
use crate::config::{self, BUILT_IN_PROFILE, MeterConfig, Options, Protocol};
use crate::display::Page;
use crate::meter::{Profile, Table, profile_writer};
use crate::source::{Endpoint, Failure, Timeouts};
use crate::verify::energy::stored;
use crate::verify::reading::observe::{self, Plan};
use crate::verify::telling::{Subject, json, record, summary};
use crate::verify::{Expected, Given, Observation, conclude};

use super::{GOOD, MAP_CONTRADICTED, METER_FAILED, answer};

/// Reads the meter, prints what its numbers prove, and writes the files that were asked for.
///
/// # Errors
/// What is wrong with the arguments, or a file that cannot be written.
pub async fn verify(args: &VerifyArgs) -> anyhow::Result<u8> {
    let profile = match &args.profile {
        Some(path) => Profile::load(path)?,
        None => Profile::built_in(),
    };
    if args.address.is_none() && args.from.is_none() {
        bail!("name a meter (verify 192.168.1.50), or what a database has stored of it (--from FILE)");
    }
    let expected = expected(args, &profile)?;
    // A maintenance window comes once: whether the files can be written is known before anything is read.
    let prepare = |path: Option<&PathBuf>| path.map(|path| OutputFile::prepare(path, args.force)).transpose();
    let (to_report, to_profile) = (prepare(args.report.as_ref())?, prepare(args.write_profile.as_ref())?);
    let seen = match look(args, &profile).await? {
        Ok(seen) => seen,
        Err(failure) => {
            log::error!("{}: {failure}", name(args));
            return Ok(METER_FAILED);
        }
    };
    let word_order = args.word_order.or(profile.word_order).unwrap_or_default();
    let given = Given { word_order, profile, expected };
    let conclusion = conclude(&given, &seen);
    let subject = subject(args, &given.profile, &seen);
    if let Some(file) = to_report {
        file.write(&record::markdown(&subject, &conclusion, &seen))?;
    }
    if let Some(file) = to_profile {
        let text = profile_writer::write(&conclusion.profile, &subject.head(&conclusion, &seen));
        Profile::parse(&text).context("the profile that follows is not sound")?;
        file.write(&text)?;
    }
    if args.json {
        answer::print_json(&json::document(&subject, &conclusion, &seen))?;
    } else {
        let page = Page { width: Page::of_stdout().width.or(Some(100)), ..Page::of_stdout() };
        let mut text = summary::text(page, &subject, &conclusion, &seen);
        if args.explain {
            text.push_str(&summary::reasons(page, &conclusion, &seen));
        }
        text.push_str(&wrote(args));
        answer::print(text)?;
    }
    Ok(match (conclusion.is_contradicted(), seen.failures.is_empty()) {
        (true, _) => MAP_CONTRADICTED,
        (false, false) => METER_FAILED,
        (false, true) => GOOD,
    })
}

/// What was written, and the line of configuration that uses it.
fn wrote(args: &VerifyArgs) -> String {
    let record = args.report.as_ref().map(|path| format!("\nThe record is in {}\n", path.display()));
    let profile = args.write_profile.as_ref().map(|path| {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        format!(
            "\nThe profile is in {}\nThe plugin uses it with this line in the meter's table:\n\n  profile = {:?}\n",
            path.display(),
            absolute.display().to_string()
        )
    });
    record.into_iter().chain(profile).collect()
}

fn name(args: &VerifyArgs) -> String {
    let from = args.from.as_ref().map(|path| path.display().to_string());
    args.address.clone().or(from).unwrap_or_default()
}

/// Reads the meter, or what was stored of it.
async fn look(args: &VerifyArgs, profile: &Arc<Profile>) -> anyhow::Result<Result<Observation, Failure>> {
    if let Some(path) = &args.from {
        let text = read(path)?;
        let recording = stored::read(&text, args.meter.as_deref())?;
        return Ok(Ok(Observation { recording: Some(recording), ..Observation::default() }));
    }
    let address = name(args);
    let meter = locate(args, &address)?;
    let plan = plan(args, &meter, profile.clone());
    let mut say = |what: String| log::info!("{address}: {what}");
    Ok(observe::observe(&plan, &mut say).await)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// What was typed, as values of fields.
fn expected(args: &VerifyArgs, profile: &Profile) -> anyhow::Result<Vec<Expected>> {
    let tables = [Table::Realtime, Table::Energy, Table::Max, Table::Demand, Table::Settings];
    let mut all = Vec::new();
    for typed in &args.expect {
        let field = &typed.field;
        let (table, name) = match field.split_once('.') {
            Some((table, name)) => (table.parse().ok(), name),
            None => {
                let holds = |table: &Table| profile.index_of(*table, field).is_some();
                (tables.into_iter().find(holds), field.as_str())
            }
        };
        let found = table.and_then(|table| Some((table, profile.index_of(table, name)?)));
        let Some((table, index)) = found else {
            bail!("--expect {field}: there is no such field; \"telegraf-pm500 fields\" lists them");
        };
        let unit = &profile.elements[index].unit;
        let Some((value, grain)) = typed.in_unit(unit) else {
            bail!(
                "--expect {field}: its unit is {unit}, with k, M or G before it if need be, not {}",
                typed.unit
            );
        };
        all.push(Expected { table, name: name.to_owned(), value, grain });
    }
    Ok(all)
}

/// The meter, as `dump` finds it.
fn locate(args: &VerifyArgs, address: &str) -> anyhow::Result<MeterConfig> {
    if address.starts_with("logix://") {
        bail!(
            "verify reads the meter itself, and a controller has only what it was told: name the meter's address"
        );
    }
    let options = Options { unit_id: Some(args.unit_id), ..Options::default() };
    let mut meters = config::by_hand(&[address.parse()?], args.serial.options(options))?.meters;
    meters.pop().context("no meter is named")
}

fn plan(args: &VerifyArgs, meter: &MeterConfig, profile: Arc<Profile>) -> Plan {
    let endpoint = |port: u16| Endpoint { host: meter.address.host.clone(), port };
    let over_modbus = meter.connection.protocol() == Protocol::Modbus;
    let modbus_port = if over_modbus { meter.port() } else { args.modbus_port };
    let times = |duration: Duration| {
        let readings = duration.as_secs_f64() / args.interval.as_secs_f64();
        // A day at five readings a second.
        readings.ceil().clamp(1.0, 432_000.0) as u32 + 1
    };
    Plan {
        eip: (!over_modbus).then(|| endpoint(meter.port())),
        modbus: (over_modbus || args.may_interrupt_plc).then(|| meter.modbus_place(modbus_port)),
        settings: meter.modbus.settings,
        profile,
        readings: args.duration.map_or(args.readings, times),
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
        address: name(args),
        profile: args.profile.as_ref().map_or(BUILT_IN_PROFILE.to_owned(), |path| path.display().to_string()),
        date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        device,
        version: env!("CARGO_PKG_VERSION"),
    }
}
