//! stderr in the form Telegraf reads: `E! `, `W! `, `I! `, `D! ` or `T! ` and one line.
//!
//! Telegraf (1.32 and later) turns the prefix into the level of its own log. A line of more than 64 KiB
//! would end Telegraf's reader for good, so a line is cut well below that. A panic is one line as well.

use std::io::Write;
use std::panic;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Longest line in bytes, newline included.
const LONGEST: usize = 4096;

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
            // What libraries have to say is for those who asked for everything.
            && (metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
                || log::max_level() == LevelFilter::Trace)
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

fn write(level: Level, text: &str) {
    // One write per line: other threads' lines cannot come in between. If stderr is gone, nobody reads.
    let _ = std::io::stderr().write_all(&line(level, text));
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
        line.push(if c.is_control() { ' ' } else { c });
    }
    line.push('\n');
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_prefixed_line_below_four_kilobytes() {
        assert_eq!(line(Level::Warn, "Meter \"a\": x\r\ny"), b"W! Meter \"a\": x  y\n");
        let long = line(Level::Error, &"ü".repeat(10_000));
        assert!(long.len() <= LONGEST && long.starts_with(b"E! ") && long.ends_with("…\n".as_bytes()));
        assert!(std::str::from_utf8(&long).is_ok());
    }
}
