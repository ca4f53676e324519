//! The clock that nobody sets.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static FIRST_ASKED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time since this was first asked, which differs from that since the host started by what never changes. An
/// `Instant` is Windows' performance counter, which nobody can set and which goes on while the host sleeps.
pub fn since_boot() -> Duration {
    FIRST_ASKED.elapsed()
}
