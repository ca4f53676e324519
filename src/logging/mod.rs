//! stderr in the form Telegraf reads: `E! `, `W! `, `I! `, `D! ` or `T! ` and one line.
//!
//! Telegraf (1.32 and later) turns the prefix into the level of its own log. A line of more than 64 KiB
//! would end Telegraf's reader for good, so a line is cut well below that. A panic is one line as well.
//!
//! Lines go through a bounded queue to a thread of their own: whoever reads stderr may stop, a terminal may be halted and
//! a disk be full, and no meter may feel it. What is dropped is counted, and said when stderr is read again.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::panic;
use std::sync::OnceLock;
#[cfg(feature = "sparkplug")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::display::Page;
use crate::host::outlet::{Event, Failing, Outlet, Sink as _};
use crate::host::stdio;

/// Longest line in bytes, newline included: what a pipe takes whole.
const LONGEST: usize = 4096;
/// Most bytes that wait to be read; some thousand lines.
const LIMIT: usize = 256 << 10;

/// `Meter "name": `, with which every line about a meter begins.
#[derive(Debug, Clone, Copy)]
pub struct OfMeter<'a>(pub &'a str);

impl fmt::Display for OfMeter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meter \"{}\": ", self.0)
    }
}

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
            // What libraries have to say is for those who asked for everything. Their details nobody counts: a line for each
            // request of each meter would drown ours, which tell the same with the meter's name.
            && (metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
                || (log::max_level() == LevelFilter::Trace && metadata.level() <= Level::Info))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            write(record.level(), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Starts logging at this level, and makes a panic one `E! ` line.
pub fn start(level: LevelFilter) {
    // A second start keeps the first logger and only changes the level.
    let _ = log::set_logger(&Stderr);
    log::set_max_level(level);
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        let payload = info.payload();
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("unknown reason");
        write(Level::Error, &format!("Internal error{place}: {text}; please report it"));
    }));
}

/// Waits until everything said so far has left, at most this long: before the process ends, and before an answer on
/// stdout that people read beside it.
pub fn flush(within: Duration) {
    for way in Way::ALL {
        if let Some(outlet) = way.used() {
            outlet.flush(within);
        }
    }
}

/// Whether what is no warning goes to stdout.
#[cfg(feature = "sparkplug")]
static INFORMS_ON_STDOUT: AtomicBool = AtomicBool::new(false);

/// From now on what is neither error nor warning goes to stdout: Telegraf's outputs.execd logs lines of stdout as
/// information, and all lines of stderr as errors, whatever they begin with.
#[cfg(feature = "sparkplug")]
pub fn inform_on_stdout() {
    INFORMS_ON_STDOUT.store(true, Ordering::Relaxed);
}

/// Where a line goes.
#[derive(Debug, Clone, Copy)]
enum Way {
    Stderr,
    #[cfg(feature = "sparkplug")]
    Stdout,
}

static STDERR: OnceLock<Option<Outlet>> = OnceLock::new();
#[cfg(feature = "sparkplug")]
static STDOUT: OnceLock<Option<Outlet>> = OnceLock::new();

impl Way {
    #[cfg(not(feature = "sparkplug"))]
    const ALL: [Way; 1] = [Way::Stderr];
    #[cfg(feature = "sparkplug")]
    const ALL: [Way; 2] = [Way::Stderr, Way::Stdout];

    fn of(level: Level) -> Way {
        match level {
            #[cfg(feature = "sparkplug")]
            Level::Info | Level::Debug | Level::Trace if INFORMS_ON_STDOUT.load(Ordering::Relaxed) => {
                Way::Stdout
            }
            _ => Way::Stderr,
        }
    }

    fn cell(self) -> &'static OnceLock<Option<Outlet>> {
        match self {
            Way::Stderr => &STDERR,
            #[cfg(feature = "sparkplug")]
            Way::Stdout => &STDOUT,
        }
    }

    fn stream(self) -> stdio::Stream {
        match self {
            Way::Stderr => stdio::stderr(),
            #[cfg(feature = "sparkplug")]
            Way::Stdout => stdio::stdout(),
        }
    }

    /// Columns of the terminal at its end. A program that reads wants whole lines, a person whole words.
    fn columns(self) -> Option<u16> {
        let is_terminal = match self {
            Way::Stderr => io::stderr().is_terminal(),
            #[cfg(feature = "sparkplug")]
            Way::Stdout => io::stdout().is_terminal(),
        };
        let size = is_terminal.then(crossterm::terminal::size)?;
        size.ok().map(|(columns, _)| columns).filter(|columns| *columns > 0)
    }

    /// The outlet, if something was said on it.
    fn used(self) -> Option<&'static Outlet> {
        self.cell().get()?.as_ref()
    }

    /// The outlet, if there is a thread for it.
    fn outlet(self) -> Option<&'static Outlet> {
        let tell = |event| {
            if let Event::Resumed { dropped } = event {
                let lost =
                    format!("Nobody read this log, or it could not be written: {dropped} lines were dropped");
                write(Level::Warn, &lost);
            }
        };
        let start = || Outlet::start("log", self.stream(), LIMIT, Failing::Costs, tell).ok();
        self.cell().get_or_init(start).as_ref()
    }
}

fn write(level: Level, text: &str) {
    let way = Way::of(level);
    let line = match way.columns() {
        Some(columns) => folded(&line(level, text), columns),
        None => line(level, text),
    };
    match way.outlet() {
        Some(outlet) => {
            outlet.push(&line, 1);
            outlet.wake();
        }
        // A host without a thread to spare: better late than never.
        None => drop(way.stream().write(&line)),
    }
}

fn line(level: Level, text: &str) -> Vec<u8> {
    let prefix = match level {
        Level::Error => "E! ",
        Level::Warn => "W! ",
        Level::Info => "I! ",
        Level::Debug => "D! ",
        Level::Trace => "T! ",
    };
    let mut line = String::with_capacity(prefix.len() + text.len() + 1);
    line.push_str(prefix);
    for c in text.chars() {
        if line.len() + c.len_utf8() + "…\n".len() > LONGEST {
            line.push('…');
            break;
        }
        line.push(if breaks_a_line(c) { ' ' } else { c });
    }
    line.push('\n');
    line.into_bytes()
}

/// A line as a person reads it who has so many columns.
fn folded(line: &[u8], columns: u16) -> Vec<u8> {
    let page = Page { width: Some(columns), color: false };
    page.fold("", &String::from_utf8_lossy(line), "   ").into_bytes()
}

/// Whether a character makes more than one line of a line, or lets it read in another order. Names come out of files and
/// from the network.
fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_prefixed_line_below_four_kilobytes() {
        let text = format!("{}x\r\ny\u{202E}z", OfMeter("a"));
        assert_eq!(line(Level::Warn, &text), b"W! Meter \"a\": x  y z\n");
        let long = line(Level::Error, &"ü".repeat(10_000));
        assert!(long.len() <= LONGEST && long.starts_with(b"E! ") && long.ends_with("…\n".as_bytes()));
        assert!(std::str::from_utf8(&long).is_ok());
        let person = folded(b"W! one two three four\n", 12);
        assert_eq!(person, b"W! one two\n   three\n   four\n");
    }
}
