//! Durations as Telegraf writes them: "250ms", "10s", "1m30s", "1h".

use std::time::Duration;

/// Parses a duration with its unit.
///
/// # Errors
/// One sentence; a bare number is told that it needs a unit.
pub fn parse(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) => Ok(duration),
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("\"{text}\" needs a unit, such as \"{text}s\" for seconds"))
        }
        Err(_) => {
            Err(format!("\"{text}\" is no duration, write one like \"250ms\", \"10s\", \"1m30s\" or \"1h\""))
        }
    }
}

/// A duration for people: "1m 30s".
pub fn show(duration: Duration) -> impl std::fmt::Display {
    humantime::format_duration(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telegraf_durations_are_read_and_a_bare_number_is_asked_for_its_unit() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(parse("1ns"), Ok(Duration::from_nanos(1)));
        assert_eq!(parse("10").unwrap_err(), "\"10\" needs a unit, such as \"10s\" for seconds");
        for text in ["", "s", "-10s", "10 parsecs", "99999999999999999999s", "ten"] {
            assert!(parse(text).is_err_and(|reason| reason.contains("is no duration")), "{text}");
        }
    }
}
