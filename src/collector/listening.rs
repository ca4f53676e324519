//! What happens to a listener → log lines and events.

use crate::source::Notice;

use super::events::Event;

/// Says it once on stderr, and returns the event if there is one.
pub(super) fn tell(notice: Notice, prefix: &str) -> Option<Event> {
    match notice {
        Notice::Heard { assembly, application, rpi, origin, again } => {
            let interval = humantime::format_duration(rpi);
            log::info!(
                "{prefix}: assembly {assembly}: {application} at a packet interval of {interval}, {origin}"
            );
            again.then(|| Event {
                kind: "owner_back",
                message: format!("Assembly {assembly} is heard again, at a packet interval of {interval}"),
                ..Event::default()
            })
        }
        Notice::Lost { assembly, reason } => {
            log::warn!("{prefix}: assembly {assembly} is not heard any more: {reason}");
            Some(Event {
                kind: "owner_lost",
                message: format!("Assembly {assembly} is not heard any more"),
                reason: Some(reason),
                ..Event::default()
            })
        }
        Notice::Unheard { assembly, reason, retry } => {
            let next = match retry {
                Some(wait) => format!("next try in {}", humantime::format_duration(wait)),
                None => "not tried again until the plugin restarts".to_owned(),
            };
            log::warn!("{prefix}: assembly {assembly} cannot be listened to: {reason}; {next}");
            None
        }
    }
}
