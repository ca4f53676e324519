//! The slots that a gather fills, used again: a report shares them, and where nobody keeps it they are free again.

use std::sync::Arc;

use crate::meter::{Profile, Readings};

/// The slots of one meter.
#[derive(Debug, Default)]
pub struct Room(Option<Arc<Readings>>);

impl Room {
    /// Empty slots for the values of this profile, which nobody else has yet.
    pub fn take(&mut self, profile: &Profile) -> Arc<Readings> {
        let last = self.0.take().and_then(|mut last| {
            Arc::get_mut(&mut last)?.begin();
            Some(last)
        });
        last.unwrap_or_else(|| Arc::new(Readings::new(profile.elements.len())))
    }

    /// Notes what is shared with a report.
    pub fn share(&mut self, readings: &Arc<Readings>) {
        self.0 = Some(readings.clone());
    }
}
