//! Durations as Telegraf writes them: "250ms", "10s", "1m30s", "1h".

use std::time::Duration;

/// The longest duration that any option takes; sums of a few of them are still far from the clock's end.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A bare number.
    #[error("\"{0}\" needs a unit, such as \"{0}s\" for seconds")]
    NoUnit(String),
    /// A number that would take more than a year.
    #[error("\"{0}\" is longer than a year, the longest that any option takes")]
    TooLong(String),
    /// Anything else.
    #[error("\"{0}\" is no duration, write one like \"250ms\", \"10s\", \"1m30s\" or \"1h\"")]
    NoDuration(String),
}

/// Parses a duration with its unit.
///
/// # Errors
/// What is wrong with it; a bare number is told that it needs a unit.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let said = text.to_owned();
    // The library takes M for months, and nobody who writes "1M" here means those.
    if text.contains('M') {
        return Err(DurationError::NoDuration(said));
    }
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) | Err(humantime::DurationError::NumberOverflow) => Err(DurationError::TooLong(said)),
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(DurationError::NoUnit(said))
        }
        Err(_) => Err(DurationError::NoDuration(said)),
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
        assert_eq!(
            parse("10").map_err(|error| error.to_string()),
            Err("\"10\" needs a unit, such as \"10s\" for seconds".to_owned())
        );
        for text in ["", "s", "-10s", "10 parsecs", "10M", "ten"] {
            assert_eq!(parse(text), Err(DurationError::NoDuration(text.to_owned())), "{text}");
        }
        for text in ["367days", "18446744073709551615s", "99999999999999999999s"] {
            assert_eq!(parse(text), Err(DurationError::TooLong(text.to_owned())), "{text}");
        }
    }
}
