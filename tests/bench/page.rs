//! Tables, on the screen and in tests/results/scale.md, where everything between a table's marks is replaced.

use std::fmt;
use std::path::{Path, PathBuf};

/// One table of the page.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its marks in the page.
    name: &'static str,
    rows: Vec<Vec<String>>,
    /// Shown as it is, instead of rows.
    verbatim: Option<String>,
}

impl Table {
    /// A table that has only its head.
    pub(crate) fn new(name: &'static str, head: &[&str]) -> Table {
        Table { name, rows: vec![head.iter().map(|&text| text.to_owned()).collect()], verbatim: None }
    }

    /// What another program has printed.
    pub(crate) fn verbatim(name: &'static str, text: String) -> Table {
        Table { name, rows: Vec::new(), verbatim: Some(text) }
    }

    /// Appends a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.verbatim {
            writeln!(f, "```text\n{}\n```", text.trim_end())?;
        }
        for (index, row) in self.rows.iter().enumerate() {
            writeln!(f, "| {} |", row.join(" | "))?;
            if index == 0 {
                writeln!(f, "|---{}|", "|--:".repeat(row.len() - 1))?;
            }
        }
        Ok(())
    }
}

/// The machine that is measured on, and how busy it is before anything is started.
pub(crate) fn machine() -> Table {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split(' ').take(1).collect();
    let mut table = Table::new("machine", &["machine", "of the last run"]);
    let mut row = |what: &str, is: String| table.row([what.to_owned(), is]);
    row("cores, memory, build", crate::common::usage::machine());
    row("processor", model.trim_start_matches(['\t', ' ', ':']).to_owned());
    row("Linux", read("/proc/sys/kernel/osrelease"));
    row("load average at the start", load.concat());
    row("day", jiff::Timestamp::now().strftime("%Y-%m-%d").to_string());
    table
}

/// A file of the results.
pub(crate) fn results(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/results").join(name)
}

/// Puts a table in its place in the page.
pub(crate) fn keep(table: &Table) {
    let path = results("scale.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let (begin, end) = (format!("<!-- {} -->\n", table.name), format!("<!-- /{} -->", table.name));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the page has no {end}"));
    std::fs::write(&path, format!("{before}{begin}{table}{end}{after}")).expect("the page can be written");
}

/// The middle value; of an even number the upper one of the two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
