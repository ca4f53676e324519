//! Where our files are when nobody says otherwise.

/// Configuration of telegraf-pm500.
pub const CONFIGURATION: &str = "/etc/telegraf-pm500/config.toml";
/// Configuration of telegraf-pm500-sparkplug.
pub const SPARKPLUG_CONFIGURATION: &str = "/etc/telegraf-pm500/sparkplug.toml";
/// What survives a restart, where the directory exists: Telegraf's package makes it.
pub const STATE_FILE: &str = "/var/lib/telegraf/telegraf-pm500.state.json";
/// Where telegraf-pm500-sparkplug keeps its files, where it exists.
pub const STATE_DIRECTORY: &str = "/var/lib/telegraf";
