//! The picture of `watch` in the README is what the program draws of simulated meters.
//!
//! `UPDATE_README=1 cargo test --test suite watch_picture` draws it anew.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use telegraf_pm500::collector::Collector;
use telegraf_pm500::collector::schedule::Due;
use telegraf_pm500::collector::state::State;
use telegraf_pm500::config::{self, Options as Settings};
use telegraf_pm500::display::watch::Watch;
use telegraf_pm500::display::watch::draw::draw;
use telegraf_pm500::simulator::{Options, Simulator};
use telegraf_pm500::source::Shared;
use tokio::time::sleep;

const PICTURE: &str = "telegraf/pictures/watch.svg";
const COLUMNS: u16 = 132;
const LINES: u16 = 30;
/// A cell, in pixels.
const CELL: (f64, f64) = (8.4, 17.0);
/// Margin around the screen, in pixels.
const MARGIN: f64 = 16.0;
/// Height of the bar above it.
const BAR: f64 = 34.0;

/// What `watch` knows of two simulated meters after so many gathers.
async fn watched(gathers: usize) -> Watch {
    let options = Options { count: 2, ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let (press, oven) = (&simulator.meters[0], &simulator.meters[1]);
    let named =
        [format!("press-4={}", press.eip()), format!("oven-2=modbus://{}", oven.modbus())].map(|meter| {
            let named: telegraf_pm500::config::Named = meter.parse().unwrap();
            named
        });
    let configs: Vec<_> =
        config::by_hand(&named, Settings::default()).unwrap().meters.into_iter().map(Arc::new).collect();
    let mut watch = Watch::new(configs.iter().cloned(), true);
    let shared = Shared::default();
    let mut collectors: Vec<_> = configs
        .iter()
        .map(|config| Collector::sharing(config.clone(), State::in_memory(), shared.clone()))
        .collect();
    for _ in 0..gathers {
        for (index, collector) in collectors.iter_mut().enumerate() {
            let due = Due { tables: configs[index].tables, status: true, ..Due::default() };
            watch.take(index, collector.gather(due).await);
        }
        // No table is read more often.
        sleep(Duration::from_millis(200)).await;
    }
    watch
}

fn screen(watch: &Watch) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(COLUMNS, LINES)).unwrap();
    terminal.draw(|frame| draw(watch, frame, SystemTime::now())).unwrap();
    terminal.backend().buffer().clone()
}

/// Foreground and, where there is one, background of a cell.
fn colors(cell: &Cell) -> (&'static str, Option<&'static str>) {
    let named = |color: Color, usual| match color {
        Color::Green => "#7ee787",
        Color::Yellow => "#e3b341",
        Color::Red => "#ff7b72",
        Color::Cyan => "#79c0ff",
        Color::Magenta => "#d2a8ff",
        Color::Blue => "#58a6ff",
        Color::DarkGray => "#8b949e",
        _ => usual,
    };
    let (front, back) = (named(cell.fg, "#e6edf3"), named(cell.bg, ""));
    match cell.modifier.contains(Modifier::REVERSED) {
        true => ("#0d1117", Some("#e6edf3")),
        false => (front, Some(back).filter(|back| !back.is_empty())),
    }
}

/// A screen as SVG: cells with one look in a row are one text, stretched to the grid whatever font is at hand.
fn svg(buffer: &Buffer) -> String {
    let (width, height) =
        (f64::from(COLUMNS) * CELL.0 + 2.0 * MARGIN, f64::from(LINES) * CELL.1 + BAR + MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} \
         {height:.0}\" role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">telegraf-pm500 watch</title>\n\
         <desc id=\"desc\">A terminal with a list of two simulated meters, and of the first one voltages, currents, powers, \
         power factors, frequency, alarms, the trend of its active power and its phasors</desc>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\" stroke=\"#30363d\"/>\n"
    );
    for (n, fill) in ["#ff5f57", "#febc2e", "#28c840"].into_iter().enumerate() {
        let _ = writeln!(out, "<circle cx=\"{}\" cy=\"17\" r=\"6\" fill=\"{fill}\"/>", 20 + 20 * n);
    }
    out += "<g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\">\n";
    for y in 0..LINES {
        let look = |x: u16| {
            let cell = &buffer[(x, y)];
            (colors(cell), cell.modifier.contains(Modifier::BOLD))
        };
        let mut x = 0;
        while x < COLUMNS {
            let ((front, back), bold) = look(x);
            let end = (x..COLUMNS).find(|at| look(*at) != look(x)).unwrap_or(COLUMNS);
            let text: String = (x..end).map(|at| buffer[(at, y)].symbol()).collect();
            run(&mut out, (x, y), &text, (front, back, bold));
            x = end;
        }
    }
    out + "</g>\n</svg>\n"
}

fn run(out: &mut String, (x, y): (u16, u16), text: &str, (front, back, bold): (&str, Option<&str>, bool)) {
    let (left, top) = (MARGIN + f64::from(x) * CELL.0, BAR + f64::from(y) * CELL.1);
    let length = |text: &str| text.chars().count() as f64 * CELL.0;
    if let Some(back) = back {
        let (width, height) = (length(text), CELL.1);
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{back}\"/>"
        );
    }
    // Blanks in a row are one to most viewers of SVG.
    let mut at = 0;
    for part in text.split("  ") {
        let (indent, shown) = (part.len() - part.trim_start_matches(' ').len(), part.trim_matches(' '));
        if !shown.is_empty() {
            let left = left + (at + indent) as f64 * CELL.0;
            let escaped = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let weight = if bold { " font-weight=\"bold\"" } else { "" };
            let (base, length) = (top + 13.0, length(shown));
            let _ = writeln!(
                out,
                "<text x=\"{left:.1}\" y=\"{base:.1}\" fill=\"{front}\"{weight} textLength=\"{length:.1}\">{escaped}</text>"
            );
        }
        at += part.chars().count() + 2;
    }
}

/// The words of a picture, without numbers, curves and what stands where they do.
fn words(svg: &str) -> Vec<String> {
    let texts = svg.lines().filter(|line| line.starts_with("<text"));
    let text = texts.filter_map(|line| Some(line.split_once('>')?.1.strip_suffix("</text>")?.to_owned()));
    let words = text.flat_map(|text| text.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let word = |word: &String| word.len() > 3 && word.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    words.filter(word).collect()
}

#[tokio::test]
async fn the_picture_in_the_readme_is_what_watch_draws() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PICTURE);
    if std::env::var_os("UPDATE_README").is_some() {
        let drawn = svg(&screen(&watched(60).await));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        return std::fs::write(&path, drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    let drawn = svg(&screen(&watched(3).await));
    assert_eq!(words(&kept), words(&drawn), "{PICTURE} shows another screen; UPDATE_README=1 draws it anew");
}
