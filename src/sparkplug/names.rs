//! What groups, nodes, devices and hosts may be called: each is one level of a topic.

/// Longest name in bytes; a topic has three of them, and brokers have limits.
const LONGEST: usize = 200;

/// Refuses what cannot be a level of a topic.
///
/// # Errors
/// What is wrong, to be put behind "the name …".
pub fn check(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if name.len() > LONGEST {
        return Err(format!(
            "\"{}…\" is longer than {LONGEST} bytes",
            name.chars().take(20).collect::<String>()
        ));
    }
    match name.chars().find(|c| matches!(c, '+' | '/' | '#') || c.is_control()) {
        Some(c) if c.is_control() => Err(format!("{name:?} must not contain control characters")),
        Some(c) => {
            Err(format!("\"{name}\" must not contain {c}, which has a meaning of its own in MQTT topics"))
        }
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
            let reason = check(bad).unwrap_err();
            assert!(reason.contains(expected), "{bad:?}: {reason}");
        }
        assert!(check(&"ü".repeat(101)).is_err());
    }
}
