//! Time zones by their IANA names.

/// An IANA time zone; none for an empty text.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(pub Option<jiff::tz::TimeZone>);

/// A name that is no time zone's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The system has none.
    #[error("time zone \"{0}\": this system has no time zones, install the package tzdata")]
    NoDatabase(String),
    /// The city alone was written, or the name in another spelling.
    #[error("there is no time zone \"{0}\", it is written \"{1}\"")]
    Spelled(String, String),
    /// Nothing that could be meant.
    #[error(
        "there is no time zone \"{0}\", write the IANA name of a place that keeps the same time, such as \
         \"Europe/Vienna\" (\"timedatectl list-timezones\" lists them)"
    )]
    Unknown(String),
}

/// Finds a time zone.
///
/// # Errors
/// Another name is offered only when it is the same place: a zone nearby in spelling is often far away on the
/// map (Europe/Wien is not Europe/Kiev), and would shift every time in silence.
pub(super) fn find(text: &str) -> Result<Zone, ZoneError> {
    if text.is_empty() {
        return Ok(Zone(None));
    }
    let database = jiff::tz::db();
    database.get(text).map(|zone| Zone(Some(zone))).map_err(|_| {
        let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
        if names.is_empty() {
            return ZoneError::NoDatabase(text.to_owned());
        }
        match same_place(text, &names) {
            Some(name) => ZoneError::Spelled(text.to_owned(), name),
            None => ZoneError::Unknown(text.to_owned()),
        }
    })
}

/// The one name with the same letters, or whose city has them.
fn same_place(text: &str, names: &[String]) -> Option<String> {
    let letters = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = letters(text);
    let spelled = |name: &&String| {
        let city = name.rsplit('/').next().unwrap_or_default();
        !wanted.is_empty() && (letters(name) == wanted || letters(city) == wanted)
    };
    // "posix/" and "right/" hold every zone a second time.
    let real = names.iter().filter(|name| name.contains('/'));
    let mut found =
        real.filter(|name| !name.starts_with("posix/") && !name.starts_with("right/")).filter(spelled);
    let first = found.next()?;
    found.next().is_none().then(|| first.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_suggested_only_when_it_is_the_same_place() {
        let names = ["Europe/Vienna", "Europe/Kiev", "America/New_York", "posix/Europe/Vienna", "UTC"];
        let names = names.map(str::to_owned);
        for (text, place) in [
            ("Vienna", Some("Europe/Vienna")),
            ("Europe-Vienna", Some("Europe/Vienna")),
            ("New York", Some("America/New_York")),
            ("Europe/Wien", None),
            ("Europe/Viena", None),
            ("MEZ", None),
            ("+01:00", None),
            ("/", None),
        ] {
            assert_eq!(same_place(text, &names).as_deref(), place, "{text}");
        }
    }
}
