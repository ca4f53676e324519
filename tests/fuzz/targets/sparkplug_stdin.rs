//! stdin of telegraf-pm500-sparkplug: whatever Telegraf, or anybody else, writes into it.

use std::time::Duration;

use telegraf_pm500::sparkplug::line::Splitter;
use telegraf_pm500::sparkplug::message::Topics;
use telegraf_pm500::sparkplug::node::{Node, Now, Settings};

/// Bytes that may wait in the node.
const BUFFER: usize = 1 << 16;

/// Lines are used or refused, in pieces as well as whole; what comes of them goes out, and the store stays bounded.
pub(crate) fn run(data: &[u8]) {
    let settings = Settings {
        topics: Topics::new("plant", "edge"),
        primary_host: false,
        aliases: data.len().is_multiple_of(2),
        template: false,
        buffer_size: BUFFER,
    };
    let mut node = Node::new(settings);
    let now = Now { wall_ms: 1_700_000_000_000, steady: Duration::ZERO };
    let mut splitter = Splitter::default();
    let middle = data.len() / 2;
    for (part, chunk) in [&data[..middle], &data[middle..], b"\n"].into_iter().enumerate() {
        for line in splitter.push(chunk).lines {
            let length = line.len();
            let taken = node.line(line, now);
            assert!(taken.keep.is_none_or(|kept| kept.len() == length));
        }
        if part == 0 {
            node.connected(0);
        }
        while let Some(message) = node.next(now) {
            assert!(message.topic.starts_with("spBv1.0/plant/") && message.topic.split('/').count() <= 5);
        }
    }
    let waited = node.waiting();
    assert!(node.lost().len() <= waited);
}
