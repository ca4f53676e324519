//! Where our files are when nobody says otherwise: under what `%ProgramData%` is on every host whose administrator has not
//! moved it.

/// Configuration of telegraf-pm500.
pub const CONFIGURATION: &str = r"C:\ProgramData\telegraf-pm500\config.toml";
/// Configuration of telegraf-pm500-sparkplug.
pub const SPARKPLUG_CONFIGURATION: &str = r"C:\ProgramData\telegraf-pm500\sparkplug.toml";
/// What survives a restart, where the directory exists.
pub const STATE_FILE: &str = r"C:\ProgramData\telegraf-pm500\telegraf-pm500.state.json";
/// Where telegraf-pm500-sparkplug keeps its files, where it exists.
pub const STATE_DIRECTORY: &str = r"C:\ProgramData\telegraf-pm500";
