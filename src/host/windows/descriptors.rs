//! Handles: Windows gives a process as many as it needs.

/// Nothing is limited that could be raised.
pub fn raise_limit() {}
