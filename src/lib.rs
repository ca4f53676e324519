//! Telegraf external input plugin for Allen-Bradley PowerMonitor 500 meters (Bulletin 1420).
//!
//! Data flows one way, top to bottom; a module may use what stands below it, never above:
//!
//! ```text
//! cli, commands     what a person can ask for
//! config            the TOML a person writes → typed, validated settings
//! plugin            the execd life: triggers in, lines out, shutdown
//! collector         one task per meter: schedule, back-off, gaps, health
//! verify            is the map right for this meter? readings → verdicts, and the profile that follows
//! discovery         who is out there? ListIdentity by broadcast and by address
//! source            "give me these tables now": EtherNet/IP explicit, Modbus TCP
//! enip              the EtherNet/IP protocol: bytes ↔ types, and the session
//! metric            a reading → line protocol
//! meter             what the meter is: tables as data, bytes → values, identity, physics
//! simulator         a PowerMonitor 500 on loopback, for tests, demos and people without a meter
//! host              what the operating system gives: descriptors, interfaces, TCP connections
//! logging, suggest  stderr for Telegraf; "did you mean …?"
//! ```

pub mod cli;
pub mod collector;
pub mod commands;
pub mod config;
pub mod discovery;
pub mod enip;
pub mod host;
pub mod logging;
pub mod meter;
pub mod metric;
pub mod plugin;
pub mod simulator;
pub mod source;
pub mod suggest;
pub mod verify;
