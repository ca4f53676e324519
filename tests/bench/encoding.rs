//! What is not the wire: the bytes of assemblies 101 and 102 → 30 values → a line.

use crate::effort::Effort;
use crate::page::{Table, median};
use crate::readers::Reader;

pub(crate) fn run(effort: &Effort) -> Vec<Table> {
    let rounds = (0..effort.rounds).map(|_| Reader::Encoding.run(None, effort.lines).cpu);
    let cpu = median(rounds) / effort.lines as f64;
    let mut table =
        Table::new("encoding", &["decode and encode one realtime line", "CPU µs", "lines/s of one core"]);
    table.row(["30 values".to_owned(), format!("{:.2}", cpu * 1e6), format!("{:.0}", 1.0 / cpu)]);
    vec![table]
}
