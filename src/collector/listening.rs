//! What happens to a listener → a sentence, and an event if there is one.

use crate::source::Notice;

use super::event::Event;

/// The event, where something was lost or is back.
pub fn event(notice: &Notice) -> Option<Event> {
    match notice {
        Notice::Heard { again, .. } => again.then(|| Event::OwnerBack { how: sentence(notice) }),
        Notice::Lost { assembly, reason, .. } => {
            Some(Event::OwnerLost { assembly: *assembly, reason: reason.clone() })
        }
        Notice::Unheard { .. }
        | Notice::OtherPath { .. }
        | Notice::Tag { .. }
        | Notice::ShortReads { .. }
        | Notice::Torn { .. } => None,
    }
}

/// The notice in words.
pub fn sentence(notice: &Notice) -> String {
    match notice {
        Notice::Heard { assembly, application, rpi, origin, .. } => format!(
            "assembly {assembly}: {application} at a packet interval of {}, {origin}",
            humantime::format_duration(*rpi)
        ),
        Notice::Lost { assembly, reason, .. } => {
            format!("assembly {assembly} is not heard any more: {reason}")
        }
        Notice::Unheard { assembly, reason, retry, .. } => {
            let next = match retry {
                Some(wait) => format!("next try in {}", humantime::format_duration(*wait)),
                None => {
                    "not tried again until the link to the meter was lost, or the plugin restarts".to_owned()
                }
            };
            format!("assembly {assembly} cannot be listened to: {reason}; {next}")
        }
        Notice::OtherPath { assembly, configuration, heartbeat } => format!(
            "assembly {assembly}: the meter refuses the configured path and takes config_instance = {configuration} \
             with heartbeat_instance = {heartbeat}; write both into the configuration"
        ),
        Notice::Tag { assembly, tag, shape, moved } => {
            let moved = moved.map(|ago| format!(", last moved {:.1} s ago", ago.as_secs_f64()));
            format!("assembly {assembly}: tag {tag}, {shape}{}", moved.unwrap_or_default())
        }
        Notice::ShortReads { registers } => format!(
            "reads of more than {registers} registers are not answered, so shorter ones are used; \
             max_registers = {registers} does so from the start"
        ),
        Notice::Torn { tag } => format!(
            "tag {tag} does not fit into one reply, and comes in pieces: its values may be of two scans of the controller"
        ),
    }
}
