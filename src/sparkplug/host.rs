//! The state of the primary host: may data be published at all?

use serde::Deserialize;

/// Largest state message that is looked at, in bytes.
const LARGEST: usize = 4096;

/// A session that begins this far ahead of our own clock is one of a host whose clock is wrong: it is obeyed, but its time
/// is not remembered, or the host would not be believed any more once its clock is right.
const FAR_AHEAD_MS: i64 = 24 * 3_600_000;

/// What a host says about itself, as JSON on its STATE topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct HostState {
    /// Whether it is connected to this broker and listens.
    pub online: bool,
    /// When its session began, milliseconds since the epoch.
    pub timestamp: i64,
}

/// What follows from a state message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is online: births may go out.
    Online,
    /// It is offline: nothing may.
    Offline,
    /// It is about an older session of the host, or says nothing.
    Ignored,
}

/// Follows the state of one host.
#[derive(Debug, Default)]
pub struct HostWatch {
    newest: Option<i64>,
}

impl HostWatch {
    /// Judges a message on the host's STATE topic. One that is older than the newest is a death that was delivered
    /// late.
    pub fn judge(&mut self, payload: &[u8], now_ms: u64) -> Verdict {
        let state =
            if payload.len() > LARGEST { None } else { serde_json::from_slice::<HostState>(payload).ok() };
        let Some(state) = state else { return Verdict::Ignored };
        if self.newest.is_some_and(|newest| state.timestamp < newest) {
            return Verdict::Ignored;
        }
        if state.timestamp <= i64::try_from(now_ms).unwrap_or(i64::MAX).saturating_add(FAR_AHEAD_MS) {
            self.newest = Some(state.timestamp);
        }
        if state.online { Verdict::Online } else { Verdict::Offline }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_that_comes_late_is_not_believed() {
        let mut watch = HostWatch::default();
        let mut judge = |text: &[u8]| watch.judge(text, 1000);
        assert_eq!(judge(br#"{"online":false,"timestamp":5}"#), Verdict::Offline);
        assert_eq!(judge(br#"{"online":true,"timestamp":10}"#), Verdict::Online);
        assert_eq!(judge(br#"{"online":false,"timestamp":9}"#), Verdict::Ignored);
        assert_eq!(judge(br#"{"online":false,"timestamp":10}"#), Verdict::Offline);
        assert_eq!(judge(br#"{"online":true,"timestamp":9}"#), Verdict::Ignored);
        for nothing in [&b""[..], b"ONLINE", b"{\"online\":1}", b"\xFF", &[b' '; LARGEST + 1]] {
            assert_eq!(judge(nothing), Verdict::Ignored);
        }
    }

    #[test]
    fn a_host_whose_clock_was_wrong_is_believed_again_when_it_is_right() {
        let mut watch = HostWatch::default();
        let far = format!("{{\"online\":true,\"timestamp\":{}}}", 2 * FAR_AHEAD_MS);
        assert_eq!(watch.judge(far.as_bytes(), 1000), Verdict::Online);
        assert_eq!(watch.judge(br#"{"online":false,"timestamp":1000}"#, 1000), Verdict::Offline);
        assert_eq!(watch.judge(br#"{"online":true,"timestamp":1001}"#, 1001), Verdict::Online);
    }
}
