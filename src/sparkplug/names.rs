//! What groups, nodes, devices and hosts may be called: each is one level of a topic.

/// Longest name in bytes; a topic has three of them, and brokers have limits.
const LONGEST: usize = 200;

/// Why a name cannot be a level of a topic, to be put behind "the name".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing.
    #[error("must not be empty")]
    Empty,
    /// Too much; its beginning.
    #[error("\"{0}…\" is longer than {LONGEST} bytes")]
    Long(String),
    /// Something that no terminal shows.
    #[error("{0:?} must not contain control characters")]
    Control(String),
    /// Something that brokers understand otherwise.
    #[error("\"{0}\" must not contain {1}, which has a meaning of its own in MQTT topics")]
    Reserved(String, char),
}

/// Refuses what cannot be a level of a topic.
///
/// # Errors
/// What is wrong.
pub fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > LONGEST {
        return Err(NameError::Long(name.chars().take(20).collect()));
    }
    match name.chars().find(|c| matches!(c, '+' | '/' | '#') || c.is_control()) {
        Some(c) if c.is_control() => Err(NameError::Control(name.to_owned())),
        Some(c) => Err(NameError::Reserved(name.to_owned(), c)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_sparkplug_forbids_is_refused_with_the_reason() {
        for good in ["press-4", "Line 4", "Gerät", "a.b:c"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, expected) in [
            ("", "must not be empty"),
            ("a/b", "must not contain /"),
            ("a+", "must not contain +"),
            ("#", "must not contain #"),
            ("a\nb", "control characters"),
        ] {
            let reason = check(bad).unwrap_err().to_string();
            assert!(reason.contains(expected), "{bad:?}: {reason}");
        }
        assert!(check(&"ü".repeat(101)).is_err());
    }
}
