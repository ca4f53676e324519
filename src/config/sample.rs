//! The configuration that is shipped as a sample: every option with its default, and no meter.

use std::sync::LazyLock;

use crate::host::places;

/// Its text, for this system.
pub(super) fn text() -> &'static str {
    // The file is the one of Unix; in single quotes a backslash stands for itself.
    static SAMPLE: LazyLock<String> = LazyLock::new(|| {
        let path = places::STATE_FILE;
        let quote = if path.contains('\\') { '\'' } else { '"' };
        let shipped = "\"/var/lib/telegraf/telegraf-pm500.state.json\"";
        include_str!("../../packaging/config.toml").replace(shipped, &format!("{quote}{path}{quote}"))
    });
    &SAMPLE
}
