//! What a meter and its tags may be called.

use std::collections::BTreeMap;

use super::value::Parsed;
use crate::meter::Profile;
use crate::metric::schema;

/// Refuses a meter's name that cannot be an MQTT topic level or a tag value that every reader agrees on.
pub(super) fn check_meter(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("name must not be empty, leave it out to use the host".to_owned());
    }
    if let Some(bad) = name.chars().find(|c| matches!(c, '/' | '+' | '#')) {
        return Err(format!(
            "name = \"{name}\" must not contain {bad}, for the name becomes an MQTT topic level"
        ));
    }
    check_text("name", name)
}

/// The tags of a meter: its own and `meter`, sorted by key.
pub(super) fn tags(
    name: &str,
    own: &BTreeMap<String, Parsed<String>>,
    profile: &Profile,
) -> Result<Vec<(String, String)>, String> {
    let mut tags = vec![(schema::METER_TAG.to_owned(), name.to_owned())];
    for (key, Parsed(value)) in own {
        check_key(key, profile)?;
        if value.is_empty() {
            return Err(format!("the tag \"{key}\" is empty, which line protocol cannot say; leave it out"));
        }
        check_text(&format!("the tag {key}"), value)?;
        tags.push((key.clone(), value.clone()));
    }
    tags.sort();
    Ok(tags)
}

fn check_key(key: &str, profile: &Profile) -> Result<(), String> {
    if key.is_empty() {
        return Err("a tag needs a name".to_owned());
    }
    check_text("a tag's name", key)?;
    if key.starts_with('_') {
        return Err(format!("the tag \"{key}\" begins with an underscore, which InfluxDB keeps for itself"));
    }
    let taken = match key {
        "time" => "a timestamp to every reader of line protocol",
        "host" => "Telegraf's own tag",
        schema::METER_TAG | schema::EVENT_TAG => "the plugin's own tag",
        _ if is_field(key, profile) => "a field of the plugin",
        _ => return Ok(()),
    };
    Err(format!("the tag \"{key}\" is {taken}, choose another name"))
}

fn is_field(key: &str, profile: &Profile) -> bool {
    let fixed = schema::FIELDS.iter().any(|entry| entry.field == key);
    fixed
        || profile.elements.iter().any(|element| {
            element.name == key || element.labels.as_ref().is_some_and(|(label, _)| label == key)
        })
}

fn check_text(what: &str, text: &str) -> Result<(), String> {
    if text.contains('\\') {
        return Err(format!(
            "{what} = \"{text}\" must not contain a backslash, which readers of line protocol take differently"
        ));
    }
    if text.contains(char::is_control) {
        return Err(format!("{what} = \"{}\" must not contain control characters", text.escape_debug()));
    }
    Ok(())
}
