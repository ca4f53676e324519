//! What a broker delivers to telegraf-pm500-sparkplug: commands to the node, and the state of the primary host.

use std::time::Duration;

use telegraf_pm500::sparkplug::message::Topics;
use telegraf_pm500::sparkplug::node::{Node, Now, Settings};

/// A payload is obeyed, left alone or refused; a rebirth brings births and nothing else.
pub(crate) fn run(data: &[u8]) {
    for (primary_host, aliases) in [(false, false), (true, true)] {
        let topics = Topics::new("plant", "edge");
        let mut node =
            Node::new(Settings { topics, primary_host, aliases, template: true, buffer_size: 1 << 16 });
        let mut now = Now { wall_ms: 1_700_000_000_000, steady: Duration::ZERO };
        node.connected(0);
        while node.next(now).is_some() {}
        let _ = node.host_state(data, now);
        let _ = node.command(data, now);
        now.steady += Duration::from_secs(2);
        while let Some(message) = node.next(now) {
            assert_eq!(message.topic, "spBv1.0/plant/NBIRTH/edge");
        }
    }
}
