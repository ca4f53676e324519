//! What a meter and its tags may be called.

use std::collections::BTreeMap;

use crate::meter::Profile;
use crate::schema;

/// A meter's name: unique, the tag `meter`, and a level of MQTT topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterName(String);

/// The value of a meter's own tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagValue(String);

/// A name or tag that some reader of the data could not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An empty name.
    #[error("name must not be empty, leave it out to use the host")]
    Empty,
    /// A character that MQTT topics are made of.
    #[error("name = \"{name}\" must not contain {bad}, for the name becomes an MQTT topic level")]
    Topic {
        /// The name.
        name: String,
        /// The character.
        bad: char,
    },
    /// A character that readers of line protocol take differently.
    #[error(
        "{what} = \"{text}\" must not contain a backslash, which readers of line protocol take differently"
    )]
    Backslash {
        /// What is called so.
        what: String,
        /// The text.
        text: String,
    },
    /// A control character.
    #[error("{what} = \"{}\" must not contain control characters", text.escape_debug())]
    Control {
        /// What is called so.
        what: String,
        /// The text.
        text: String,
    },
    /// A character that nobody sees.
    #[error(
        "{what} = \"{}\" must not contain U+{:04X}, which nobody sees and nobody can type again",
        shown(text),
        u32::from(*bad)
    )]
    Invisible {
        /// What is called so.
        what: String,
        /// The text.
        text: String,
        /// The character.
        bad: char,
    },
    /// A space that is lost on the way.
    #[error("{what} = \"{text}\" must not begin or end with a space")]
    Edge {
        /// What is called so.
        what: String,
        /// The text.
        text: String,
    },
    /// A tag without a name.
    #[error("a tag needs a name")]
    NoKey,
    /// A tag without a value.
    #[error("a tag must not be empty, which line protocol cannot say; leave it out")]
    NoValue,
    /// A tag that InfluxDB keeps for itself.
    #[error("the tag \"{0}\" begins with an underscore, which InfluxDB keeps for itself")]
    Underscore(String),
    /// A tag whose name means something else.
    #[error("the tag \"{key}\" is {taken}, choose another name")]
    Taken {
        /// Its name.
        key: String,
        /// What that is.
        taken: &'static str,
    },
}

impl MeterName {
    /// A name that can be an MQTT topic level and a tag value that every reader agrees on.
    ///
    /// # Errors
    /// What cannot be in it.
    pub fn new(name: &str) -> Result<MeterName, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(bad) = name.chars().find(|c| matches!(c, '/' | '+' | '#')) {
            return Err(NameError::Topic { name: name.to_owned(), bad });
        }
        check_text("name", name)?;
        Ok(MeterName(name.to_owned()))
    }

    /// The name as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TagValue {
    /// A text that a tag can hold.
    ///
    /// # Errors
    /// What cannot be in it.
    pub fn new(text: &str) -> Result<TagValue, NameError> {
        if text.is_empty() {
            return Err(NameError::NoValue);
        }
        check_text("a tag", text)?;
        Ok(TagValue(text.to_owned()))
    }
}

/// The tags of a meter: its own and `meter`, sorted by key.
///
/// # Errors
/// A tag that cannot be called so.
pub(super) fn tags(
    name: &str,
    own: BTreeMap<String, TagValue>,
    profile: &Profile,
) -> Result<Vec<(String, String)>, NameError> {
    let mut tags = vec![(schema::METER_TAG.to_owned(), name.to_owned())];
    for (key, TagValue(value)) in own {
        check_key(&key, profile)?;
        tags.push((key, value));
    }
    tags.sort();
    Ok(tags)
}

fn check_key(key: &str, profile: &Profile) -> Result<(), NameError> {
    if key.is_empty() {
        return Err(NameError::NoKey);
    }
    check_text("a tag's name", key)?;
    if key.starts_with('_') {
        return Err(NameError::Underscore(key.to_owned()));
    }
    let taken = match key {
        "time" => "a timestamp to every reader of line protocol",
        "host" => "Telegraf's own tag",
        schema::METER_TAG | schema::EVENT_TAG => "the plugin's own tag",
        _ if is_field(key, profile) => "a field of the plugin",
        _ => return Ok(()),
    };
    Err(NameError::Taken { key: key.to_owned(), taken })
}

fn is_field(key: &str, profile: &Profile) -> bool {
    let fixed = schema::FIELDS.iter().any(|entry| entry.field == key);
    fixed
        || profile.elements.iter().any(|element| {
            element.name == key || element.labels.as_ref().is_some_and(|(label, _)| label == key)
        })
}

fn check_text(what: &str, text: &str) -> Result<(), NameError> {
    let (what, said) = (|| what.to_owned(), || text.to_owned());
    if text.contains('\\') {
        return Err(NameError::Backslash { what: what(), text: said() });
    }
    if text.contains(char::is_control) {
        return Err(NameError::Control { what: what(), text: said() });
    }
    if let Some(bad) = text.chars().find(|c| is_invisible(*c)) {
        return Err(NameError::Invisible { what: what(), text: said(), bad });
    }
    if text.trim() != text {
        return Err(NameError::Edge { what: what(), text: said() });
    }
    Ok(())
}

/// Marks of direction, joiners, fillers, tags, and every space but the ordinary one.
pub(super) fn is_invisible(c: char) -> bool {
    (c.is_whitespace() && c != ' ')
        || matches!(
            u32::from(c),
            0x00AD
                | 0x034F
                | 0x061C
                | 0x115F..=0x1160
                | 0x17B4..=0x17B5
                | 0x180B..=0x180F
                | 0x200B..=0x200F
                | 0x2028..=0x202E
                | 0x2060..=0x206F
                | 0x2800
                | 0x3164
                | 0xFE00..=0xFE0F
                | 0xFEFF
                | 0xFFA0
                | 0xFFF0..=0xFFFB
                | 0x1BCA0..=0x1BCA3
                | 0x1D173..=0x1D17A
                | 0xE0000..=0xE0FFF
        )
}

/// The text with what nobody sees made visible.
fn shown(text: &str) -> String {
    let show = |c: char| match is_invisible(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    };
    text.chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_in_no_name() {
        for name in
            ["a\u{202e}b", "a\u{200b}", "\u{feff}a", "a\u{a0}b", "\u{3164}", "a\u{e0041}", "a\u{2800}"]
        {
            let said = MeterName::new(name).expect_err(name).to_string();
            assert!(said.contains("nobody sees") && said.contains("\\u{"), "{said}");
            assert!(!said.contains(is_invisible), "{said}");
            assert!(TagValue::new(name).is_err());
        }
        for name in [" ", " a", "a "] {
            assert!(matches!(MeterName::new(name), Err(NameError::Edge { .. })), "{name:?}");
        }
        for name in ["Hall 3", "Gerät №1", "電力計", "मीटर", "محطة"] {
            assert!(MeterName::new(name).is_ok(), "{name}");
        }
    }
}
