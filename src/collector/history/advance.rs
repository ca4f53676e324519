//! How far a meter's counters have come since its record was saved: what must be known after a kill, in few bytes.
//!
//! A meter that restarted while the program was dead has often counted beyond what was saved a minute before, and not beyond
//! what was read last. Only that tells the reset.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::counters::track::Track;
use super::load_profile::Running;
use super::record::Record;

/// The counters that changed, each with its value and the time of its reading, in ms since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advance {
    /// [`Record::counting_since_ms`].
    #[serde(default, skip_serializing_if = "is_zero")]
    since: i64,
    counters: BTreeMap<String, (i64, i64)>,
}

impl Advance {
    /// From one record of a meter to a later one; none where no counter changed.
    pub fn between(before: &Record, after: &Record) -> Option<Advance> {
        if before.counters == after.counters {
            return None;
        }
        let changed =
            after.counters.iter().filter(|(name, value)| before.counters.get(*name) != Some(*value));
        let read = |name: &str| after.counter_tracks.get(name).map_or(0, Track::at);
        let counters = changed.map(|(name, value)| (name.clone(), (*value, read(name))));
        Some(Advance { since: after.counting_since_ms, counters: counters.collect() })
    }

    /// Adds what came after it.
    pub fn extend(&mut self, later: Advance) {
        self.since = later.since;
        self.counters.extend(later.counters);
    }

    /// Brings a record up to it, as far as the record is not newer itself.
    pub fn apply(self, record: &mut Record) {
        if self.since < record.counting_since_ms {
            return;
        }
        if self.since > record.counting_since_ms {
            record.counting_since_ms = self.since;
            // It went on from a level of which it knows nothing.
            record.interval.iter_mut().for_each(Running::began_anew);
        }
        for (name, (value, at)) in self.counters {
            match record.counter_tracks.get_mut(&name) {
                Some(track) if track.at() >= at => continue,
                Some(track) => track.went_on(at),
                None => _ = record.counter_tracks.insert(name.clone(), Track::begin(value, at)),
            }
            record.counters.insert(name, value);
        }
    }
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}
