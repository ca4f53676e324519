//! What is wrong with each assembly that is listened to, by reason: what is lost and heard again many times is counted as
//! any other fault is.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Hindrance, Notice};

/// An assembly, and why it is not heard. The same kind of reason in another sentence is the same.
pub(super) type Reason = (u16, Hindrance);

/// The reasons for which assemblies are not heard at present.
#[derive(Debug, Default)]
pub(super) struct Listeners(BTreeMap<u16, BTreeSet<Hindrance>>);

impl Listeners {
    /// Why an assembly is not heard any more, if the notice says that.
    pub(super) fn lost(&mut self, notice: &Notice) -> Option<Reason> {
        let (Notice::Lost { assembly, kind, .. } | Notice::Unheard { assembly, kind, .. }) = notice else {
            return None;
        };
        self.0.entry(*assembly).or_default().insert(*kind);
        Some((*assembly, *kind))
    }

    /// Whether nothing is wrong with an assembly.
    pub(super) fn hears(&self, assembly: u16) -> bool {
        !self.0.contains_key(&assembly)
    }

    /// The reasons that have ended with the notice, if it says that an assembly is heard.
    pub(super) fn found(&mut self, notice: &Notice) -> Vec<Reason> {
        let Notice::Heard { assembly, .. } = notice else { return Vec::new() };
        let ended = self.0.remove(assembly).unwrap_or_default();
        ended.into_iter().map(|reason| (*assembly, reason)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::enip::forward_open::Application;

    #[test]
    fn a_reason_in_other_words_is_the_same_and_all_end_when_the_assembly_is_heard() {
        let lost = |kind, reason: &str| Notice::Lost { assembly: 101, kind, reason: reason.to_owned() };
        let mut listeners = Listeners::default();
        let first = listeners.lost(&lost(Hindrance::Silent, "nothing for 400 ms"));
        assert_eq!(first, listeners.lost(&lost(Hindrance::Silent, "not one frame in 1 ms")));
        assert_ne!(first, listeners.lost(&lost(Hindrance::Unusable, "nothing for 400 ms")));
        let heard = Notice::Heard {
            assembly: 101,
            application: Application::ListenOnly,
            rpi: Duration::from_millis(100),
            origin: "asked",
            again: true,
        };
        assert!(!listeners.hears(101) && listeners.lost(&heard).is_none());
        assert_eq!(listeners.found(&heard).len(), 2);
        assert!(listeners.hears(101) && listeners.found(&heard).is_empty());
    }
}
