//! A configuration file, as a person writes it, environment variables included.

use telegraf_pm500::config::{Config, Overrides};

/// It is taken as a whole or refused in one line.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A profile is a file: a fuzzer should not open this machine's devices.
    if text.contains("profile") && text.contains('/') {
        return;
    }
    match Config::parse(text, &Overrides::default()) {
        Ok(config) => {
            for meter in &config.meters {
                assert!(!meter.name.is_empty() && !meter.interval.is_zero());
            }
        }
        Err(error) => {
            let reason = error.to_string();
            assert!(!reason.is_empty() && !reason.contains('\n'), "{reason:?}");
        }
    }
}
