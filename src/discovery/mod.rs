//! Who is out there? ListIdentity by broadcast, or address by address.
//!
//! ```text
//! targets   what a person named → addresses, few enough
//!   ↓
//! ask       I/O: one question per interface or address, slowly; answers until the time is over
//!   ↓
//! found     answers → devices, each once
//!   ↓
//! show      a table, JSON, and a configuration to paste
//! recommend which way to read a meter, and why, as that configuration
//! ```
//!
//! The question is harmless: every EtherNet/IP device answers it without a session, and nothing is opened.

pub mod ask;
pub mod found;
pub mod recommend;
pub mod show;
pub mod targets;
