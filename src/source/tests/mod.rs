//! The readers against devices in memory, in virtual time: silence costs nothing, and hours pass at once.

mod explicit;
mod line;
mod line_life;
mod modbus;

use std::time::Duration;

use super::{Answer, FailureKind, Span, Timeouts};

const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(2), request: Duration::from_secs(1) };
/// Longer than any test reads.
const LONG: Duration = Duration::from_secs(600);

/// What failed, and as what.
fn failed(answer: &Answer) -> Vec<(Span, FailureKind)> {
    answer.failures.iter().map(|(span, failure)| (*span, failure.kind)).collect()
}
