//! What happens to a listener → log lines and events.

use crate::source::Notice;

use super::events::Event;

/// Says it once on stderr, and returns the event if there is one.
pub(super) fn tell(notice: Notice, prefix: &str) -> Option<Event> {
    let sentence = sentence(&notice);
    match notice {
        Notice::Heard { again, .. } => {
            log::info!("{prefix}: {sentence}");
            again.then(|| Event { kind: "owner_back", message: capital(&sentence), ..Event::default() })
        }
        Notice::Lost { assembly, reason } => {
            log::warn!("{prefix}: {sentence}");
            Some(Event {
                kind: "owner_lost",
                message: format!("Assembly {assembly} is not heard any more"),
                reason: Some(reason),
                ..Event::default()
            })
        }
        Notice::Unheard { .. } => {
            log::warn!("{prefix}: {sentence}");
            None
        }
    }
}

/// The notice in words.
pub(super) fn sentence(notice: &Notice) -> String {
    match notice {
        Notice::Heard { assembly, application, rpi, origin, .. } => format!(
            "assembly {assembly}: {application} at a packet interval of {}, {origin}",
            humantime::format_duration(*rpi)
        ),
        Notice::Lost { assembly, reason } => {
            format!("assembly {assembly} is not heard any more: {reason}")
        }
        Notice::Unheard { assembly, reason, retry } => {
            let next = match retry {
                Some(wait) => format!("next try in {}", humantime::format_duration(*wait)),
                None => "not tried again until the plugin restarts".to_owned(),
            };
            format!("assembly {assembly} cannot be listened to: {reason}; {next}")
        }
    }
}

fn capital(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
