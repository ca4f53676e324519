//! stdout: the answer to what was asked. Everything else is said on stderr.

use std::io::{self, Write as _};
use std::time::Duration;

use crate::logging;

/// How long stderr is waited for, if nobody reads it.
const TO_SAY: Duration = Duration::from_millis(200);

/// Writes to stdout in one piece; `false` when the reader has gone, which is no error (`dump | head`).
///
/// # Errors
/// Any other reason for which stdout cannot be written.
pub(super) fn print(bytes: impl AsRef<[u8]>) -> anyhow::Result<bool> {
    // What was said before stands before the answer.
    logging::flush(TO_SAY);
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes.as_ref()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes one JSON document to stdout, indented.
///
/// # Errors
/// As [`print`].
pub(super) fn print_json(document: &serde_json::Value) -> anyhow::Result<bool> {
    print(format!("{}\n", serde_json::to_string_pretty(document)?))
}
