//! What is wrong with each assembly that is listened to, by reason: what is lost and heard again many times is counted as
//! any other fault is.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Notice;

/// An assembly, and why it is not heard. The same reason with other numbers is the same.
pub(super) type Reason = (u16, String);

/// The reasons for which assemblies are not heard at present.
#[derive(Debug, Default)]
pub(super) struct Listeners(BTreeMap<u16, BTreeSet<String>>);

impl Listeners {
    /// Why an assembly is not heard any more, if the notice says that.
    pub(super) fn lost(&mut self, notice: &Notice) -> Option<Reason> {
        let (Notice::Lost { assembly, reason } | Notice::Unheard { assembly, reason, .. }) = notice else {
            return None;
        };
        let reason: String = reason.chars().filter(|c| !c.is_ascii_digit()).collect();
        self.0.entry(*assembly).or_default().insert(reason.clone());
        Some((*assembly, reason))
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
    fn a_reason_with_other_numbers_is_the_same_and_all_end_when_the_assembly_is_heard() {
        let lost = |reason: &str| Notice::Lost { assembly: 101, reason: reason.to_owned() };
        let mut listeners = Listeners::default();
        let first = listeners.lost(&lost("nothing for 400 ms"));
        assert_eq!(first, listeners.lost(&lost("nothing for 1 ms")));
        assert_ne!(first, listeners.lost(&lost("the owner has left")));
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
