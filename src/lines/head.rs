//! What stands before a line's fields: measurement and tags.
//!
//! A meter's tags never change while it is read, and escaping them costs as much as a dozen values, so that each
//! head is made once and copied.

use std::sync::Arc;

use influxdb_line_protocol::LineProtocolBuilder;

use crate::config::MeterConfig;

use super::schema;

/// Measurement and tags of lines, as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head(Vec<u8>);

impl Head {
    /// `tags` are sorted by key; `event`, if given, takes its place among them.
    pub fn new(measurement: &str, tags: &[(String, String)], event: Option<&str>) -> Head {
        let mut bytes = Vec::new();
        let mut line = LineProtocolBuilder::new_with(&mut bytes).measurement(measurement);
        let mut event = event;
        for (key, value) in tags {
            if key.as_str() > schema::EVENT_TAG
                && let Some(kind) = event.take()
            {
                line = line.tag(schema::EVENT_TAG, kind);
            }
            line = line.tag(key, value);
        }
        if let Some(kind) = event {
            line.tag(schema::EVENT_TAG, kind);
        }
        Head(bytes)
    }

    /// The bytes, without the space before the first field.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The heads of one meter's lines.
#[derive(Debug, Default)]
pub(super) struct Heads {
    config: Option<Arc<MeterConfig>>,
    made: Vec<(&'static str, Head)>,
}

impl Heads {
    /// The head of a measurement's lines.
    pub(super) fn of(&mut self, config: &Arc<MeterConfig>, measurement: &'static str) -> &Head {
        if self.config.as_ref().is_none_or(|known| !Arc::ptr_eq(known, config)) {
            (self.config, self.made) = (Some(config.clone()), Vec::new());
        }
        let at = self.made.iter().position(|(known, _)| *known == measurement).unwrap_or_else(|| {
            self.made.push((measurement, Head::new(measurement, &config.tags, None)));
            self.made.len() - 1
        });
        &self.made[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn text(head: &Head) -> &str {
        std::str::from_utf8(head.bytes()).unwrap()
    }

    #[test]
    fn special_characters_of_tags_are_escaped() {
        let head = Head::new("m", &tags(&[("a b", "x,y=z"), ("meter", "Gerät 1")]), None);
        assert_eq!(text(&head), "m,a\\ b=x\\,y\\=z,meter=Gerät\\ 1");
    }

    #[test]
    fn the_event_tag_takes_its_sorted_place() {
        let of = |pairs: &[(&str, &str)]| Head::new("e", &tags(pairs), Some("gap"));
        assert_eq!(text(&of(&[("area", "1"), ("meter", "a")])), "e,area=1,event=gap,meter=a");
        assert_eq!(text(&of(&[("area", "1")])), "e,area=1,event=gap");
    }
}
