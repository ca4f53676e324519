//! What can be wrong with a simulated controller, as data that is set while it runs.

use std::collections::BTreeSet;
use std::time::Duration;

/// The defects in force; the default is a healthy controller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControllerDefects {
    /// Connections are accepted and nothing is ever answered.
    pub silent: bool,
    /// Each answer takes this long.
    pub delay: Duration,
    /// The next answer, and only it, comes this much later.
    pub delay_next_reply: Option<Duration>,
    /// The key is at program: messages to meters rest, their tags stand still; module connections live.
    pub program_mode: bool,
    /// A download is in progress: every request for a tag is answered with general status 0x10.
    pub downloading: bool,
    /// The module connections are inhibited: the modules' tags keep their last values, their fault tags say so.
    pub modules_faulted: bool,
    /// The fault tags say that all is well, whatever is.
    pub fault_tags_lie: bool,
    /// Tags that do not exist any more.
    pub deleted: BTreeSet<String>,
    /// Tags that are DINT instead of what they were.
    pub retyped: BTreeSet<String>,
    /// Tags that have lost their last element.
    pub shortened: BTreeSet<String>,
    /// Tags without external access.
    pub hidden: BTreeSet<String>,
    /// Replies to reads name one word of additional status and end before it, as was seen in the field.
    pub status_truncated: bool,
}
