//! Many meters for long: gathers due = gathers done, and nothing grows.

use crate::effort::Effort;
use crate::growth::measure;
use crate::page::Table;
use crate::plugin::Reading;

/// Where tests/bench/run.sh puts what tests/suite/soak_listen.rs has printed.
const LISTENED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench/soak_listen.txt");

pub(crate) fn run(effort: &Effort) -> Vec<Table> {
    let (meters, time) = effort.long;
    let measured = measure(meters, Reading::default(), effort.settle, time);
    let mut table = Table::new("long", &["explicit, every 1 s", "figure"]);
    let mut row = |what: &str, figure: String| table.row([what.to_owned(), figure]);
    row("meters", meters.to_string());
    row("seconds", format!("{:.1}", measured.took.seconds));
    row("gathers due", format!("{:.0}", measured.samples.due));
    row("gathers done", measured.samples.done.to_string());
    row("samples missing between two others", measured.samples.missed.to_string());
    row("gathers missed, as the plugin counts", measured.counter("gathers_missed").to_string());
    row("requests − responses", (measured.counter("requests") - measured.counter("responses")).to_string());
    row("timeouts, errors, reconnects", {
        ["timeouts", "errors", "reconnects"].map(|field| measured.counter(field).to_string()).join(", ")
    });
    row("CPU of the plugin, s", format!("{:.2}", measured.took.cpu));
    row("of one core", format!("{:.2} %", measured.core() * 100.0));
    row("CPU of the simulated meters, s", format!("{:.2}", measured.took.plant));
    row("RSS at the end, peak, MiB", {
        format!("{:.1}, {:.1}", measured.took.rss as f64 / 1024.0, measured.took.peak as f64 / 1024.0)
    });
    row("jitter p50, p99, ms", format!("{:.1}, {:.1}", measured.samples.p50, measured.samples.p99));
    // The window may begin or end between two samples of a meter.
    let off = (measured.samples.due - measured.samples.done as f64).abs();
    assert!(off <= 2.0 * f64::from(meters), "{off} of {} gathers are unaccounted for", measured.samples.due);
    vec![table]
}

/// What tests/suite/soak_listen.rs has printed, which does the same for listened connections, where it was run.
pub(crate) fn listened(_: &Effort) -> Vec<Table> {
    let printed = std::fs::read_to_string(LISTENED).ok();
    printed.map(|text| Table::verbatim("listened", text)).into_iter().collect()
}
