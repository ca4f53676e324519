//! `check`: is the configuration valid, do its meters answer, and do their numbers fit the map?

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cli::{CheckArgs, ListenArgs};
use crate::collector::Collector;
use crate::collector::health::Outcome;
use crate::collector::judge::standing::STRIKES;
use crate::collector::listening;
use crate::collector::report::Report;
use crate::collector::schedule::Due;
use crate::collector::state::State;
use crate::config::{Connection, DEFAULT_PATH, MIN_INTERVAL, MeterConfig, Protocol, show_duration};
use crate::discovery::recommend::{self, Found, ReadOver};
use crate::display::{Latest, Page, TextTable, export, show};
use crate::meter::Table;
use crate::meter::physics::MapCheck;
use crate::source::Shared;

use super::line_time;
use super::meters::Meters;
use super::{GOOD, MAP_CONTRADICTED, METER_FAILED, answer};

/// Gathers from every meter over its own connection and prints a table. Nothing is read over Modbus
/// beside EtherNet/IP, and no class 1 connection is opened unless `--probe` says so: a check must not disturb
/// a plant.
///
/// # Errors
/// What is wrong with the configuration.
pub async fn check(args: &CheckArgs) -> anyhow::Result<u8> {
    let mut named = args.meters.clone();
    if named.names_none() {
        named.config = Some(DEFAULT_PATH.into());
    }
    let meters = Meters::named(&named, &ListenArgs::default(), None).await?;
    let config = meters.config.clone();
    config.told().for_each(|warning| log::warn!("{warning}"));
    if log::max_level() < log::LevelFilter::Debug {
        // The table says it all.
        log::set_max_level(log::LevelFilter::Off);
    }
    // One for all: UDP port 2222 exists once per address.
    let shared = Shared::default();
    let mut tasks = JoinSet::new();
    for (index, meter) in config.meters.into_iter().enumerate() {
        let (intent, energy) = (intent(&meter, args.probe), no_energy(&meter));
        let meter = if args.probe { meter.probing() } else { meter.without_listening() };
        let shared = shared.clone();
        tasks.spawn(async move {
            let mut checked = gather(meter, shared).await;
            checked.notes.splice(0..0, intent);
            // Of a meter that does not answer there is more to say than that.
            checked.notes.extend(energy.filter(|_| checked.report.health.up));
            (index, checked)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.push(done?);
    }
    all.sort_by_key(|(index, _)| *index);
    let all: Vec<Checked> = all.into_iter().map(|(_, checked)| checked).collect();
    let now = SystemTime::now();
    if args.json {
        answer::print_json(&serde_json::Value::Array(
            all.iter().map(|checked| json(checked, now)).collect(),
        ))?;
    } else {
        let mut text = table(&all, Page::of_stdout());
        if args.values {
            for Checked { report, .. } in all.iter().filter(|checked| !checked.report.read.is_empty()) {
                text.push('\n');
                text += &show::text(&Latest::of(report), now, Page::of_stdout());
            }
        }
        if named.config.is_none() && !named.simulated {
            text += &recommended(&all);
        }
        answer::print(text)?;
    }
    meters.end().await;
    let contradicted = |checked: &Checked| checked.report.map.check == MapCheck::Contradicted;
    let failed = |checked: &Checked| checked.report.health.outcome != Outcome::Success;
    Ok(if all.iter().any(contradicted) {
        MAP_CONTRADICTED
    } else if all.iter().any(failed) {
        METER_FAILED
    } else {
        GOOD
    })
}

/// What was found of one meter.
struct Checked {
    /// The last gather.
    report: Report,
    /// What is heard by class 1 and what is not, in sentences, of all gathers.
    notes: Vec<String>,
    /// What was received and could not be used, with its bytes.
    exhibits: Vec<String>,
}

/// Gathers until it is known whether the map fits: one reading may have met a load step, so a contradicted map
/// needs several in a row.
async fn gather(meter: MeterConfig, shared: Shared) -> Checked {
    let due = Due { tables: meter.tables, ..Due::default() };
    let mut collector = Collector::sharing(Arc::new(meter), State::in_memory(), shared);
    let mut report = collector.gather(due).await;
    let mut notes: Vec<String> = report.notices.iter().map(listening::sentence).collect();
    let first = !report.map.undecided;
    for _ in 1..STRIKES {
        if !report.map.undecided {
            break;
        }
        sleep(MIN_INTERVAL).await;
        report = collector.gather(due).await;
        notes.extend(report.notices.iter().map(listening::sentence));
    }
    // The first gather has read who the meter is, too: its time on a line is not that of a round.
    if first && report.health.line_time.is_some() {
        sleep(MIN_INTERVAL).await;
        report = collector.gather(due).await;
    }
    collector.close().await;
    Checked { report, notes, exhibits: collector.exhibits() }
}

/// A configuration for the meters that answered, with the way to read them and why.
fn recommended(all: &[Checked]) -> String {
    // What is read out of a controller was told by hand, and needs no other way.
    let direct = |checked: &&Checked| checked.report.config.connection != Connection::Logix;
    let answered = all.iter().filter(|checked| checked.report.health.up).filter(direct);
    let found: Vec<Found> = answered
        .map(|Checked { report, .. }| Found {
            name: report.config.name.clone(),
            address: report.config.written_address(),
            read_over: match report.config.connection {
                Connection::Modbus if report.config.modbus.serial.is_some() => ReadOver::SerialLine,
                Connection::Modbus => ReadOver::Modbus,
                _ => ReadOver::EtherNetIp,
            },
            owned: report.device.identity.as_ref().is_some_and(|identity| identity.status & 1 != 0),
        })
        .collect();
    match found.is_empty() {
        true => String::new(),
        false => format!("\nA configuration to begin with:\n\n{}", recommend::configuration(&found)),
    }
}

/// Why there is no energy, for a meter that has none configured.
fn no_energy(meter: &MeterConfig) -> Option<String> {
    if meter.tables.union(meter.modbus_tables).contains(Table::Energy) {
        return None;
    }
    Some(match meter.connection.protocol() {
        _ if meter.connection == Connection::Logix => {
            "no energy: it needs the controller's tag of assembly 107, and a profile in which \"telegraf-pm500 verify\" has \
             found the counters"
                .to_owned()
        }
        Protocol::Modbus => "no energy: the table energy is not in tables".to_owned(),
        Protocol::EtherNetIp => format!(
            "no energy: over EtherNet/IP its layout is not published; \"telegraf-pm500 verify {} --duration 10m\" can \
             find it, and a meter that no PLC reads gives it with connection = \"modbus\"",
            meter.written_address()
        ),
    })
}

/// One meter for programs; its keys are stable, new ones may be added.
fn json(Checked { report, notes, exhibits }: &Checked, now: SystemTime) -> serde_json::Value {
    let mut document = export::json(&Latest::of(report), now);
    document["notes"] = notes.clone().into();
    document["received"] = exhibits.clone().into();
    document
}

/// What would be opened for a meter that is listened to.
fn intent(meter: &MeterConfig, probe: bool) -> Option<String> {
    let listening = meter.listening.as_ref().filter(|_| !probe)?;
    let assemblies: Vec<String> = listening.assemblies(&meter.profile).iter().map(u16::to_string).collect();
    let rpi = match listening.rpi {
        Some(rpi) => format!("at {}", show_duration(rpi)),
        None => "at the owner's packet interval".to_owned(),
    };
    Some(format!(
        "would open {} to assemblies {} {rpi}, read explicitly for this check; --probe tries it",
        meter.connection.name(),
        assemblies.join(", ")
    ))
}

/// Columns of a terminal on which a device stands in one line with its meter, or nearly.
const WIDE: u16 = 110;

/// One row per meter, and below them what there is to say about each.
fn table(all: &[Checked], page: Page) -> String {
    if all.is_empty() {
        return "The configuration is valid; no meter is configured.\n".to_owned();
    }
    // On a narrow terminal the device would be folded to a word a line: it stands below the table then.
    let wide = page.width.is_none_or(|width| width >= WIDE);
    let heads = ["METER", "ADDRESS", "CONNECTION", "RESULT", "TABLES", "MAP", "DEVICE"];
    let columns = if wide { heads.len() } else { heads.len() - 1 };
    let mut table = TextTable::new(heads.into_iter().take(columns));
    for Checked { report, .. } in all {
        let health = &report.health;
        let cells = [
            report.config.name.clone(),
            report.device.address.clone(),
            health.link.code().1.to_owned(),
            health.outcome.code().1.to_owned(),
            format!("{} of {}", health.tables_ok, health.tables_ok + health.tables_failed),
            report.map.check.to_string(),
            report.device_in_words().unwrap_or_else(|| "-".to_owned()),
        ];
        table.row(cells.into_iter().take(columns));
    }
    let mut text = table.print(page);
    for Checked { report, notes, exhibits } in all {
        if let Some(device) = report.device_in_words().filter(|_| !wide) {
            text += &page.fold("", &format!("{}: {device}", report.config.name), "    ");
            text.push('\n');
        }
        let received = exhibits.iter().map(|line| format!("received: {line}"));
        for line in notes.iter().cloned().chain(report.failures_in_words()).chain(received) {
            text += &page.fold("", &format!("{}: {line}", report.config.name), "    ");
            text.push('\n');
        }
    }
    for line in line_time::in_words(all.iter().map(|checked| &checked.report)) {
        text += &page.fold("", &line, "    ");
        text.push('\n');
    }
    text
}
