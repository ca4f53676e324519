//! Telegraf external input plugin for Allen-Bradley PowerMonitor 500 meters (Bulletin 1420).
//!
//! Data flows one way, top to bottom; a module may use what stands below it, never above:
//!
//! ```text
//! cli, commands     what a person can ask for
//! plugin            the execd life: triggers in, lines out, shutdown
//!   lines             a report → line protocol
//!   display           a report → tables for people
//!   sparkplug         lines → Sparkplug B, the program telegraf-pm500-sparkplug (feature `sparkplug`)
//! verify            is the map right for this meter? readings → verdicts, and the profile that follows
//! collector         one meter: what is due → ask → judge → remember → a report
//! config            the TOML a person writes → typed, validated settings, in parts that fit their users
//! discovery         who is out there? ListIdentity by broadcast and by address
//! source            "give me these blocks now", one file per way: EtherNet/IP explicit or listened, Modbus TCP
//! enip              the EtherNet/IP protocol: bytes ↔ types, and the session
//! schema            what leaves beside the meter's own tables: names, types, meanings
//! meter             what the meter is: tables as data, blocks → values, identity, physics
//! simulator         a PowerMonitor 500 on loopback, for tests, demos and people without a meter
//! host              what the operating system gives: descriptors, interfaces, TCP connections
//! logging           stderr for Telegraf
//! words, suggest    names that people write, and "did you mean …?"
//! ```

pub mod cli;
pub mod collector;
pub mod commands;
pub mod config;
pub mod discovery;
pub mod display;
pub mod enip;
pub mod host;
pub mod lines;
pub mod logging;
pub mod meter;
pub mod plugin;
pub mod schema;
pub mod simulator;
pub mod source;
#[cfg(feature = "sparkplug")]
pub mod sparkplug;
pub mod suggest;
pub mod verify;
pub mod words;
